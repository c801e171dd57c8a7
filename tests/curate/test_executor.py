from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.config import ExecutionConfig
from curate.errors import ConfigError
from curate.executor import LOST_WORKER_RETRIES, Executor, Pool, Task
from curate.step import find
from curate.storage import Store
from tests.curate import ray_tasks


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


def test_an_exception_fails_its_task_only_and_shows_no_text(executor: Executor) -> None:
    outcomes = executor.run("s", [
        Task("s", "ours", "object a", ray_tasks.fail, ("ours: row 7 is broken",)),
        Task("s", "theirs", "object b", ray_tasks.fail, ("secret text of a document",)),
        Task("s", "fine", "object c", ray_tasks.write_number, (1,)),
    ])  # fmt: skip
    assert outcomes[0].error == "object a: ours: row 7 is broken"
    assert outcomes[1].error
    assert outcomes[1].error.startswith("object b: ValueError in ")
    assert "secret" not in outcomes[1].error
    assert outcomes[2].commit


def test_a_lost_worker_is_tried_again_and_given_up_in_the_end(executor: Executor, tmp_path: Path) -> None:
    recovers, hopeless = executor.run("s", [
        Task("s", "recovers", "a", ray_tasks.die_until, (tmp_path / "a", 1)),
        Task("s", "hopeless", "b", ray_tasks.die_until, (tmp_path / "b", 99)),
    ])  # fmt: skip
    assert recovers.commit
    assert hopeless.error
    assert f"died {LOST_WORKER_RETRIES + 1} times" in hopeless.error
    assert (tmp_path / "b").stat().st_size == LOST_WORKER_RETRIES + 1
    assert find(executor.store, "s", "hopeless") is None


def test_a_pool_opens_its_resource_once_replaces_a_dead_actor_and_closes(executor: Executor, tmp_path: Path) -> None:
    pool = Pool(ray_tasks.Resource, (tmp_path / "log",), size=1)
    die = [None, tmp_path / "died", None]
    tasks = [Task("s", f"pool{i}", f"{i}", ray_tasks.use, (i, die[i])) for i in range(3)]
    assert all(o.commit for o in executor.run("s", tasks, pool))
    lines = (tmp_path / "log").read_text().split()
    assert lines.count("open") == 2
    assert lines.count("close") == 1


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
