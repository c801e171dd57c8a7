"""A published version -> the index: one segment a few hundred thousand documents, and one change of the manifest.

Read from the version itself: its rows lie in order of their ids, as those of a segment do, and where a text is found
later is where it is read here. Texts are signed again, at 100 MB/s, rather than looked up in the work folder.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.config import MinhashConfig
from curate.corpus import halves
from curate.errors import CurateError
from curate.index.manifest import Index, Place, Segment, Tombstones, changing
from curate.index.segments import (
    DELETED,
    DOCUMENTS,
    Gone,
    Int64s,
    UInt64s,
    Writer,
    find,
    number_of,
    top,
    write_segment,
)
from curate.runs import KEY
from curate.schema import ID
from curate.shards import open_parquet
from curate.shingles import shingles_of
from curate.signing import text_keys
from curate.storage import Disk, Store

SEGMENT_KEYS = 4 << 20
"""Keys of a segment: 130 MB while they are sorted."""

BATCH_DOCUMENTS = 1000

READ = ["id", "text", "text_hash", "url", "source", "date"]


@dataclass(frozen=True)
class Added:
    """What came into an index."""

    documents: int
    replaced: int
    """Of them were in it before, under the same id: the later one counts."""

    known: bool = False
    """The version was in it already."""


def add(
    path: Path, output: Store, version: str, shards: list[str], config: MinhashConfig,
    disk: Disk | None = None,
) -> Added:  # fmt: skip
    """Add a version with its shards, sha256 each, in order of their ids; makes the index where there is
    none. Killed at any point, the index is the old or the new one.

    Raises ConfigError for an index of another MinHash, LockedError, and CurateError where a shard is gone.
    """
    with changing(path, disk, make=config) as index:
        index.check(config)
        if version in index.versions:
            return Added(0, 0, known=True)
        began = len(index.segments)
        places = tuple(Place(str(output.root.absolute()), sha256) for sha256 in shards)
        grown = replace(index, shards=(*index.shards, *places), versions=(*index.versions, version))
        replaced: list[tuple[int, Int64s]] = []
        gone = Gone.of(index)
        for segment, number, rows in _segments(
            grown, output, [f"shards/{sha256}.parquet" for sha256 in shards], len(index.shards), config
        ):
            grown = replace(grown, segments=(*grown.segments, segment), next=number + 1)
            replaced += _repeated(index, gone, rows)
        grown = with_tombstones(grown, replaced, "replaced")
        grown.save()
        count = sum(each.documents.rows for each in grown.segments[began:])
        return Added(count, sum(len(rows) for _, rows in replaced))


def with_tombstones(index: Index, rows: list[tuple[int, Int64s]], why: Any) -> Index:
    """The index without these documents: (number of the segment, rows in it); writes their file, not the manifest."""
    rows = [each for each in rows if len(each[1])]
    if not rows:
        return index
    file = Writer(index.store, f"deleted-{index.next:05d}.parquet", DELETED)
    with file:
        segment = np.concatenate([np.full(len(some), number) for number, some in rows])
        file.write({"segment": segment, "document": np.concatenate([some for _, some in rows])})
    return replace(index, next=index.next + 1, tombstones=(*index.tombstones, Tombstones(file.file(), why)))


def _repeated(index: Index, gone: Gone, documents: Mapping[str, Any]) -> Iterator[tuple[int, Int64s]]:
    """The documents of the index with the same ids, that count: (number of the segment, rows)."""
    for segment in index.segments:
        _, rows = find(index, segment, documents[KEY], documents["low"])
        deleted, replaced = gone.among(segment, rows)
        yield number_of(segment), rows[~deleted & ~replaced]


def _segments(
    index: Index, output: Store, names: list[str], first_shard: int, config: MinhashConfig
) -> Iterator[tuple[Segment, int, Mapping[str, Any]]]:
    """Segments as they are written, each with its number and documents."""
    pending: list[dict[str, Any]] = []
    keys: list[UInt64s] = []
    of: list[Int64s] = []
    number, size, shingles = index.next, 0, shingles_of(config)
    for shard, name in enumerate(names, first_shard):
        for row, table in _rows(output, name):
            found = text_keys(table.column("text"), config, shingles)
            documents = _documents(table, shard, row)
            keys += [top(found.keys.ravel()), top(documents["text_high"])]
            place = size + np.arange(table.num_rows)
            of += [np.repeat(place[found.compared], config.bands), place]
            pending.append(documents)
            size += table.num_rows
            if sum(map(len, keys)) >= SEGMENT_KEYS:
                yield _written(index.store, number, pending, keys, of)
                pending, keys, of, size, number = [], [], [], 0, number + 1
    if pending:
        yield _written(index.store, number, pending, keys, of)


def _written(
    store: Store, number: int, pending: list[dict[str, Any]], keys: list[UInt64s], of: list[Int64s]
) -> tuple[Segment, int, Mapping[str, Any]]:
    columns = {name: pa.chunked_array([pa.array(d[name], f.type) for d in pending]) for name, f in _fields().items()}
    documents = {name: column.combine_chunks() for name, column in columns.items()}
    by_id = {name: documents[name].to_numpy() for name in (KEY, "low")}
    if np.any(by_id[KEY][1:] < by_id[KEY][:-1]):
        raise CurateError("a published shard is not sorted by id; expected one that Curate published, as it was")
    return write_segment(store, number, documents, np.concatenate(keys), np.concatenate(of)), number, by_id


def _fields() -> dict[str, pa.Field]:
    return {field.name: field for field in DOCUMENTS}


def _rows(output: Store, name: str) -> Iterator[tuple[int, pa.Table]]:
    """(number of the first row, some rows). Raises CurateError where the shard is gone."""
    row = 0
    try:
        with open_parquet(output, name) as file:
            for batch in file.iter_batches(BATCH_DOCUMENTS, columns=READ, use_threads=False):
                yield row, pa.Table.from_batches([batch])
                row += batch.num_rows
    except FileNotFoundError:
        raise CurateError(f"{output.root}: {name} is not there; run the config again, which publishes it") from None


def _documents(table: pa.Table, shard: int, row: int) -> dict[str, Any]:
    """Columns of DOCUMENTS."""
    columns = [pa.array(map(bytes.fromhex, table.column(name).to_pylist()), ID) for name in ("id", "text_hash")]
    (high, low), (text_high, text_low) = (halves(pa.chunked_array([column])).T for column in columns)
    return {
        KEY: high, "low": low, "text_high": text_high, "text_low": text_low,
        "host": [host_of(url) for url in table.column("url").to_pylist()],
        "source": table.column("source").combine_chunks(), "date": table.column("date").combine_chunks(),
        "text_chars": pc.utf8_length(table.column("text")).combine_chunks().to_numpy(zero_copy_only=False),
        "shard": np.full(table.num_rows, shard), "row": row + np.arange(table.num_rows),
    }  # fmt: skip


def host_of(url: str | None) -> str | None:
    """The host of a URL in lower case, without its port; None where there is none."""
    try:
        return urlsplit(url or "").hostname
    except ValueError:  # such as http://[half
        return None
