"""The search for the records that kill their worker, by runs over windows of a task's records. Knows no task, no Ray.

How many records there are is not known before. Windows that double in length are tried from the first record on; one
that dies is bisected until a single record is left, and that is tried twice alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

from curate.errors import CurateError
from curate.step import Rows

MAX_KILLERS = 100
"""Records of one task; where more kill it, it is not the records. To find one takes 10 to 60 s."""

MAX_TOGETHER = 8
"""Windows that die without a record that dies alone, after which the search ends with what it has."""

Probe = Callable[[Rows], int | None]
"""Runs the task over these records and says how many there were; None: its worker died."""


@dataclass(frozen=True)
class Killers:
    """What a task must leave out to come to its end."""

    records: frozenset[int]
    barrier: int | None = None
    """The record that cannot even be passed: the reader dies of it."""

    def __bool__(self) -> bool:
        return bool(self.records) or self.barrier is not None

    @property
    def rows(self) -> Rows:
        """The run without them."""
        return Rows(without=self.records, barrier=self.barrier)


def find_killers(probe: Probe) -> Killers:
    """The records that kill the worker each alone; none where it dies of all together, or of no record at all.

    Raises CurateError when there are more than MAX_KILLERS.
    """
    killers: set[int] = set()
    first, length, together = 0, 1, 0
    if _dies(probe, Rows(0, 0)):
        return Killers(frozenset())
    while together < MAX_TOGETHER:
        found = probe(Rows(first, first + length))
        if found is not None:
            if found < length:
                break
            first, length = first + length, 2 * length
            continue
        killer = _narrow(probe, first, first + length)
        if killer is None:
            together, length = together + 1, max(1, length // 2)
            continue
        if _dies(probe, Rows(killer + 1, killer + 1)):
            return Killers(frozenset(killers), killer)
        killers.add(killer)
        if len(killers) > MAX_KILLERS:
            raise CurateError(
                f"more than {MAX_KILLERS} of its records kill their worker each alone; raise --memory, or report it "
                "with the config"
            )
        first = killer + 1
    return Killers(frozenset(killers))


def _narrow(probe: Probe, first: int, last: int) -> int | None:
    """The first record in [first, last), which died, that dies alone twice; None where it takes several."""
    died = True
    while last - first > 1:
        middle = (first + last) // 2
        died = probe(Rows(first, middle)) is None
        first, last = (first, middle) if died else (middle, last)
    alone = Rows(first, last)
    return first if (probe(alone) is None if died else _dies(probe, alone)) else None


def _dies(probe: Probe, rows: Rows) -> bool:
    """Whether the worker dies twice: once may be another's doing, such as a machine out of memory."""
    return probe(rows) is None and probe(rows) is None


def noted(rows: Rows) -> str:
    """The numbers of the records that were left out, as a commit notes them: `3,17` or `3,17,25-`."""
    barrier = [] if rows.barrier is None else [f"{rows.barrier}-"]
    return ",".join([*map(str, sorted(rows.without)), *barrier])


def numbers(note: str) -> frozenset[int]:
    """The records of a note without a barrier."""
    return frozenset(map(int, note.split(",")))
