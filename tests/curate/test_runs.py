"""Sorted runs: ranges together give every row once, whatever the runs and the ranges are."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.equal import sharing
from curate.runs import KEY, LAST, Range, cut, equal_ranges, ranges_for, read_range, write_run
from curate.shards import ShardWriter
from curate.step import Commit, run_step
from curate.storage import Store

KEYS = st.one_of(st.integers(0, LAST), st.sampled_from([0, 1, 5, 2**63, LAST - 1, LAST]))


def committed(folder: Path, runs: list[list[int]], group_rows: int) -> tuple[Store, Commit]:
    store = Store(folder)

    def work(writer: ShardWriter) -> None:
        number = 0
        for run in runs:
            rows = pa.table({"number": np.arange(number, number + len(run))})
            write_run(writer, "runs", np.array(run, np.uint64), rows, group_rows=group_rows)
            number += len(run)

    return store, run_step(store, "test", "key", work)


@given(
    st.lists(st.lists(KEYS, max_size=30), max_size=4),
    st.integers(1, 7),
    st.one_of(st.integers(1, 20).map(equal_ranges), st.integers(1, 40)),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_ranges_together_give_every_row_once_and_in_order(tmp_path, runs, group_rows, ranges):
    store, commit = committed(tmp_path, runs, group_rows)
    keys = [key for run in runs for key in run]
    found = ranges if isinstance(ranges, list) else cut(store, commit.of("runs"), ranges)
    seen = []
    for each in found:
        for table in read_range(store, commit.of("runs"), each):
            read = table.column(KEY).to_pylist()
            assert read == sorted(read)
            assert all(each.low <= key <= each.high for key in read)
            assert all(keys[number] == key for number, key in zip(table["number"].to_pylist(), read, strict=True))
            seen += table.column("number").to_pylist()
    assert sorted(seen) == list(range(len(keys)))


@pytest.mark.parametrize("number", [1, 2, 3, 16, 1000])
def test_equal_ranges_cover_every_key(number):
    ranges = equal_ranges(number)
    assert (ranges[0].low, ranges[-1].high, len(ranges)) == (0, LAST, number)
    assert all(one.high + 1 == other.low for one, other in pairwise(ranges))


def test_as_few_ranges_as_hold_the_rows():
    assert [len(ranges_for(rows, 10)) for rows in (0, 1, 10, 11, 95)] == [1, 1, 1, 2, 10]


def test_a_range_is_cut_between_row_groups_and_not_within_equal_keys(tmp_path):
    store, commit = committed(tmp_path, [[7] * 50, [7] * 50, list(range(100, 200))], 10)
    ranges = cut(store, commit.of("runs"), 20)
    counts = [sum(t.num_rows for t in read_range(store, commit.of("runs"), each)) for each in ranges]
    assert sum(counts) == 200
    assert counts[0] == 100
    assert max(counts[1:]) <= 30


def test_only_the_columns_that_are_asked_for_come_back(tmp_path):
    store, commit = committed(tmp_path, [[1, 2]], 1)
    [table] = read_range(store, commit.of("runs"), Range(2, 9), ["number"])
    assert table.to_pydict() == {"number": [1]}


@given(st.lists(st.lists(st.integers(0, 12), max_size=20), min_size=1, max_size=3), st.sampled_from([1, 3, 100]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_documents_that_share_a_hash_are_found_whatever_the_ranges(tmp_path, parts, at_once):
    store, hashes = Store(tmp_path), [hash_of(n) for part in parts for n in part]
    commits = []
    for number, part in enumerate(parts):
        table = pa.table({"id": pa.array([hash_of(n) for n in part], pa.binary(16))})
        commits.append(run_step(store, "t", str(number), lambda writer, table=table: writer.write("documents", table)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curate.equal.RANGE_HASHES", at_once)
        found = [pair for a, b in sharing(store, commits, "documents", "id") for pair in zip(a, b, strict=True)]
    expected = {n: hashes.index(h) for n, h in enumerate(hashes) if hashes.count(h) > 1}
    assert sorted((int(number), int(first)) for first, number in found) == sorted(expected.items())


def hash_of(number: int) -> bytes:
    """Some share their first half."""
    return (number % 5 * 2**61).to_bytes(8, "big") + number.to_bytes(8, "big")
