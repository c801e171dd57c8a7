"""The corpus on its way through the stages: parts, and the facts about every document without its text.

A part is what became of one planned split. Two identical objects are two parts that share their shards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from curate.schema import DOCUMENTS, measures_schema
from curate.step import Commit, read_file, take_rows
from curate.storage import Store

FACTS = ["id", "text_hash", "url", "source", "date", "lang", "lang_score", "license", "is_synthetic", "derived_from",
         "offset", "end"]  # fmt: skip
"""Columns of a document that decisions may depend on, read beside its measures."""


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


def distinct(parts: Iterable[Part]) -> list[Part]:
    """One part a key, sorted by key: the order that does not depend on names."""
    by_key = {part.key: part for part in parts}
    return [by_key[key] for key in sorted(by_key)]


def read_facts(store: Store, parts: Sequence[Part], measures: Sequence[str]) -> pl.DataFrame:
    """A row a document of the distinct parts: FACTS, the measures, and where its text is (part, shard, row)."""
    frames = [_facts_of(store, part) for part in distinct(parts)]
    return pl.concat([no_facts(measures), *(frame for frame in frames if frame is not None)])


def no_facts(measures: Sequence[str]) -> pl.DataFrame:
    """The columns of `read_facts`, without a row."""
    schema = pa.schema([DOCUMENTS.field(name) for name in FACTS])
    place = pa.schema([("part", pa.string()), ("shard", pa.string()), ("row", pa.int64())])
    empty = pl.from_arrow(pa.schema([*schema, *place, *measures_schema(measures)]).empty_table())
    assert isinstance(empty, pl.DataFrame)
    return empty


def _facts_of(store: Store, part: Part) -> pl.DataFrame | None:
    documents, measures = part.texts.of("documents"), part.measures
    frames = [
        _frame(store, shard.name, FACTS).with_columns(
            part=pl.lit(part.key), shard=pl.lit(shard.name), row=pl.int_range(pl.len(), dtype=pl.Int64)
        )
        for shard in documents
    ]
    if not frames or measures is None or not measures.of("measures"):
        return None
    measured = pl.concat([_frame(store, shard.name) for shard in measures.of("measures")])
    return pl.concat([pl.concat(frames), measured], how="horizontal")


def _frame(store: Store, name: str, columns: list[str] | None = None) -> pl.DataFrame:
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
