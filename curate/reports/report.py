"""report.html in the work folder: what a run did, for people. One file: no script, nothing fetched, everything escaped.

Read from the ledger, run.json and the published manifest; nothing is measured or decided again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from curate.config import RunConfig
from curate.reports import facts, run_record
from curate.reports.facts import FunnelRow, Histogram
from curate.reports.run_record import Measure
from curate.reports.visible import prose, visible
from curate.result import RunResult
from curate.storage import Store

NAME = "report.html"

TEMPLATE = Path(__file__).with_name("report.html")

SYNTHESIS = ("asked", "accepted", "rejected", "failed", "llm.prompt_tokens", "llm.completion_tokens")
"""Counters of the synthesis that are shown."""

WIDTH, HEIGHT, TOP, BOTTOM = 400.0, 96.0, 14.0, 14.0
"""Of a histogram, in its own units: the drawing, and the room above and below it for labels."""


def write(work: Store, config: RunConfig, result: RunResult) -> None:
    """Replace report.html. The ledger and run.json of this run are written before."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    environment.filters |= {"n": _number, "pct": _percent, "short": _short, "hex": bytes.hex, "prose": prose}
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
        "reasons": facts.reasons(ledger, max(1, result.records_in + result.written)),
        "languages": languages,
        "sources": facts.groups(ledger, "source"),
        "tokens": sum(language.tokens for language in languages),
        "cross": facts.cross_language(ledger, config.seed),
        "duplicates": facts.duplicates(ledger),
        "histograms": [_draw(h) for m in record.measures if (h := facts.histogram(ledger, m))],
        "by_language": run_record.by_language(record.measures),
        "judge": _judge(config, ledger),
        "quarantine": facts.quarantine(ledger),
        "synthetic_fates": facts.synthetic_reasons(ledger),
        "samples": _samples(work, config, ledger),
    }


def _samples(work: Store, config: RunConfig, ledger: Any) -> dict[str, list[dict[str, Any]]]:
    """Heads of documents by kind; none unless the config asks for them."""
    kinds = {"Kept": ("kept", False), "Rejected": ("rejected", False), "Synthetic, kept": ("kept", True)}
    if not config.report.samples:
        return {}
    return {
        title: facts.samples(work, ledger, config.seed, config.report.samples, status=status, synthetic=synthetic)
        for title, (status, synthetic) in kinds.items()
    }


def _manifest(result: RunResult) -> Mapping[str, Any]:
    """The published manifest; empty where nothing was published."""
    if result.version is None:
        return {}
    path = result.output / "versions" / result.version / "_manifest.json"
    values: Mapping[str, Any] = json.loads(path.read_bytes())
    return values


def _synthesis(result: RunResult) -> Mapping[str, int]:
    """What became of the questions, in that order, and what they cost; empty where none was asked."""
    counts = next((s.counts for s in result.stages if s.name == "synthesize"), {})
    names = {name: name.removeprefix("llm.").replace("_", " ") for name in SYNTHESIS if name in counts}
    return {shown: counts[name] for name, shown in names.items()}


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


def _draw(histogram: Histogram) -> Drawing:
    """Bars as high as their share of the largest bin, with what lies beyond a bound at the foot, and the bounds."""
    step = (histogram.high - histogram.low) / len(histogram.counts)
    peak = max(histogram.counts)
    width = WIDTH / len(histogram.counts)
    bars = []
    for number, (count, beyond) in enumerate(zip(histogram.counts, histogram.beyond, strict=True)):
        left, right = histogram.low + number * step, histogram.low + (number + 1) * step
        foot, title = TOP + HEIGHT, f"{left:.4g} to {right:.4g}: {count:,}, {beyond:,} of them beyond a bound"
        for part, outside in ((beyond, True), (count - beyond, False)):
            if part:
                # A single document is still seen: half a unit at least.
                height = max(0.5, HEIGHT * part / peak)
                foot -= height
                bars.append(Bar(number * width, foot, width - 1, height, outside, title))
    return Drawing(histogram, bars, [_mark(histogram, side, bound) for side, bound in histogram.bounds])


def _mark(histogram: Histogram, side: str, bound: float) -> Mark:
    """A bound beyond the values is drawn at their edge, with an arrow that says where it is."""
    at = (bound - histogram.low) / (histogram.high - histogram.low)
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
