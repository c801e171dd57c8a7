"""The last lines of a run: what came in, what is kept and why not the rest, and where to look."""

import polars as pl

import curate
from curate.result import RunResult

TOP_REASONS = 5


def summary(result: RunResult) -> str:
    """A few lines for a terminal."""
    lines = [
        f"{result.records_in:,} records in: {result.kept:,} kept, {result.rejected:,} rejected, "
        f"{result.quarantined:,} quarantined"
    ]
    top = list(result.reasons.items())[:TOP_REASONS]
    if top:
        lines.append("most rejected by: " + ", ".join(f"{rule} {n:,}" for rule, n in top))
    lines += _model_lines(result)
    lines += [f"note: {note}" for note in result.notes]
    lines += [f"failed: {failure}" for failure in result.failures]
    if result.nothing_to_do:
        lines.append("everything is done already")
    lines.append(
        f"version: {result.output / 'versions' / result.version}" if result.version else "nothing was published"
    )
    lines.append(f"report:  {result.report}")
    return "\n".join(lines)


def _model_lines(result: RunResult) -> list[str]:
    """What the judge and the writer did; empty where there was none."""
    stages = {stage.name for stage in result.stages}
    rows = curate.read_ledger(result.work) if result.version and result.records_in else None
    if rows is None or "judge" not in stages:
        return []
    [judged] = rows.filter(pl.col("quality_status") == "scored").select(pl.len()).collect()["len"]
    lines = [f"judged {judged:,}"]
    if "synthesize" in stages:
        [written] = rows.filter(pl.col("is_synthetic")).select(pl.len()).collect()["len"]
        [kept] = rows.filter(pl.col("is_synthetic"), pl.col("status") == "kept").select(pl.len()).collect()["len"]
        lines.append(f"synthetic {kept:,} kept of {written:,} written")
    return [", ".join(lines)]
