"""dedup: texts -> verified edges between near-duplicates. Removes nothing: `select` chooses who stays.

    sign        per split: the band keys of every document
    candidates  per range of keys: pairs of texts that share a band
    pairs       all ranges together: distinct pairs, sorted
    verify      per slice of the pairs: the exact Jaccard of the two texts; at or above the bound it is an edge

The nodes are distinct texts (by text_hash): equal texts need no edge. How many ranges there are changes no pair.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curate import clusters, minhash
from curate.config import ExecutionConfig, MinhashConfig
from curate.corpus import Part, read_rows
from curate.lineage import key
from curate.schema import EDGES, ID
from curate.shingles import shingles_of
from curate.stages.isolate import looked_at
from curate.step import ALL, Commit, Rows, ShardWriter, Task, take_rows
from curate.storage import Store
from curate.text.buffers import text_buffers

VERSION = 1

PAIRS_PER_TASK = 20_000
"""Pairs that one task verifies: at most 40,000 texts, about 120 MB of web pages, are in its memory."""

RunAll = Callable[[str, Sequence[Task]], list[Commit]]
"""Runs the tasks of a stage and gives back their commits."""

PLACE = [("shard", pa.string()), ("row", pa.int64())]
PAIRS = pa.schema(
    [(f"{side}{name}", kind) for side in "ab" for name, kind in [("", ID), *((f"_{n}", k) for n, k in PLACE)]]
)
"""a, a_shard, a_row, b, b_shard, b_row: two texts by hash, a < b, and where one copy of each is."""


def identity(config: MinhashConfig) -> list[object]:
    """What of the config can change a signature; the other fields only matter later."""
    return [VERSION, minhash.VERSION, config.bands, config.rows, shingles_of(config).identity(), config.seed]


def sign_tasks(parts: Sequence[Part], config: MinhashConfig, execution: ExecutionConfig) -> list[Task]:
    """One task a part."""
    what = identity(config)
    return [
        Task("sign", key("sign", part.texts.identity, what), part.object, sign_split,
             (part.texts, config, execution.batch_documents), divisible=True)
        for part in parts
    ]  # fmt: skip


def find_edges(
    signed: Sequence[Commit], config: MinhashConfig, execution: ExecutionConfig, run_all: RunAll
) -> tuple[Commit, ...]:
    """Compare what the parts were signed with; the commits whose rows of kind `edges` are verified near-duplicates."""
    signed = list({commit.key: commit for commit in signed}.values())
    of = [sorted(commit.key for commit in signed), config.leaders, VERSION, clusters.VERSION]
    ranges = execution.partitions
    candidates = run_all("candidates", [
        Task("candidates", key("candidates", of, ranges, n), f"range {n + 1} of {ranges}", find_candidates,
             (tuple(signed), n, ranges, config.leaders))
        for n in range(ranges)
    ])  # fmt: skip
    [pairs] = run_all("pairs", [Task("pairs", key("pairs", of), "all ranges", merge_pairs, (tuple(candidates),))])
    starts = range(0, pairs.rows("pairs"), PAIRS_PER_TASK)
    verified = [
        Task("verify", key("verify", pairs.key, start, PAIRS_PER_TASK, shingles_of(config).identity(),
                         config.min_similarity),
             f"pairs from {start}", verify_pairs, (pairs, start, config))
        for start in starts
    ]  # fmt: skip
    return tuple(run_all("verify", verified))


def sign_split(
    writer: ShardWriter,
    store: Store,
    documents: Commit,
    config: MinhashConfig,
    batch_documents: int,
    rows: Rows = ALL,
) -> None:
    """Write kind `bands`: text_hash, text_bytes, shard, row and one key a band, for each document with a word."""
    a, b = minhash.permutations(config.bands * config.rows, config.seed)
    for shard, row, table in looked_at(store, documents, ["text", "text_hash"], batch_documents, rows):
        data, offsets = text_buffers(table.column("text"))
        minima, shingles = minhash.text_signatures(data, offsets, a, b, shingles_of(config))
        keys = minhash.band_keys(minima, config.bands, config.rows)
        signed = pl.DataFrame({
            "text_hash": pl.from_arrow(table.column("text_hash")),
            "text_bytes": np.diff(offsets),
            "shard": [shard.name] * table.num_rows,
            "row": row,
            "keys": pl.Series(keys, dtype=pl.Array(pl.UInt64, config.bands)),
        }).filter(shingles > 0)  # fmt: skip
        writer.count("looked_at", table.num_rows)
        writer.count("without_words", table.num_rows - len(signed))
        writer.write("bands", signed.to_arrow())


def find_candidates(
    writer: ShardWriter, store: Store, signed: Sequence[Commit], n: int, ranges: int, leaders: int
) -> None:
    """Write kind `pairs`: the candidate pairs whose shared key lies in the n-th of `ranges` equal ranges of keys."""
    bands = read_rows(store, signed, "bands")
    if bands is None:
        return
    # Of equal texts the one whose place sorts first stands for all. The longest lead: they are kept in the end.
    texts = bands.sort("text_hash", "shard", "row").unique("text_hash", keep="first", maintain_order=True)
    order = texts.with_row_index("node").sort(-pl.col("text_bytes"), "text_hash")["node"].to_numpy()
    rank = np.empty(len(texts), np.int64)
    rank[order] = np.arange(len(texts))
    keys, nodes = _keys_in_range(texts["keys"].to_numpy(), n, ranges)
    pairs, not_compared = clusters.candidate_pairs(keys, nodes, rank, leaders=leaders)
    writer.count("candidates", len(pairs))
    writer.count("not_compared", not_compared)
    writer.write("pairs", _pairs_table(texts, pairs))


def _keys_in_range(
    keys: npt.NDArray[np.uint64], n: int, ranges: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The band keys in the n-th range, and the number of the text that each belongs to."""
    width = -(-(2**64) // ranges)
    bounds = [np.uint64(min(n * width, 2**64 - 1)), np.uint64(min((n + 1) * width - 1, 2**64 - 1))]
    node, band = np.nonzero((keys >= bounds[0]) & (keys <= bounds[1]))
    return np.ascontiguousarray(keys[node, band]), node.astype(np.int64)


def _pairs_table(texts: pl.DataFrame, pairs: npt.NDArray[np.int64]) -> pa.Table:
    """Rows of PAIRS; texts are in order of their hash, so that the lower number is the lower hash."""
    sides = []
    for column, side in enumerate("ab"):
        chosen = texts.select("text_hash", "shard", "row")[pairs[:, column]]
        sides.append(chosen.select(pl.all().name.prefix(f"{side}_")).rename({f"{side}_text_hash": side}))
    return pl.concat(sides, how="horizontal").to_arrow().cast(PAIRS)


def merge_pairs(writer: ShardWriter, store: Store, candidates: Sequence[Commit]) -> None:
    """Write kind `pairs` once each, in the order that groups them by the shards they are read from."""
    pairs = read_rows(store, candidates, "pairs")
    if pairs is not None:
        merged = pairs.unique(["a", "b"], keep="any").sort("a_shard", "b_shard", "a_row", "b_row")
        writer.write("pairs", merged.to_arrow().cast(PAIRS))


def verify_pairs(writer: ShardWriter, store: Store, pairs: Commit, start: int, config: MinhashConfig) -> None:
    """Write kind `edges`: the pairs of this slice whose texts are as similar as the bound asks."""
    chosen = _slice(store, pairs, start)
    ends = [chosen.select(text_hash=s, shard=f"{s}_shard", row=f"{s}_row") for s in "ab"]
    texts = pl.concat(ends).unique("text_hash", keep="any").sort("shard", "row").with_row_index("node")
    hashes, first = _shingle_sets(store, texts, config)
    node = texts.select("text_hash", "node")
    numbers = chosen.join(node.rename({"text_hash": "a", "node": "i"}), on="a", maintain_order="left").join(
        node.rename({"text_hash": "b", "node": "j"}), on="b", maintain_order="left"
    )
    similarity = minhash.overlaps(hashes, first, numbers.select("i", "j").to_numpy().astype(np.int64)).jaccard
    verified = chosen.select("a", "b", similarity=similarity).filter(pl.col("similarity") >= config.min_similarity)
    writer.count("compared", len(chosen))
    writer.count("verified", len(verified))
    writer.write("edges", verified.to_arrow().cast(EDGES))


def _slice(store: Store, pairs: Commit, start: int) -> pl.DataFrame:
    """PAIRS_PER_TASK pairs from number `start` on, or those that are left; of the shards, what holds them is read."""
    frames, before = [], 0
    for shard in pairs.of("pairs"):
        low, high = max(start - before, 0), min(start + PAIRS_PER_TASK - before, shard.rows)
        if low < high:
            frames.append(pl.from_arrow(take_rows(store, shard.name, np.arange(low, high))))
        before += shard.rows
    return pl.concat([frame for frame in frames if isinstance(frame, pl.DataFrame)])


def _shingle_sets(
    store: Store, texts: pl.DataFrame, config: MinhashConfig
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The shingle sets of the texts in their order; a shard's texts are in memory at a time."""
    hashes, counts = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)]
    for (shard,), wanted in texts.group_by("shard", maintain_order=True):
        table = take_rows(store, str(shard), wanted["row"].to_numpy(), ["text"])
        found, first = minhash.shingle_sets(*text_buffers(table.column("text")), shingles_of(config))
        hashes.append(found)
        counts.append(np.diff(first))
    return np.concatenate(hashes), np.cumsum(np.concatenate(counts))
