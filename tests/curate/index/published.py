"""Published versions for tests of the index, and what an index holds."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curate.config import MinhashConfig
from curate.index import manifest
from curate.index.add import Added, add
from curate.index.match import candidates, compare
from curate.index.segments import KEYS, Gone, Int64s, ids, scan, top
from curate.lineage import document_id, text_hash
from curate.runs import KEY, equal_ranges
from curate.schema import DATA, ID
from curate.shingles import shingles_of
from curate.signing import text_keys
from curate.storage import Disk, Store

MINHASH = MinhashConfig()


@dataclass(frozen=True)
class Doc:
    """A published document."""

    url: str
    text: str
    source: str = "web"
    date: datetime | None = None

    @property
    def id(self) -> bytes:
        return document_id(self.source, self.url, b"")


def publish(output: Path, documents: Sequence[Doc], shard_rows: int = 1 << 20) -> list[str]:
    """Shards of these documents as a version has them: sha256 each."""
    columns = ["id", "text", "text_hash", "url", "source", "date"]
    schema = pa.schema([DATA.field(name) for name in columns])
    ordered = sorted(documents, key=lambda doc: doc.id)
    names = []
    for start in range(0, len(ordered), shard_rows):
        rows = [
            {
                "id": d.id.hex(),
                "text": d.text,
                "text_hash": text_hash(d.text).hex(),
                "url": d.url,
                "source": d.source,
                "date": d.date,
            }
            for d in ordered[start : start + shard_rows]
        ]
        stream = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema), stream)
        names.append(sha256(stream.getvalue()).hexdigest())
        Store(output).put(f"shards/{names[-1]}.parquet", stream.getvalue())
    return names


def add_documents(index: Path, output: Path, documents: Sequence[Doc], disk: Disk | None = None) -> Added:
    """Add a version of these documents."""
    shards = publish(output, documents, shard_rows=5)
    return add(index, Store(output), f"version of {sorted(shards)}", shards, MINHASH, disk)


def held(index: Path) -> dict[bytes, tuple[str, str]]:
    """Id -> host and source of the documents that count."""
    opened = manifest.read(index)
    gone, found = Gone.of(opened), dict[bytes, tuple[str, str]]()
    for segment in opened.segments:
        for first, table in scan(opened.store, segment.documents, [KEY, "low", "host", "source"]):
            deleted, replaced = gone.among(segment, first + np.arange(table.num_rows))
            rows = pl.DataFrame(table).filter(pl.Series(~deleted & ~replaced))
            names = zip(rows["host"], rows["source"], strict=True)
            new = dict(zip(ids(rows[KEY].to_numpy(), rows["low"].to_numpy()), names, strict=True))
            assert not found.keys() & new.keys()
            found |= new
    return found


def matches(index: Path, batch: Sequence[Doc], ranges: int = 1, most: int = 16) -> set[tuple[bytes, bytes, bool, bool]]:
    """(id, id in the index, exact, deleted) of a batch compared with an index."""
    opened = manifest.read(index)
    gone = Gone.of(opened)
    texts = pa.chunked_array([pa.array([doc.text for doc in batch], pa.large_string())])
    hashes = pa.chunked_array([pa.array([text_hash(doc.text) for doc in batch], ID)])
    table = pa.table({"id": pa.array([doc.id for doc in batch], ID), "text": texts, "text_hash": hashes})
    found = text_keys(texts, MINHASH, shingles_of(MINHASH))
    own = np.frombuffer(b"".join(text_hash(doc.text)[:8] for doc in batch), ">u8").astype(np.uint64)
    keys = top(np.concatenate([found.keys.ravel(), own]))
    numbers = np.concatenate([np.repeat(np.flatnonzero(found.compared), MINHASH.bands), np.arange(len(batch))])
    pairs = []
    for each in equal_ranges(ranges, KEYS):
        chosen = (keys >= np.uint64(each.low)) & (keys <= np.uint64(each.high))
        pairs.append(candidates(opened, gone, each, keys[chosen], numbers[chosen], most).pairs)

    def documents(some: Int64s, columns: list[str]) -> pa.Table:
        return table.select(columns).take(pa.array(some))

    rows = compare(opened, gone, pl.concat(pairs).unique(), documents, MINHASH)
    assert rows["similarity"].is_not_null().all()
    return set(rows.select("id", "published_id", "exact", "deleted").iter_rows())
