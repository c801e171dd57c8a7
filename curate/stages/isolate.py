"""isolate: a part -> the part without the documents that killed their worker in a later stage: it quarantines them.

The commits of `rewrite`, `measure` and `sign` note such documents by number. What comes after works on the part that is
derived here, as if `extract` had turned them away.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.corpus import Part
from curate.execution.isolation import numbers
from curate.lineage import key
from curate.schema import QUARANTINED
from curate.shards import Shard, ShardWriter, iterate_shards
from curate.stages.extract import DIED, WORKER_DIED
from curate.step import ALL, Commit, Rows, Task
from curate.storage import Store

VERSION = 1

BATCH_DOCUMENTS = 1000


def looked_at(
    store: Store, documents: Commit, columns: list[str] | None, batch_documents: int, rows: Rows
) -> Iterator[tuple[Shard, npt.NDArray[np.int64], pa.Table]]:
    """(shard, numbers of the rows in it, their table) of the documents that `rows` names, some at a time."""
    first = 0
    for shard in documents.of("documents"):
        row = 0
        for table in iterate_shards(store, [shard], columns, batch_documents):
            if rows.last is not None and first >= rows.last:
                return
            count = table.num_rows
            chosen = np.arange(count) if rows == ALL else np.flatnonzero([first + i in rows for i in range(count)])
            if len(chosen):
                yield shard, row + chosen, table if len(chosen) == count else table.take(pa.array(chosen))
            row, first = row + count, first + count


def task(part: Part, stage: str, note: str) -> Task:
    """The step that leaves out the documents which the commit of `stage` notes."""
    wanted = key("isolate", VERSION, part.key, stage, note)
    return Task("isolate", wanted, part.object, without_documents, (part.documents, stage, note))


def without_documents(writer: ShardWriter, store: Store, documents: Commit, stage: str, note: str) -> None:
    """Write what `documents` has, its documents less those noted, and a row of kind quarantined for each of them."""
    killers = numbers(note)
    for _, _, table in looked_at(store, documents, None, BATCH_DOCUMENTS, Rows(without=killers)):
        writer.write("documents", table)
    for killer in sorted(killers):
        alone = Rows(killer, killer + 1)
        for _, _, row in looked_at(store, documents, ["source", "offset", "end"], BATCH_DOCUMENTS, alone):
            writer.write("quarantined", _quarantined(row, f"{DIED} this document alone went through {stage}"))
    copy_rest(writer, store, documents)


def copy_rest(writer: ShardWriter, store: Store, documents: Commit) -> None:
    """Write what a commit has but for its documents: its counts, and what was turned away."""
    for name, count in documents.counts.items():
        writer.count(name, count)
    for shard in documents.shards:
        if shard.kind != "documents":
            for table in iterate_shards(store, [shard], None, BATCH_DOCUMENTS):
                writer.write(shard.kind, table)


def _quarantined(documents: pa.Table, detail: str) -> pa.Table:
    said = {"reason": WORKER_DIED, "detail": detail}
    return pa.Table.from_pylist([row | said for row in documents.to_pylist()], schema=QUARANTINED)
