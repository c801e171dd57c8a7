"""The last lines of a run: what came in, what is kept and why not the rest, and where to look."""

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
    judged = sum(stage.counts.get("scored", 0) for stage in result.stages if stage.name == "judge")
    asked = sum(stage.counts.get("asked", 0) for stage in result.stages if stage.name == "synthesize")
    accepted = sum(stage.counts.get("accepted", 0) for stage in result.stages if stage.name == "synthesize")
    names = {stage.name for stage in result.stages}
    lines = [f"judged {judged:,}"] if "judge" in names else []
    if "synthesize" in names:
        lines.append(f"synthetic {accepted:,} accepted of {asked:,} asked")
    return [", ".join(lines)] if lines else []
