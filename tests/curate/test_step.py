from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import shards
from curate.errors import ConservationError
from curate.shards import ShardWriter, iterate_shards, read_file, take_rows
from curate.step import find, run_step
from curate.storage import Store


def rows(*values: int) -> pa.Table:
    return pa.table({"x": pa.array(values, pa.int64())})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_committed_step_is_found_with_its_rows_and_counts(store: Store) -> None:
    def work(writer: ShardWriter) -> None:
        writer.write("documents", rows(1, 2))
        writer.write("documents", rows(3))
        writer.write("rejected", rows(4))
        writer.count("in", 4)

    commit = run_step(store, "extract", "k1", work)
    assert find(store, "extract", "k1") == commit
    assert (commit.rows("documents"), commit.rows("rejected"), commit.rows("quarantined")) == (3, 1, 0)
    assert read_file(store, commit.of("documents")[0].name)["x"].to_pylist() == [1, 2, 3]


def test_nothing_is_committed_when_the_work_raises(store: Store) -> None:
    def work(writer: ShardWriter) -> None:
        writer.write("documents", rows(1))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run_step(store, "extract", "k1", work)
    assert find(store, "extract", "k1") is None
    assert not [p for p in store.root.rglob("*") if p.is_file()]


@pytest.mark.parametrize("counted", [2, 4])
def test_documents_that_vanish_or_appear_are_a_defect(store: Store, counted: int) -> None:
    def work(writer: ShardWriter) -> None:
        writer.count("in", counted)
        writer.write("documents", rows(1, 2, 3))

    with pytest.raises(ConservationError, match=f"read {counted} documents"):
        run_step(store, "extract", "k1", work)
    assert find(store, "extract", "k1") is None


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_bytes(p.read_bytes()[:-1])])
def test_a_lost_or_cut_shard_undoes_the_step(store: Store, damage: object) -> None:
    commit = run_step(store, "extract", "k1", lambda writer: writer.write("documents", rows(1)))
    damage(store.path(commit.shards[0].name))  # type: ignore[operator]
    assert find(store, "extract", "k1") is None


def test_a_flipped_byte_is_noticed(store: Store) -> None:
    commit = run_step(store, "extract", "k1", lambda writer: writer.write("documents", rows(*range(10_000))))
    path = store.path(commit.shards[0].name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(OSError, match=r"CRC|checksum|[Cc]orrupt"):
        read_file(store, commit.shards[0].name)


def test_shards_are_closed_by_size_and_keep_their_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 400)
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 100)

    def work(writer: ShardWriter) -> None:
        for start in range(0, 200, 10):
            writer.write("documents", rows(*range(start, start + 10)))

    commit = run_step(store, "extract", "k1", work)
    assert len(commit.of("documents")) > 2
    tables = iterate_shards(store, commit.of("documents"), ["x"], 7)
    assert [x for table in tables for x in table["x"].to_pylist()] == list(range(200))


@given(st.lists(st.integers(0, 99), max_size=30))
def test_rows_are_taken_by_number_in_the_given_order(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[int]
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    pq.write_table(rows(*range(100)), store.root / "a.parquet", row_group_size=7, write_page_checksum=True)
    assert take_rows(store, "a.parquet", np.array(wanted, np.int64))["x"].to_pylist() == wanted


def test_a_rerun_writes_the_same_bytes(store: Store) -> None:
    def work(writer: ShardWriter) -> None:
        writer.write("documents", rows(*range(1000)))

    first = run_step(store, "extract", "k1", work)
    before = store.read(first.shards[0].name)
    store.delete("stages/extract/k1/commit.json")
    assert run_step(store, "extract", "k1", work) == first
    assert store.read(first.shards[0].name) == before
