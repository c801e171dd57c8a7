"""Small corpora as committed parts, and stages run in this process: for tests of stages without Ray."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from curate.corpus import Part, read_rows
from curate.lineage import document_id, key, text_hash
from curate.schema import DOCUMENTS
from curate.shards import ShardWriter
from curate.step import Commit, Task, find, run_step
from curate.storage import Store


def document(text: str, **columns: Any) -> dict[str, Any]:
    """A row of DOCUMENTS with defaults; `url` and `source` enter the id."""
    row: dict[str, Any] = {
        "text": text, "text_hash": text_hash(text), "url": None, "source": "test", "date": None, "lang": "eng_Latn",
        "lang_score": 0.9, "license": None, "license_source": None, "opt_out": None, "transforms": [],
        "is_synthetic": False, "derived_from": [], "generator": None, "offset": 0, "end": 1,
    } | columns  # fmt: skip
    row.setdefault("id", document_id(row["source"], row["url"] or "", text.encode()))
    return row


def part(store: Store, name: str, documents: Sequence[dict[str, Any]], **kinds: pa.Table) -> Part:
    """A part with these documents, committed as `extract` would; `kinds` adds rejected and quarantined rows."""
    rows = [row | {"offset": i, "end": i + 1} for i, row in enumerate(documents)]

    def work(writer: ShardWriter) -> None:
        writer.count("in", len(rows) + sum(table.num_rows for table in kinds.values()))
        if rows:
            writer.write("documents", pa.Table.from_pylist(rows, DOCUMENTS))
        for kind, table in kinds.items():
            writer.write(kind, table)

    return Part(
        name, run_step(store, "extract", key([[r["id"].hex(), r["offset"], str(r)] for r in rows], list(kinds)), work)
    )


def run_inline(store: Store, tasks: Sequence[Task]) -> list[Commit]:
    """What the executor does, without Ray."""
    commits = []
    for task in tasks:

        def work(writer: ShardWriter, task: Task = task) -> None:
            task.run(writer, store, *task.args)

        commits.append(find(store, task.stage, task.key) or run_step(store, task.stage, task.key, work))
    return commits


def rows_of(store: Store, commits: Sequence[Commit], kind: str) -> pl.DataFrame:
    """All rows of a kind; no columns where there are none."""
    rows = read_rows(store, commits, kind)
    return rows if rows is not None else pl.DataFrame()
