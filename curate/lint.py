"""What in a config is allowed and yet does not do what it seems to: each finding says where, why and what to write.

What cannot be meant at all (a minimum above its maximum, a bound that no value reaches) is refused when the file is
read.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

import filters
from curate.config import RunConfig, yaml_source
from curate.config.languages import inherited, own_change
from curate.config.measures import FilterConfig, Measured, MeasureStep, TransformConfig
from curate.config.yaml_source import KeyPath
from curate.sample import Sample

FINDS_ITS_LEAVINGS = {
    "c4.clean": "c4.", "refinedweb.clean": "refinedweb.", "invisible.strip": "invisible.", "pii.mask": "pii."
}  # fmt: skip
"""Transform -> the measures of what it takes out: behind it they find next to nothing."""

MEASURED_ON_ITS_RESULT = {"c4.clean": "fineweb."}
"""Transform -> the measures that their source takes of its result: FineWeb's code runs C4's rules first."""

ONE_PASS = ("c4.",)
"""Families that are one walk over the lines: only with equal knobs do measures and transform mean the same lines."""

NEVER_ABOVE = (
    ("length.characters", "length.bytes"), ("length.words", "length.characters"),
    ("gopher.word_count", "length.words"), ("nemo.word_count", "length.characters"),
    ("nemo.longest_word", "length.characters"),
    *((f"invisible.{kind}_per_thousand", "invisible.per_thousand")
      for kind in ("control", "bidi", "variation", "tag", "format")),
    *((f"refinedweb.removed_{rule}", "refinedweb.removed_word_ratio")
      for rule in ("uppercase", "numeric", "counter", "one_word", "call")),
)  # fmt: skip
"""(a, b): of no text is the value of a above that of b."""

FEW = 10
"""A bound that removes none or all of fewer documents says nothing."""

SIDES = ("min", "max")


@dataclass(frozen=True)
class Finding:
    """One place of a config that does not do what it seems to."""

    at: KeyPath
    why: str
    instead: str


def lint(config: RunConfig) -> list[Finding]:
    """What the config itself shows."""
    entries = _entries(config)
    return [
        *_never_fires(entries),
        *_shadowed(entries),
        *_two_semantics(entries),
        *_out_of_order(config.measure, entries),
        *_unequal_knobs(config.measure),
        *_idle_languages(config, entries),
    ]


def lint_sample(config: RunConfig, sample: Sample) -> list[Finding]:
    """The bounds that remove none or all of the sample's documents, or all of a language's, each bound alone."""
    facts = sample.facts.filter(pl.col("text_chars") > 0)
    if config.languages is not None:
        facts = facts.filter(pl.col("lang").is_in(list(config.languages)))
    return [f for number, each in _entries(config) for side in SIDES for f in _idle(config, number, each, side, facts)]


def located(findings: Sequence[Finding], path: Path) -> list[str]:
    """A line a finding, in the order of the file that the config was read from."""
    values, lines = yaml_source.read(path)
    told = [(yaml_source.line_of(f.at, lines) or 0, yaml_source.dotted(f.at, values), f) for f in findings]
    return [f"{path}:{line}: {at}: {f.why}; {f.instead}" for line, at, f in sorted(told, key=lambda t: t[:2])]


def _entries(config: RunConfig) -> list[tuple[int, Measured]]:
    """The filters with their number in `measure`."""
    numbers = [n for n, step in enumerate(config.measure) if isinstance(step, FilterConfig)]
    return list(zip(numbers, config.measured, strict=True))


def _never_fires(entries: Sequence[tuple[int, Measured]]) -> Iterator[Finding]:
    for number, each in entries:
        keep, at = each.filter.keep, ("measure", number, "keep")
        for side, end in _reach(each).items():
            if keep and end is not None and getattr(keep, side) == end:
                why = f"{side} {end:g} never removes a document, as {each.filter.filter} has no value beyond {end:g}"
                yield Finding((*at, side), why, f"leave {side} out")
        if keep and keep.keep_fraction in (0.0, 1.0):
            kept = "every document" if keep.keep_fraction else "no document"
            why = f"keep_fraction {keep.keep_fraction:g} keeps {kept}"
            yield Finding((*at, "keep_fraction"), why, "write a share between 0 and 1, or leave keep out")


def _reach(each: Measured) -> dict[str, float | None]:
    chosen = filters.get(each.filter.filter)
    return {"min": chosen.low, "max": chosen.high}


def _shadowed(entries: Sequence[tuple[int, Measured]]) -> Iterator[Finding]:
    for (i, small), (j, large) in ((a, b) for a in entries for b in entries):
        related = (small.filter.filter, large.filter.filter) in NEVER_ABOVE and small.after == large.after
        ours, theirs = small.filter.keep, large.filter.keep
        if not related or not ours or not theirs or small.by_language or large.by_language:
            continue
        never_above = f"{small.filter.filter} is never above {large.filter.filter}"
        if ours.min is not None and theirs.min is not None and ours.min >= theirs.min:
            yield _shadow((j, large), "min", (i, small), never_above)
        if ours.max is not None and theirs.max is not None and theirs.max <= ours.max:
            yield _shadow((i, small), "max", (j, large), never_above)


def _shadow(idle: tuple[int, Measured], side: str, by: tuple[int, Measured], never_above: str) -> Finding:
    stricter = f"{by[1].filter.filter} with {side} {getattr(by[1].filter.keep, side):g}"
    why = f"what it removes, {stricter} (measure.{by[0]}) removes as well: {never_above}"
    return Finding(("measure", idle[0], "keep", side), why, f"leave {side} out here, or loosen the other")


def _two_semantics(entries: Sequence[tuple[int, Measured]]) -> Iterator[Finding]:
    first: dict[str, filters.Filter] = {}
    for number, each in entries:
        chosen = filters.get(each.filter.filter)
        other = first.setdefault(chosen.rule, chosen)
        if other.semantics != chosen.semantics:
            why = (
                f"{chosen.rule} is measured by the {other.semantics} definition above and by the {chosen.semantics} one"
            )
            yield Finding(("measure", number, "filter"), why, "bound one of them, and take the other out")


def _out_of_order(steps: Sequence[MeasureStep], entries: Sequence[tuple[int, Measured]]) -> Iterator[Finding]:
    transforms = [(n, step) for n, step in enumerate(steps) if isinstance(step, TransformConfig)]
    for (number, each), (place, step) in ((e, t) for e in entries for t in transforms):
        name, at = each.filter.filter, ("measure", number, "filter")
        if place < number and name.startswith(_taken_out(step)):
            why = f"it is about the text before {step.transform} (measure.{place}), and sees what that leaves"
            yield Finding(at, why, f"move it above measure.{place}")
        if place > number and name.startswith(MEASURED_ON_ITS_RESULT.get(step.transform, "\0")):
            why = f"its source measures what {step.transform} leaves, and that comes later (measure.{place})"
            yield Finding(at, why, f"move it below measure.{place}")


def _taken_out(step: TransformConfig) -> tuple[str, ...]:
    """Beginnings of the names of measures that count what the transform takes out."""
    family = FINDS_ITS_LEAVINGS.get(step.transform)
    kinds = step.params.get("kinds", [""])
    return tuple(f"{family}{kind}" for kind in kinds) if family else ()


def _unequal_knobs(steps: Sequence[MeasureStep]) -> Iterator[Finding]:
    """Of each family one knob is right: the transform's, else that of the first entry."""
    for family in ONE_PASS:
        named = [(n, s, _name(s)) for n, s in enumerate(steps) if _name(s).startswith(family)]
        named.sort(key=lambda entry: not isinstance(entry[1], TransformConfig))
        for number, step, name in named[1:]:
            place, model, of = named[0]
            for knob, value in _knobs(step).items():
                if value != (wanted := _knobs(model).get(knob, value)):
                    why = f"{knob} is {_yaml(value)} for {name} and {_yaml(wanted)} for {of} (measure.{place})"
                    instead = f"write params: {{{knob}: {_yaml(wanted)}}}, or change the other"
                    yield Finding(("measure", number, "params", knob), why, instead)


def _name(step: MeasureStep) -> str:
    return step.transform if isinstance(step, TransformConfig) else step.filter


def _knobs(step: MeasureStep) -> dict[str, Any]:
    """What the step runs with: its parameters, and the defaults of the others."""
    knobs = inspect.signature(step.function).parameters.values()
    return {p.name: step.params.get(p.name, p.default) for p in knobs if p.kind is p.KEYWORD_ONLY}


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _idle_languages(config: RunConfig, entries: Sequence[tuple[int, Measured]]) -> Iterator[Finding]:
    """Rows that no document meets, and sides that say what is inherited anyway."""
    table = config.by_language
    models = {row.like for row in table.values()}
    for language, row in table.items():
        if config.languages is not None and language not in config.languages and language not in models:
            why = f"no document meets this row: `languages` turns {language} away"
            yield Finding(("by_language", language), why, f"take it out, or add {language} to languages")
        for (name, change), each in ((own, e) for _, e in entries if (own := own_change(e, row))):
            before = dict(zip(SIDES, inherited(each, language, table), strict=True))
            for side, value in change.as_written().items():
                if value == before[side]:
                    why = f"{side} {_shown(value)} is what {language} inherits anyway"
                    yield Finding(("by_language", language, name, side), why, f"leave {side} out")
                elif value is not None and value == _reach(each)[side]:
                    why = f"{side} {value:g} never removes a document, as {name} has no value beyond {value:g}"
                    yield Finding(("by_language", language, name, side), why, f"write {side}: null")


def _shown(value: float | None) -> str:
    return "null" if value is None else f"{value:g}"


def _idle(config: RunConfig, number: int, each: Measured, side: str, facts: pl.DataFrame) -> Iterator[Finding]:
    """What one side of one measure's bounds does to documents, by where the bound is written."""
    at_end = _reach(each)[side]  # such a bound removes none of any documents: `lint` says so
    if (bound := getattr(each.filter.keep, side, None)) not in (None, at_end):
        own = [k for k, b in each.by_language.items() if getattr(b, side, None) != bound]
        shared = facts.filter(~pl.col("lang").is_in(own)).select("lang", value=each.column).drop_nulls("value")
        at = ("measure", number, "keep", side)
        yield from list(_useless(at, side, bound, shared["value"])) or _emptied(at, each, bound, shared)
    for language, row in config.by_language.items():
        own_name, change = own_change(each, row) or ("", None)
        if change and (written := change.as_written().get(side)) not in (None, at_end):
            values = facts.filter(pl.col("lang") == language)[each.column]
            yield from _useless(("by_language", language, own_name, side), side, written, values)


def _useless(at: KeyPath, side: str, bound: float, values: pl.Series) -> Iterator[Finding]:
    values = values.drop_nulls()
    removed = _removed(side, bound, values)
    if len(values) < FEW or 0 < removed < len(values):
        return
    amount = f"all {removed}" if removed else f"none of {len(values)}"
    why = f"{side} {bound:g} removes {amount} documents of the sample, whose values are {_range(values)}"
    yield Finding(at, why, "loosen it" if removed else "tighten it or leave it out, if a larger sample says the same")


def _emptied(at: KeyPath, each: Measured, bound: float, shared: pl.DataFrame) -> Iterator[Finding]:
    """One finding for the languages of which a bound that they share with others leaves nothing."""
    side, name = str(at[-1]), each.filter.filter
    by_language = {str(key): frame["value"] for (key,), frame in sorted(shared.group_by("lang"))}
    gone = {k: v for k, v in by_language.items() if len(v) >= FEW and _removed(side, bound, v) == len(v)}
    if not gone:
        return
    told = ", ".join(f"{len(v)} documents of {k} (values {_range(v)})" for k, v in gone.items())
    row = f"by_language.{next(iter(gone))}.{name}: {{{side}: null}}{' and so on' if len(gone) > 1 else ''}"
    why = f"{side} {bound:g} removes all {told}"
    yield Finding(at, why, f"add {row}, or name the languages to keep in `languages`")


def _removed(side: str, bound: float, values: pl.Series) -> int:
    return int(((values < bound) if side == "min" else (values > bound)).sum())


def _range(values: pl.Series) -> str:
    return " to ".join(f"{float(end):g}" for end in (values.min(), values.max()))  # type: ignore[arg-type]
