import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from curate.errors import ConfigError, LockedError
from curate.storage import Store, content_hash, find_inputs, lock


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "root")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "a//b", "", "a/./b", "a\0b"])
def test_no_name_leads_out_of_the_store(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        store.put(name, b"")


def test_a_write_that_raises_leaves_the_old_bytes_and_nothing_else(store: Store) -> None:
    store.put("a/b", b"old")

    def fail() -> None:
        with store.publish("a/b") as path:
            path.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.read("a/b") == b"old"
    assert os.listdir(store.root / "a") == ["b"]


def test_put_if_absent_has_one_winner(store: Store) -> None:
    assert store.put_if_absent("a", b"first")
    assert not store.put_if_absent("a", b"second")
    assert store.read("a") == b"first"


def test_the_pointer_moves_at_once_and_is_relative(store: Store) -> None:
    store.put("versions/one/x", b"1")
    store.put("versions/two/x", b"2")
    store.point("current", "versions/one")
    store.point("current", "versions/two")
    assert store.pointed("current") == "versions/two"
    assert store.read("current/x") == b"2"


def test_a_link_is_the_same_file(store: Store) -> None:
    store.put("a", b"data")
    store.link(store.path("a"), "deep/b")
    assert store.path("a").stat().st_ino == store.path("deep/b").stat().st_ino


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
