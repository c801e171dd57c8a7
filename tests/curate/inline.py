"""Whole runs without Ray, in one process, over a disk that may fail: what a walk over every point of a run needs."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from curate.config.file import load
from curate.execution.executor import Pool
from curate.pipeline import Pipeline
from curate.result import RunResult
from curate.step import Outcome, Task, find, run_step
from curate.storage import Disk, Store, lock


class InlineExecutor:
    """Runs tasks one after the other; an exception goes to the caller, as a walk wants to see it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.executed: Counter[str] = Counter()

    def run(self, stage: str, tasks: Sequence[Task], pool: Pool | None = None) -> list[Outcome]:
        del stage
        todo = {task.key: task for task in tasks if find(self.store, task.stage, task.key) is None}
        resource = closing(pool.open_resource(*pool.args)) if pool and todo else nullcontext()
        with resource as opened:
            for task in todo.values():
                self._run(task, *([opened] if pool else []))
        commits = [find(self.store, task.stage, task.key) for task in tasks]
        return [Outcome(t, c, executed=todo.get(t.key) is t) for t, c in zip(tasks, commits, strict=True)]

    def _run(self, task: Task, *resource: Any) -> None:
        run_step(self.store, task.stage, task.key, lambda writer: task.run(writer, self.store, *resource, *task.args))
        self.executed[task.stage] += 1


def run_inline(config: Path, disk: Disk | None = None) -> tuple[RunResult, Counter[str]]:
    """The run's result, and how many tasks of each stage were executed."""
    loaded = load(config)
    work = Store(loaded.work, disk or Disk())
    executor = InlineExecutor(work)
    with lock(work):
        result = Pipeline(loaded, work, executor).run()  # type: ignore[arg-type]
    return result, executor.executed
