"""Whole runs over a disk that fails at every kind of call, and processes killed there: what is left is always good.

The walks take every point (an operation on a kind of file) of an undisturbed run. At a point that is met several times
the one in the middle fails, so that some shards of the stage are committed and others are not.
"""

import errno
import hashlib
import json
import multiprocessing
import os
import signal
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from curate.errors import ConservationError, CurateError, InputError
from tests.curate import killed_run
from tests.curate.faults import MUTATING, Fault, FaultyDisk, hang, kill
from tests.curate.inline import run_inline
from tests.curate.llm.processes import wait_until
from tests.curate.runs import committed, published_bytes
from tests.curate.small_corpus import config_over, text_of, write_corpus
from tests.fake_llm import FakeLlm, serve

EVERY = 1
SOME = 9
"""The suite meets each ninth point, `make test-slow` all of them."""

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(["tests.curate.killed_run"])


@dataclass(frozen=True)
class Golden:
    """An undisturbed run."""

    corpus: Path
    published: dict[str, str]
    executed: Counter[str]
    points: Counter[str]
    written: int


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Golden:
    corpus, root = tmp_path_factory.mktemp("objects") / "corpus", tmp_path_factory.mktemp("golden")
    write_corpus(corpus)
    disk = FaultyDisk(root)
    result, executed = run_inline(config_over(corpus, root), disk)
    assert result.kept
    assert result.rejected
    assert result.quarantined == 8
    assert set(executed) >= {
        "extract",
        "measure",
        "sign",
        "candidates",
        "verify",
        "bound",
        "resolve",
        "select",
        "publish",
    }
    return Golden(corpus, published_bytes(root / "out"), executed, Counter(disk.trace), disk.written)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / str(number) for number in count())


def middle(golden: Golden, point: str) -> int:
    return golden.points[point] // 2 + 1


def assert_whole(output: Path) -> None:
    """What `current` points to, if anything, is a version with all it names."""
    current = output / "current"
    if not current.is_symlink():
        return
    manifest = (current / "_manifest.json").read_bytes()
    assert (current / "_SUCCESS").read_text().strip() == hashlib.sha256(manifest).hexdigest()
    for shard in json.loads(manifest)["shards"]:
        assert hashlib.sha256((current / shard["name"]).read_bytes()).hexdigest() == shard["sha256"]


def kill_at(config: Path, fault: Fault) -> None:
    """A run in a process of its own, which is killed at the fault's point."""
    child = forks.Process(target=killed_run.run, args=(config, fault))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL, fault


def finished_steps(folder: Path) -> Counter[str]:
    """Commits by stage."""
    return Counter(path.parts[-3] for path in (folder / "work").glob("stages/*/*/commit.json"))


def assert_goes_on(golden: Golden, config: Path) -> None:
    """The next run does what is missing, touches nothing that is finished and publishes the golden bytes."""
    folder = config.parent
    assert_whole(folder / "out")
    before = committed(folder / "work")
    finished = finished_steps(folder)
    _, executed = run_inline(config, FaultyDisk(folder))
    assert executed == golden.executed - finished
    assert before.items() <= committed(folder / "work").items()
    assert published_bytes(folder / "out") == golden.published
    assert not [path for path in folder.rglob(".tmp/*") if path.is_file()]


@pytest.mark.parametrize("step", [SOME, pytest.param(EVERY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_killed_at_any_point_goes_on_where_it_was(
    golden: Golden, folders: Iterator[Path], *, after: bool, step: int
) -> None:
    points = [point for point in sorted(golden.points) if point.startswith(MUTATING)]
    for point in points[(after * step) // 2 :: step]:
        config = config_over(golden.corpus, next(folders))
        kill_at(config, Fault(point, kill, middle(golden, point), after))
        assert_goes_on(golden, config)


def test_a_disk_that_never_answers_does_not_keep_a_run_from_being_stopped(
    golden: Golden, folders: Iterator[Path], tmp_path: Path
) -> None:
    point = "write work/.tmp/*-measures-*.parquet"
    config, hangs = config_over(golden.corpus, next(folders)), tmp_path / "hangs"
    fault = Fault(point, partial(hang, hangs), middle(golden, point))
    child = forks.Process(target=killed_run.run_as_command, args=(config, fault))
    child.start()
    assert wait_until(hangs.exists, 60)
    child.terminate()
    child.join(10)
    assert child.exitcode == 128 + signal.SIGTERM
    assert_goes_on(golden, config)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeLlm]:
    with serve(write=lambda body: text_of(1000 + zlib.crc32(json.dumps(body).encode()))) as fake:
        yield fake


def with_llm(corpus: Path, folder: Path, fake: FakeLlm) -> Path:
    """A config that judges and writes; its response cache lies in the work folder."""
    keep = {"min": 0.0, "missing": {"not_sampled": "keep", "failed": "reject"}}
    return config_over(
        corpus, folder, llm={"endpoint": fake.base_url}, judge={"max_documents": 6, "keep": keep},
        synthesize={"max_documents": 3, "min_words": 20},
    )  # fmt: skip


@pytest.mark.slow
def test_a_run_with_an_llm_killed_at_any_point_asks_nothing_again(
    golden: Golden, fake: FakeLlm, folders: Iterator[Path]
) -> None:
    root = next(folders)
    disk = FaultyDisk(root)
    result, all_executed = run_inline(with_llm(golden.corpus, root, fake), disk)
    asked = fake.asked
    assert result.written
    published, points = published_bytes(root / "out"), Counter(disk.trace)
    for point in [p for p in sorted(points) if p.startswith(MUTATING) and ("judge" in p or "synthesize" in p)]:
        for after in (False, True):
            before = fake.asked
            config = with_llm(golden.corpus, next(folders), fake)
            kill_at(config, Fault(point, kill, points[point] // 2 + 1, after))
            finished = finished_steps(config.parent)
            _, executed = run_inline(config)
            assert executed == all_executed - finished, point
            assert published_bytes(config.parent / "out") == published, point
            assert fake.asked - before == asked, point


FAULTS = {
    "an error": (errno.EIO, ("open", "read", "create", "write", "replace", "link", "symlink"), False),
    "a lost reply": (errno.EIO, ("create", "write", "replace", "link", "symlink"), True),
}


@pytest.mark.parametrize("step", [SOME, pytest.param(EVERY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", FAULTS)
def test_a_failing_call_ends_the_run_and_harms_nothing(
    golden: Golden, folders: Iterator[Path], kind: str, step: int
) -> None:
    code, operations, after = FAULTS[kind]
    points = [point for point in sorted(golden.points) if point.startswith(operations)]
    for point in points[::step]:
        config = config_over(golden.corpus, next(folders))
        fault = Fault(point, OSError(code, os.strerror(code)), middle(golden, point), after)
        with pytest.raises((OSError, CurateError), match=r".") as caught:
            run_inline(config, FaultyDisk(config.parent, fault))
        assert not isinstance(caught.value, ConservationError), point
        assert_goes_on(golden, config)


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/St_Johns"])
def test_the_machine_s_clock_and_zone_decide_nothing(
    golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3e8)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        run_inline(config_over(golden.corpus, tmp_path))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert published_bytes(tmp_path / "out") == golden.published


def test_short_reads_change_nothing(golden: Golden, tmp_path: Path) -> None:
    config = config_over(golden.corpus, tmp_path)
    run_inline(config, FaultyDisk(tmp_path, read_at_most=7))
    assert published_bytes(tmp_path / "out") == golden.published


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_full_disk_leaves_the_old_version_and_the_run_goes_on_when_there_is_room(
    golden: Golden, tmp_path: Path, share: float
) -> None:
    old = config_over(golden.corpus, tmp_path, measure=[])
    run_inline(old)
    published = published_bytes(tmp_path / "out")
    config = config_over(golden.corpus, tmp_path, name="changed", extract={"max_html_depth": 77})
    with pytest.raises((OSError, CurateError), match="No space left on device"):
        run_inline(config, FaultyDisk(tmp_path, room=int(share * golden.written)))
    if share < 0.99:
        assert published_bytes(tmp_path / "out") == published
    assert_whole(tmp_path / "out")
    run_inline(config)
    assert_whole(tmp_path / "out")
    assert published_bytes(tmp_path / "out") != published


def _append(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b'{"text": "late"}\n')


def _rewrite(path: Path) -> None:
    """Other bytes of the same length, in place."""
    path.write_bytes(path.read_bytes().replace(b"the and to", b"to and the"))


def _replace(path: Path) -> None:
    """The same bytes in another file."""
    path.with_suffix(".new").write_bytes(path.read_bytes())
    path.with_suffix(".new").rename(path)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "vanishes": (Path.unlink, "cannot be opened"),
    "grows": (_append, "changed since it was planned"),
    "is cut": (lambda path: os.truncate(path, 100), "changed since it was planned"),
    "is rewritten": (_rewrite, "changed since it was planned"),
    "is replaced": (_replace, "changed since it was planned"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("when", ["before it is read", "while it is read"])
def test_an_object_that_changes_after_planning_fails_and_what_was_read_of_it_does_not_count(
    tmp_path: Path, change: str, when: str
) -> None:
    work, message = CHANGES[change]
    while_read = when == "while it is read"
    if while_read and change in {"vanishes", "is replaced"}:
        pytest.skip("an open file stays what it was")
    write_corpus(tmp_path / "corpus")
    path = tmp_path / "corpus" / "object-00003.jsonl"
    config = config_over(tmp_path / "corpus", tmp_path)
    # Of every object: hashed, cut into splits, extracted.
    planned = 2 * len(list(path.parent.iterdir()))
    opens = planned + 4
    fault = Fault("open corpus/object-*.jsonl", lambda: work(path), opens, after=while_read)
    with pytest.raises(InputError, match=message):
        run_inline(config, FaultyDisk(tmp_path, fault))
    assert not (tmp_path / "out" / "current").exists()
    assert len(list((tmp_path / "work").glob("stages/extract/*/commit.json"))) < 8
    if path.exists():
        assert run_inline(config)[0].status == "done"


def test_a_report_that_cannot_be_written_leaves_a_published_version_and_says_so(golden: Golden, tmp_path: Path) -> None:
    config = config_over(golden.corpus, tmp_path)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(CurateError, match=r"is published in .*its report could not be written: No space left"):
        run_inline(config, FaultyDisk(tmp_path, Fault("create work/.tmp/*-report.html", full)))
    assert published_bytes(tmp_path / "out") == golden.published
