"""Files behind one interface: read, create, put-if-absent, compare-and-set. Every operation goes through a `Disk`.

A name is relative to the store's root, with `/` between parts. Local folders are what is implemented; a bucket joins
as a second class with these methods (put-if-absent and compare-and-set are conditional writes there). What is being
written lies in `.tmp` below the root until it is whole; whoever holds the folder's lock sweeps what others left there.
"""

import errno
import fcntl
import hashlib
import io
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, cast

import polars as pl

from curate.errors import LockedError, PublishConflict

# Polars' own is 128: a scan of 48 row groups had them all in memory, and more with more. At 2 it is no slower.
os.environ.setdefault("POLARS_ROW_GROUP_PREFETCH_SIZE", "2")

TEMPORARY = ".tmp"
BUFFER_BYTES = 128 << 10
COPY_BYTES = 16 << 20
NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})
"""What a hard link fails with where it cannot be made; a copy serves."""

OUTPUT_LOCK_WAIT_S = 60.0
"""A publish holds the output's lock for as long as it takes to link files: another one waits for it."""


class Disk:
    """The operations on files that all others are made of. A test puts one that fails in its place."""

    def open(self, path: Path, mode: Literal["rb", "xb"]) -> io.RawIOBase:
        """An unbuffered stream, which may read and write less than it was asked to."""
        return path.open(mode, buffering=0)

    def size(self, path: Path) -> int:
        """Bytes of the file. Raises FileNotFoundError."""
        return path.stat().st_size

    def replace(self, source: Path, path: Path) -> None:
        """Rename, at once, over what `path` was."""
        os.replace(source, path)

    def link(self, source: Path, path: Path) -> None:
        """A hard link. Raises FileExistsError."""
        os.link(source, path)

    def symlink(self, target: str, path: Path) -> None:
        """A symbolic link. Raises FileExistsError."""
        os.symlink(target, path)

    def unlink(self, path: Path) -> None:
        """Remove a file if it is there."""
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Draft:
    """A file that is being written to `stream`; nobody sees it until `commit`."""

    store: "Store"
    name: str
    path: Path
    stream: io.BufferedWriter

    def commit(self) -> None:
        """Make what was written the content of `name`, at once."""
        self.stream.close()
        self.store.disk.replace(self.path, self.store.ready(self.name))

    def discard(self) -> None:
        """Forget what was written. After `commit` it does nothing."""
        with suppress(OSError):  # What is left in the buffer may not fit either.
            self.stream.close()
        self.store.disk.unlink(self.path)


@dataclass(frozen=True)
class Store:
    """A local folder."""

    root: Path
    disk: Disk = field(default_factory=Disk, compare=False)

    def path(self, name: str) -> Path:
        """Where `name` is. Raises ValueError for a name that leads out of the root."""
        parts = name.split("/")
        if name.startswith("/") or "\0" in name or any(part in {"", ".", ".."} for part in parts):
            raise ValueError(f"name {name!r} leads out of the store; expected plain parts with / between them")
        return self.root.joinpath(*parts)

    def ready(self, name: str) -> Path:
        """Where `name` is, its folder made."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder `name`."""
        return self.path(name).exists()

    def size(self, name: str) -> int | None:
        """Bytes of `name`; None where it does not exist."""
        try:
            return self.disk.size(self.path(name))
        except FileNotFoundError:
            return None

    def open(self, name: str) -> io.BufferedReader:
        """A seekable stream over `name`. Raises FileNotFoundError."""
        return buffered(self.disk.open(self.path(name), "rb"))

    def read(self, name: str) -> bytes:
        """All bytes of `name`. Raises FileNotFoundError."""
        with self.open(name) as stream:
            return stream.read()

    def sha256(self, name: str) -> str:
        """Hex sha256 of `name`. Raises FileNotFoundError."""
        with self.open(name) as stream:
            return hash_of(stream)

    def scan(self, names: Sequence[str]) -> pl.LazyFrame:
        """The rows of Parquet files, read as far as they are needed."""
        return pl.scan_parquet([self.path(name) for name in names], glob=False)

    def list(self, prefix: str) -> list[str]:
        """Names of all files below the folder `prefix`, sorted; hidden ones are left out."""
        top = self.path(prefix)
        found = (p.relative_to(self.root) for p in top.rglob("*") if p.is_file())
        return sorted(str(p) for p in found if not any(part.startswith(".") for part in p.parts))

    def create(self, name: str) -> Draft:
        """A file to write; whoever asks for it commits or discards it."""
        path = self._temporary(name)
        return Draft(self, name, path, io.BufferedWriter(self.disk.open(path, "xb"), BUFFER_BYTES))

    def put(self, name: str, data: bytes) -> None:
        """Write or replace `name` whole: a reader sees the old bytes or the new ones."""
        with self._written(name, data) as draft:
            draft.commit()

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write `name` unless it exists. True if this call made it."""
        with self._written(name, data) as draft:
            try:
                self.disk.link(draft.path, self.ready(name))
            except FileExistsError:
                return False
        return True

    def link(self, source: "Store", source_name: str, name: str) -> None:
        """Make `name` the same file as one of `source`: a hard link, or a copy where none can be made."""
        try:
            self.disk.link(source.path(source_name), self.ready(name))
        except FileExistsError:
            return
        except OSError as error:
            self._copy(source, source_name, name, error)

    def link_over(self, source: "Store", source_name: str, name: str) -> None:
        """As `link`, in the place of what is there, at once."""
        temporary = self._temporary(name)
        try:
            self.disk.link(source.path(source_name), temporary)
            self.disk.replace(temporary, self.ready(name))
        except OSError as error:
            self._copy(source, source_name, name, error)
        finally:
            # Where both were the same file already, replacing does nothing (POSIX rename).
            self.disk.unlink(temporary)

    def _copy(self, source: "Store", source_name: str, name: str, refused: OSError) -> None:
        """What a link was refused for; raises the refusal where it says more than that links cannot be made."""
        if refused.errno not in NO_LINKS:
            raise refused
        with source.open(source_name) as stream, self._written(name, b"") as draft:
            shutil.copyfileobj(stream, draft.stream, COPY_BYTES)
            draft.commit()

    def may_point(self, name: str, target: str, expected: str | None) -> bool:
        """Whether the link `name` is to move to `target` from `expected` (None: nowhere); False where it is there.

        Raises PublishConflict where it points elsewhere, and names that. It holds as long as the folder is locked.
        """
        pointed = self.pointed(name)
        if pointed not in (target, expected):
            raise PublishConflict(
                f"{self.root}: {name} points to {pointed or 'nothing'}, and to {expected or 'nothing'} when this run "
                "began: another run has published, and its version stays. Run again to publish on top of it"
            )
        return pointed != target

    def point(self, name: str, target: str, expected: str | None) -> bool:
        """Compare-and-set, under `locked_output`: make `name` a relative symbolic link to `target`. See `may_point`."""
        if not self.may_point(name, target, expected):
            return False
        temporary = self._temporary(name)
        self.disk.symlink(target, temporary)
        self.disk.replace(temporary, self.ready(name))
        return True

    def pointed(self, name: str) -> str | None:
        """What the link `name` points to; None where there is none."""
        try:
            return os.readlink(self.path(name))
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        """Remove `name` if it exists."""
        self.disk.unlink(self.path(name))

    def sweep(self) -> None:
        """Remove what writers that are gone left half done. Only for who holds the folder's lock."""
        shutil.rmtree(self.root / TEMPORARY, ignore_errors=True)

    @contextmanager
    def _written(self, name: str, data: bytes) -> Iterator[Draft]:
        """A draft that holds `data`; what was not committed in the block is gone after it."""
        draft = self.create(name)
        try:
            draft.stream.write(data)
            draft.stream.flush()
            yield draft
        finally:
            draft.discard()

    def _temporary(self, name: str) -> Path:
        self.path(name)  # A name that leads out is refused before anything is written.
        folder = self.root / TEMPORARY
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{os.getpid()}-{os.urandom(6).hex()}-{name.rpartition('/')[2]}"


def buffered(stream: io.RawIOBase) -> io.BufferedReader:
    """A stream whose `read(n)` gives fewer bytes at the end only."""
    return io.BufferedReader(cast("io.FileIO", stream), BUFFER_BYTES)


def content_hash(path: str | Path) -> str:
    """Hex sha256 of a whole file."""
    with open(path, "rb") as stream:
        return hash_of(stream)


def hash_of(stream: io.BufferedReader) -> str:
    """Hex sha256 of what is left of the stream."""
    return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def lock(work: Store, hint: str = "wait for it, or give this run another --work") -> Iterator[None]:
    """Hold a work folder, or an index: an OS lock that dies with its process. Raises LockedError, naming the holder."""
    with _held(work, work.root / "lock", wait_s=0.0, hint=hint):
        work.sweep()
        try:
            yield
        finally:
            work.sweep()


@contextmanager
def locked_output(output: Store) -> Iterator[None]:
    """Hold the output folder while a version is put there. Raises LockedError after a minute."""
    hint = "another run publishes there; run again when it has ended"
    with _held(output, output.root / ".lock", OUTPUT_LOCK_WAIT_S, hint):
        output.sweep()
        yield
        with suppress(OSError):
            (output.root / TEMPORARY).rmdir()


@contextmanager
def _held(store: Store, path: Path, wait_s: float, hint: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        _acquire(stream, store, wait_s, hint)
        stream.seek(0)
        stream.truncate()
        stream.write(f"process {os.getpid()}")
        stream.flush()
        yield


def _acquire(stream: IO[str], store: Store, wait_s: float, hint: str) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            raise LockedError(f"{store.root}: in use by {holder}; {hint}") from None
        return
