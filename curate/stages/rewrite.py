"""rewrite: documents -> the documents with the texts that the config's transforms leave, row for row.

Runs where the config has a transform. A step apart from `measure`, whose key knows of the config the transforms alone:
another filter changes no text, and so no signature, no pair and no place that a text is read from. `measure` rewrites
once more in memory, for the filters between two transforms.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import filters
from curate import lineage
from curate.config import RunConfig
from curate.config.measures import MeasureStep, transforms
from curate.corpus import Part
from curate.schema import ID
from curate.shards import ShardWriter
from curate.stages.isolate import BATCH_DOCUMENTS, looked_at
from curate.step import ALL, Commit, Rows, Task
from curate.storage import Store
from curate.text.buffers import text_array, text_buffers
from curate.text.words import provider
from filters import TextBatch
from filters.rewrite import Texts, changed

VERSION = 1

Rewritten = dict[str, npt.NDArray[np.bool_]]
"""Label of a transform -> bool[documents]: whose text it changed."""


def identity(steps: Sequence[MeasureStep]) -> list[object]:
    """What of the config can change a text."""
    asked = [[filters.get_transform(step.transform).label, dict(step.params)] for step in transforms(steps)]
    return [VERSION, provider().name, provider().version, asked]


def rewrite(documents: pa.Table, steps: Sequence[MeasureStep]) -> pa.Table:
    """The documents with new texts, their hashes, and the transforms that changed each.

    Of `documents` the columns `text`, `lang`, `text_hash` and `transforms` are read.
    """
    data, offsets = text_buffers(documents.column("text"))
    batch = TextBatch(data, offsets, documents.column("lang").to_pylist(), provider())
    rewritten = Rewritten()
    for step in transforms(steps):
        transform, before = filters.get_transform(step.transform), batch
        batch = transform.apply(before, **step.params)
        rewritten[transform.label] = changed(before, batch)
    return with_texts(documents, (batch.data, batch.offsets), rewritten) if rewritten else documents


def with_texts(documents: pa.Table, new_texts: Texts, rewritten: Rewritten) -> pa.Table:
    """The documents with these texts, their hashes, and the labels of what changed each."""
    texts = text_array(*new_texts)
    hashes = documents.column("text_hash").to_pylist()
    labels = documents.column("transforms").to_pylist()
    for label, hit in rewritten.items():
        for i in np.flatnonzero(hit):
            labels[i] = [*labels[i], label]
            hashes[i] = lineage.text_hash(texts[i].as_py())
    new = {"text": texts, "text_hash": pa.array(hashes, ID), "transforms": pa.array(labels, pa.list_(pa.string()))}
    columns = [new.get(name, documents.column(name)) for name in documents.column_names]
    return pa.table(columns, schema=documents.schema)


def tasks(parts: Sequence[Part], config: RunConfig) -> list[Task]:
    """One task a part; its key does not depend on filters."""
    what = identity(config.measure)
    return [
        Task("rewrite", lineage.key("rewrite", part.key, what), part.object, rewrite_split,
             (part.documents, config.measure), divisible=True)
        for part in parts
    ]  # fmt: skip


def rewrite_split(
    writer: ShardWriter, store: Store, documents: Commit, steps: Sequence[MeasureStep], rows: Rows = ALL
) -> None:
    """Write every document of one split that `rows` names again, row for row."""
    # Not so many as execution.batch_documents: a row is found by shard and number, and where a shard ends depends on
    # the size of what is written at once. No setting may move it under an equal key.
    for _, _, table in looked_at(store, documents, None, BATCH_DOCUMENTS, rows):
        writer.count("in", table.num_rows)
        writer.write("documents", rewrite(table, steps))
