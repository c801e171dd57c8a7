"""Steps that test_executor.py runs in real Ray workers: they must be importable there."""

import os
from pathlib import Path

import pyarrow as pa

from curate.errors import InputError
from curate.step import PASSING, ShardWriter
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


def use(writer: ShardWriter, store: Store, resource: Resource, number: int, die: Path | None) -> None:
    """Write with the resource; where `die` does not exist yet, make it and kill the actor."""
    del store
    if die and not die.exists():
        die.touch()
        os._exit(137)
    writer.write("documents", pa.table({"x": [number], "log": [str(resource.log)]}))
