"""measure: documents -> one number a filter and document.

Removes nothing; reads the text and no model. Filters and transforms run in the config's order, and a column's name says
which transforms its text had been through. The last texts are those that `rewrite` commits.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

import filters
from curate import lineage
from curate.config import RunConfig
from curate.config.lists import knobs, without_places
from curate.config.measures import FilterConfig, MeasureStep, TransformConfig, measured
from curate.corpus import Part
from curate.schema import measures_schema
from curate.shards import ShardWriter
from curate.stages.isolate import looked_at
from curate.step import ALL, Commit, Rows, Task
from curate.storage import Store
from curate.text.buffers import text_buffers
from curate.text.words import provider
from filters import TextBatch

VERSION = 1


def identity(steps: Sequence[MeasureStep]) -> list[object]:
    """What of the config can change a value; the bounds cannot."""
    names = [
        filters.get_transform(step.transform).label
        if isinstance(step, TransformConfig)
        else filters.get(step.filter).column
        for step in steps
    ]
    params = [without_places(step.params) for step in steps]
    return [VERSION, provider().name, provider().version, [list(pair) for pair in zip(names, params, strict=True)]]


def measure(documents: pa.Table, steps: Sequence[MeasureStep]) -> pa.Table:
    """Rows of `measures_schema`, one a document and in their order.

    Of `documents` the columns `text` and `lang` are read, and `url` for a filter that looks at it.
    """
    data, offsets = text_buffers(documents.column("text"))
    urls = [url or "" for url in documents.column("url").to_pylist()] if _reads_urls(steps) else ()
    batch = TextBatch(data, offsets, documents.column("lang").to_pylist(), provider(), urls)
    values = []
    for step in steps:
        if isinstance(step, TransformConfig):
            batch = filters.get_transform(step.transform).apply(batch, **step.params)
        else:
            chosen = filters.get(step.filter).measure
            values.append(pa.array(chosen(batch, **knobs(chosen, step.params)), pa.float64()))
    sizes = [pa.array(np.diff(batch.offsets), pa.int64()), pa.array(batch.characters, pa.int64())]
    columns = [each.column for each in measured(steps)]
    return pa.table([*sizes, *values], schema=measures_schema(columns))


def _reads_urls(steps: Sequence[MeasureStep]) -> bool:
    return any(isinstance(step, FilterConfig) and filters.get(step.filter).reads_urls for step in steps)


def tasks(parts: Sequence[Part], config: RunConfig) -> list[Task]:
    """One task a part; its key does not depend on bounds."""
    what = identity(config.measure)
    return [
        Task("measure", lineage.key("measure", part.key, what), part.object, measure_split,
             (part.documents, config.measure, config.execution.batch_documents), divisible=True)
        for part in parts
    ]  # fmt: skip


def measure_split(
    writer: ShardWriter,
    store: Store,
    documents: Commit,
    steps: Sequence[MeasureStep],
    batch_documents: int,
    rows: Rows = ALL,
) -> None:
    """Measure every document of one split that `rows` names, row for row."""
    columns = ["text", "lang", *(["url"] if _reads_urls(steps) else [])]
    for _, _, table in looked_at(store, documents, columns, batch_documents, rows):
        writer.count("in", table.num_rows)
        writer.write("measures", measure(table, steps))
