"""The only caller of Ray: tasks in, outcomes out. Knows nothing of what a task computes.

Plain `ray.remote` tasks with at most two a CPU in flight, and one pool of actors for what owns a model. Ray starts with
the first task that is not done yet, so a run that has nothing to do never pays its 4 s.
"""

import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray

from curate.config import ExecutionConfig
from curate.errors import ConfigError, ConservationError, CurateError
from curate.step import Commit, Outcome, ShardWriter, Task, find, run_step
from curate.storage import Store

LOST_WORKER_RETRIES = 3
"""Further attempts at a task whose worker died; an exception is never retried: the same input gives it again."""

WORKER_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"), "1") | {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's own is 15: whatever else the machine does starves such workers (1,000 documents: 15.0 s, and 7.2 s at 0).
    "RAY_worker_niceness": "0",
}
"""A task owns one CPU: libraries that would take every core are held to one thread."""


@dataclass(frozen=True)
class Pool:
    """Actors that each hold one `open_resource(*args)`; their tasks get it as `run(writer, store, resource, *args)`."""

    open_resource: Callable[..., Any]
    args: tuple[Any, ...]
    size: int
    gpus: int = 0
    """GPUs that each actor takes, where the cluster has any."""


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
    _started: bool = field(default=False, init=False)
    _ended: set[str] = field(default_factory=set, init=False)
    """Keys of what this run did: a passing result is tried again once a run."""

    def __enter__(self) -> "Executor":
        return self

    def __exit__(self, *exc: object) -> None:
        if self._started:
            ray.shutdown()

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
        self._start()
        if pool is None:
            workers = int(_resource("CPU") or 1)
            yield from _drain(tasks, 2 * workers, lambda task: _run_task.remote(self.store, task))
        else:
            with _Actors(self.store, pool) as actors:
                yield from _drain(tasks, pool.size, actors.submit)

    def _start(self) -> None:
        if self._started:
            return
        if os.environ.get("RAY_AUTH_MODE", "token") != "token":
            raise ConfigError(
                f"RAY_AUTH_MODE={os.environ['RAY_AUTH_MODE']}: without token authentication anybody who reaches Ray "
                "runs code here; unset it (Ray's default is token), and start a cluster of your own the same way"
            )
        if ray.is_initialized():
            return  # The caller's own: it is used as it is, and not shut down here.
        # It says on stderr that the cluster asks for a token, in every run.
        logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
        if self.config.address:
            ray.init(address=self.config.address, runtime_env={"env_vars": WORKER_ENVIRONMENT}, log_to_driver=False)
        else:
            # Workers inherit the environment: a runtime_env would start an agent and cost seconds.
            before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
            os.environ.update(WORKER_ENVIRONMENT)
            try:
                ray.init(
                    "local", num_cpus=self.config.workers or os.cpu_count(), include_dashboard=False,
                    log_to_driver=False, configure_logging=False, _node_ip_address="127.0.0.1",
                )  # fmt: skip
            finally:
                _restore(before)
        self._started = True


def _resource(name: str) -> float:
    """How much of a resource the cluster has in all."""
    return float(ray.cluster_resources().get(name, 0.0))  # type: ignore[no-untyped-call]


def _restore(environment: Mapping[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _drain(tasks: Sequence[Task], in_flight: int, submit: Callable[[Task], Any]) -> Iterator[Outcome]:
    """Keep `in_flight` tasks running; yield each outcome as it comes. A lost worker's task is submitted again."""
    waiting = list(reversed(tasks))
    running: dict[Any, Task] = {}
    deaths: dict[str, int] = {}
    while waiting or running:
        while waiting and len(running) < in_flight:
            task = waiting.pop()
            running[submit(task)] = task
        [reference], _ = ray.wait(list(running), num_returns=1)
        task = running.pop(reference)
        try:
            yield _outcome(task, ray.get(reference))
        except (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.ActorDiedError,
            ray.exceptions.OutOfMemoryError,
        ) as lost:
            deaths[task.key] = deaths.get(task.key, 0) + 1
            if deaths[task.key] <= LOST_WORKER_RETRIES:
                waiting.append(task)
            else:
                reason = f"its worker died {deaths[task.key]} times ({type(lost).__name__})"
                yield Outcome(task, None, f"{task.name}: {reason}", executed=True)


def _outcome(task: Task, ended: "Commit | _Failure") -> Outcome:
    if isinstance(ended, Commit):
        return Outcome(task, ended, executed=True)
    if ended.is_defect:
        raise ConservationError(ended.message)
    return Outcome(task, None, f"{task.name}: {ended.message}", executed=True)


@dataclass(frozen=True)
class _Failure:
    """What a worker says of an exception."""

    message: str
    is_defect: bool


def _step(store: Store, task: Task, *resource: object) -> "Commit | _Failure":
    def work(writer: ShardWriter) -> None:
        task.run(writer, store, *resource, *task.args)

    try:
        return run_step(store, task.stage, task.key, work)
    except CurateError as error:
        return _Failure(str(error), isinstance(error, ConservationError))
    except Exception as error:  # noqa: BLE001 - whatever it is, it fails this task and no other
        # Type and place only: the message of another library may hold the text of a document.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return _Failure(f"{type(error).__name__} in {frame.filename}:{frame.lineno}, {frame.name}", is_defect=False)


@ray.remote(num_cpus=1, max_retries=0)
def _run_task(store: Store, task: Task) -> Commit | _Failure:
    return _step(store, task)


@ray.remote(max_restarts=0, max_task_retries=0)
class _ModelActor:
    """Owns one resource (a model server, say) for as long as it lives."""

    def __init__(self, open_resource: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._open_resource = open_resource
        self._args = args
        self._resource: Any = None

    def run(self, store: Store, task: Task) -> Commit | _Failure:
        try:
            # Here and not above: what it raises is the task's failure, not the death of an actor.
            self._resource = self._resource or self._open_resource(*self._args)
        except CurateError as error:
            return _Failure(str(error), is_defect=False)
        return _step(store, task, self._resource)

    def close(self) -> None:
        if self._resource is not None:
            self._resource.close()


class _Actors:
    """A fixed number of actors; each works on one task at a time, a dead one is replaced by the next submit."""

    def __init__(self, store: Store, pool: Pool) -> None:
        self._store = store
        self._pool = pool
        self._all: list[Any] = []
        self._busy: dict[Any, Any] = {}

    def __enter__(self) -> "_Actors":
        return self

    def __exit__(self, *exc: object) -> None:
        for actor in self._all:
            # One that is dead already, or hangs, is killed next.
            with suppress(ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
                ray.get(actor.close.remote(), timeout=30)
            ray.kill(actor)

    def submit(self, task: Task) -> Any:
        actor = self._idle() or self._new()
        reference = actor.run.remote(self._store, task)
        self._busy[actor] = reference
        return reference

    def _idle(self) -> Any | None:
        for actor in list(self._all):
            reference = self._busy.get(actor)
            if reference is None or ray.wait([reference], timeout=0)[0]:
                try:
                    ray.get(actor.__ray_ready__.remote(), timeout=60)
                except ray.exceptions.RayError:
                    self._all.remove(actor)
                    continue
                return actor
        return None

    def _new(self) -> Any:
        options: Any = {"num_cpus": 0, "num_gpus": min(self._pool.gpus, int(_resource("GPU")))}
        actor = _ModelActor.options(**options).remote(  # type: ignore[attr-defined]
            self._pool.open_resource, self._pool.args
        )
        self._all.append(actor)
        return actor
