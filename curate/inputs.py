"""The files that a run reads: found by a file, folder or glob, refused where they changed since they were planned."""

import glob
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from curate.errors import ConfigError, InputError
from curate.storage import Disk, buffered

ODD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""In a name: what forges a line of a log, or cannot be written to a dataset (surrogates: bytes that are no UTF-8)."""


@dataclass(frozen=True)
class InputObject:
    """One input file as it was when the run was planned."""

    uri: str
    size: int
    mtime_ns: int
    inode: int


def find_inputs(uri: str) -> list[InputObject]:
    """The files that a file, folder or glob names, sorted by path; hidden files are left out. Raises ConfigError.

    Links to files are followed, as in a cache that names its blobs by links; links to folders below a folder, or that
    only ** finds, are not: they may lead anywhere, also back.
    """
    path = Path(uri)
    if path.is_dir():
        found = _matching(path, "**/*")
    elif path.exists():
        found = [path]
    else:
        fixed = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
        found = _matching(fixed, str(path.relative_to(fixed))) if fixed != path else []
        if not found:
            raise ConfigError(f"input {uri}: nothing there; expected a path or a glob")
    for p in found:
        if ODD.search(str(p)):
            raise ConfigError(f"input {str(p)!r}: a name with control characters, or that is no UTF-8; rename the file")
        if p.is_symlink() and not p.exists():
            raise ConfigError(f"input {p}: a link to {os.readlink(p)}, which is not there; mend or remove the link")
    return [_object(p, os.stat(p)) for p in sorted(found) if p.is_file()]


def _matching(folder: Path, pattern: str) -> list[Path]:
    """What the pattern names below the folder, hidden files and folders left out."""
    pattern = f"{pattern}/*" if pattern.endswith("/**") or pattern == "**" else pattern
    found = folder.glob(re.sub(r"\*{2,}(?!/)|(?<=[^/])\*{2,}", "*", pattern))
    return [p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts)]


def _object(path: Path | str, stat: os.stat_result) -> InputObject:
    return InputObject(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)


@contextmanager
def open_input(planned: InputObject, disk: Disk) -> Iterator[io.BufferedReader]:
    """A seekable stream over an input object. Raises InputError where it is not what it was when planned, also when it
    changed while it was read: what came of it must not stand. The object is named by the task that fails of it."""
    try:
        raw = disk.open(Path(planned.uri), "rb")
    except OSError as error:
        raise InputError(f"cannot be opened ({error.strerror}), but was there when planned") from error
    with buffered(raw) as stream:
        _check_unchanged(stream, planned)
        yield stream
        _check_unchanged(stream, planned)


def _check_unchanged(stream: io.BufferedReader, planned: InputObject) -> None:
    found = _object(planned.uri, os.fstat(stream.fileno()))
    if found != planned:
        got = f"{found.size} bytes" if found.size != planned.size else "another time of change or another file"
        raise InputError(
            f"changed since it was planned: {got}, expected {planned.size} bytes as planned; "
            "run again when nobody writes to it"
        )
