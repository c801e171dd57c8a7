"""A sample of the inputs, extracted and measured in this process: what a config would do, before it is run."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curate import readers
from curate.config import InputConfig, RunConfig
from curate.config.measures import transforms
from curate.corpus import FACTS, no_facts
from curate.errors import InputError
from curate.inputs import find_inputs, open_input
from curate.lineage import uniform
from curate.plan import Split, check_place, format_of
from curate.schema import DOCUMENTS
from curate.stages.extract import extract
from curate.stages.measure import measure
from curate.stages.rewrite import rewrite
from curate.storage import Disk
from curate.text.buffers import text_buffers

RANGE_BYTES = 4_000_000
"""Stored bytes of a stretch that is read as a whole: some hundred pages, so that a sample comes from many places."""


@dataclass(frozen=True)
class Sample:
    """Documents of the inputs, and what `select` decides on about them."""

    documents: pa.Table
    """Rows of DOCUMENTS, their texts as the last transform left them."""

    facts: pl.DataFrame
    """Row for row: the columns of corpus.facts_of. What the stages before `measure` turned away is not there."""

    read: int
    """Records that were read."""

    extracted: int
    """Documents that came of them; `documents` is drawn from these."""

    share: float
    """Of the inputs' stored bytes: those that were read, 0..1."""


def measured_sample(config: RunConfig, number: int) -> Sample:
    """At most `number` documents, measured by the config: those with the smallest hash(seed, id) of what is read.

    Read are stretches of RANGE_BYTES of the inputs, in the order of hash(seed, file name, place), until they hold so
    many documents; inputs with fewer are read as a whole. Raises ConfigError, InputError or OSError.
    """
    found, stretches, bytes_read = _Collected(), _stretches(config), 0.0
    weights = _stored_bytes(stretches)
    for split in stretches:
        try:
            with open_input(split.planned, Disk()) as stream:
                extract(stream, split, config, found)
        except InputError as error:
            raise InputError(f"{split.uri}: {error}") from error
        bytes_read += weights[split.uri, split.start]
        if sum(table.num_rows for table in found.tables) >= number:
            break
    whole_size = sum(weights.values())
    extent = (found.read, sum(table.num_rows for table in found.tables), bytes_read / whole_size if whole_size else 0.0)
    documents = _chosen(found.tables, config.seed, number)
    values, tables = list[pa.Table](), list[pa.Table]()
    for batch in _batches(documents, config.execution.batch_documents):
        values.append(measure(batch, config.measure))
        tables.append(rewrite(batch, config.measure))
    columns = [each.column for each in config.measured]
    if not tables:
        return Sample(documents, no_facts(columns), *extent)
    documents = pa.concat_tables(tables)
    facts = pl.concat([_frame(documents.select(FACTS)), _frame(pa.concat_tables(values))], how="horizontal")
    place = {"part": pl.lit("sample"), "shard": pl.lit("sample"), "row": pl.int_range(pl.len(), dtype=pl.Int64)}
    whole = facts.with_columns(**place).select(no_facts(columns).columns)
    return Sample(documents, whole, *extent)


def distinct_texts(config: RunConfig, number: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The different texts among at most `number` documents, as dedup meets them: bytes and offsets; see text_buffers.

    Drawn as by `measured_sample`, with its errors; the transforms are applied, no filter is measured.
    """
    rewriting = {"measure": tuple(transforms(config.measure)), "by_language": {}}
    documents = measured_sample(config.model_copy(update=rewriting), number).documents
    hashes = documents.column("text_hash").to_pylist()
    first = {text_hash: row for row, text_hash in reversed(list(enumerate(hashes)))}
    return text_buffers(documents.take(pa.array(sorted(first.values()), pa.int64())).column("text"))


@dataclass
class _Collected:
    """Takes what `extract` writes and keeps the documents."""

    tables: list[pa.Table] = field(default_factory=list)
    read: int = 0

    def write(self, kind: str, table: pa.Table) -> None:
        """Keep documents; what was turned away or damaged is only counted as read."""
        if kind == "documents":
            self.tables.append(table.select(DOCUMENTS.names))

    def count(self, name: str, n: int = 1) -> None:
        """Count the records."""
        self.read += n if name == "in" else 0


def _stretches(config: RunConfig) -> list[Split]:
    """All of the inputs, in an order that depends on the seed and on no order of files."""
    found = [split for source in config.inputs for uri in source.uris for split in _of(uri, source, config)]
    distinct = {(split.uri, split.start): split for split in found}
    return sorted(distinct.values(), key=lambda s: (uniform(config.seed, _place(s), "sample"), s.uri, s.start))


def _stored_bytes(stretches: list[Split]) -> dict[tuple[str, int], float]:
    """uri, start -> the stretch's part of its object's bytes; those of Parquet are counted in row groups."""
    whole: Counter[str] = Counter()
    for split in stretches:
        whole[split.uri] += split.end - split.start
    return {
        (s.uri, s.start): s.planned.size * (s.end - s.start) / whole[s.uri] if whole[s.uri] else 0.0 for s in stretches
    }


def _place(split: Split) -> bytes:
    return f"{Path(split.uri).name}:{split.start}".encode("utf-8", "surrogateescape")


def _of(uri: str, source: InputConfig, config: RunConfig) -> Iterator[Split]:
    for found in find_inputs(uri):
        check_place(found.uri, config)
        kind, codec = format_of(found.uri, source)
        with open_input(found, Disk()) as stream:
            ranges = readers.ranges(stream, found.size, kind, codec, RANGE_BYTES)
        # What is stored under the content's hash is no concern here: nothing is stored.
        yield from (Split(found, "", start, end, kind, codec, source) for start, end in ranges)


def _chosen(tables: list[pa.Table], seed: int, number: int) -> pa.Table:
    """The documents with the smallest hashes, each id once, in the order of the hashes."""
    documents = pa.concat_tables([DOCUMENTS.empty_table(), *tables])
    rows = {identity: row for row, identity in enumerate(documents.column("id").to_pylist())}
    order = sorted(rows, key=lambda identity: uniform(seed, identity, "sample"))
    return documents.take(pa.array([rows[identity] for identity in order[:number]], pa.int64()))


def _batches(documents: pa.Table, size: int) -> Iterator[pa.Table]:
    for start in range(0, documents.num_rows, size):
        yield documents.slice(start, size)


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
