"""The registered filters and transforms as text for a terminal."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_origin

import filters
from curate.config.lists import list_knobs
from curate.errors import ConfigError
from filters import Filter, TextBatch, Transform
from filters.evaluation import EvaluationSets
from filters.fasttext import Classifier

EXAMPLE_URL = "https://www.harbour.no/visitors/office"
EXAMPLE = (
    "The harbour of Bergen\n\nShips have come here for a thousand years. They brought salt, grain and news.\n"
    "- Fish went out, and the town grew with it.\n\nAsk the harbour office: office@harbour.no. Read more...\n"
)
"""What the example of each filter is about."""

DEVIATES = ("DIFFERS", "NOT IMPLEMENTED")


def table() -> str:
    """A line a filter: name, semantics and version, the source's bounds, unit, source; then the transforms."""
    measures = [
        (f.name, f"{f.semantics}.{f.version}", bounds(f), f.unit, f.source, _deviates(f.measure))
        for _, f in sorted(filters.FILTERS.items())
    ]
    rewrites = [
        (t.name, f"{t.semantics}.{t.version}", t.source, _deviates(t.rewrite), t.doc)
        for _, t in sorted(filters.TRANSFORMS.items())
    ]
    both = [
        _aligned([("filter", "semantics", "bounds", "unit", "source", "deviates"), *measures]),
        _aligned([("transform", "semantics", "source", "deviates", "what it does"), *rewrites]),
    ]
    return "\n\n".join([*both, "`curate filters NAME` says more: the definition, where it deviates, and an example."])


def one(name: str) -> str:
    """All about a filter or a transform. Raises ConfigError with near misses."""
    try:
        chosen = filters.get_transform(name) if name in filters.TRANSFORMS else filters.get(name)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return _filter(chosen) if isinstance(chosen, Filter) else _transform(chosen)


def bounds(chosen: Filter) -> str:
    """The bounds of the filter's source, such as `0.8..`; `-` where it has none."""
    low, high = chosen.default.min, chosen.default.max
    return "-" if low is None and high is None else f"{_end(low)}..{_end(high)}"


def _filter(chosen: Filter) -> str:
    return "\n".join([
        *_definition(chosen.name, chosen.measure),
        f"column   {chosen.column}",
        f"unit     {chosen.unit}",
        f"source   {chosen.source}",
        f"reach    {_end(chosen.low)}..{_end(chosen.high)}",
        f"bounds   {bounds(chosen)} (of the source; a config that sets none only records the value)",
        *_knobs(chosen.measure),
        *_example(chosen),
    ])  # fmt: skip


def _example(chosen: Filter) -> list[str]:
    if Classifier in list_knobs(chosen.measure).values():
        return [
            "example  none: the value is the model's, and none is shipped; `curate preview CONFIG` shows those of yours"
        ]
    value = chosen.measure(_batch(), **_required(chosen.measure))[0]
    return [f"example  {value:g} for", "", _indented(EXAMPLE_URL if chosen.reads_urls else EXAMPLE)]


def _transform(chosen: Transform) -> str:
    after = chosen.apply(_batch(), **_required(chosen.rewrite))
    return "\n".join([
        *_definition(chosen.name, chosen.rewrite),
        f"label    {chosen.label}",
        f"source   {chosen.source}",
        *_knobs(chosen.rewrite),
        "example", "", _indented(EXAMPLE), "", "becomes", "", _indented(after.data.tobytes().decode()),
    ])  # fmt: skip


def _definition(name: str, function: Callable[..., Any]) -> Sequence[str]:
    module = inspect.getdoc(sys.modules[function.__module__]) or ""
    return name, "", inspect.getdoc(function) or "", "", module, ""


def _knobs(function: Callable[..., Any]) -> list[str]:
    lists = list_knobs(function)
    shown = dict.fromkeys(lists, "path of a list, or several; one entry a line")
    shown |= {name: "language: path of a list, or several" for name in lists if get_origin(lists[name]) is Mapping}
    shown |= {name: "path of a fastText classifier, .bin or .ftz" for name in lists if lists[name] is Classifier}
    said = "name: path of JSONL or text, several, or {files: ..., fields: [...]}"
    shown |= {name: said for name in lists if lists[name] is EvaluationSets}
    return [
        f"param    {f'{knob.name}: {shown[knob.name]}' if knob.name in lists else knob}"
        for knob in _keyword_only(function)
    ]


def _required(function: Callable[..., Any]) -> dict[str, Any]:
    """Knobs without a default have none to show."""
    return {knob.name: knob.default for knob in _keyword_only(function) if knob.default is not knob.empty}


def _keyword_only(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]


def _deviates(function: Callable[..., Any]) -> str:
    said = f"{inspect.getdoc(function)}\n{inspect.getdoc(sys.modules[function.__module__])}"
    return "yes" if any(word in said for word in DEVIATES) else "-"


def _batch() -> TextBatch:
    return TextBatch.of([EXAMPLE], langs=["eng_Latn"], urls=[EXAMPLE_URL])


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def _end(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
