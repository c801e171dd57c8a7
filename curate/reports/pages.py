"""What the pages for people share: one file each, no script, nothing fetched, everything escaped; and histograms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from curate.reports import run_record
from curate.reports.facts import BINS, Histogram
from curate.reports.visible import prose, visible

WIDTH, HEIGHT, TOP, BOTTOM = 400.0, 96.0, 14.0, 14.0
"""Of a histogram, in its own units: the drawing, and the room above and below it for labels."""


def render(template: str, contents: Mapping[str, Any]) -> bytes:
    """A page from one of the templates beside this file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent, encoding="utf-8"), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip
    environment.filters |= {"n": _number, "pct": _percent, "short": _short, "hex": bytes.hex, "prose": prose}
    return environment.get_template(template).render(contents).encode("utf-8")


@dataclass(frozen=True)
class Bar:
    """One bin of a histogram, or the part of it beyond a bound, placed."""

    x: float
    y: float
    width: float
    height: float
    outside: bool
    """Whether it stands for documents beyond a bound."""

    title: str


@dataclass(frozen=True)
class Mark:
    """A bound, placed."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True)
class Drawing:
    """A histogram as the template draws it."""

    of: Histogram
    bars: Sequence[Bar]
    marks: Sequence[Mark]


def draw(histogram: Histogram) -> Drawing:
    """Bars as high as their share of the largest bin, with what lies beyond a bound at the foot, and the bounds."""
    step = (histogram.high - histogram.low) / len(histogram.counts)
    peak = max(histogram.counts)
    width = WIDTH / BINS
    start = 0.0 if step else (WIDTH - width) / 2
    bars = []
    for number, (count, beyond) in enumerate(zip(histogram.counts, histogram.beyond, strict=True)):
        left, right = histogram.low + number * step, histogram.low + (number + 1) * step
        values = f"{left:.4g} to {right:.4g}" if step else f"{left:.4g}"
        foot, title = TOP + HEIGHT, f"{values}: {count:,}, {beyond:,} of them beyond a bound"
        for part, outside in ((beyond, True), (count - beyond, False)):
            if part:
                # A single document is still seen: half a unit at least.
                height = max(0.5, HEIGHT * part / peak)
                foot -= height
                bars.append(Bar(start + number * width, foot, width - 1, height, outside, title))
    return Drawing(histogram, bars, [_mark(histogram, side, bound) for side, bound in histogram.bounds])


def _mark(histogram: Histogram, side: str, bound: float) -> Mark:
    """A bound beyond the values is drawn at their edge, with an arrow that says where it is."""
    width = histogram.high - histogram.low
    # With one value there is no scale: its bar stands in the middle, a bound beside it at an edge.
    at = (bound - histogram.low) / width if width else 0.5 + (bound > histogram.low) - (bound < histogram.low)
    x = min(max(at, 0.0), 1.0) * WIDTH
    label = f"{'≥' if side == 'min' else '≤'} {run_record.number(bound)}"
    if at < 0:
        label = f"← {label}"
    if at > 1:
        label = f"{label} →"
    return Mark(x, label, "start" if x < WIDTH / 2 else "end")


def _shown(value: Any) -> Any:
    """Data without characters that cannot be seen; what the template escaped already (a subclass of str) as it is."""
    return "\n".join(map(visible, value.split("\n"))) if type(value) is str else value


def _number(value: float) -> str:
    """1234567 -> 1,234,567; 28581.3 -> 28,581; 0.123456 -> 0.1235."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _short(text: str | None) -> str:
    """At most 100 characters of a URL or path, its middle left out."""
    if text is None:
        return "no URL"
    return text if len(text) <= 100 else f"{text[:60]}…{text[-38:]}"
