import errno
import multiprocessing
import signal
from pathlib import Path

import pyarrow as pa
import pytest

from curate.errors import ConfigError, LockedError, PublishConflict
from curate.inputs import find_inputs
from curate.shards import new_file
from curate.storage import Store, content_hash, lock
from tests.curate.faults import Fault, FaultyDisk


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "root")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "a//b", "", "a/./b", "a\0b"])
def test_no_name_leads_out_of_the_store(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        store.put(name, b"")


def test_a_write_that_is_not_committed_leaves_the_old_bytes_and_nothing_else(store: Store) -> None:
    store.put("a/b", b"old")
    draft = store.create("a/b")
    draft.stream.write(b"half")
    draft.discard()
    assert store.read("a/b") == b"old"
    assert [p for p in store.root.rglob("*") if p.is_file()] == [store.path("a/b")]


def test_what_a_dead_writer_left_is_swept_by_the_next_holder_of_the_lock(store: Store) -> None:
    with store.create("a/b").stream as stream:
        stream.write(b"half")
    with lock(store):
        assert [p.name for p in store.root.rglob("*") if p.is_file()] == ["lock"]


def test_put_if_absent_has_one_winner(store: Store) -> None:
    assert store.put_if_absent("a", b"first")
    assert not store.put_if_absent("a", b"second")
    assert store.read("a") == b"first"


def test_the_pointer_moves_at_once_and_only_from_where_it_was_expected(store: Store) -> None:
    store.put("versions/one/x", b"1")
    store.put("versions/two/x", b"2")
    assert store.point("current", "versions/one", expected=None)
    assert store.point("current", "versions/two", expected="versions/one")
    assert store.pointed("current") == "versions/two"
    assert store.read("current/x") == b"2"
    assert not store.point("current", "versions/two", expected=None)
    for expected in (None, "versions/one"):
        with pytest.raises(PublishConflict, match=r"points to versions/two.*Run again"):
            store.point("current", "versions/three", expected)
    assert store.pointed("current") == "versions/two"


def test_a_link_is_the_same_file_and_a_copy_where_none_can_be_made(store: Store) -> None:
    store.put("a", b"data")
    store.link(store, "a", "deep/b")
    store.link(store, "a", "deep/b")
    assert store.path("a").stat().st_ino == store.path("deep/b").stat().st_ino
    copying = Store(store.root, FaultyDisk(store.root, Fault("link c", OSError(errno.EXDEV, "cross-device"))))
    copying.link(store, "a", "c")
    assert copying.read("c") == b"data"
    assert store.path("a").stat().st_ino != store.path("c").stat().st_ino


def test_names_are_never_patterns(tmp_path: Path) -> None:
    store = Store(tmp_path / "a[1]*?{x}")
    for name, value in (("b*.parquet", 1), ("b2.parquet", 2)):
        with new_file(store, name, pa.schema([("x", pa.int64())])) as add:
            add(pa.table({"x": [value]}))
    assert store.scan(["b*.parquet"]).collect()["x"].to_list() == [1]


def test_a_dangling_link_among_the_inputs_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigError, match=r"a\.jsonl.*gone"):
        find_inputs(str(tmp_path))


def test_inputs_are_files_folders_and_globs_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "deep/c.jsonl", ".hidden.jsonl", "deep/.git/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    names = [[Path(o.uri).name for o in find_inputs(str(tmp_path / p))] for p in ("", "*.jsonl", "b.jsonl")]
    assert names == [["a.jsonl", "b.jsonl", "c.jsonl"], ["a.jsonl", "b.jsonl"], ["b.jsonl"]]
    with pytest.raises(ConfigError, match="nothing there"):
        find_inputs(str(tmp_path / "missing*"))


def test_the_content_hash_does_not_know_the_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"same")
    (tmp_path / "b").write_bytes(b"same")
    assert content_hash(str(tmp_path / "a")) == content_hash(str(tmp_path / "b"))


def _hold(root: Path, held: "multiprocessing.synchronize.Event") -> None:
    with lock(Store(root)):
        held.set()
        signal.pause()


def test_a_second_run_is_told_who_holds_the_folder_and_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, held))
    holder.start()
    assert held.wait(30)
    with pytest.raises(LockedError, match=f"process {holder.pid}"), lock(Store(tmp_path)):
        pass
    holder.kill()
    holder.join()
    with lock(Store(tmp_path)):
        pass
