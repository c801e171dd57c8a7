"""Looks for words in everything that a run left on disk, whatever it is packed in: what is not found is not there.

A file counts as holding a word when its name, its bytes or anything decoded from them does: compressed streams, zip
members, Parquet values (compressed, dictionary-encoded, nested), SQLite rows, base64, hex and UTF-16. A half-written
Parquet file has no footer, so zstd frames are decoded wherever they stand. Upper and lower case are equal.
"""

import base64
import bz2
import io
import lzma
import os
import shutil
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

ZSTD = b"\x28\xb5\x2f\xfd"
SQLITE = b"SQLite format 3\0"
MAX_DEPTH = 4


@dataclass(frozen=True)
class Place:
    """Where a word stands."""

    path: Path
    inside: str
    """How it was unpacked; empty: as it is."""

    word: str

    def __str__(self) -> str:
        return f"{self.path}{self.inside}: {self.word}"


def find(words: Sequence[str], folders: Iterable[Path]) -> list[Place]:
    """Every place below `folders` that holds one of `words` (ASCII letters and digits)."""
    return [place for folder in folders for path in _entries(folder) for place in _in_entry(path, folder, words)]


def _entries(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in [*folders, *files])


def _in_entry(path: Path, top: Path, words: Sequence[str]) -> Iterator[Place]:
    name = os.fsencode(path.relative_to(top))
    yield from (Place(path, " (name)", word) for word in _words_in(name, words))
    if path.is_symlink():
        yield from (Place(path, " (link)", word) for word in _words_in(os.fsencode(os.readlink(path)), words))
    elif path.is_file():
        seen = {(word, inside): None for inside, data in _file_layers(path) for word in _words_in(data, words)}
        yield from (Place(path, inside, word) for word, inside in seen)


def _words_in(data: bytes, words: Sequence[str]) -> list[str]:
    folded = data.lower()
    return [w for w in words if any(f in folded for f in _folded(w)) or any(b in data for b in _base64(w))]


def _folded(word: str) -> list[bytes]:
    plain = word.lower().encode()
    # UTF-16 of ASCII is the same in both byte orders but for one byte at an end.
    return [plain, word.lower().encode("utf-16-le")[:-1], *(w.encode().hex().encode() for w in (word, word.lower()))]


def _base64(word: str) -> list[bytes]:
    """The part of the word's base64 that is the same whatever stands around it, for the three ways it can fall."""
    found = []
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + word.encode())
        found.append(encoded[-(-shift * 8 // 6) : (shift + len(word)) * 8 // 6])
    return found


def _file_layers(path: Path) -> Iterator[tuple[str, bytes]]:
    data = path.read_bytes()
    yield from _layers(data, "", 0)
    if data.startswith(SQLITE):
        yield from _values_of_database(path)


def _layers(data: bytes, inside: str, depth: int) -> Iterator[tuple[str, bytes]]:
    """`data` and all that can be unpacked from it."""
    yield inside, data
    if depth == MAX_DEPTH:
        return
    for kind, unpacked in _unpacked(data):
        yield from _layers(unpacked, f"{inside} ({kind})", depth + 1)


def _unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    if data.startswith(b"\x1f\x8b"):
        yield "gzip", b"".join(_gunzip(data))
    if data.startswith(b"BZh"):
        yield "bzip2", bz2.decompress(data)
    if data.startswith(b"\xfd7zXZ\0"):
        yield "xz", lzma.decompress(data)
    if data.startswith(b"PK\3\4"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield f"zip {name}", archive.read(name)
    at = data.find(ZSTD)
    while at >= 0:
        yield f"zstd at {at}", _unzstd(data[at:])
        at = data.find(ZSTD, at + 4)
    if data.startswith(b"PAR1") and data.endswith(b"PAR1"):
        yield from _values_of_parquet(data)


def _gunzip(data: bytes) -> Iterator[bytes]:
    with suppress(zlib.error):  # A cut or padded end: what came before it was looked at.
        while data:
            inflater = zlib.decompressobj(31)
            yield inflater.decompress(data)
            data = inflater.unused_data


def _unzstd(data: bytes) -> bytes:
    with suppress(zstandard.ZstdError):  # Four bytes may look like the magic by chance.
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return b""


def _values_of_parquet(data: bytes) -> Iterator[tuple[str, bytes]]:
    with pq.ParquetFile(io.BytesIO(data)) as file:
        for batch in file.iter_batches():
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                values = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
                for value in _flat(values.to_pylist()):
                    yield f"column {name}", value


def _values_of_database(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every value of every row; of a copy, with what stands in the log only."""
    with tempfile.TemporaryDirectory() as folder:
        for part in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            if part.exists():
                shutil.copy(part, folder)
        with closing(sqlite3.connect(Path(folder, path.name))) as database:
            database.text_factory = bytes
            tables = database.execute("select name from sqlite_master where type = 'table'").fetchall()
            for (table,) in tables:
                with suppress(sqlite3.OperationalError):  # A virtual table whose module is not here.
                    for row in database.execute(f'select * from "{table.decode()}"'):
                        for value in _flat(list(row)):
                            yield from _layers(value, f" (table {table.decode()})", 1)


def _flat(value: Any) -> Iterator[bytes]:
    """The texts and bytes in nested values."""
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        yield from _flat([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _flat(each)
