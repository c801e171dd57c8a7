"""Ray actors for what owns a model: each opens its resource once, with its first task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray

from curate.errors import ModelError, asks_to_stop
from curate.execution import worker
from curate.execution.worker import Failure
from curate.step import ALL, Commit, Task
from curate.storage import Store

CLOSE_S = 30.0
"""What actors have to stop their engines when all is done."""


@dataclass(frozen=True)
class Pool:
    """Actors that each hold one `open_resource(*args)`; their tasks get it as `run(writer, store, resource, *args)`."""

    open_resource: Callable[..., Any]
    args: tuple[Any, ...]
    size: int
    gpus: int = 0
    """GPUs that each actor takes, where the cluster has any."""


@ray.remote(max_restarts=0, max_task_retries=0)
class _ModelActor:
    """Owns one resource (a model server, say) for as long as it lives."""

    def __init__(self, open_resource: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._open_resource = open_resource
        self._args = args
        self._resource: Any = None

    def run(self, store: Store, task: Task) -> Commit | Failure:
        # Here and not above: what it raises is the task's failure, not the death of an actor.
        if self._resource is None:
            opened = worker.told(lambda: self._open_resource(*self._args))
            if isinstance(opened, Failure):
                return opened
            self._resource = opened
        return worker.execute(store, task, ALL, self._resource)

    def close(self) -> None:
        if self._resource is not None:
            self._resource.close()


class Actors:
    """A fixed number of actors; each works on one task at a time, a dead one is replaced by the next submit."""

    def __init__(self, store: Store, pool: Pool, gpus: Sequence[int]) -> None:
        """`gpus`: of each machine of Ray's. Raises ModelError where some actors would wait for theirs for ever."""
        if any(gpus) and pool.gpus and sum(n // pool.gpus for n in gpus) < pool.size:
            raise ModelError(
                f"llm.replicas is {pool.size}, each needs {pool.gpus} GPU of one machine (llm.tensor_parallel), and "
                f"Ray has {' + '.join(map(str, gpus))}: lower one of them"
            )
        self._store = store
        self._pool = pool
        self._gpus = pool.gpus if any(gpus) else 0
        self._all: list[Any] = []
        self._busy: dict[Any, Any] = {}

    def __enter__(self) -> "Actors":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._all and not asks_to_stop(kind):
            closed = [actor.close.remote() for actor in self._all]
            ray.wait(closed, num_returns=len(closed), timeout=CLOSE_S)
        for actor in self._all:
            # Whatever its engine still does: the engine's own watchers end it with its actor.
            ray.kill(actor)

    def submit(self, task: Task) -> Any:
        """Give the task to an idle actor, or to a new one; what Ray returns for it."""
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
                    ray.kill(actor)
                    continue
                return actor
        return None

    def _new(self) -> Any:
        options: Any = {"num_cpus": 0, "num_gpus": self._gpus}
        actor = _ModelActor.options(**options).remote(  # type: ignore[attr-defined]
            self._pool.open_resource, self._pool.args
        )
        self._all.append(actor)
        return actor
