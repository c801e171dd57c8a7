from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import CurateError
from curate.execution.isolation import MAX_KILLERS, Killers, find_killers, noted, numbers
from curate.step import Rows


class Records:
    """A task over numbered records: some kill it when they are worked on, one perhaps when it is read."""

    def __init__(self, count: int, killers: Collection[int] = (), barrier: int | None = None, flaw: int = -1) -> None:
        self.count = count
        self.killers = killers
        self.barrier = barrier
        self.flaw = flaw
        """Number of a run that dies whatever it is over."""

        self.most = count
        """Records that together are too much."""

        self.runs: list[int | None] = []

    def probe(self, rows: Rows) -> int | None:
        end = self.count if rows.last is None else min(rows.last, self.count)
        dies = len(self.runs) == self.flaw
        # What is behind the last record is asked for only where the window goes on behind it.
        asked = end + (rows.last is None or rows.last > self.count)
        dies |= self.barrier is not None and self.barrier < asked
        taken = [number for number in range(rows.first, end) if number in rows]
        dies |= bool(set(taken) & set(self.killers)) or len(taken) > self.most
        self.runs.append(None if dies else len(taken))
        return self.runs[-1]


@given(count=st.integers(0, 200), killers=st.sets(st.integers(0, 199), max_size=6), flaw=st.integers(-1, 30))
def test_exactly_the_records_that_kill_are_found(count: int, killers: set[int], flaw: int) -> None:
    there = {number for number in killers if number < count}
    records = Records(count, there, flaw=flaw)
    assert find_killers(records.probe).records == there
    deaths = sum(run is None for run in records.runs)
    assert deaths <= (len(there) + 1) * 12
    assert len(records.runs) <= (len(there) + 2) * 30


@given(count=st.integers(1, 200), killers=st.sets(st.integers(0, 199), max_size=3), barrier=st.integers(0, 200))
def test_a_record_that_cannot_be_passed_ends_the_search(count: int, killers: set[int], barrier: int) -> None:
    barrier = min(barrier, count)
    before = {number for number in killers if number < barrier}
    found = find_killers(Records(count, before, barrier).probe)
    assert found == Killers(frozenset(before), barrier)
    assert found.rows.without == before


def test_records_that_kill_together_only_are_no_killers() -> None:
    records = Records(100)
    records.most = 10
    assert not find_killers(records.probe)
    assert len(records.runs) < 200


def test_a_task_that_dies_without_a_record_is_not_searched() -> None:
    records = Records(100, barrier=-1)
    assert not find_killers(records.probe)
    assert len(records.runs) == 2


def test_too_many_killers_are_no_killers() -> None:
    with pytest.raises(CurateError, match=f"more than {MAX_KILLERS} of its records"):
        find_killers(Records(1000, range(1000)).probe)


def test_a_note_names_what_was_left_out() -> None:
    assert noted(Rows()) == ""
    assert noted(Rows(without=frozenset({17, 3}), barrier=25)) == "3,17,25-"
    assert numbers(noted(Rows(without=frozenset({17, 3})))) == {3, 17}
