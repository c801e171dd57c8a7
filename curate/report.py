"""report.html in the work folder: what a run did, for people. One file: no script, nothing fetched, everything escaped.

Read from the ledger, run.json and the published manifest; nothing is measured or decided again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from curate import report_facts as facts
from curate import run_record
from curate.config import RunConfig
from curate.report_facts import FunnelRow, Histogram
from curate.result import RunResult
from curate.run_record import Measure, RunRecord
from curate.storage import Store

NAME = "report.html"

TEMPLATE = Path(__file__).with_name("report.html")

WIDTH, HEIGHT, TOP, BOTTOM = 400.0, 96.0, 14.0, 14.0
"""Of a histogram, in its own units: the drawing, and the room above and below it for labels."""


def write(work: Store, config: RunConfig, result: RunResult) -> None:
    """Replace report.html. The ledger and run.json of this run are written before."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"n": _number, "pct": _percent, "short": _short, "hex": bytes.hex}
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(_contents(work, config, result))
    work.put(NAME, page.encode("utf-8"))


def funnel(work: Store) -> list[FunnelRow]:
    """From the documents read to those kept, a row a step; empty where the run had no input."""
    ledger = facts.scan(work)
    return [] if ledger is None else facts.funnel_rows(ledger)


def _contents(work: Store, config: RunConfig, result: RunResult) -> dict[str, Any]:
    """Everything that the template shows."""
    record = run_record.read(work.root)
    manifest = _manifest(result)
    ledger = facts.scan(work)
    contents: dict[str, Any] = {
        "config": config, "result": result, "record": record, "rows": [], "parts": manifest.get("shards", []),
        "stages": [stage for stage in result.stages if stage.tasks], "synthesis": _synthesis(result),
        "seconds": sum(stage.seconds for stage in result.stages), "has_rows": ledger is not None,
    }  # fmt: skip
    if ledger is None:
        return contents
    languages = facts.groups(ledger, "lang")
    return contents | {
        "rows": facts.funnel_rows(ledger),
        "reasons": facts.reasons(ledger, max(1, result.records_in)),
        "languages": languages,
        "sources": facts.groups(ledger, "source"),
        "tokens": sum(language.tokens for language in languages),
        "cross": facts.cross_language(ledger, config.seed),
        "duplicates": facts.duplicates(ledger),
        "histograms": [_draw(h) for m in record.measures if (h := facts.histogram(ledger, m))],
        "judge": _judge(config, ledger),
        "quarantine": facts.quarantine(ledger),
        "synthetic_fates": facts.synthetic_reasons(ledger),
        "samples": {
            "Kept": facts.samples(work, ledger, config.seed, status="kept", synthetic=False),
            "Rejected": facts.samples(work, ledger, config.seed, status="rejected", synthetic=False),
            "Synthetic, kept": facts.samples(work, ledger, config.seed, status="kept", synthetic=True),
        },
    }


def _manifest(result: RunResult) -> Mapping[str, Any]:
    """The published manifest; empty where nothing was published."""
    if result.version is None:
        return {}
    path = result.output / "versions" / result.version / "_manifest.json"
    values: Mapping[str, Any] = json.loads(path.read_bytes())
    return values


def _synthesis(result: RunResult) -> Mapping[str, int]:
    """The counters of the synthesis by their names; empty where there was none."""
    return next((dict(sorted(s.counts.items())) for s in result.stages if s.name == "synthesize"), {})


def _judge(config: RunConfig, ledger: Any) -> dict[str, Any] | None:
    """Scores and statuses; None where nobody was judged."""
    if config.judge is None:
        return None
    keep = config.judge.keep
    bounds = (keep.min, keep.max, keep.keep_fraction) if keep else (None, None, None)
    found = facts.histogram(ledger, Measure("judge.quality", "quality", "expected value", *bounds))
    return {
        "rubric": config.judge.rubric.rpartition("/")[2],
        "bounds": run_record.describe(keep),
        "histogram": _draw(found) if found else None,
        "statuses": facts.statuses(ledger),
        "models": facts.models(ledger),
    }


@dataclass(frozen=True)
class Bar:
    """One bin of a histogram, placed."""

    x: float
    y: float
    width: float
    height: float
    outside: bool
    """Whether the whole bin lies beyond a bound."""

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


def _draw(histogram: Histogram) -> Drawing:
    """Bars with the height of their share of the largest bin, and a line for every bound."""
    step = (histogram.high - histogram.low) / len(histogram.counts)
    peak = max(histogram.counts)
    width = WIDTH / len(histogram.counts)
    bars = []
    for number, count in enumerate(histogram.counts):
        if not count:
            continue
        left, right = histogram.low + number * step, histogram.low + (number + 1) * step
        # A single document is still seen: half a unit at least.
        height = max(0.5, HEIGHT * count / peak)
        title = f"{left:.4g} to {right:.4g}: {count:,}"
        bars.append(
            Bar(number * width, TOP + HEIGHT - height, width - 1, height, _outside(histogram, left, right), title)
        )
    return Drawing(histogram, bars, [_mark(histogram, side, bound) for side, bound in histogram.bounds])


def _outside(histogram: Histogram, left: float, right: float) -> bool:
    # The step is added up in floating point: a bin that ends at its bound must not count as crossing it.
    slack = (right - left) * 1e-6
    return any(right <= bound + slack if side == "min" else left >= bound - slack for side, bound in histogram.bounds)


def _mark(histogram: Histogram, side: str, bound: float) -> Mark:
    """A bound beyond the values is drawn at their edge; its label says where it is."""
    span = histogram.high - histogram.low
    x = min(max((bound - histogram.low) / span, 0.0), 1.0) * WIDTH if span else 0.0
    return Mark(x, f"{'≥' if side == 'min' else '≤'} {bound:g}", "start" if x < WIDTH / 2 else "end")


def _number(value: float) -> str:
    """1234567 -> 1,234,567; 0.123456 -> 0.1235."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _short(text: str | None) -> str:
    """At most 100 characters of a URL or path, its middle left out."""
    if text is None:
        return "no URL"
    return text if len(text) <= 100 else f"{text[:60]}…{text[-38:]}"


__all__ = ["NAME", "FunnelRow", "RunRecord", "funnel", "write"]
