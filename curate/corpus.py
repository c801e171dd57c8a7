"""The corpus on its way through the stages: parts, and the facts about every document without its text.

A part is what became of one planned split. Two identical objects are two parts that share their shards.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curate.schema import DOCUMENTS, measures_schema
from curate.shards import Shard, iterate_shards, read_file, take_rows
from curate.step import Commit
from curate.storage import Store

FACTS = ["id", "text_hash", "url", "source", "date", "lang", "lang_score", "license", "is_synthetic", "derived_from",
         "offset", "end"]  # fmt: skip
"""Columns of a document that decisions may depend on, read beside its measures."""


SLICE_ROWS = 1 << 16
"""Rows of facts and decisions that are in memory at a time: about 100 MB, as joins make copies."""


@dataclass(frozen=True)
class Part:
    """One planned split, or one batch of synthetic documents."""

    object: str
    """The input object, as the user named it; `synthetic` for what an LLM wrote."""

    documents: Commit
    measures: Commit | None = None
    """Row for row as `documents`."""

    rewritten: Commit | None = None
    """The documents with new texts, row for row, where the config has a transform."""

    @property
    def key(self) -> str:
        """By content: equal for identical objects."""
        return self.documents.identity

    @property
    def texts(self) -> Commit:
        """The documents as they are to be published."""
        return self.rewritten or self.documents

    @property
    def size(self) -> int:
        """Documents."""
        return self.documents.rows("documents")


def distinct(parts: Iterable[Part]) -> list[Part]:
    """One part a key, sorted by key: the order that does not depend on names."""
    by_key = {part.key: part for part in parts}
    return [by_key[key] for key in sorted(by_key)]


def first_numbers(parts: Sequence[Part]) -> npt.NDArray[np.int64]:
    """Number of the first document of each part, and the number of documents; int64[n + 1].

    Documents are numbered through the `distinct` parts of a run: the same number wherever the inputs lie and whatever
    they are called.
    """
    numbers: npt.NDArray[np.int64] = np.cumsum([0, *(part.size for part in parts)])
    return numbers


def halves(hashes: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """A column of 16-byte hashes as uint64[n, 2], which sort as the hashes do. Raises ValueError where one is null."""
    if hashes.null_count:
        raise ValueError(f"hash: {hashes.null_count} of {len(hashes)} are null; expected one for each document")
    arrays = [np.frombuffer(c.buffers()[1], ">u8", 2 * len(c), 16 * c.offset) for c in hashes.chunks if len(c)]
    found: npt.NDArray[np.uint64] = np.concatenate([np.empty(0, np.uint64), *arrays]).astype(np.uint64)
    return found.reshape(-1, 2)


def no_facts(measures: Sequence[str]) -> pl.DataFrame:
    """The columns of `facts_of`, without a row."""
    schema = pa.schema([DOCUMENTS.field(name) for name in FACTS])
    place = pa.schema([("part", pa.string()), ("shard", pa.string()), ("row", pa.int64())])
    empty = pl.from_arrow(pa.schema([*schema, *place, *measures_schema(measures)]).empty_table())
    assert isinstance(empty, pl.DataFrame)
    return empty


def facts_of(store: Store, part: Part, measures: Sequence[str]) -> Iterator[pl.DataFrame]:
    """A row a document of the part, in slices: FACTS, where its text is (part, shard, row), and the measures."""
    documents, measured = part.texts.of("documents"), part.measures.of("measures") if part.measures else []
    if not documents or not measured:
        return
    values, start = pl.concat([read_frame(store, shard.name) for shard in measured]), 0
    for shard in documents:
        row = 0
        for frame in slices(store, [shard], FACTS):
            rows = pl.int_range(row, row + pl.len(), dtype=pl.Int64)
            placed = frame.with_columns(part=pl.lit(part.key), shard=pl.lit(shard.name), row=rows)
            both = pl.concat([placed, values.slice(start, len(frame))], how="horizontal")
            yield both.select(no_facts(measures).columns)
            row, start = row + len(frame), start + len(frame)


def slices(store: Store, shards: Sequence[Shard], columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
    """All rows of the shards, SLICE_ROWS or a row group more at a time."""
    tables = list[pa.Table]()
    for table in iterate_shards(store, shards, columns, SLICE_ROWS):
        tables.append(table)
        if sum(each.num_rows for each in tables) >= SLICE_ROWS:
            yield pl.DataFrame(pa.concat_tables(tables))
            tables.clear()
    if tables:
        yield pl.DataFrame(pa.concat_tables(tables))


def read_frame(store: Store, name: str, columns: list[str] | None = None) -> pl.DataFrame:
    """The rows of a Parquet file of ours."""
    frame = pl.from_arrow(read_file(store, name, columns))
    assert isinstance(frame, pl.DataFrame)
    return frame


def read_rows(store: Store, commits: Iterable[Commit], kind: str) -> pl.DataFrame | None:
    """All rows of one kind from several commits, each commit once; None where there are none."""
    by_key = {commit.key: commit for commit in commits}
    frames = [pl.from_arrow(read_file(store, s.name)) for _, c in sorted(by_key.items()) for s in c.of(kind)]
    tables = [frame for frame in frames if isinstance(frame, pl.DataFrame)]
    return pl.concat(tables) if tables else None


def read_places(store: Store, places: Sequence[tuple[str, int]], columns: list[str]) -> pa.Table:
    """The stored documents at (shard, row), in the order given."""
    by_shard: dict[str, list[int]] = {}
    for position, (shard, _) in enumerate(places):
        by_shard.setdefault(shard, []).append(position)
    tables, order = [], []
    for shard, positions in sorted(by_shard.items()):
        tables.append(take_rows(store, shard, np.array([places[p][1] for p in positions], np.int64), columns))
        order += positions
    return pa.concat_tables(tables).take(pa.array(np.argsort(order)))
