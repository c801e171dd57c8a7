"""A process that changes an index is killed at every kind of call: the index is the old or the new one."""

import multiprocessing
import signal
from collections import Counter
from pathlib import Path
from shutil import copytree

import pytest

from curate.errors import CurateError
from curate.index import manifest
from curate.index.edit import What, compact, delete
from curate.storage import Disk
from tests.curate.faults import MUTATING, Fault, FaultyDisk, kill
from tests.curate.index.published import Doc, add_documents, held, matches
from tests.curate.small_corpus import text_of

EVERY = 1
SOME = 13
"""The suite meets each thirteenth point, `make test-slow` all of them."""

forks = multiprocessing.get_context("forkserver")

DOCUMENTS = [Doc(f"http://a.example/{n}", text_of(n), f"source{n % 2}") for n in range(30)]


def change(name: str, folder: Path, disk: Disk | None = None) -> None:
    """One change of the index in `folder`."""
    index = folder / "index"
    if name == "first":
        add_documents(index, folder / "out", DOCUMENTS[:10], disk)
    elif name == "add":
        add_documents(index, folder / "out", DOCUMENTS[5:30], disk)
    elif name == "delete":
        delete(index, What(sources=["source1"]), disk)
    else:
        compact(index, disk)


BEFORE = {"first": [], "add": ["first"], "delete": ["first"], "compact": ["first", "add", "delete"]}


def change_over(name: str, folder: Path, fault: Fault) -> None:
    change(name, folder, FaultyDisk(folder, fault))


def killed(name: str, folder: Path, fault: Fault) -> None:
    child = forks.Process(target=change_over, args=(name, folder, fault))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL, fault


def state(folder: Path) -> dict[bytes, tuple[str, str]]:
    return held(folder / "index") if (folder / "index" / manifest.NAME).exists() else {}


def files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "index").rglob("*") if path.is_file()}


def undisturbed(name: str, tmp_path: Path) -> tuple[Path, Path, Counter[str]]:
    """An index before a change and after it, and the points of the change."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    for each in BEFORE[name]:
        change(each, before)
    copytree(before, after)
    disk = FaultyDisk(after)
    change(name, after, disk)
    return before, after, Counter(disk.trace)


@pytest.mark.parametrize("step", [SOME, pytest.param(EVERY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", BEFORE)
def test_killed_anywhere_it_is_the_old_or_the_new_one_and_the_next_change_clears_up(
    name: str, tmp_path: Path, step: int
) -> None:
    before, after, points = undisturbed(name, tmp_path)
    found = Counter[str]()
    faults = [
        Fault(point, kill, points[point] // 2 + 1, later)
        for point in sorted(points)
        if point.startswith(MUTATING) and "out/" not in point
        for later in (False, True)
    ]
    assert len(faults) > 10
    for number, fault in enumerate(faults[step // 2 :: step]):
        folder = tmp_path / str(number)
        copytree(before, folder)
        killed(name, folder, fault)
        assert state(folder) in (state(before), state(after))
        found["old" if state(folder) == state(before) else "new"] += 1
        change(name, folder)
        assert state(folder) == state(after)
        assert files(folder) == files(after) | ({"lock"} if name == "first" else set())
    assert found["old"]


def test_a_full_disk_leaves_the_old_index_and_says_so(tmp_path: Path) -> None:
    before, after, _ = undisturbed("add", tmp_path)
    old = state(before)
    for room in (0, 200, 2000, 5000):
        with pytest.raises(OSError, match="No space"):
            change("add", before, FaultyDisk(before, room=room))
        assert state(before) == old
        assert files(before) >= {manifest.NAME}
    change("add", before)
    assert state(before) == state(after)
    assert files(before) == files(after)


def test_a_shard_of_other_documents_than_the_index_says_is_an_error(tmp_path: Path) -> None:
    change("first", tmp_path)
    near = [Doc("http://b.example/", text_of(3, changed=40))]
    assert matches(tmp_path / "index", near)
    for shard in (tmp_path / "out" / "shards").iterdir():
        other = tmp_path / "other"
        add_documents(other / "index", other / "out", [Doc(f"http://c.example/{n}", text_of(n + 50)) for n in range(5)])
        [replacement] = (other / "out" / "shards").iterdir()
        shard.write_bytes(replacement.read_bytes())
    with pytest.raises(CurateError, match="other documents than the index"):
        matches(tmp_path / "index", near)
