"""Parquet files of a step: written in numbered shards with bounded memory, read by row group, by file or by row."""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from curate.schema import SCHEMA_VERSION
from curate.storage import Store

SHARD_BYTES = 128_000_000
"""Arrow bytes, nearly all of them text, at which a shard is closed and the next one begun."""

ROW_GROUP_BYTES = 4_000_000
"""Arrow bytes that are gathered before a row group is written: what a writer holds in memory, per kind."""

STAGE_LEVEL, PUBLISHED_LEVEL = 1, 3
"""Of zstd. 110 MB of text in twelve languages: 45 MB in 0.45 CPU s, and 38 MB in 0.70. LZ4: 60 MB in 0.39."""


@dataclass(frozen=True)
class Shard:
    """One committed file; `name` is relative to the work store."""

    name: str
    kind: str
    rows: int
    bytes: int


class ShardWriter:
    """Takes tables of several kinds and turns them into numbered shards; counts what it is told to count."""

    def __init__(self, store: Store, folder: str) -> None:
        self.counts: Counter[str] = Counter()
        self.notes: dict[str, str] = {}
        self._store = store
        self._folder = folder
        self._open: dict[str, _ShardFile] = {}
        self._shards: list[Shard] = []

    def write(self, kind: str, table: pa.Table) -> None:
        """Append rows to the shards of `kind`."""
        if kind not in self._open:
            self._open[kind] = self._next(kind)
        shard = self._open[kind]
        shard.add(table)
        if shard.bytes >= SHARD_BYTES:
            self._finish(self._open.pop(kind))

    def write_whole(self, kind: str, table: pa.Table, *, row_group_rows: int, exchange: bool = False) -> str:
        """Make `table` one shard of its own, in one write with row groups of `row_group_rows`; return its name.

        `exchange`: rows that the next steps read once and nobody else does; fast to write rather than small.
        """
        shard = self._open[kind] = self._next(kind)
        shard.add_whole(table, row_group_rows, exchange=exchange)
        self._finish(self._open.pop(kind))
        return shard.name

    def attach(self, kind: str, suffix: str, data: bytes) -> None:
        """Put a file of another format beside the shards, such as a model: of no rows."""
        name = f"{self._folder}/{kind}.{suffix}"
        self._store.put(name, data)
        self._shards.append(Shard(name, kind, 0, len(data)))

    def count(self, name: str, n: int = 1) -> None:
        """Add `n` to a counter of the commit."""
        self.counts[name] += n

    def note(self, name: str, value: str) -> None:
        """Put a short finding into the commit."""
        self.notes[name] = value

    def close(self) -> list[Shard]:
        """Close every shard; each one's rows are read back from its footer."""
        for kind in sorted(self._open):
            self._finish(self._open.pop(kind))
        return sorted(self._shards, key=lambda shard: shard.name)

    def abandon(self) -> None:
        """Remove what is half written."""
        for shard in self._open.values():
            shard.abandon()

    def _next(self, kind: str) -> "_ShardFile":
        number = sum(shard.kind == kind for shard in self._shards)
        return _ShardFile(self._store, f"{self._folder}/{kind}-{number:05d}.parquet", kind)

    def _finish(self, shard: "_ShardFile") -> None:
        shard.close()
        with self._store.open(shard.name) as stream:
            rows, size = pq.read_metadata(stream).num_rows, stream.seek(0, io.SEEK_END)
        self._shards.append(Shard(shard.name, shard.kind, rows, size))


class _ShardFile:
    """The shard of one kind that is being written; holds at most ROW_GROUP_BYTES of rows."""

    def __init__(self, store: Store, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        self.bytes = 0
        self._draft = store.create(name)
        self._writer: pq.ParquetWriter | None = None
        self._tables: list[pa.Table] = []

    def add(self, table: pa.Table) -> None:
        self._tables.append(table)
        self.bytes += table.nbytes
        if sum(t.nbytes for t in self._tables) >= ROW_GROUP_BYTES:
            self._flush()

    def add_whole(self, table: pa.Table, row_group_rows: int, *, exchange: bool = False) -> None:
        writer = self._open(table.schema, None if exchange else PUBLISHED_LEVEL)
        writer.write_table(table.combine_chunks(), row_group_size=row_group_rows)

    def close(self) -> None:
        if self._tables:
            self._flush()
        if self._writer is not None:
            self._writer.close()
        self._draft.commit()

    def abandon(self) -> None:
        if self._writer is not None:
            with suppress(OSError, ValueError, pa.ArrowException):  # It writes a footer, which may not fit.
                self._writer.close()
        self._draft.discard()

    def _flush(self) -> None:
        table = pa.concat_tables(self._tables).combine_chunks()
        self._open(table.schema, STAGE_LEVEL).write_table(table, row_group_size=max(1, table.num_rows))
        self._tables = []

    def _open(self, schema: pa.Schema, level: int | None) -> pq.ParquetWriter:
        if self._writer is None:
            self._writer = parquet_writer(self._draft.stream, schema, level)
        return self._writer


def parquet_writer(stream: IO[bytes], schema: pa.Schema, level: int | None) -> pq.ParquetWriter:
    """A writer with the settings of every file of ours: zstd of this level (None: LZ4, and no dictionaries), page
    checksums, the schema version in the metadata.
    """
    metadata = {"curate.schema_version": str(SCHEMA_VERSION)}
    return pq.ParquetWriter(
        stream,
        schema.with_metadata(metadata),
        compression="lz4" if level is None else "zstd",
        compression_level=level,
        use_dictionary=level is not None,
        write_page_checksum=True,
        write_page_index=False,
        store_schema=True,
    )


@contextmanager
def new_file(store: Store, name: str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Takes tables, and makes them the Parquet file `name` at once when nothing failed."""
    shard = _ShardFile(store, name, "")
    try:
        shard.add(schema.empty_table())
        yield shard.add
        shard.close()
    finally:
        shard.abandon()


@contextmanager
def open_parquet(store: Store, name: str) -> Iterator[pq.ParquetFile]:
    """A Parquet file of ours, checksums verified. Raises OSError where it is damaged."""
    with store.open(name) as stream, pq.ParquetFile(stream, page_checksum_verification=True) as file:
        yield file


def read_file(store: Store, name: str, columns: list[str] | None = None) -> pa.Table:
    """The rows of a Parquet file of ours."""
    # Not pq.read_table: that imports pyarrow.dataset and, where it is installed, pandas: 0.4 s of every process.
    with open_parquet(store, name) as file:
        return file.read(columns=columns, use_threads=False)


def iterate_shards(store: Store, shards: Sequence[Shard], columns: list[str] | None, rows: int) -> Iterator[pa.Table]:
    """Tables of at most `rows` rows, in order; a row group at a time is in memory."""
    for shard in shards:
        with open_parquet(store, shard.name) as file:
            for batch in file.iter_batches(rows, columns=columns, use_threads=False):
                yield pa.Table.from_batches([batch])


def take_rows(store: Store, name: str, rows: npt.NDArray[np.int64], columns: list[str] | None = None) -> pa.Table:
    """Rows of one shard by number, in the given order; only the row groups that hold some are read, one at a time."""
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    with open_parquet(store, name) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        first = np.concatenate([[0], np.cumsum(sizes)])
        group = np.searchsorted(first, ascending, side="right") - 1
        taken = [
            file.read_row_group(i, columns=columns, use_threads=False).take(ascending[group == i] - first[i])
            for i in np.unique(group).tolist()
        ]
        if not taken:
            return file.schema_arrow.empty_table().select(columns or file.schema_arrow.names)
    table = pa.concat_tables(taken)
    # Of several chunks Arrow makes one before it takes from them: a second copy, spared where the order is right.
    return table if np.array_equal(ascending, rows) else table.take(np.argsort(order, kind="stable"))
