"""publish: kept rows -> immutable parts -> a version -> the pointer, changed last.

What is written below `versions/<hash>/` depends on documents and config alone: no clock, host, run, worker count, path
or duration, so that the same input and config give the same bytes anywhere.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curate.config import PublishConfig, RunConfig
from curate.lineage import canonical, key, uniform
from curate.schema import DATA, SCHEMA_VERSION, with_extra, with_measures
from curate.step import Commit, ShardWriter, Task, read_file, take_rows
from curate.storage import Store, locked_output
from curate.text.buffers import text_buffers
from curate.text.tokens import load_tokenizer, tokenizer_file

VERSION = 1

DECIDED = ["id", "text_hash", "cluster_id", "dup_count", "quality", "quality_status", "quality_source", "quality_model",
           "shard", "row", "text_bytes"]  # fmt: skip
"""Columns of the decisions that a published row takes over; the rest comes from the document's own shard."""


@dataclass(frozen=True)
class PartRange:
    """Rows [start, end) of the kept documents in order of id; they become one published part."""

    start: int
    end: int


def part_ranges(text_bytes: pl.Series, config: PublishConfig) -> list[PartRange]:
    """Cut the kept documents, sorted by id, into parts of about `shard_bytes` of text; one empty part without any."""
    before = (text_bytes.cum_sum() - text_bytes) // config.shard_bytes
    starts = [0, *(np.flatnonzero(np.diff(before.to_numpy())) + 1).tolist()]
    return [PartRange(start, end) for start, end in zip(starts, [*starts[1:], len(text_bytes)], strict=True)]


def published_measures(config: RunConfig) -> list[str]:
    """Columns of the measures with `publish: true`."""
    return [measured.column for measured in config.measured if measured.filter.publish]


def extra_columns(config: RunConfig) -> dict[str, str]:
    """Extra columns of all inputs with their types."""
    return {name: kind for source in config.inputs for name, kind in source.extra.items()}


def data_schema(config: RunConfig) -> pa.Schema:
    """The columns of `data/` for this config."""
    return with_extra(with_measures(DATA, published_measures(config)), extra_columns(config))


def identity(config: RunConfig) -> list[object]:
    """What of the config can change a part whose rows are given."""
    publish = config.publish
    tokenizer = tokenizer_hash(publish)
    return [VERSION, SCHEMA_VERSION, config.seed, publish.validation_share, publish.row_group_rows, tokenizer,
            [[f.name, str(f.type)] for f in data_schema(config)]]  # fmt: skip


def part_key(kept: pl.DataFrame, config: RunConfig) -> str:
    """Hash of every value that is decided and of the texts' hashes: equal keys, equal parts."""
    columns = [*DECIDED, *published_measures(config)]
    values = io.BytesIO()
    kept.select(columns).rechunk().write_ipc(values)
    return key("publish", identity(config), hashlib.sha256(values.getbuffer()).hexdigest())


def tokenizer_hash(config: PublishConfig) -> str | None:
    """Hex sha256 of the tokenizer; None where none is configured."""
    return tokenizer_file(config.tokenizer).sha256 if config.tokenizer else None


def tasks(work: Store, decisions: Commit, config: RunConfig) -> list[Task]:
    """One task a part; a part whose documents and decisions did not change is done already."""
    columns = [*DECIDED, "status", *published_measures(config)]
    kept = _kept(work, decisions, columns)
    made = []
    for number, part in enumerate(part_ranges(kept["text_bytes"], config.publish)):
        rows = kept.slice(part.start, part.end - part.start)
        args = (decisions, part, config)
        made.append(Task("publish", part_key(rows, config), f"part {number}", publish_part, args))
    return made


def publish_part(writer: ShardWriter, store: Store, decisions: Commit, part: PartRange, config: RunConfig) -> None:
    """Write one part, kind `data`: texts fetched from their shards, rows sorted by id, one table, one write."""
    kept = _kept(store, decisions, [*DECIDED, "status", *published_measures(config)])
    rows = kept.slice(part.start, part.end - part.start)
    table = _published(rows, _documents(store, rows), config)
    name = writer.write_whole("data", table, row_group_rows=config.publish.row_group_rows)
    writer.note("sha256", store.sha256(name))
    writer.count("text_bytes", int(rows["text_bytes"].sum()))
    writer.count("synthetic", int(pc.sum(table.column("is_synthetic")).as_py() or 0))


def _kept(store: Store, decisions: Commit, columns: list[str]) -> pl.DataFrame:
    """The kept documents in order of id."""
    frames = [pl.DataFrame(read_file(store, s.name, columns)) for s in decisions.of("decisions")]
    if not frames:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.Int64))
    return pl.concat(frames).filter(pl.col("status") == "kept").sort("id")


def _documents(store: Store, rows: pl.DataFrame) -> pa.Table:
    """The document rows in the order of `rows`; of each shard only the row groups that hold some of them are read.

    Texts are copied to their place as they are read: beside the result one shard's are in memory, where Arrow's `take`
    over all of them would hold three copies of the whole part.
    """
    tables, positions = [], []
    ends = rows["text_bytes"].cum_sum().to_numpy()
    offsets = np.concatenate([[0], ends]).astype(np.int64)
    texts = np.empty(offsets[-1], np.uint8)
    numbered = rows.select("shard", "row").with_row_index("at").sort("shard", "row")
    for (shard,), wanted in numbered.group_by("shard", maintain_order=True):
        table = take_rows(store, str(shard), wanted["row"].to_numpy())
        data, starts = text_buffers(table.column("text"))
        for at, (start, end) in zip(wanted["at"], pairwise(starts.tolist()), strict=True):
            texts[offsets[at] : offsets[at + 1]] = data[start:end]
        tables.append(table.drop_columns("text"))
        positions.append(wanted["at"].to_numpy())
    if not tables:
        return pa.table({})
    together = pa.concat_tables(tables, promote_options="permissive")
    in_order = together.take(np.argsort(np.concatenate(positions), kind="stable"))
    column = pa.LargeStringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(texts))
    return in_order.append_column("text", column)


def _published(rows: pl.DataFrame, documents: pa.Table, config: RunConfig) -> pa.Table:
    """One table with exactly the columns and types of `data_schema`."""
    schema = data_schema(config)
    if not len(rows):
        return schema.empty_table()
    decided = {name: rows[name].to_arrow() for name in rows.columns}
    columns: dict[str, Any] = {name: documents.column(name) for name in schema.names if name in documents.column_names}
    columns |= {name: decided[name] for name in schema.names if name in decided}
    columns["id"] = _hex(rows["id"])
    columns["text_hash"] = _hex(rows["text_hash"])
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
    encoded = load_tokenizer(config.tokenizer, "publish.tokenizer").encode_batch(
        texts.to_pylist(), add_special_tokens=False
    )
    return pa.array([len(e.ids) for e in encoded], pa.int64())


@dataclass(frozen=True)
class Version:
    """A published version; `changed` says whether the pointer moved."""

    hash: str
    manifest: Mapping[str, Any]
    changed: bool


def publish_version(
    output: Store,
    work: Store,
    parts: Sequence[Commit],
    manifest: Mapping[str, Any],
    pages: Mapping[str, str],
    expected: str | None,
) -> Version:
    """Link the parts, write manifest, pages and `_SUCCESS`, then move the pointer `current`.

    `pages` are further files of the version by name, such as its card. `expected`: what the pointer said when the run
    began. An equal version is published once; where another run has published since, raises PublishConflict.
    """
    shards = []
    for number, commit in enumerate(parts):
        [shard] = commit.of("data")
        name = f"data/part-{0:05d}-{number:05d}.parquet"
        shards.append({"name": name, "rows": shard.rows, "bytes": shard.bytes, "sha256": commit.notes["sha256"]})
    manifest = {"schema_version": SCHEMA_VERSION, "parent": None, **manifest, "shards": shards}
    version = key("version", manifest, dict(pages))
    folder = f"versions/{version}"
    manifest_hash = hashlib.sha256(canonical(manifest)).hexdigest()
    texts = {**pages, "_manifest.json": canonical(manifest).decode(), "_SUCCESS": f"{manifest_hash}\n"}
    with locked_output(output):
        output.may_point("current", folder, expected)
        for commit, entry in zip(parts, shards, strict=True):
            shared = f"shards/{entry['sha256']}.parquet"
            output.link(work, commit.of("data")[0].name, shared)
            output.link(output, shared, f"{folder}/{entry['name']}")
        for name, text in texts.items():
            output.put_if_absent(f"{folder}/{name}", text.encode())
        changed = output.point("current", folder, expected)
    return Version(version, manifest, changed)
