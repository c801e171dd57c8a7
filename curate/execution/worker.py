"""What happens to a task in its worker: a memory cap, and exceptions that are told without their text. Knows no Ray."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from curate.errors import BudgetReached, ConservationError, CurateError, describe
from curate.execution import watchers
from curate.execution.isolation import noted
from curate.shards import ShardWriter
from curate.step import ISOLATED, Commit, Rows, Task, run_step
from curate.storage import TEMPORARY, Store

T = TypeVar("T")

KILLED = 137
"""Exit code of a process that SIGKILL ended, as a shell gives it."""


ENDS_RUN = (BudgetReached, ConservationError)


@dataclass(frozen=True)
class Failure:
    """What a worker says of an exception."""

    message: str
    ends_run: type[CurateError] | None = None
    """What the driver raises at once, where no other task could go on either."""


def execute(store: Store, task: Task, rows: Rows, *resource: object) -> Commit | Failure:
    """Run the task over `rows` and commit; a divisible one notes what was left out."""

    def work(writer: ShardWriter) -> None:
        if not task.divisible:
            task.run(writer, store, *resource, *task.args)
            return
        task.run(writer, store, *resource, *task.args, rows=rows)
        if note := noted(rows):
            writer.note(ISOLATED, note)

    return told(lambda: run_step(store, task.stage, task.key, work))


def probe(store: Store, task: Task, rows: Rows) -> int | Failure:
    """How many records `rows` are, once the task got through them. Nothing of what it wrote stays."""

    def work() -> int:
        writer = ShardWriter(store, f"{TEMPORARY}/probe-{os.getpid()}")
        try:
            task.run(writer, store, *task.args, rows=rows)
            for shard in writer.close():
                store.delete(shard.name)
        finally:
            writer.abandon()
        # What commits rows of its own kind for some records only has no `in`.
        return writer.counts["in"] or writer.counts["looked_at"]

    return told(work)


def told(work: Callable[[], T]) -> T | Failure:
    """What the call returns, or what is said of its exception."""
    try:
        return work()
    except CurateError as error:
        return Failure(str(error), type(error) if isinstance(error, ENDS_RUN) else None)
    except MemoryError:
        # As if it had been killed: what it holds is torn, and the record that it was about is to be found.
        os._exit(KILLED)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is (Rust's panics are no Exception), it fails this task
        return Failure(describe(error))


@cache
def limit_memory(limit: int) -> "subprocess.Popen[bytes]":
    """From now on this process is killed when it holds more than `limit` bytes; the watcher that does it."""
    command = [sys.executable, "-I", watchers.__file__, "memory", str(limit)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
