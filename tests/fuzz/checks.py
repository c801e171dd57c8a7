"""A case through the real path of a run, and what is promised of it: conservation, whole records, equal splits."""

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from curate import readers, schema
from curate.config import ExtractConfig, InputConfig, RunConfig
from curate.errors import InputError
from curate.inputs import InputObject
from curate.plan import Split
from curate.stages import extract
from curate.storage import buffered
from tests.fuzz.case import SOURCE, Case

SCHEMAS = {"documents": schema.DOCUMENTS, "rejected": schema.REJECTED, "quarantined": schema.QUARANTINED}

Row = tuple[int, int, str, str | None, str | None]
"""Offset, end, kind, id, reason."""


@dataclass
class Found:
    """What came of one case."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    """Promises that were not kept; P1 first in its name."""


@dataclass
class Rows:
    """A writer that keeps places, ids and reasons, and checks that each table fits its schema."""

    rows: list[Row] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def write(self, kind: str, table: pa.Table) -> None:
        """See step.ShardWriter."""
        table.validate(full=True)
        expected = SCHEMAS[kind].names
        if table.schema.names[: len(expected)] != expected:
            raise AssertionError(f"{kind} has columns {table.schema.names}")
        ids = table.column("id").to_pylist() if kind != "quarantined" else [None] * len(table)
        reasons = table.column("reason").to_pylist() if kind != "documents" else [None] * len(table)
        places = zip(table.column("offset").to_pylist(), table.column("end").to_pylist(), strict=True)
        self.rows += [
            (*place, kind, id_ and id_.hex(), reason) for place, id_, reason in zip(places, ids, reasons, strict=True)
        ]

    def count(self, name: str, n: int = 1) -> None:
        """See step.ShardWriter."""
        self.counts[name] += n


class ShortReads(io.RawIOBase):
    """A stream that gives fewer bytes than it is asked for, as a socket or a bucket may."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)
        self._reads = 0

    def seek(self, position: int, whence: int = 0) -> int:
        """See io.RawIOBase."""
        return self._inner.seek(position, whence)

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def seekable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See io.RawIOBase. Never as many bytes as there is room for, but for the last one."""
        self._reads += 1
        count = max(1, len(buffer) // 3 + self._reads % 5)
        return self._inner.readinto(memoryview(buffer)[:count])


def short_reads_of(case: Case) -> BinaryIO:
    """The object as a stream of short reads. Arrow takes one for a cut file, so Parquet has them behind the buffer that
    the storage puts around every input."""
    stream = ShortReads(case.data)
    return buffered(stream) if case.format == "parquet" else cast("BinaryIO", stream)


def check(case: Case, *, short_reads: bool) -> Found:
    """Read the object as one split and as several, and compare. Any exception but a declared InputError is a crash."""
    found = Found()
    try:
        one = _spans(case, len(case.data) + 1)
        whole = _extract(case, one)
    except InputError:
        found.counts["InputError"] += 1
        if not case.may_refuse:
            found.broken.append("InputError for an object that is no damaged Parquet")
        return found
    found.counts.update(whole.counts)
    found.counts.update(f"{kind}: {_short(reason)}" if reason else kind for _, _, kind, _, reason in whole.rows)
    found.broken += [*_conservation(case, whole), *_wholes(case, whole)]
    several = _spans(case, max(1, len(case.data) // 4))
    if several != one:
        split = _extract(case, several)
        found.broken += _conservation(case, split)
        if sorted(split.rows, key=repr) != sorted(whole.rows, key=repr):
            if case.split_alike:
                found.broken.append(f"{len(several)} splits give other rows than one")
            else:
                found.counts["splits differ"] += 1
    if short_reads and _extract(case, one, short_reads_of).rows != whole.rows:
        found.broken.append("short reads change rows")
    return found


def _short(reason: str) -> str:
    """Without the values that every page has another one of."""
    return reason.partition("=")[0]


def _stream_of(case: Case) -> BinaryIO:
    return io.BytesIO(case.data)


def _spans(case: Case, split_bytes: int) -> list[tuple[int, int]]:
    return readers.ranges(_stream_of(case), len(case.data), case.format, case.codec, split_bytes) or [(0, 0)]


def _extract(case: Case, spans: list[tuple[int, int]], stream_of: Callable[[Case], BinaryIO] = _stream_of) -> Rows:
    """Every range of the object, extracted one after the other."""
    source = InputConfig(source=SOURCE, uri=("object",), **case.settings)
    config = RunConfig(
        name="fuzz", inputs=(source,), output=Path("out"), work=Path("work"),
        extract=ExtractConfig(max_document_bytes=case.cap),
    )  # fmt: skip
    rows = Rows()
    for start, end in spans:
        planned = InputObject("object", len(case.data), 0, 0)
        split = Split(planned, "0" * 64, start, end, case.format, case.codec, source)
        extract.extract(stream_of(case), split, config, rows)
    return rows


def _conservation(case: Case, rows: Rows) -> list[str]:
    broken = []
    if rows.counts["in"] != len(rows.rows):
        broken.append(f"P1: {rows.counts['in']} in, {len(rows.rows)} rows")
    if case.count is not None and rows.counts["in"] != case.count:
        broken.append(f"P1: {rows.counts['in']} in, {case.count} records are there")
    return broken


def _wholes(case: Case, rows: Rows) -> list[str]:
    """Whole records come out in their order, at their place; and a cut is seen."""
    broken = []
    remaining = iter(sorted(rows.rows, key=lambda row: row[:2]))
    for number, wanted in enumerate(case.wholes):
        if not any(
            row[3] == wanted.id and (wanted.offset is None or row[:2] == (wanted.offset, wanted.end))
            for row in remaining
        ):
            broken.append(f"whole record {number} of {len(case.wholes)} did not come out, at {wanted.offset}")
            break
    if case.cut and not any(row[2] == "quarantined" for row in rows.rows):
        broken.append("a cut inside a record left no quarantined entry")
    return broken
