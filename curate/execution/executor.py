"""Tasks in, outcomes out, over Ray. Knows nothing of what a task computes.

Plain `ray.remote` tasks with at most two a CPU in flight, and one pool of actors for what owns a model. Ray starts with
the first task that is not done yet, so a run that has nothing to do never pays its 4 s.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray

from curate.config import ExecutionConfig
from curate.errors import CurateError, asks_to_stop
from curate.execution import worker
from curate.execution.actors import Actors, Pool
from curate.execution.isolation import find_killers
from curate.execution.ray_session import RaySession
from curate.execution.worker import Failure
from curate.step import ALL, Commit, Outcome, Rows, Task, find
from curate.storage import Store

LOST_WORKER_RETRIES = 3
"""Further attempts at a task whose worker died, the last one with nothing beside it. An exception is never retried: the
same input gives it again."""

CHECK_EVERY_S = 1.0
"""How often a waiting driver looks whether Ray itself still runs."""

STOP_GRACE_S = 3.0
"""What running tasks have to commit once a signal asked the run to stop; 10 s are promised for all."""

Progress = Callable[[str, int, int], None]
"""(stage, tasks done, tasks in all)"""


def silent(stage: str, done: int, total: int) -> None:
    """Progress for nobody."""
    del stage, done, total


@dataclass
class Executor:
    """Runs tasks until all have an outcome. Use as a context manager: leaving it ends every process that it started."""

    store: Store
    config: ExecutionConfig
    progress: Progress = silent
    _ray: RaySession | None = field(default=None, init=False)
    _running: dict[Any, Task] = field(default_factory=dict, init=False)
    _ended: set[str] = field(default_factory=set, init=False)
    """Keys of what this run did: a passing result is tried again once a run."""

    def __enter__(self) -> "Executor":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._ray is None:
            return
        try:
            if self._running and asks_to_stop(kind):
                # What commits within moments need not be done again. The rest ends with Ray: ray.cancel(force=True) now
                # and then ends the driver instead (2.60, "Tried to complete task that was not pending").
                ray.wait(list(self._running), num_returns=len(self._running), timeout=STOP_GRACE_S)
        finally:
            self._ray.close()

    def run(self, stage: str, tasks: Sequence[Task], pool: Pool | None = None) -> list[Outcome]:
        """An outcome a task, in their order. Tasks with equal keys run once. An exception fails its task only."""
        by_key = {task.key: task for task in tasks}
        done: dict[str, Outcome] = {}
        for key, task in by_key.items():
            if (commit := find(self.store, task.stage, key)) and not (commit.is_passing and key not in self._ended):
                done[key] = Outcome(task, commit)
        waiting = [task for key, task in by_key.items() if key not in done]
        self.progress(stage, len(done), len(by_key))
        for outcome in self._execute(waiting, pool) if waiting else ():
            done[outcome.task.key] = outcome
            self._ended.add(outcome.task.key)
            self.progress(stage, len(done), len(by_key))
        return [Outcome(task, (o := done[task.key]).commit, o.error, o.executed and o.task is task) for task in tasks]

    def _execute(self, tasks: list[Task], pool: Pool | None) -> Iterator[Outcome]:
        self._ray = self._ray or RaySession(self.config)
        if pool is None:
            yield from self._drain(tasks, 2 * max(1, self._ray.cpus), self._submit)
            return
        with Actors(self.store, pool, self._ray.gpus) as actors:
            try:
                yield from self._drain(tasks, pool.size, actors.submit)
            finally:
                self._running.clear()

    def _submit(self, task: Task, rows: Rows = ALL, work: Callable[..., Any] = worker.execute) -> Any:
        return _run_task.remote(work, self.store, task, rows, self.config.memory)

    def _drain(self, tasks: Sequence[Task], in_flight: int, submit: Callable[[Task], Any]) -> Iterator[Outcome]:
        """Keep `in_flight` tasks running; yield each outcome as it comes. A lost worker's task is submitted again."""
        waiting = list(reversed(tasks))
        deaths: Counter[str] = Counter()
        alone: list[Task] = []
        while waiting or self._running:
            while waiting and len(self._running) < in_flight:
                task = waiting.pop()
                self._running[submit(task)] = task
            task, ended = self._next_ended()
            if ended is not None:
                yield _outcome(task, ended)
                continue
            deaths[task.key] += 1
            (waiting if deaths[task.key] < LOST_WORKER_RETRIES else alone).append(task)
        for task in alone:
            yield self._last_attempt(task, submit)

    def _next_ended(self) -> "tuple[Task, Any]":
        """One of the running tasks, and what came of it; None: its worker died. Raises CurateError where Ray did."""
        assert self._ray
        ended: list[Any] = []
        while not ended:
            self._ray.check()
            ended, _ = ray.wait(list(self._running), num_returns=1, timeout=CHECK_EVERY_S)
        task = self._running.pop(ended[0])
        try:
            return task, ray.get(ended[0])
        except ray.exceptions.RayTaskError as error:
            self._ray.check()
            why = (str(error.cause).strip().splitlines() or [""])[-1][:200]
            return task, Failure(f"{type(error.cause).__name__} before its worker began with it: {why}")
        except ray.exceptions.RayError:
            self._ray.check()
            return task, None

    def _last_attempt(self, task: Task, submit: Callable[[Task], Any]) -> Outcome:
        """With nothing beside it; a divisible task then without the records that kill its worker each alone."""
        ended = self._alone(task, submit(task))
        if ended is None and task.divisible:
            try:
                killers = find_killers(lambda rows: self._probe(task, rows))
            except CurateError as error:
                return Outcome(task, None, f"{task.name}: {error}", executed=True)
            if killers:
                ended = self._alone(task, self._submit(task, killers.rows))
        return _outcome(task, Failure(_lost(task, self.config.memory)) if ended is None else ended)

    def _probe(self, task: Task, rows: Rows) -> int | None:
        ended = self._alone(task, self._submit(task, rows, worker.probe))
        if isinstance(ended, Failure):
            raise CurateError(ended.message)
        return ended  # type: ignore[no-any-return]

    def _alone(self, task: Task, reference: Any) -> Any:
        self._running[reference] = task
        return self._next_ended()[1]


def _outcome(task: Task, ended: Commit | Failure) -> Outcome:
    if isinstance(ended, Commit):
        return Outcome(task, ended, executed=True)
    if ended.ends_run:
        raise ended.ends_run(ended.message)
    return Outcome(task, None, f"{task.name}: {ended.message}", executed=True)


def _lost(task: Task, memory: int | None) -> str:
    """What is said of a task that no attempt got through."""
    died = f"its worker died {LOST_WORKER_RETRIES + 1} times, the last time with nothing beside it"
    cap = f" than the {memory:,} bytes of execution.memory" if memory else " than this machine has"
    if task.divisible:
        return (
            f"{died}, and leaving single records out did not help: it crashes, or needs more memory{cap}; "
            "raise --memory or lower execution.split_bytes, and run again: what is finished is kept"
        )
    return f"{died}: it crashes, or needs more memory{cap}; raise that and run again: what is finished is kept"


@ray.remote(num_cpus=1, max_retries=0)
def _run_task(work: Callable[..., Any], store: Store, task: Task, rows: Rows, memory: int | None) -> Any:
    if memory is not None:
        worker.limit_memory(memory)
    return work(store, task, rows)
