"""How long `curate rescore` takes over the ledger of a million documents: a part of `filters.py`.

A small real run gives config and records; its ledger is replaced by one of a million rows with drawn values, a tenth of
them copies and a tenth near-copies with an edge.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate.config.file import load
from curate.reports import run_record
from curate.schema import EDGES, LEDGER, with_measures
from curate.shards import new_file
from curate.stages.select import columns_of
from curate.step import find, run_step
from curate.storage import Store
from tests.bench.figure import Figure, emit, note
from tests.curate.inline import run_inline
from tests.curate.small_corpus import config_over, write_corpus

SETTING = "gopher.word_count.min=90"
DOCUMENTS = 1_000_000
SHARDS = 16
MEAN_WORDS = 400.0


def ledger(documents: int, columns: list[str], rng: np.random.Generator) -> pl.DataFrame:
    """Rows as a run writes them; every tenth document has the text of the one before."""
    ids = rng.bytes(16 * documents)
    texts = [ids[16 * i : 16 * i + 16] for i in range(documents)]
    texts[1::10] = texts[0:-1:10]
    words = rng.exponential(MEAN_WORDS, documents)
    values: dict[str, Any] = {column: rng.random(documents) for column in columns}
    values |= {column: np.floor(words) for column in columns if "word_count" in column}
    return pl.DataFrame({
        "object": ["drawn"] * documents, "offset": np.arange(documents), "end": np.arange(documents) + 1,
        "status": ["kept"] * documents, "id": [ids[16 * i : 16 * i + 16] for i in range(documents)],
        "text_hash": texts, "source": ["drawn"] * documents, "lang": ["eng_Latn"] * documents,
        "is_synthetic": [False] * documents, "text_chars": np.floor(6 * words).astype(np.int64),
        "shard": ["drawn"] * documents, "row": np.arange(documents), **values,
    })  # fmt: skip


def rescore_million() -> None:
    """`filters.rescore_million`: the least of three whole commands, start of Python and printing included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / "corpus")
        config = config_over(folder / "corpus", folder)
        run_inline(config)
        replace_ledger(Store(folder / "work"), columns_of(load(config)), DOCUMENTS)
        command = [sys.executable, "-m", "flows.cli", "rescore", str(folder / "work"), "--set", SETTING]
        seconds = min(timed(command) for _ in range(3))
    emit(Figure("filters.rescore_million", seconds, "s", goal=5.0))


def replace_ledger(work: Store, columns: list[str], documents: int) -> None:
    """N drawn rows in place of the run's, and an edge between every tenth document and the one after it."""
    rng = np.random.default_rng(1)
    rows = ledger(documents, columns, rng)
    schema = with_measures(LEDGER, columns)
    for stale in work.list("ledger"):
        work.delete(stale)
    missing = [pl.lit(None).alias(field.name) for field in schema if field.name not in rows.columns]
    table = rows.with_columns(missing).select(schema.names).to_arrow().cast(schema)
    for shard in range(SHARDS):
        part = table.slice(shard * documents // SHARDS, documents // SHARDS)
        with new_file(work, f"ledger/part-{shard:05d}.parquet", part.schema) as add:
            add(part)
    a, b = rows["text_hash"][3::10], rows["text_hash"][4::10]
    pairs = pl.DataFrame({"a": a[: len(b)], "b": b}).select(
        a=pl.min_horizontal("a", "b"), b=pl.max_horizontal("a", "b"), similarity=0.9
    )
    [key, *_] = run_record.read(work.root).commits["dedup"]
    commit = find(work, "verify", key)
    assert commit
    for shard in commit.shards:
        work.delete(shard.name)
    work.delete(f"stages/verify/{key}/commit.json")
    run_step(work, "verify", key, lambda writer: writer.write("edges", pairs.to_arrow().cast(EDGES)))


def timed(command: list[str]) -> float:
    """Seconds of one whole command."""
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    note(f"{seconds:.2f} s: {done.stdout.splitlines()[0]}")
    return seconds
