"""arrange: the kept documents of a part, as they are to be published, in runs by id.

Between the shards in the order of the input and the parts in the order of ids every text moves once: `publish` reads
ranges of these runs.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from curate.config import PublishConfig, RunConfig
from curate.corpus import Part, halves, read_frame
from curate.lineage import key, uniform
from curate.runs import write_run
from curate.schema import DATA, PUBLISHED_SCORE, SCHEMA_VERSION, with_extra, with_measures, with_scores
from curate.shards import ShardWriter, take_rows
from curate.step import Commit, Task
from curate.storage import Store
from curate.text.tokens import load_tokenizer, tokenizer_file

VERSION = 1

DECIDED = ["id", "cluster_id", "dup_count", "quality", "quality_status", "quality_source", "quality_model", "shard",
           "row", "text_bytes"]  # fmt: skip
"""Columns of the decisions that a published row takes over; the rest comes from the document's own shard."""

KEPT = "kept"
"""Name of the note of a commit of `select` that holds a digest of what is published of it."""

RUN_BYTES = 48_000_000
"""Text bytes of a run: it is in memory three times while it is put in order."""

GROUP_BYTES = 1_000_000
"""Text bytes of a row group, which is read whole."""


def published_measures(config: RunConfig) -> list[str]:
    """Columns of the measures with `publish: true`."""
    return [measured.column for measured in config.measured if measured.filter.publish]


def published_columns(config: RunConfig) -> list[str]:
    """Columns of the decisions that a published row depends on."""
    judged = with_scores(pa.schema([]), config.further_scores, PUBLISHED_SCORE).names
    return [*DECIDED, *judged, *published_measures(config)]


def extra_columns(config: RunConfig) -> dict[str, str]:
    """Extra columns of all inputs with their types."""
    return {name: kind for source in config.inputs for name, kind in source.extra.items()}


def data_schema(config: RunConfig) -> pa.Schema:
    """The columns of `data/` for this config."""
    judged = with_scores(DATA, config.further_scores, PUBLISHED_SCORE)
    return with_extra(with_measures(judged, published_measures(config)), extra_columns(config))


def identity(config: RunConfig) -> list[object]:
    """What of the config can change a part whose rows are given."""
    columns = [[field.name, str(field.type)] for field in data_schema(config)]
    share, tokenizer = config.publish.validation_share, tokenizer_hash(config.publish)
    return [VERSION, SCHEMA_VERSION, config.seed, share, tokenizer, columns]


def tokenizer_hash(config: PublishConfig) -> str | None:
    """Hex sha256 of the tokenizer; None where none is configured."""
    return tokenizer_file(config.tokenizer).sha256 if config.tokenizer else None


def tasks(parts: Sequence[Part], decisions: Sequence[Commit], config: RunConfig) -> list[Task]:
    """One task a distinct part, with its decisions; done where what is published of them did not change."""
    what = identity(config)
    return [
        Task("arrange", key("arrange", what, part.texts.identity, decided.notes.get(KEPT)), part.object, arrange_part,
             (decided, config))
        for part, decided in zip(parts, decisions, strict=True)
    ]  # fmt: skip


def arrange_part(writer: ShardWriter, store: Store, decisions: Commit, config: RunConfig) -> None:
    """Write runs of kind `rows` by the first half of the id: the columns of `data_schema`."""
    columns = [*published_columns(config), "status"]
    for shard in decisions.of("decisions"):
        kept = read_frame(store, shard.name, columns).filter(pl.col("status") == "kept")
        for (name,), rows in kept.group_by("shard", maintain_order=True):
            for some in _runs(rows):
                _write(writer, some, take_rows(store, str(name), some["row"].to_numpy()), config)


def _runs(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Rows of at most about RUN_BYTES of text each."""
    number = (rows["text_bytes"].cum_sum() - 1) // RUN_BYTES
    yield from (some for _, some in rows.group_by(number, maintain_order=True))


def _write(writer: ShardWriter, rows: pl.DataFrame, documents: pa.Table, config: RunConfig) -> None:
    table = _published(rows, documents, config)
    text_bytes, synthetic = int(rows["text_bytes"].sum()), int(np.sum(documents.column("is_synthetic").to_numpy()))
    writer.count("text_bytes", text_bytes)
    writer.count("synthetic", synthetic)
    by = halves(documents.column("id"))[:, 0]
    write_run(writer, "rows", by, table, group_rows=max(1, len(rows) * GROUP_BYTES // max(1, text_bytes)))


def _published(rows: pl.DataFrame, documents: pa.Table, config: RunConfig) -> pa.Table:
    """One table with exactly the columns and types of `data_schema`."""
    schema = data_schema(config)
    decided = {name: rows[name].to_arrow() for name in rows.columns}
    columns: dict[str, Any] = {name: documents.column(name) for name in schema.names if name in documents.column_names}
    columns |= {name: decided[name] for name in schema.names if name in decided}
    columns["id"] = _hex(rows["id"])
    columns["text_hash"] = _hex(pl.Series(documents.column("text_hash")))
    columns["cluster_id"] = _hex(rows["cluster_id"])
    columns["derived_from"] = _hex_lists(documents.column("derived_from"))
    columns["token_count"] = _token_counts(documents.column("text"), config.publish)
    columns["split"] = _splits(rows["cluster_id"], config)
    empty = {name: pa.nulls(len(rows), schema.field(name).type) for name in schema.names if name not in columns}
    arrays = [_as(columns.get(name, empty.get(name)), schema.field(name).type) for name in schema.names]
    return pa.table(arrays, schema=schema)


def _as(column: Any, kind: pa.DataType) -> Any:
    return column if column.type == kind else column.cast(kind)


def _hex(ids: pl.Series) -> pa.Array:
    return ids.bin.encode("hex").to_arrow()


def _hex_lists(lists: pa.ChunkedArray) -> pa.Array:
    values = [[parent.hex() for parent in parents or []] for parents in lists.to_pylist()]
    return pa.array(values, pa.list_(pa.string()))


def _splits(clusters: pl.Series, config: RunConfig) -> pa.Array:
    """train or validation by hash of the cluster: near-copies never stand on both sides."""
    bound = int(config.publish.validation_share * 2**64)
    names = ["validation" if uniform(config.seed, c, "split") < bound else "train" for c in clusters]
    return pa.array(names, pa.string())


def _token_counts(texts: pa.ChunkedArray, config: PublishConfig) -> pa.Array:
    """Exact counts without special tokens; nulls where no tokenizer is configured."""
    if config.tokenizer is None:
        return pa.nulls(len(texts), pa.int64())
    tokenizer = load_tokenizer(config.tokenizer, "publish.tokenizer")
    encoded = tokenizer.encode_batch(texts.to_pylist(), add_special_tokens=False)
    return pa.array([len(e.ids) for e in encoded], pa.int64())
