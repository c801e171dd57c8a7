"""Files behind one interface: read, put, put-if-absent, atomic publish. The only module that opens, writes or renames.

A name is relative to the store's root, with `/` between parts. Local folders are what is implemented; a bucket joins
as a second class with these methods (put-if-absent there is a conditional write).
"""

import fcntl
import glob
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from curate.errors import ConfigError, InputError, LockedError


@dataclass(frozen=True)
class Store:
    """A local folder."""

    root: Path

    def path(self, name: str) -> Path:
        """Where `name` is. Raises ValueError for a name that leads out of the root."""
        parts = name.split("/")
        if name.startswith("/") or "\0" in name or any(part in {"", ".", ".."} for part in parts):
            raise ValueError(f"name {name!r} leads out of the store; expected plain parts with / between them")
        return self.root.joinpath(*parts)

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder `name`."""
        return self.path(name).exists()

    def size(self, name: str) -> int | None:
        """Bytes of `name`; None where it does not exist."""
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        """All bytes of `name`. Raises FileNotFoundError."""
        return self.path(name).read_bytes()

    def list(self, prefix: str) -> list[str]:
        """Names of all files below the folder `prefix`, sorted."""
        top = self.path(prefix)
        return sorted(
            str(p.relative_to(self.root)) for p in top.rglob("*") if p.is_file() and not p.name.startswith(".")
        )

    def put(self, name: str, data: bytes) -> None:
        """Write or replace `name` whole: a reader sees the old bytes or the new ones."""
        with self.publish(name) as path:
            path.write_bytes(data)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write `name` unless it exists. True if this call made it."""
        path, temporary = self.path(name), self.begin(name)
        temporary.write_bytes(data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True

    @contextmanager
    def publish(self, name: str) -> Iterator[Path]:
        """A path to write to; it becomes `name` when the block ends well, and is removed when it raises."""
        temporary = self.begin(name)
        try:
            yield temporary
            self.finish(temporary, name)
        finally:
            temporary.unlink(missing_ok=True)

    def begin(self, name: str) -> Path:
        """A path beside `name` to write to, invisible to `list`; `finish` it, or unlink it."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_name(f".{path.name}.{os.getpid()}.tmp")

    def finish(self, temporary: Path, name: str) -> None:
        """Make what was written to `temporary` the content of `name`, at once."""
        os.replace(temporary, self.path(name))

    def link(self, source: Path, name: str) -> None:
        """Make `name` the same file as `source`: a hard link, or a copy where the file systems differ."""
        if self.exists(name):
            return
        with self.publish(name) as path:
            try:
                os.link(source, path)
            except OSError:
                path.write_bytes(source.read_bytes())

    def point(self, name: str, target: str) -> None:
        """Make `name` a relative symbolic link to `target`, replacing what it pointed to at once."""
        temporary = self.begin(name)
        temporary.unlink(missing_ok=True)
        os.symlink(target, temporary)
        os.replace(temporary, self.path(name))

    def pointed(self, name: str) -> str | None:
        """What the link `name` points to; None where there is none."""
        try:
            return os.readlink(self.path(name))
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        """Remove `name` if it exists."""
        self.path(name).unlink(missing_ok=True)


@dataclass(frozen=True)
class InputObject:
    """One input file as it was when the run was planned."""

    uri: str
    size: int
    mtime_ns: int
    inode: int


def find_inputs(uri: str) -> list[InputObject]:
    """The files that a file, folder or glob names, sorted by path; hidden files are left out. Raises ConfigError."""
    path = Path(uri)
    if path.is_dir():
        found = [p for p in path.rglob("*") if not any(q.startswith(".") for q in p.relative_to(path).parts)]
    elif path.exists():
        found = [path]
    else:
        found = [Path(p) for p in glob.glob(uri, recursive=True)]
        if not found:
            raise ConfigError(f"input {uri}: nothing there; expected a path or a glob")
    return [_object(p) for p in sorted(found) if p.is_file()]


def _object(path: Path) -> InputObject:
    stat = path.stat()
    return InputObject(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)


def open_input(uri: str) -> BinaryIO:
    """A seekable stream over an input object. Raises InputError."""
    try:
        return open(uri, "rb")
    except OSError as error:
        raise InputError(f"{uri}: cannot be opened ({error.strerror}), but was there when planned") from error


def content_hash(uri: str) -> str:
    """Hex sha256 of the whole object."""
    with open_input(uri) as stream:
        return hashlib.file_digest(cast("io.BufferedReader", stream), "sha256").hexdigest()


@contextmanager
def lock(work: Store) -> Iterator[None]:
    """Hold the work folder: an OS lock that dies with its process. Raises LockedError, naming the holder."""
    path = work.path("lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            raise LockedError(
                f"{work.root}: in use by {holder}; wait for it, or give this run another --work"
            ) from None
        stream.seek(0)
        stream.truncate()
        stream.write(f"process {os.getpid()}")
        stream.flush()
        yield
