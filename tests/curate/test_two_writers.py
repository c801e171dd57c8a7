"""Two processes publish into one output at the same time: one version is current, the other ends as declared."""

import multiprocessing
from collections import Counter
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pyarrow as pa
import pytest

from curate.errors import PublishConflict
from curate.shards import ShardWriter
from curate.stages.publish import publish_version
from curate.step import Commit, run_step
from curate.storage import Store
from tests.curate.test_storage_faults import assert_whole

TRIALS = 100


def part(work: Store, number: int) -> Commit:
    def write(writer: ShardWriter) -> None:
        name = writer.write_whole("data", pa.table({"id": [str(number)]}), row_group_rows=1)
        writer.note("sha256", work.sha256(name))

    return run_step(work, "publish", f"part{number}", write)


def writer(root: Path, number: int, content: int, start: Barrier, ends: "multiprocessing.SimpleQueue[object]") -> None:
    """Publish the same part into 100 fresh outputs, each time as soon as the other process is there too."""
    work = Store(root / f"work{number}")
    parts = [part(work, content)]
    for trial in range(TRIALS):
        start.wait()
        try:
            version = publish_version(Store(root / f"out{trial}"), work, parts, {}, {"README.md": "card"}, None)
            ends.put((trial, number, version.hash, version.changed, ""))
        except PublishConflict as conflict:
            ends.put((trial, number, "", False, str(conflict)))


@pytest.mark.parametrize(
    "contents",
    [pytest.param((1, 2), id="different versions"), pytest.param((1, 1), id="equal versions", marks=pytest.mark.slow)],
)
def test_of_two_writers_one_publishes_and_the_other_ends_as_declared(tmp_path: Path, contents: tuple[int, int]) -> None:
    context = multiprocessing.get_context("spawn")
    start, ends = context.Barrier(2), context.SimpleQueue()
    writers = [context.Process(target=writer, args=(tmp_path, n, c, start, ends)) for n, c in enumerate(contents)]
    for process in writers:
        process.start()
    told = [ends.get() for _ in range(2 * TRIALS)]
    for process in writers:
        process.join()
    winners: Counter[int] = Counter()
    for trial in range(TRIALS):
        both = [end for end in told if end[0] == trial]
        [winner] = [end for end in both if end[3]]
        [other] = [end for end in both if end is not winner]
        winners[winner[1]] += 1
        output = tmp_path / f"out{trial}"
        assert_whole(output)
        assert [p.name for p in (output / "versions").iterdir()] == [winner[2]] == [(output / "current").resolve().name]
        if contents[0] == contents[1]:
            assert other[2] == winner[2]
        else:
            assert f"points to versions/{winner[2]}" in other[4]
    assert sum(winners.values()) == TRIALS
