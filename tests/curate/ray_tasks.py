"""Steps that test_executor.py runs in real Ray workers: they must be importable there."""

import errno
import os
from pathlib import Path

import pyarrow as pa

from curate.errors import InputError
from curate.shards import ShardWriter
from curate.step import ALL, PASSING, Rows
from curate.storage import Store


def write_number(writer: ShardWriter, store: Store, number: int) -> None:
    del store
    writer.count("in")
    writer.write("documents", pa.table({"x": [number]}))


def write_passing(writer: ShardWriter, store: Store) -> None:
    """A result of which a part failed in a way that may pass."""
    del store
    writer.note(PASSING, "digest")


def fail(writer: ShardWriter, store: Store, error: str) -> None:
    del writer, store
    raise InputError(error) if error.startswith("ours") else ValueError(error)


def die_until(writer: ShardWriter, store: Store, marker: Path, times: int) -> None:
    """Kill the worker the first `times` times."""
    del store
    with marker.open("a") as stream:
        stream.write("x")
    if marker.stat().st_size <= times:
        os._exit(137)
    writer.write("documents", pa.table({"x": [1]}))


def write_records(
    writer: ShardWriter, store: Store, number: int, kill: frozenset[int], most: int, log: Path, rows: Rows = ALL
) -> None:
    """Records 0 to `number`; those in `kill` end the worker, and so do more than `most` at a time."""
    del store
    taken = [n for n in range(number) if n in rows]
    with log.open("a") as stream:
        stream.write(f"{rows.first} {rows.last} {len(rows.without)}\n")
    left_out = [n for n in sorted(rows.without) if n < number]
    writer.count("in", len(taken) + len(left_out))
    for n in taken:
        if n in kill or len(taken) > most:
            os._exit(137)
        writer.write("documents", pa.table({"x": [n]}))
    for n in left_out:
        writer.write("quarantined", pa.table({"x": [n]}))


def hold(writer: ShardWriter, store: Store, sizes: tuple[int, ...], rows: Rows = ALL) -> None:
    """Each record is that many bytes of memory, held while it is looked at."""
    del store
    writer.count("in", sum(n in rows or n in rows.without for n in range(len(sizes))))
    for n, size in enumerate(sizes):
        if n in rows:
            writer.write("documents", pa.table({"x": [len(b"x" * size)]}))
        elif n in rows.without:
            writer.write("quarantined", pa.table({"x": [n]}))


def ask_too_much(writer: ShardWriter, store: Store, log: Path) -> None:
    """More memory than there can be: Python raises MemoryError."""
    del writer, store
    with log.open("a") as stream:
        stream.write("x")
    bytearray(1 << 60)


class Resource:
    """A stand-in for what owns a model server."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._note("open")

    def _note(self, what: str) -> None:
        with self.log.open("a") as stream:
            stream.write(f"{what} {os.getpid()}\n")

    def close(self) -> None:
        self._note("close")


def refuse_to_open() -> Resource:
    """What a full disk does to whatever needs a file."""
    raise OSError(errno.ENOSPC, "", "/cache")


def use(writer: ShardWriter, store: Store, resource: Resource, number: int, die: Path | None) -> None:
    """Write with the resource; where `die` does not exist yet, make it and kill the actor."""
    del store
    if die and not die.exists():
        die.touch()
        os._exit(137)
    writer.write("documents", pa.table({"x": [number], "log": [str(resource.log)]}))
