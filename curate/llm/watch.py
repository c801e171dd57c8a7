"""Runs a command and kills its whole process group when whoever started us is gone.

    python -I watch.py LOG COMMAND...     started with a pipe as stdin, in a process group of its own

vLLM's engine is a grandchild, so a parent-death signal on the child alone is not enough. The pipe closes when the
parent dies, however it dies; then the group gets SIGTERM and, four seconds later, SIGKILL. The same happens when the
command ends by itself. Two processes watch, and each sees the other die. Standard library only, to start in
milliseconds.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 4.0
"""vLLM ends in 1 to 3 s when asked to; the promise is 10 s in all."""

TRACKER_GRACE_S = 1.5


def die_with_parent() -> None:
    """In the child, before exec: SIGKILL when the watcher itself is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(log: str, command: list[str]) -> int:
    """Exit code of the command, 128 + the number of the signal that killed it; 0 where we ended it."""
    parent = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ignore)
    if inner := os.fork():
        # Ray kills the children of a worker that ends, so the one it sees must not be the only one that watches.
        _, status = os.waitpid(inner, 0)
        kill_group({os.getpid()})
        return max(0, os.waitstatus_to_exitcode(status))
    return watch(log, command, parent)


def watch(log: str, command: list[str], parent: int) -> int:
    """Run the command until it ends, the pipe closes, or our own parent or `parent` is gone."""
    outer = os.getppid()
    # Orphaned grandchildren become ours, so that killing can wait for them.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with open(log, "wb", buffering=0) as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,  # safe: this process has one thread
        )
    # A pipe that another child of the parent inherited stays open; the outer watcher's parent then tells.
    while child.poll() is None and os.getppid() == outer and parent_of(outer) == parent:
        if select.select([sys.stdin], [], [], 0.5)[0]:
            break
    code = child.poll() or 0
    kill_group({os.getpid(), outer})
    return code if code >= 0 else 128 - code


def parent_of(pid: int) -> int | None:
    """None once the process is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])
    return None


def ignore(number: int, frame: FrameType | None) -> None:
    """The watchers outlive the SIGTERM that they send to their own group."""


def kill_group(spared: set[int]) -> None:
    """SIGTERM to the group, SIGKILL to what is left of it after GRACE_S; `spared` are the watchers."""
    if not others(spared):
        return
    os.killpg(0, signal.SIGTERM)
    wait_for_others(GRACE_S, spared)
    # Python's resource tracker unlinks the shared memory (160 MB and more) of those that were killed, then ends.
    kill(pid for pid in others(spared) if not is_resource_tracker(pid))
    wait_for_others(TRACKER_GRACE_S, spared)
    for _ in range(100):
        if not (left := others(spared)):
            break
        kill(left)
        wait_for_others(0.05, spared)


def kill(pids: Iterable[int]) -> None:
    """SIGKILL; who is gone already is gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_resource_tracker(pid: int) -> bool:
    """Whether this is multiprocessing's tracker, which ends by itself once its users are gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return b"resource_tracker" in file.read()
    return False


def wait_for_others(seconds: float, spared: set[int]) -> None:
    """Until the group is empty but for `spared`, at most `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and others(spared):
        time.sleep(0.02)


def others(spared: set[int]) -> list[int]:
    """Living processes of our group or below us, `spared` apart."""
    group, found = os.getpgrp(), []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in spared:
            continue
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/stat") as file:
                state, parent, its_group = file.read().rpartition(")")[2].split()[:3]
            if state not in "ZX" and (int(its_group) == group or int(parent) == os.getpid()):
                found.append(int(name))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
