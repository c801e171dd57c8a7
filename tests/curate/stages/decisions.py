"""Decisions about made documents, as `select` commits them, with the texts that they are about."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from curate import lineage
from curate.schema import DOCUMENTS
from curate.shards import ShardWriter
from curate.stages.arrange import KEPT
from curate.step import Commit, run_step
from curate.storage import Store

DECIDED = {
    "id": pl.Binary, "text_hash": pl.Binary, "status": pl.String, "is_synthetic": pl.Boolean, "source": pl.String,
    "lang": pl.String, "text_chars": pl.Int64, "shard": pl.String, "row": pl.Int64,
}  # fmt: skip


def decided(store: Store, rows: Sequence[dict[str, Any]], **columns: pl.DataType | type[pl.DataType]) -> Commit:
    """A part of documents, `text` and more by column name; `columns`: types of measures."""
    texts = [row["text"] for row in rows]
    ids = [lineage.document_id("s", "", text.encode()) for text in texts]
    hashes = [lineage.text_hash(text) for text in texts]
    schema = pa.schema([DOCUMENTS.field(name) for name in ("id", "text", "text_hash")])
    table = pa.table([ids, texts, hashes], schema=schema)
    name = lineage.key(*(row.items().__repr__() for row in rows))
    shard = run_step(store, "extract", name, lambda writer: writer.write("documents", table)).of("documents")[0]
    defaults = {"status": "kept", "is_synthetic": False, "source": "s", "lang": "eng_Latn"}
    made = [
        defaults | {"id": id_, "text_hash": hash_, "text_chars": len(row["text"]), "shard": shard.name, "row": n} | row
        for n, (id_, hash_, row) in enumerate(zip(ids, hashes, rows, strict=True))
    ]
    frame = pl.DataFrame(made, schema=DECIDED | columns)

    def write(writer: ShardWriter) -> None:
        writer.write("decisions", frame.to_arrow())
        writer.note(KEPT, name)

    return run_step(store, "select", name, write)
