"""What a run returns: `curate.run()` gives it, `curate run --json` prints it, the report and the flows show it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULT_VERSION = 1
"""Raised when a field of the JSON form changes its name or meaning."""


@dataclass(frozen=True)
class StageResult:
    """How one stage went."""

    name: str
    tasks: int
    executed: int
    """Tasks that ran now; the others were done already."""

    failed: int
    seconds: float
    counts: Mapping[str, int]
    """Sums of the counters of its commits."""

    largest: Mapping[str, int] = field(default_factory=dict)
    """Of numbers that its commits note each for itself, such as `largest_bucket`."""


@dataclass(frozen=True)
class RunResult:
    """The outcome of a whole run."""

    status: str
    """done | partial"""

    version: str | None
    """Hash of the published version; None where nothing was published."""

    published: bool
    """Whether this run moved the pointer; False when an equal version was there already."""

    output: Path
    work: Path
    report: Path
    records_in: int
    """Records of the input; with `written` they are kept + rejected + quarantined."""

    written: int
    """Texts that an LLM was asked for."""

    kept: int
    rejected: int
    quarantined: int
    skipped: Mapping[str, int]
    reasons: Mapping[str, int]
    stages: tuple[StageResult, ...]
    failures: tuple[str, ...]
    """One message a split that failed: where, what was got, what to do."""

    notes: tuple[str, ...]
    """What a reader of the data must know, such as an uncalibrated judge."""

    @property
    def exit_code(self) -> int:
        """0 done, 3 partial."""
        return 3 if self.failures else 0

    @property
    def nothing_to_do(self) -> bool:
        """True when every task was done already and the pointer stayed."""
        return not self.published and all(stage.executed == 0 for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """JSON values only, with `result_version`."""
        values = asdict(self)
        for name in ("output", "work", "report"):
            values[name] = str(values[name])
        return {"result_version": RESULT_VERSION, **values, "exit_code": self.exit_code}
