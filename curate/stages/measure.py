"""measure: documents -> one number a filter and document. Removes nothing; reads the text and no model."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

import filters
from curate.config import FilterConfig, RunConfig
from curate.corpus import Part
from curate.lineage import key
from curate.schema import measures_schema
from curate.stages.isolate import looked_at
from curate.step import ALL, Commit, Rows, ShardWriter, Task
from curate.storage import Store
from curate.text.buffers import text_buffers
from curate.text.words import provider
from filters import TextBatch

VERSION = 1


def identity(chosen: Sequence[FilterConfig]) -> list[object]:
    """What of the config can change a measured value; the bounds cannot."""
    return [
        VERSION,
        provider().name,
        provider().version,
        [[filters.get(f.filter).column, dict(f.params)] for f in chosen],
    ]


def columns(chosen: Sequence[FilterConfig]) -> list[str]:
    """Names of the measured columns, `rule@semantics.version`, in the config's order."""
    return [filters.get(f.filter).column for f in chosen]


def measure(documents: pa.Table, chosen: Sequence[FilterConfig]) -> pa.Table:
    """Rows of `measures_schema`, one a document and in their order, from the columns `text` and `lang`."""
    data, offsets = text_buffers(documents.column("text"))
    batch = TextBatch(data, offsets, documents.column("lang").to_pylist(), provider())
    values = [pa.array(np.diff(batch.offsets), pa.int64()), pa.array(batch.characters, pa.int64())]
    values += [pa.array(filters.get(f.filter).measure(batch, **f.params), pa.float64()) for f in chosen]
    return pa.table(values, schema=measures_schema(columns(chosen)))


def tasks(parts: Sequence[Part], config: RunConfig) -> list[Task]:
    """One task a part; its key does not depend on bounds."""
    what = identity(config.measure)
    return [
        Task("measure", key("measure", part.key, what), part.object, measure_split,
             (part.documents, config.measure, config.execution.batch_documents), divisible=True)
        for part in parts
    ]  # fmt: skip


def measure_split(
    writer: ShardWriter,
    store: Store,
    documents: Commit,
    chosen: Sequence[FilterConfig],
    batch_documents: int,
    rows: Rows = ALL,
) -> None:
    """Measure every document of one split that `rows` names, row for row."""
    for _, _, table in looked_at(store, documents, ["text", "lang"], batch_documents, rows):
        writer.count("in", table.num_rows)
        writer.write("measures", measure(table, chosen))
