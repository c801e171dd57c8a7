"""The last lines of a run: what came in, what is kept and why not the rest, and where to look."""

import polars as pl

import curate
from curate.changes import Changes
from curate.reports.preview import Preview
from curate.rescoring import Rescored
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


def rescored(result: Rescored) -> str:
    """What other bounds would do, why not more, and what a run with them has to execute."""
    told = "\n".join([changed(result.changes), *(f"note: {note}" for note in result.notes)])
    if not result.must_run:
        return f"{told}\nnothing changes"
    stages = "; ".join(f"{stage}: {why}" for stage, why in result.must_run.items())
    how = "to publish this, run the config with the same --set, or put it into the file"
    return f"{told}\n{how}: {stages}"


def previewed(found: Preview) -> str:
    """A line a rule: documents beyond its bounds, those that leave by it, those that leave by it alone."""
    lines = [f"{found.documents:,} documents of {found.read:,} records: {found.kept:,} pass all rules"]
    lines += [f"{number:>8,}  {rule}" for rule, number in found.others.items()]
    if found.losses:
        wide = max(len(loss.measure.title) for loss in found.losses)
        lines.append(f"{'beyond':>8} {'by it':>8} {'only it':>8}")
        lines += [
            f"{loss.beyond:>8,} {loss.first:>8,} {loss.only:>8,}  {loss.measure.title:<{wide}}  {loss.bounds}"
            for loss in found.losses
        ]
    return "\n".join(lines)


def changed(found: Changes) -> str:
    """A few lines about what entered and what left."""
    entered, left = sum(found.entered.values()), sum(found.left.values())
    lines = [
        f"{found.documents:,} documents: {found.kept_before:,} kept before, {found.kept_after:,} after "
        f"(+{entered:,} -{left:,})"
    ]
    for what, by_rule in (("entered, kept out before by", found.entered), ("left, kept out by", found.left)):
        if by_rule:
            lines.append(f"{what}: " + ", ".join(f"{rule} {number:,}" for rule, number in by_rule.items()))
    if found.reasons:
        lines.append(f"out both times, by another rule: {found.reasons:,}")
    if found.texts:
        lines.append(f"kept both times, with another text: {found.texts:,}")
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
    [row] = counted.collect(engine="streaming").rows()
    return row[0], row[1]
