"""What judging cost: as the stage's commits counted it, beside what was planned."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from curate.config import RunConfig
from curate.result import StageResult

COUNTS = {
    "requests": "sent", "from cache": "from_cache", "prompt tokens": "prompt_tokens",
    "completion tokens": "completion_tokens",
}  # fmt: skip
"""Line -> the counter llm.<name>."""

PLANNED = {
    name: name.replace(" ", "_") for name in ("requests", "prompt tokens", "completion tokens", "money", "seconds")
}


class Line(NamedTuple):
    """One line of a bill."""

    name: str
    actual: float
    planned: float | None


def counted(results: Sequence[StageResult], config: RunConfig) -> dict[str, float]:
    """Line -> value, of all judging of a run; with money where there are prices. Seconds are those of each replica,
    added up. Questions of a run that ended before its task did are in no commit: they are `from cache` here.
    """
    stages = [stage.counts for stage in results if stage.name == "judge"]
    if not stages:
        return {}
    sums = {name: sum(counts.get(f"llm.{count}", 0) for counts in stages) for name, count in COUNTS.items()}
    bill: dict[str, float] = dict(sums)
    if config.llm and config.llm.prices:
        bill["money"] = config.llm.prices.of(sums["prompt tokens"], sums["completion tokens"])
    bill["seconds"] = sum(counts.get("llm.milliseconds", 0) for counts in stages) / 1000
    return bill


def lines(bill: Mapping[str, float], planned: Mapping[str, Any] | None) -> list[Line]:
    """With the figures of a plan as JudgePlan.to_json gives them."""
    return [Line(name, value, (planned or {}).get(PLANNED.get(name, ""))) for name, value in bill.items()]
