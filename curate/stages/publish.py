"""publish: the rows that `arrange` left -> immutable parts -> a version -> the pointer, changed last.

What is written below `versions/<hash>/` depends on documents and config alone: no clock, host, run, worker count, path
or duration, so that the same input and config give the same bytes anywhere.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from curate.config import RunConfig
from curate.lineage import canonical, key
from curate.runs import Range, equal_ranges, read_range
from curate.schema import SCHEMA_VERSION
from curate.shards import ShardWriter
from curate.stages.arrange import data_schema
from curate.step import Commit, Task
from curate.storage import Store, locked_output
from curate.text.buffers import gather_texts

VERSION = 2


def tasks(arranged: Sequence[Commit], config: RunConfig) -> list[Task]:
    """One task a part. Ids are hashes, so that equal ranges of them hold about `shard_bytes` of text each."""
    text_bytes = sum(commit.counts.get("text_bytes", 0) for commit in arranged)
    ranges = equal_ranges(max(1, -(-text_bytes // config.publish.shard_bytes)))
    of = [VERSION, sorted(commit.key for commit in arranged), config.publish.row_group_rows]
    return [
        Task("publish", key("publish", of, list(ids)), f"part {n}", publish_part, (tuple(arranged), ids, config))
        for n, ids in enumerate(ranges)
    ]


def publish_part(writer: ShardWriter, store: Store, arranged: Sequence[Commit], ids: Range, config: RunConfig) -> None:
    """Write one part, kind `data`: the rows of a range of ids, sorted by id, one table, one write."""
    runs = [run for commit in arranged for run in commit.of("rows")]
    schema = data_schema(config)
    tables = list(read_range(store, runs, ids, schema.names))
    table = pa.concat_tables([schema.empty_table(), *tables])
    order = np.argsort(np.array(table.column("id").to_pylist(), "S32"), kind="stable")
    # Of each chunk of texts Arrow's `take` would hold three copies.
    texts = gather_texts(table.column("text"), order)
    rest = table.drop_columns("text").take(pa.array(order))
    table = rest.append_column("text", texts).select(schema.names).cast(schema)
    name = writer.write_whole("data", table, row_group_rows=config.publish.row_group_rows)
    writer.note("sha256", store.sha256(name))
    writer.count("text_bytes", texts.nbytes - 8 * (len(texts) + 1))


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
