"""measure: documents -> one number a filter and document, and new texts where the config has a transform.

Removes nothing; reads the text and no model. Filters and transforms run in the config's order, and a column's name says
which transforms its text had been through.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import filters
from curate import lineage
from curate.config import RunConfig
from curate.config.lists import knobs, without_places
from curate.config.measures import FilterConfig, MeasureStep, TransformConfig, measured
from curate.corpus import Part
from curate.schema import ID, measures_schema
from curate.stages.isolate import looked_at
from curate.step import ALL, Commit, Rows, ShardWriter, Task
from curate.storage import Store
from curate.text.buffers import text_array, text_buffers
from curate.text.words import provider
from filters import TextBatch
from filters.rewrite import changed

VERSION = 1

Rewritten = dict[str, npt.NDArray[np.bool_]]
"""Label of a transform -> bool[documents]: whose text it changed."""


def identity(steps: Sequence[MeasureStep]) -> list[object]:
    """What of the config can change a value or a text; the bounds cannot."""
    names = [
        filters.get_transform(step.transform).label
        if isinstance(step, TransformConfig)
        else filters.get(step.filter).column
        for step in steps
    ]
    params = [without_places(step.params) for step in steps]
    return [VERSION, provider().name, provider().version, [list(pair) for pair in zip(names, params, strict=True)]]


def measure(documents: pa.Table, steps: Sequence[MeasureStep]) -> tuple[pa.Table, pa.Table]:
    """Rows of `measures_schema`, one a document and in their order, and the documents with their new texts.

    Of `documents` the columns `text` and `lang` are read, `url` for a filter that looks at it, and with a transform
    `text_hash` and `transforms` too.
    """
    data, offsets = text_buffers(documents.column("text"))
    urls = [url or "" for url in documents.column("url").to_pylist()] if _reads_urls(steps) else ()
    batch = TextBatch(data, offsets, documents.column("lang").to_pylist(), provider(), urls)
    values, rewritten = [], Rewritten()
    for step in steps:
        if isinstance(step, TransformConfig):
            transform, before = filters.get_transform(step.transform), batch
            batch = transform.apply(before, **step.params)
            rewritten[transform.label] = changed(before, batch)
        else:
            chosen = filters.get(step.filter).measure
            values.append(pa.array(chosen(batch, **knobs(chosen, step.params)), pa.float64()))
    sizes = [pa.array(np.diff(batch.offsets), pa.int64()), pa.array(batch.characters, pa.int64())]
    columns = [each.column for each in measured(steps)]
    table = pa.table([*sizes, *values], schema=measures_schema(columns))
    return table, _with_texts(documents, batch, rewritten) if rewritten else documents


def _reads_urls(steps: Sequence[MeasureStep]) -> bool:
    return any(isinstance(step, FilterConfig) and filters.get(step.filter).reads_urls for step in steps)


def _with_texts(documents: pa.Table, batch: TextBatch, rewritten: Rewritten) -> pa.Table:
    """The documents with the batch's texts, their hashes, and the transforms that changed each."""
    texts = text_array(batch.data, batch.offsets)
    hashes = documents.column("text_hash").to_pylist()
    transforms = documents.column("transforms").to_pylist()
    for label, hit in rewritten.items():
        for i in np.flatnonzero(hit):
            transforms[i] = [*transforms[i], label]
            hashes[i] = lineage.text_hash(texts[i].as_py())
    new = {"text": texts, "text_hash": pa.array(hashes, ID), "transforms": pa.array(transforms, pa.list_(pa.string()))}
    columns = [new.get(name, documents.column(name)) for name in documents.column_names]
    return pa.table(columns, schema=documents.schema)


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
    """Measure every document of one split that `rows` names, row for row; write it again where it may be rewritten."""
    rewrites = any(isinstance(step, TransformConfig) for step in steps)
    columns = ["text", "lang", *(["url"] if _reads_urls(steps) else [])]
    for _, _, table in looked_at(store, documents, None if rewrites else columns, batch_documents, rows):
        writer.count("in", table.num_rows)
        values, texts = measure(table, steps)
        writer.write("measures", values)
        if rewrites:
            writer.write("documents", texts)
