"""The registered filters as text for a terminal."""

import inspect

import filters
from curate.errors import ConfigError
from filters import Filter


def table() -> str:
    """A line a filter: name, semantics and version, the source's bounds, unit, source."""
    rows = [("filter", "semantics", "bounds", "unit", "source")]
    rows += [
        (f.name, f"{f.semantics}.{f.version}", bounds(f), f.unit, f.source) for _, f in sorted(filters.FILTERS.items())
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def one(name: str) -> str:
    """All about a filter. Raises ConfigError with near misses."""
    try:
        chosen = filters.get(name)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    reach = f"{_end(chosen.low)}..{_end(chosen.high)}"
    lines = [
        chosen.name, "", inspect.getdoc(chosen.measure) or "", "",
        f"column  {chosen.column}", f"unit    {chosen.unit}", f"source  {chosen.source}",
        f"reach   {reach}", f"bounds  {bounds(chosen)} (of the source; a config that sets none only records the value)",
    ]  # fmt: skip
    knobs = [p for p in inspect.signature(chosen.measure).parameters.values() if p.kind is p.KEYWORD_ONLY]
    return "\n".join([*lines, *(f"param   {knob}" for knob in knobs)])


def bounds(chosen: Filter) -> str:
    """The bounds of the filter's source, such as `0.8..`; `-` where it has none."""
    low, high = chosen.default.min, chosen.default.max
    return (
        "-"
        if low is None and high is None
        else f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
    )


def _end(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
