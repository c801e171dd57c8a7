"""How far a run is: a line a stage with rate and time left on a terminal, now and then a plain line in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress as bars
from rich.console import Console
from rich.text import Text

Report = Callable[[str, int, int], None]
"""(stage, tasks done, tasks in all), as `curate.run` calls it."""

LINE_EVERY = 5.0
"""Seconds between two lines in a log."""


@contextmanager
def shown() -> Iterator[Report]:
    """Progress on stderr, drawn if that is a terminal."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    columns = (
        bars.SpinnerColumn(), bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn(),
        Rate(), bars.TimeElapsedColumn(), bars.TimeRemainingColumn(),
    )  # fmt: skip
    with bars.Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bars(progress)


class Rate(bars.ProgressColumn):
    """Tasks a second or a minute."""

    def render(self, task: bars.Task) -> Text:
        """Empty until something was done."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:.1f}/s" if speed >= 1 else f"{speed * 60:.1f}/min")


class Bars:
    """A bar for each stage; a stage that comes again, such as for synthetic rows, gets a further one."""

    def __init__(self, progress: bars.Progress) -> None:
        self._progress = progress
        self._stage: tuple[str, int] | None = None
        self._done = 0
        self._bar: bars.TaskID | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Draw."""
        if self._bar is None or self._stage != (stage, total) or done < self._done:
            self._bar = self._progress.add_task(stage, total=total, completed=done)
        self._stage, self._done = (stage, total), done
        self._progress.update(self._bar, completed=done)


class Lines:
    """`extract 3/8` on stderr, at most every few seconds."""

    def __init__(self, every: float = LINE_EVERY, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._clock = clock
        self._next = clock()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Write a line, if it is time for one."""
        if self._clock() >= self._next:
            self._next = self._clock() + self._every
            sys.stderr.write(f"{stage} {done}/{total}\n")
            sys.stderr.flush()
