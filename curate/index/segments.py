"""The files of a segment: written in order, in one write or range by range; and read by id, by row or by key."""

import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curate.index.manifest import File, Index, Segment
from curate.runs import KEY
from curate.schema import SCHEMA_VERSION
from curate.shards import iterate_shards, open_parquet, take_rows
from curate.storage import Store

Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

KEY_BITS = 44
KEYS = 1 << KEY_BITS

DOCUMENTS = pa.schema([
    (KEY, pa.uint64()),                     # first half of the id
    ("low", pa.uint64()),                   # second half
    ("text_high", pa.uint64()),
    ("text_low", pa.uint64()),
    ("host", pa.string()),                  # of the URL, lower case; null where there is none
    ("source", pa.string()),
    ("date", pa.timestamp("ms", "UTC")),
    ("text_chars", pa.uint32()),
    ("shard", pa.uint32()),                 # number in the manifest's shards
    ("row", pa.uint32()),                   # in that shard
])  # fmt: skip

KEY_RUN = pa.schema([(KEY, pa.uint64()), ("document", pa.uint32())])
DELETED = pa.schema([("segment", pa.uint32()), ("document", pa.uint32())])
"""`segment` is the number in the name of its documents' file."""

GROUP_ROWS = 1 << 15
READ_ROWS = 1 << 17

_DICTIONARIES = {"host", "source"}
_PLAIN = {"low", "text_high", "text_low"}


class Writer:
    """One file that grows row group by row group; it is there when the block has ended well."""

    def __init__(self, store: Store, name: str, schema: pa.Schema) -> None:
        self._store = store
        self._name = name
        self._schema = schema
        self._draft = store.create(name)
        packed = [n for n in schema.names if n not in _DICTIONARIES | _PLAIN]
        # Sorted hashes differ by few bits and rows by fewer: delta coding takes 5.6 bytes for 12.
        self._writer = pq.ParquetWriter(
            self._draft.stream,
            schema.with_metadata({"curate.schema_version": str(SCHEMA_VERSION)}),
            compression="zstd",
            use_dictionary=[n for n in schema.names if n in _DICTIONARIES],
            column_encoding=dict.fromkeys(packed, "DELTA_BINARY_PACKED"),
            write_page_checksum=True,
            write_page_index=False,
        )

    def __enter__(self) -> Self:
        return self

    def write(self, rows: Mapping[str, object]) -> None:
        """Append columns by name, arrays of one length."""
        columns = [pa.array(rows[f.name], f.type) for f in self._schema]
        self._writer.write_table(pa.table(columns, schema=self._schema), row_group_size=GROUP_ROWS)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._writer.close()
                self._draft.commit()
        finally:
            with suppress(OSError, ValueError, pa.ArrowException):  # It writes a footer, which may not fit.
                self._writer.close()
            self._draft.discard()

    def file(self) -> File:
        """What was written, once it is there."""
        with self._store.open(self._name) as stream:
            rows, size = pq.read_metadata(stream).num_rows, stream.seek(0, io.SEEK_END)
        return File(self._name, rows, size, self._store.sha256(self._name))


def names(number: int) -> tuple[str, str]:
    """Of the files of segment `number`."""
    return f"documents-{number:05d}.parquet", f"keys-{number:05d}.parquet"


def number_of(segment: Segment) -> int:
    """By which tombstones name it."""
    return int(segment.documents.name.partition("-")[2].partition(".")[0])


def top(values: UInt64s) -> UInt64s:
    """What the index holds of 64-bit keys."""
    return values >> np.uint64(64 - KEY_BITS)


def write_segment(store: Store, number: int, documents: Mapping[str, object], keys: UInt64s, of: Int64s) -> Segment:
    """Documents in order of their ids, and their keys, uint64[k] with the document of each, in one write."""
    order = np.lexsort((of, keys))
    files = [Writer(store, name, schema) for name, schema in zip(names(number), (DOCUMENTS, KEY_RUN), strict=True)]
    for file, rows in zip(files, (documents, {KEY: keys[order], "document": of[order]}), strict=True):
        with file:
            file.write(rows)
    return Segment(files[0].file(), files[1].file())


@dataclass(frozen=True)
class Gone:
    """The documents of an index that count no longer."""

    deleted: Mapping[int, Int64s]
    """Number of a segment -> rows in it, ascending."""

    replaced: Mapping[int, Int64s]

    @classmethod
    def of(cls, index: Index) -> "Gone":
        """What the tombstones say: 8 bytes a document."""
        rows: dict[str, dict[int, list[Int64s]]] = {"deleted": {}, "replaced": {}}
        for each in index.tombstones:
            for table in iterate_shards(index.store, [each.file.run], None, READ_ROWS):
                segment, row = (table.column(n).to_numpy().astype(np.int64) for n in DELETED.names)
                for number in np.unique(segment).tolist():
                    rows[each.why].setdefault(number, []).append(row[segment == number])
        joined = {w: {n: np.unique(np.concatenate(some)) for n, some in found.items()} for w, found in rows.items()}
        return cls(joined["deleted"], joined["replaced"])

    def among(self, segment: Segment, rows: Int64s) -> tuple[Bools, Bools]:
        """Whether each row is deleted, and whether it is replaced."""
        deleted, replaced = (_contains(x.get(number_of(segment)), rows) for x in (self.deleted, self.replaced))
        return deleted, replaced

    def count(self, segment: Segment) -> int:
        """How many of its documents count no longer."""
        both = [x.get(number_of(segment), np.empty(0, np.int64)) for x in (self.deleted, self.replaced)]
        return len(np.union1d(*both))


def _contains(ascending: Int64s | None, values: Int64s) -> Bools:
    if ascending is None or not len(ascending):
        return np.zeros(len(values), np.bool_)
    places = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: Bools = ascending[places] == values
    return found


def scan(store: Store, file: File, columns: list[str]) -> Iterator[tuple[int, pa.Table]]:
    """(row of the first, some rows), in order."""
    first = 0
    for table in iterate_shards(store, [file.run], columns, READ_ROWS):
        yield first, table
        first += table.num_rows


def _near(store: Store, file: File, low: int, high: int) -> Iterator[tuple[int, pa.Table]]:
    """(row of the first, ids) of the row groups that can hold ids whose first half is low..high."""
    with open_parquet(store, file.name) as opened:
        first = 0
        for n in range(opened.num_row_groups):
            group = opened.metadata.row_group(n)
            span = group.column(0).statistics
            if span.min <= high and span.max >= low:
                yield first, opened.read_row_group(n, columns=[KEY, "low"], use_threads=False)
            first += group.num_rows


def find(index: Index, segment: Segment, high: UInt64s, low: UInt64s) -> tuple[Int64s, Int64s]:
    """Which of the ids, in any order and without repeats, the segment has: (place among them, row), by row."""
    order = np.argsort(high, kind="stable")
    ascending = high[order]
    places, rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    if len(ascending):
        for first, table in _near(index.store, segment.documents, int(ascending[0]), int(ascending[-1])):
            own, other = (table.column(name).to_numpy() for name in (KEY, "low"))
            # 64 bits of two different ids are hardly ever equal, and where they are, both are looked at.
            start, end = (np.searchsorted(ascending, own, side=side) for side in ("left", "right"))
            for step in range(int((end - start).max(initial=0))):
                near = np.flatnonzero(start + step < end)
                at = order[start[near] + step]
                same = low[at] == other[near]
                places.append(at[same])
                rows.append(first + near[same])
    found = np.concatenate(rows)
    by_row = np.argsort(found, kind="stable")
    return np.concatenate(places)[by_row], found[by_row]


def documents_at(index: Index, segment: Int64s, row: Int64s) -> pl.DataFrame:
    """The documents at (place of the segment in the index, row), in this order."""
    frames, order = [pl.DataFrame(DOCUMENTS.empty_table())], [np.empty(0, np.int64)]
    for number in np.unique(segment).tolist():
        places = np.flatnonzero(segment == number)
        rows, back = np.unique(row[places], return_inverse=True)
        frames.append(pl.DataFrame(take_rows(index.store, index.segments[number].documents.name, rows))[back])
        order.append(places)
    return pl.concat(frames)[np.argsort(np.concatenate(order))]


def ids(high: UInt64s, low: UInt64s) -> list[bytes]:
    """16 bytes each."""
    whole = np.stack([high, low], axis=1).astype(">u8").tobytes()
    return [whole[16 * i : 16 * i + 16] for i in range(len(high))]
