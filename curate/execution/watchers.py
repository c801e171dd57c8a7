"""Two watchers, each a process of its own that ends by itself. Standard library only, to start in milliseconds.

    python -I watchers.py memory BYTES   SIGKILLs the process that started it when more than BYTES of memory are its own
    python -I watchers.py ray            ends what Ray leaves behind when the process that started it is gone

A thread cannot do the first: while a parser or `bytes` holds Python's lock, it does not run. A limit of the kernel
cannot either: RLIMIT_DATA counts what allocators reserve, and Arrow's reserves 1 GB with its first array.
"""

import os
import select
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

FILL_BYTES_PER_S = 8 << 30
"""More than a CPU can fill with pages (measured: 2 to 4 GB/s): how soon to look again follows from what is left."""

SHORTEST_S, LONGEST_S = 0.005, 0.1
SCAN_EVERY_S = 0.25


def memory(limit: int) -> None:
    """Watch the parent's resident memory until the parent is gone or killed."""
    parent = os.getppid()
    process, page = os.pidfd_open(parent), os.sysconf("SC_PAGE_SIZE")
    poll = select.poll()
    poll.register(process, select.POLLIN)
    with open(f"/proc/{parent}/statm", "rb", buffering=0) as statm, suppress(ProcessLookupError):
        while True:
            used = int(os.pread(statm.fileno(), 200, 0).split()[1]) * page
            if used > limit:
                signal.pidfd_send_signal(process, signal.SIGKILL)
                return
            if poll.poll(1000 * min(max((limit - used) / FILL_BYTES_PER_S, SHORTEST_S), LONGEST_S)):
                return


def ray() -> None:
    """End what Ray leaves behind. stdin: a line with the session's folder once Ray runs, another one if it shall stay.

    Ray's agents outlive a killed driver by a minute: they try for that long to tell a server that is gone. Its workers
    end by themselves within 2 s.
    """
    driver, found, said = os.getppid(), dict[int, int](), b""
    alive = select.poll()
    alive.register(os.pidfd_open(driver), select.POLLIN)
    alive.register(sys.stdin, select.POLLIN)
    while True:
        events = dict(alive.poll(None if said else 1000 * SCAN_EVERY_S))
        for raylet in (pid for pid, name in children(driver) if name == "raylet"):
            found |= open_children(raylet, known=found)
        if sys.stdin.fileno() in events and (piece := os.read(sys.stdin.fileno(), 4096)):
            said += piece
        elif events:
            break
    kill(found.values())
    if said.count(b"\n") == 1:
        shutil.rmtree(said.strip(), ignore_errors=True)


def kill(processes: Iterable[int]) -> None:
    """SIGKILL to what these file descriptors (pidfd) stand for."""
    for process in processes:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        os.close(process)


def open_children(parent: int, known: Iterable[int] = ()) -> dict[int, int]:
    """pid -> a file descriptor that stands for the process, whoever has its number later; of those not yet `known`."""
    found = {}
    for pid in {pid for pid, _ in children(parent)}.difference(known):
        with suppress(ProcessLookupError):
            found[pid] = os.pidfd_open(pid)
    return found


def children(parent: int) -> Iterator[tuple[int, str]]:
    """(pid, name) of the living children of a process."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError), open(f"/proc/{entry}/stat") as file:
                pid, _, rest = file.read().partition(" (")
                name, _, state = rest.rpartition(") ")
                if state.split()[1] == str(parent) and state[0] not in "ZX":
                    yield int(pid), name


if __name__ == "__main__":
    if sys.argv[1] == "memory":
        memory(int(sys.argv[2]))
    else:
        ray()
