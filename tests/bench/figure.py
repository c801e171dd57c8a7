"""One measured figure as one line of JSON on stdout. Benchmarks write nothing else there; notes go to stderr."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """What a benchmark found."""

    figure: str
    """`benchmark.what`, such as run.language."""

    value: float
    unit: str
    peer: str | None = None
    """What was measured beside it, in the same run on the same input; None where nothing comparable exists."""

    peer_value: float | None = None
    goal: float | None = None
    """The value to reach; whether that is the least or the most, docs/BENCHMARKS.md says."""

    def line(self) -> str:
        """The figure as JSON; `ratio` is value / peer_value, null without a peer."""
        values: dict[str, Any] = asdict(self)
        goal = values.pop("goal")
        ratio = self.value / self.peer_value if self.peer_value else None
        return json.dumps({**values, "ratio": ratio, "goal": goal}, default=float, allow_nan=False)

    def rounded(self) -> "Figure":
        """Four significant digits of what was measured: more would be noise. Counts stay whole."""
        peer = None if self.peer_value is None else _significant(self.peer_value)
        return Figure(self.figure, _significant(self.value), self.unit, self.peer, peer, self.goal)


def _significant(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.4g}")


def emit(figure: Figure) -> None:
    """Print the figure now, so that a benchmark which is stopped later has still said what it found."""
    sys.stdout.write(figure.rounded().line() + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Tell who runs the benchmark, on stderr."""
    sys.stderr.write(f"# {text}\n")
    sys.stderr.flush()


def median_of(runs: int, measure: Callable[[], float]) -> float:
    """Median of repeated runs."""
    return median(measure() for _ in range(runs))
