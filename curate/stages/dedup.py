"""dedup: texts -> verified edges between near-duplicates. Removes nothing: `select` chooses who stays.

    sign        per split: the band keys of every document, as sorted runs
    candidates  per range of keys: pairs of texts that share a band, as sorted runs
    verify      per range of pairs: the exact similarity of the two texts; at or above the bound it is an edge

The nodes are distinct texts: of equal texts the first document stands for all. How many ranges there are changes no
edge, and what is in memory depends on the size of a range alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curate import clusters, minhash
from curate.ascending import begins, look_up
from curate.config import ExecutionConfig, MinhashConfig
from curate.corpus import Part, distinct, first_numbers, halves
from curate.lineage import key
from curate.runs import KEY, Range, UInt64s, cut, ranges_for, read_range, write_run
from curate.schema import EDGES
from curate.shards import Shard, ShardWriter, iterate_shards, take_rows
from curate.shingles import shingles_of
from curate.signing import text_keys
from curate.stages.isolate import looked_at
from curate.step import ALL, Commit, Rows, Task
from curate.storage import Store
from curate.text.buffers import text_buffers

VERSION = 2

RUN_KEYS = 1 << 21
"""Band keys that are sorted at once: 24 MB, and three times that while it happens."""

RANGE_KEYS = 6 << 20
"""Band keys of a range: about 250 MB while they are sorted, whatever the corpus."""

FEW_PAIRS, PAIRS_PER_TASK = 8_000, 50_000
"""Candidate pairs of a task that verifies, repeats included: a corpus with few is verified in about four tasks."""

TASKS = 64
"""Tasks that a large corpus is verified in: a range of few pairs would read nearly all texts for them."""

SLICE_BYTES = 96_000_000
"""Text bytes of the pairs that are compared at once: their shingles take a third more."""

BLOCK_BITS = 12
"""Pairs are sorted by blocks of 2^12 documents on either side, so that a range of them reads few places."""

PAIRS_GROUP_ROWS = 1 << 12

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Signed:
    """What a part was signed with."""

    texts: Commit
    bands: Commit
    first: int
    """Number of its first document."""


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


def signed_parts(parts: Sequence[Part], bands: Sequence[Commit]) -> tuple[Signed, ...]:
    """The distinct parts in order, each with its band keys and the number of its first document."""
    by_part = {part.key: commit for part, commit in zip(parts, bands, strict=True)}
    ordered = distinct(parts)
    numbers = first_numbers(ordered).tolist()
    return tuple(Signed(p.texts, by_part[p.key], n) for p, n in zip(ordered, numbers, strict=False))


def candidate_tasks(signed: Sequence[Signed], config: MinhashConfig, execution: ExecutionConfig) -> list[Task]:
    """One task a range of band keys."""
    of = [[each.bands.key for each in signed], config.leaders, VERSION, clusters.VERSION]
    keys = sum(each.bands.rows("bands") for each in signed)
    ranges = ranges_for(keys, RANGE_KEYS, execution.partitions)
    return [
        Task("candidates", key("candidates", of, list(each)), f"range {n} of {len(ranges)}", find_candidates,
             (tuple(signed), each, config.leaders))
        for n, each in enumerate(ranges, 1)
    ]  # fmt: skip


def verify_tasks(
    store: Store, signed: Sequence[Signed], candidates: Sequence[Commit], config: MinhashConfig
) -> list[Task]:
    """Tasks over ranges of the candidate pairs (kind `pairs` of the commits)."""
    runs = tuple(run for commit in candidates for run in commit.of("pairs"))
    of = [[each.texts.identity for each in signed], [commit.key for commit in candidates], VERSION,
          shingles_of(config).identity(), config.min_similarity, config.min_containment]  # fmt: skip
    return [
        Task("verify", key("verify", of, list(codes)), f"range {n}", verify_pairs, (tuple(signed), runs, codes, config))
        for n, codes in enumerate(pair_ranges(store, runs), 1)
    ]


def pair_ranges(store: Store, runs: Sequence[Shard]) -> list[Range]:
    """The ranges in which the pairs of these runs are compared."""
    pairs = sum(run.rows for run in runs)
    return cut(store, runs, max(FEW_PAIRS, min(PAIRS_PER_TASK, pairs // 4), pairs // TASKS))


def sign_split(
    writer: ShardWriter,
    store: Store,
    documents: Commit,
    config: MinhashConfig,
    batch_documents: int,
    rows: Rows = ALL,
) -> None:
    """Write kind `texts`, a row a document: the two halves of its text's hash and its bytes; and runs of kind `bands`:
    one key a band and document that is compared, with the document's number in the split.
    """
    first = dict(zip([s.name for s in documents.of("documents")], _starts(documents), strict=True))
    pending: list[tuple[UInt64s, Int64s]] = []
    shingles = shingles_of(config)
    for shard, row, table in looked_at(store, documents, ["text", "text_hash"], batch_documents, rows):
        found = text_keys(table.column("text"), config, shingles)
        writer.count("looked_at", table.num_rows)
        writer.count("without_words", int((found.shingles == 0).sum()))
        writer.count("short", int((found.shingles == 1).sum()))
        writer.count("saturated", int(found.saturated.sum()))
        high, low = halves(table.column("text_hash")).T
        writer.write("texts", pa.table({"high": high, "low": low, "bytes": found.bytes.astype(np.uint32)}))
        pending.append((found.keys.ravel(), np.repeat(first[shard.name] + row[found.compared], config.bands)))
        if sum(len(keys) for keys, _ in pending) >= RUN_KEYS:
            _write_bands(writer, pending)
    _write_bands(writer, pending)


def _starts(documents: Commit) -> list[int]:
    """Number of the first document of each shard in its part."""
    sizes = [shard.rows for shard in documents.of("documents")]
    return [sum(sizes[:n]) for n in range(len(sizes))]


def _write_bands(writer: ShardWriter, pending: list[tuple[UInt64s, Int64s]]) -> None:
    if pending:
        keys, rows = (np.concatenate(column) for column in zip(*pending, strict=True))
        write_run(writer, "bands", keys, pa.table({"row": rows.astype(np.uint32)}))
        pending.clear()


def find_candidates(writer: ShardWriter, store: Store, signed: Sequence[Signed], keys: Range, leaders: int) -> None:
    """Write runs of kind `pairs`: texts that share a key of this range, as numbers of their first documents."""
    band, number = _shared_keys(store, signed, keys)
    numbers, document = np.unique(number, return_inverse=True)
    first_of_text, text_bytes, rank = _texts(store, signed, numbers)
    found = clusters.candidate_pairs(band, first_of_text[document], rank, leaders=leaders)
    writer.count("not_compared", found.not_compared)
    writer.note("largest_bucket", str(found.largest))
    for pairs in found.pairs:
        writer.count("candidates", len(pairs))
        write_pairs(writer, numbers[pairs], text_bytes[pairs].sum(axis=1))


def _shared_keys(store: Store, signed: Sequence[Signed], keys: Range) -> tuple[UInt64s, Int64s]:
    """The band keys of the range that two or more documents have, and the document of each."""
    bands, numbers = [np.empty(0, np.uint64)], [np.empty(0, np.uint32)]
    for part in signed:
        for table in read_range(store, part.bands.of("bands"), keys):
            bands.append(table.column(KEY).to_numpy())
            numbers.append(table.column("row").to_numpy() + np.uint32(part.first))
    band, number = np.concatenate(bands), np.concatenate(numbers)
    del bands, numbers
    ordered = np.sort(band)
    # Most keys are alone: a lookup among those that are not takes less than sorting the rows along.
    _, chosen = look_up(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]), band)
    return band[chosen], number[chosen].astype(np.int64)


def _texts(store: Store, signed: Sequence[Signed], numbers: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """Of documents by ascending number: the place of the first one with the same text, the text's bytes, and the rank
    of the text. The longest lead a bucket: they are kept in the end.
    """
    halves_of, sizes = [np.empty((0, 2), np.uint64)], [np.empty(0, np.uint32)]
    bounds = np.searchsorted(numbers, [part.first for part in signed]).tolist()
    for part, (start, end) in zip(signed, pairwise([*bounds, len(numbers)]), strict=True):
        if start == end:
            continue
        tables = list(iterate_shards(store, part.bands.of("texts"), None, 1 << 20))
        rows = numbers[start:end] - part.first
        high, low, size = (pa.concat_tables(tables).column(c).to_numpy()[rows] for c in ("high", "low", "bytes"))
        halves_of.append(np.stack([high, low], axis=1))
        sizes.append(size)
    (high, low), size = np.concatenate(halves_of).T, np.concatenate(sizes).astype(np.int64)
    order = np.lexsort((low, high))
    new = begins(high[order], low[order])
    first = np.empty(len(order), np.int64)
    first[order] = order[new][np.cumsum(new) - 1]
    rank = np.empty(len(order), np.int64)
    rank[np.lexsort((numbers, low, high, -size))] = np.arange(len(order))
    return first, size, rank


def write_pairs(writer: ShardWriter, pairs: Int64s, text_bytes: Int64s) -> None:
    """Write a run of kind `pairs`: document numbers, int64[p, 2], sorted, and the bytes of both texts."""
    a, b = pairs.T.astype(np.uint32)
    columns = pa.table({"a": a, "b": b, "bytes": text_bytes.astype(np.uint32)})
    write_run(writer, "pairs", _block(pairs), columns, group_rows=PAIRS_GROUP_ROWS)


def _block(pairs: Int64s) -> UInt64s:
    """A code of the two blocks that a pair lies in, their bits interleaved (Morton 1966): pairs of near codes lie in
    few blocks on both sides.
    """
    code = np.zeros(len(pairs), np.uint64)
    for column in range(2):
        block = pairs[:, column].astype(np.uint64) >> np.uint64(BLOCK_BITS)
        for bit in range(32 - BLOCK_BITS):
            code |= (block >> np.uint64(bit) & np.uint64(1)) << np.uint64(2 * bit + column)
    return code


def verify_pairs(
    writer: ShardWriter,
    store: Store,
    signed: Sequence[Signed],
    runs: Sequence[Shard],
    codes: Range,
    config: MinhashConfig,
) -> None:
    """Write kind `edges`: the pairs of this range whose texts are as similar as a bound asks."""
    read = [pl.DataFrame(table) for table in read_range(store, runs, codes)]
    pairs = pl.concat(read).unique().sort(KEY, "a", "b")
    slices = (pairs["bytes"].cast(pl.Int64).cum_sum() - 1) // SLICE_BYTES
    for _, chosen in pairs.group_by(slices, maintain_order=True):
        numbers = chosen.select("a", "b").to_numpy().astype(np.int64)
        edges = _edges(store, signed, numbers, config)
        writer.count("compared", len(numbers))
        writer.count("verified", edges.num_rows)
        if edges.num_rows:
            writer.write("edges", edges)


def _edges(store: Store, signed: Sequence[Signed], pairs: Int64s, config: MinhashConfig) -> pa.Table:
    """Rows of EDGES for the pairs of document numbers, int64[p, 2], that meet a bound."""
    numbers = np.unique(pairs)
    hashes, first, text_hash = _shingle_sets(store, signed, numbers, config)
    ends = np.searchsorted(numbers, pairs)
    jaccard, containment = minhash.overlaps(hashes, first, ends)
    similar = jaccard >= config.min_similarity
    contained = containment >= (2.0 if config.min_containment is None else config.min_containment)
    chosen = np.flatnonzero(similar | contained)
    swapped = text_hash[ends[chosen]].reshape(-1, 2)
    order = np.argsort(swapped, axis=1)
    a, b = np.take_along_axis(swapped, order, axis=1).T
    a_number, b_number = np.take_along_axis(pairs[chosen], order, axis=1).T
    kind = np.where(similar[chosen], "similar", "contained")
    columns = [a.tolist(), b.tolist(), jaccard[chosen], containment[chosen], kind.tolist(), a_number, b_number]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, EDGES, strict=True)], schema=EDGES)


def _shingle_sets(
    store: Store, signed: Sequence[Signed], numbers: Int64s, config: MinhashConfig
) -> tuple[UInt64s, Int64s, npt.NDArray[np.object_]]:
    """The shingle sets of documents by ascending number, and their text hashes; a row group's texts at a time."""
    hashes, counts = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)]
    text_hashes: list[bytes] = []
    shingles = shingles_of(config)
    for shard, rows in places(signed, numbers):
        table = take_rows(store, shard.name, rows, ["text", "text_hash"])
        found, first = minhash.shingle_sets(*text_buffers(table.column("text")), shingles)
        hashes.append(found)
        counts.append(np.diff(first))
        text_hashes += table.column("text_hash").to_pylist()
    return np.concatenate(hashes), np.cumsum(np.concatenate(counts)), np.array(text_hashes, np.object_)


def places(signed: Sequence[Signed], numbers: Int64s) -> Iterator[tuple[Shard, Int64s]]:
    """The shards that hold the documents of these ascending numbers, each with the rows in it."""
    for part in signed:
        for shard, start in zip(part.texts.of("documents"), _starts(part.texts), strict=True):
            low, high = np.searchsorted(numbers, [part.first + start, part.first + start + shard.rows])
            if low < high:
                yield shard, numbers[low:high] - (part.first + start)
