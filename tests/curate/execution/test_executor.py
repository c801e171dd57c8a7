import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest

from curate.config import ExecutionConfig
from curate.errors import ConfigError
from curate.execution.actors import Pool
from curate.execution.executor import LOST_WORKER_RETRIES, Executor
from curate.execution.ray_session import refuse_other_code
from curate.step import Task, find
from curate.storage import Store
from tests.curate import ray_tasks
from tests.curate.execution import hungry
from tests.curate.runs import ROOT

FREE_SPACE = "; free space and run again: what is finished is kept"


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    with Executor(Store(tmp_path_factory.mktemp("work")), ExecutionConfig(workers=2)) as executor:
        yield executor


def test_every_task_has_an_outcome_in_order_and_runs_once(executor: Executor) -> None:
    tasks = [Task("s", f"once{i % 5}", f"task {i}", ray_tasks.write_number, (i % 5,)) for i in range(10)]
    first = executor.run("s", tasks)
    assert [o.task for o in first] == tasks
    assert sum(o.executed for o in first) == 5
    assert all(o.commit and o.commit.rows("documents") == 1 for o in first)
    again = executor.run("s", tasks)
    assert not any(o.executed for o in again)
    assert [o.commit for o in again] == [o.commit for o in first]


def test_no_process_listens_beyond_this_machine(executor: Executor) -> None:
    [done] = executor.run("s", [Task("s", "any", "any", ray_tasks.write_number, (1,))])
    assert done.commit
    ours = psutil.Process()
    sockets = [s for p in (ours, *ours.children(recursive=True)) for s in p.net_connections("inet")]
    listening = {ip_address(s.laddr.ip.removeprefix("::ffff:")) for s in sockets if s.status == psutil.CONN_LISTEN}
    assert listening
    assert all(address.is_loopback for address in listening), listening


def test_an_exception_fails_its_task_only_and_shows_no_text(executor: Executor) -> None:
    outcomes = executor.run("s", [
        Task("s", "ours", "object a", ray_tasks.fail, ("ours: row 7 is broken",)),
        Task("s", "theirs", "object b", ray_tasks.fail, ("secret text of a document",)),
        Task("s", "fine", "object c", ray_tasks.write_number, (1,)),
    ])  # fmt: skip
    assert outcomes[0].error == "object a: ours: row 7 is broken"
    line = ray_tasks.fail.__code__.co_firstlineno + 2
    assert outcomes[1].error == f"object b: ValueError at tests/curate/ray_tasks.py:{line}"
    assert outcomes[2].commit


def test_a_lost_worker_is_tried_again_and_given_up_in_the_end(executor: Executor, tmp_path: Path) -> None:
    recovers, hopeless = executor.run("s", [
        Task("s", "recovers", "a", ray_tasks.die_until, (tmp_path / "a", 1)),
        Task("s", "hopeless", "b", ray_tasks.die_until, (tmp_path / "b", 99)),
    ])  # fmt: skip
    assert recovers.commit
    assert hopeless.error
    assert hopeless.error.startswith(f"b: its worker died {LOST_WORKER_RETRIES + 1} times")
    assert (tmp_path / "b").stat().st_size == LOST_WORKER_RETRIES + 1
    assert find(executor.store, "s", "hopeless") is None


def test_a_record_that_kills_its_worker_is_quarantined_and_no_other(executor: Executor, tmp_path: Path) -> None:
    log = tmp_path / "log"
    task = Task("s", "isolated", "a", ray_tasks.write_records, (40, frozenset({3, 17}), 40, log), divisible=True)
    other = Task("s", "beside it", "b", ray_tasks.write_number, (1,))
    [outcome, beside] = executor.run("s", [task, other])
    assert beside.commit
    commit = outcome.commit
    assert commit, outcome.error
    assert (commit.counts["in"], commit.rows("documents"), commit.rows("quarantined")) == (40, 38, 2)
    assert commit.identity == "isolated-3,17"
    runs = log.read_text()
    [again] = executor.run("s", [task])
    assert (again.commit, again.executed, log.read_text()) == (commit, False, runs)


def test_records_that_are_too_much_together_fail_their_task_and_say_what_to_do(
    executor: Executor, tmp_path: Path
) -> None:
    arguments = (30, frozenset(), 10, tmp_path / "log")
    [outcome] = executor.run("s", [Task("s", "together", "a", ray_tasks.write_records, arguments, divisible=True)])
    assert outcome.error
    assert outcome.error.startswith("a: its worker died 4 times")
    assert "raise --memory or lower execution.split_bytes" in outcome.error


def test_a_record_that_needs_more_than_the_cap_is_quarantined(tmp_path: Path) -> None:
    sizes = (1_000_000, 2_000_000_000, 1_000_000)
    task = Task("s", "large", "a", ray_tasks.hold, (sizes,), divisible=True)
    config = ExecutionConfig(workers=1, memory=700_000_000)
    with Executor(Store(tmp_path), config) as executor:
        [outcome] = executor.run("s", [task])
    assert outcome.commit, outcome.error
    assert outcome.commit.notes["isolated"] == "1"


@pytest.mark.parametrize(("written", "size"), [("2GB", 2 * 10**9), ("1.5 GiB", 3 * 2**29), (10**9, 10**9)])
def test_the_cap_is_written_as_people_write_sizes(written: object, size: int) -> None:
    assert ExecutionConfig.model_validate({"memory": written}).memory == size


def resident(pid: int) -> int:
    """Bytes; 0 once the process is gone."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).memory_info().rss
    return 0


@pytest.mark.parametrize("kind", hungry.KINDS)
def test_a_worker_is_ended_when_it_needs_more_memory_than_it_may(kind: str) -> None:
    cap, size = 800_000_000, 3_000_000_000
    command = [sys.executable, "-m", "tests.curate.execution.hungry", kind, str(cap), str(size)]
    peak = 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        # Not ru_maxrss: that knows what this process, of which it was a copy, holds.
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
        assert process.stdout
        said = process.stdout.read()
    assert (said, process.returncode) == (b"", -signal.SIGKILL)
    assert cap / 2 < peak < cap + 200_000_000


def test_python_out_of_memory_counts_as_a_lost_worker(executor: Executor, tmp_path: Path) -> None:
    [outcome] = executor.run("s", [Task("s", "too much", "a", ray_tasks.ask_too_much, (tmp_path / "log",))])
    assert outcome.error
    assert "needs more memory" in outcome.error
    assert (tmp_path / "log").read_text() == "xxxx"


def test_a_pool_opens_its_resource_once_replaces_a_dead_actor_and_closes(executor: Executor, tmp_path: Path) -> None:
    pool = Pool(ray_tasks.Resource, (tmp_path / "log",), size=1)
    die = [None, tmp_path / "died", None]
    tasks = [Task("s", f"pool{i}", f"{i}", ray_tasks.use, (i, die[i])) for i in range(3)]
    assert all(o.commit for o in executor.run("s", tasks, pool))
    lines = (tmp_path / "log").read_text().split()
    assert lines.count("open") == 2
    assert lines.count("close") == 1


def test_an_actor_that_died_while_it_was_idle_is_replaced(executor: Executor, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def end_the_actor(stage: str, done: int, total: int) -> None:
        del stage, total
        if done == 1:
            process = psutil.Process(int(log.read_text().split()[1]))
            process.kill()
            psutil.wait_procs([process], timeout=10)

    watched = Executor(executor.store, executor.config, end_the_actor)
    pool = Pool(ray_tasks.Resource, (log,), size=1)
    outcomes = watched.run("s", [Task("s", f"idle{i}", f"{i}", ray_tasks.use, (i, None)) for i in range(3)], pool)
    assert all(o.commit for o in outcomes)
    assert log.read_text().split().count("open") == 2


def test_an_actor_whose_resource_cannot_be_opened_fails_its_tasks_and_shows_no_text(executor: Executor) -> None:
    pool = Pool(ray_tasks.refuse_to_open, (), size=1)
    outcomes = executor.run("s", [Task("s", f"closed{i}", f"{i}", ray_tasks.use, (i, None)) for i in range(2)], pool)
    assert [o.error for o in outcomes] == [f"{i}: No space left on device: /cache{FREE_SPACE}" for i in range(2)]


def test_a_result_that_may_pass_is_tried_again_by_the_next_run_and_once_by_this(executor: Executor) -> None:
    task = Task("s", "passing", "n", ray_tasks.write_passing, ())
    assert [o.executed for o in executor.run("s", [task])] == [True]
    assert [o.executed for o in executor.run("s", [task])] == [False]
    later = Executor(executor.store, executor.config)
    [outcome] = later.run("s", [task])
    assert outcome.executed
    assert outcome.commit
    assert outcome.commit.identity != outcome.commit.key


def test_nothing_to_do_starts_nothing_and_ray_without_a_login_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    executor = Executor(Store(tmp_path), ExecutionConfig())
    assert executor.run("s", []) == []
    with pytest.raises(ConfigError, match="RAY_AUTH_MODE=disabled"):
        executor.run("s", [Task("s", "k", "n", ray_tasks.write_number, (1,))])


@pytest.mark.parametrize("name", ["curate/__init__.py", "filters.py"])
def test_other_code_under_our_names_in_the_current_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Workers look there first: a pip-installed command in a clone of another version would mix the two."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"{name}: workers would import this as .*pip install -e"):
        Executor(Store(tmp_path / "work"), ExecutionConfig()).run(
            "s", [Task("s", "k", "n", ray_tasks.write_number, (1,))]
        )


def test_a_folder_of_other_things_under_our_names_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "filters").mkdir()
    refuse_other_code(tmp_path)
    refuse_other_code(ROOT)
