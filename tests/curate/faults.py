"""A disk that fails where a test says: the n-th call of an operation on a file, before it or after it took effect.

A point is an operation and a file, such as `replace stages/extract/*/commit.json`. Keys, hashes and numbers of shards
are `*` in it, so that a walk over the points of one run meets every kind of call and not every call.
"""

import ctypes
import errno
import io
import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from curate.storage import Disk

MUTATING = ("create", "write", "replace", "link", "symlink", "unlink")


def kill() -> None:
    """SIGKILL to this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def hang(marker: Path) -> None:
    """What a call to a disk does that never answers: no signal brings Python back. Makes the file `marker` first."""
    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    marker.touch()
    while True:
        libc.pthread_mutex_lock(mutex)  # the second time waits for itself


@dataclass(frozen=True)
class Fault:
    """What happens at a point: an exception, or a call such as `kill`."""

    point: str
    """`operation pattern`, as in a trace; the pattern may hold * and ?."""

    action: OSError | Callable[[], None]
    nth: int = 1
    """Of the calls that match, counted from 1; 0: every one."""

    after: bool = False
    """The operation takes effect first: a reply that is lost."""


class FaultyDisk(Disk):
    """Does what a disk does, notes every call, and fails as told. Faults count in this process alone."""

    def __init__(self, root: Path, *faults: Fault, read_at_most: int | None = None, room: int | None = None) -> None:
        """`root` is cut off the names in points. `read_at_most`: bytes that one read gives at the most. `room`: bytes
        that can be written in all before the disk is full."""
        self.root = root
        self.faults = faults
        self.read_at_most = read_at_most
        self.room = room
        self.written = 0
        self.trace: list[str] = []
        self._seen: Counter[Fault] = Counter()

    def open(self, path: Path, mode: Literal["rb", "xb"]) -> io.RawIOBase:
        operation = "open" if mode == "rb" else "create"
        return self.call(operation, path, lambda: _FaultyStream(self, path, super(FaultyDisk, self).open(path, mode)))

    def size(self, path: Path) -> int:
        return self.call("size", path, lambda: super(FaultyDisk, self).size(path))

    def replace(self, source: Path, path: Path) -> None:
        self.call("replace", path, lambda: super(FaultyDisk, self).replace(source, path))

    def link(self, source: Path, path: Path) -> None:
        self.call("link", path, lambda: super(FaultyDisk, self).link(source, path))

    def symlink(self, target: str, path: Path) -> None:
        self.call("symlink", path, lambda: super(FaultyDisk, self).symlink(target, path))

    def unlink(self, path: Path) -> None:
        self.call("unlink", path, lambda: super(FaultyDisk, self).unlink(path))

    def call(self, operation: str, path: Path, work: Callable[[], Any]) -> Any:
        point = f"{operation} {self._name(path)}"
        self.trace.append(point)
        due = [fault for fault in self.faults if self._is_due(fault, point)]
        for fault in due:
            if not fault.after:
                _act(fault)
        result = work()
        for fault in due:
            if fault.after:
                _act(fault)
        return result

    def _is_due(self, fault: Fault, point: str) -> bool:
        if not fnmatchcase(point, fault.point.replace("[", "[[]")):
            return False
        self._seen[fault] += 1
        return fault.nth in (0, self._seen[fault])

    def _name(self, path: Path) -> str:
        name = str(path.relative_to(self.root)) if path.is_relative_to(self.root) else path.name
        return re.sub(r"[0-9a-f]{32,}|\d+-[0-9a-f]{12}(?=-)|\d{5}", "*", name)


def _act(fault: Fault) -> None:
    if isinstance(fault.action, OSError):
        raise fault.action
    fault.action()


class _FaultyStream(io.RawIOBase):
    """A stream whose reads and writes are points."""

    def __init__(self, disk: FaultyDisk, path: Path, raw: io.RawIOBase) -> None:
        self._disk = disk
        self._path = path
        self._raw = raw

    def readinto(self, buffer: Any) -> int | None:
        most = self._disk.read_at_most
        view = memoryview(buffer).cast("B")
        return self._disk.call("read", self._path, lambda: self._raw.readinto(view[:most] if most else view))  # type: ignore[attr-defined,no-any-return]

    def write(self, data: Any) -> int | None:
        return self._disk.call("write", self._path, lambda: self._write(memoryview(data).cast("B")))  # type: ignore[no-any-return]

    def _write(self, data: memoryview) -> int | None:
        disk = self._disk
        if disk.room is not None and len(data) > disk.room - disk.written:
            data = data[: disk.room - disk.written]
            if not data:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        disk.written += len(data)
        return self._raw.write(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def fileno(self) -> int:
        return self._raw.fileno()

    def readable(self) -> bool:
        return self._raw.readable()

    def writable(self) -> bool:
        return self._raw.writable()

    def seekable(self) -> bool:
        return self._raw.seekable()

    def close(self) -> None:
        self._raw.close()
        super().close()
