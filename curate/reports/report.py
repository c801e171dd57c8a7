"""report.html in the work folder: what a run did, for people. One file: no script, nothing fetched, everything escaped.

Read from the ledger, run.json and the published manifest; nothing is measured or decided again.
"""

import json
from collections.abc import Mapping
from typing import Any

from curate import judge_plan
from curate.config import RunConfig
from curate.judging import evaluation
from curate.judging.judge import rubrics
from curate.llm.session import Llm
from curate.reports import bill, clusters, duplicates, facts, run_record
from curate.reports.facts import FunnelRow
from curate.reports.pages import draw, render
from curate.reports.run_record import Measure, RunRecord
from curate.reports.trimmed import trimmed
from curate.result import RunResult
from curate.storage import Store

NAME = "report.html"

SYNTHESIS = ("asked", "accepted", "rejected", "failed", "llm.prompt_tokens", "llm.completion_tokens")
"""Counters of the synthesis that are shown."""


COMPARISONS = 10
"""Near-duplicates whose texts are shown beside their keepers', where `report.samples` asks for as many or more."""

PLACES = 4
"""Places of two texts that are shown."""


def write(work: Store, config: RunConfig, result: RunResult) -> None:
    """Replace report.html. The ledger and run.json of this run are written before."""
    work.put(NAME, render("report.html", _contents(work, config, result)))


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
        "duplicates": _duplicates(work, config, ledger),
        "trimmed": trimmed(work, record, with_text=config.report.samples > 0),
        "histograms": [draw(h) for m in record.measures if (h := facts.histogram(ledger, m, record.measures))],
        "by_language": run_record.by_language(record.measures),
        "judge": _judge(config, ledger, record),
        "quarantine": facts.quarantine(ledger),
        "synthetic_fates": facts.synthetic_reasons(ledger),
        "samples": _samples(work, config, ledger),
    }


def _duplicates(work: Store, config: RunConfig, ledger: Any) -> dict[str, Any]:
    """What deduplication found, and what it did not compare."""
    record = run_record.read(work.root)
    near = config.dedup.minhash if config.dedup else None
    found = duplicates.similarities(work, record, near.min_similarity) if near else None
    sizes = duplicates.sizes(ledger)
    shown = min(COMPARISONS, config.report.samples)
    return {
        "sizes": sizes,
        "most": max((size.documents for size in sizes), default=0),
        "several": clusters.totals(work.root),
        "crossed": duplicates.crossed(ledger, config.seed),
        "largest": clusters.largest(work.root, facts.SHOWN),
        "similarities": draw(found) if found else None,
        "inputs": len({each.source for each in config.inputs}),
        "places": PLACES,
        "bound": near.min_similarity if near else None,
        "steps": duplicates.steps(record, near),
        "doubtful": duplicates.least_similar(work.root, ledger, shown) if shown else [],
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


def _judge(config: RunConfig, ledger: Any, record: RunRecord) -> dict[str, Any] | None:
    """Scores and statuses; None where nobody was judged."""
    if config.judge is None or config.llm is None:
        return None
    identity = Llm.identity_of(config.llm)
    keep = config.judge.keep
    bounds = (keep.min, keep.max, keep.keep_fraction) if keep else (None, None, None)
    quality = Measure("judge.quality", "quality", "expected value", *bounds)
    found = facts.histogram(ledger, quality, [quality])
    return {
        "rubric": config.judge.rubric.rpartition("/")[2],
        "bounds": run_record.describe(keep),
        "known": [evaluation.note(config.judge, *each, identity) for each in rubrics(config.judge).items()],
        "histogram": draw(found) if found else None,
        "statuses": facts.statuses(ledger),
        "models": facts.models(ledger),
        "bill": bill.lines(record.bill, judge_plan.saved(config)),
    }
