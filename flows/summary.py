"""The last lines of a run: what came in, what is kept and why not the rest, and where to look."""

import polars as pl

import curate
from curate.result import RunResult

TOP_REASONS = 5


def summary(result: RunResult) -> str:
    """A few lines for a terminal."""
    judged, written_kept = _by_models(result)
    lines = [
        f"{result.records_in:,} records in{f', {result.written:,} asked of the model' if result.written else ''}: "
        f"{result.kept:,} kept, {result.rejected:,} rejected, {result.quarantined:,} quarantined"
    ]
    top = list(result.reasons.items())[:TOP_REASONS]
    if top:
        lines.append("most rejected by: " + ", ".join(f"{rule} {n:,}" for rule, n in top))
    stages = {stage.name for stage in result.stages}
    if "judge" in stages:
        lines.append(f"judged {judged:,}" + (f", synthetic {written_kept:,}" if "synthesize" in stages else ""))
    lines += [f"note: {note}" for note in result.notes]
    lines += [f"failed: {failure}" for failure in result.failures]
    if result.nothing_to_do:
        lines.append("everything is done already")
    lines.append(
        f"version: {result.output / 'versions' / result.version}" if result.version else "nothing was published"
    )
    lines.append(f"report:  {result.report}")
    return "\n".join(lines)


def _by_models(result: RunResult) -> tuple[int, int]:
    """Documents with a score, and kept documents that a model wrote."""
    if not result.records_in:
        return 0, 0
    synthetic = pl.col("is_synthetic")
    repeated = pl.col("reason").str.starts_with("duplicate_id").fill_null(value=False)
    counted = curate.read_ledger(result.work).select(
        judged=((pl.col("quality_status") == "scored") & ~repeated).sum(),
        written_kept=(synthetic & (pl.col("status") == "kept")).sum(),
    )
    [row] = counted.collect().rows()
    return row[0], row[1]
