import pytest
from rich.progress import Progress

from flows.progress import Bars, Lines


def test_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = Lines(every=5.0, clock=lambda: now)
    for second in range(12):
        now = float(second)
        lines("extract", second, 12)
    assert capsys.readouterr().err.splitlines() == ["extract 0/12", "extract 5/12", "extract 10/12"]


def test_every_stage_gets_a_bar_and_a_repeated_one_another() -> None:
    progress = Progress(disable=True)
    bars = Bars(progress)
    for stage, done, total in [
        ("extract", 0, 2), ("extract", 2, 2), ("select", 0, 1), ("select", 1, 1), ("select", 0, 1), ("extract", 1, 1),
    ]:  # fmt: skip
        bars(stage, done, total)
    shown = [(bar.description, bar.completed, bar.total) for bar in progress.tasks]
    assert shown == [("extract", 2, 2), ("select", 1, 1), ("select", 0, 1), ("extract", 1, 1)]
