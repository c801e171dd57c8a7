"""Runs a command and kills its whole process group when whoever started us is gone.

    python -I watch.py LOG COMMAND...     started with a pipe as stdin, in a process group of its own

vLLM's engine is a grandchild, so a parent-death signal on the child alone is not enough. The pipe closes when the
parent dies, however it dies; then the group gets SIGTERM and, three seconds later, SIGKILL. The same happens when the
command ends by itself. Standard library only: it must start in milliseconds.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 3.0
"""vLLM frees its shared memory in about 1 s; the promise is 10 s in all."""


def die_with_parent() -> None:
    """In the child, before exec: SIGKILL when the watcher itself is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(log: str, command: list[str]) -> int:
    """Exit code of the command, 0 where it was killed for us."""
    parent = os.getppid()
    # Orphaned grandchildren become ours, so that killing can wait for them.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, ignore)
    signal.signal(signal.SIGINT, ignore)
    with open(log, "ab", buffering=0) as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,  # safe: this process has one thread
        )
    while child.poll() is None:
        # A pipe that another child of the parent inherited stays open; the changed parent then tells.
        if select.select([sys.stdin], [], [], 0.5)[0] or os.getppid() != parent:
            break
    kill_group(child)
    return child.returncode or 0


def ignore(number: int, frame: FrameType | None) -> None:
    """The watcher outlives the SIGTERM that it sends to its own group."""


def kill_group(child: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to the group, SIGKILL to what is left of it after GRACE_S."""
    os.killpg(0, signal.SIGTERM)
    wait_for_others(GRACE_S)
    for _ in range(100):
        if not (left := others()):
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for_others(0.05)
    child.poll()


def wait_for_others(seconds: float) -> None:
    """Until the group is empty but for us, at most `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and others():
        time.sleep(0.02)


def others() -> list[int]:
    """Living processes of our group or below us, ourselves apart."""
    group, found = os.getpgrp(), []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/stat") as file:
                state, parent, its_group = file.read().rpartition(")")[2].split()[:3]
            if state not in "ZX" and (int(its_group) == group or int(parent) == os.getpid()):
                found.append(int(name))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
