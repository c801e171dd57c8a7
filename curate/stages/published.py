"""published: which documents of a run are like one that was published before, by the index that the config names.

    lookup     per range of keys: pairs of a document and one of the index, as sorted runs
    published  per range of documents: the texts of both compared; the best match of each

`select` removes what has a match, before keepers are chosen: what was published before is kept already.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from curate.config import ExecutionConfig, MinhashConfig
from curate.index import match
from curate.index.manifest import Index
from curate.index.segments import KEY_BITS, KEYS, Gone, Int64s, top
from curate.lineage import key
from curate.runs import KEY, Range, ranges_for, read_range, write_run
from curate.shards import Shard, ShardWriter, iterate_shards, take_rows
from curate.shingles import shingles_of
from curate.stages.dedup import RANGE_KEYS, Signed, pair_ranges, places
from curate.step import Commit, Task
from curate.storage import Store

VERSION = 1

_SHIFT = 64 - KEY_BITS


def lookup_tasks(
    signed: Sequence[Signed], index: Index, config: MinhashConfig, execution: ExecutionConfig
) -> list[Task]:
    """One task a range of keys."""
    of = [[each.bands.key for each in signed], index.key, config.leaders, VERSION]
    return [
        Task("lookup", key("lookup", of, list(each)), f"range {n}", look_up, (tuple(signed), index, each, config))
        for n, each in enumerate(ranges(signed, index, execution), 1)
    ]


def ranges(signed: Sequence[Signed], index: Index, execution: ExecutionConfig) -> list[Range]:
    """Ranges of keys: of the batch and of the largest segment, a task's share is in memory at once."""
    keys = sum(each.bands.rows("bands") + each.bands.rows("texts") for each in signed)
    keys += max((segment.keys.rows for segment in index.segments), default=0)
    return ranges_for(keys, RANGE_KEYS, execution.partitions, KEYS)


def published_tasks(
    store: Store, signed: Sequence[Signed], index: Index, found: Sequence[Commit], config: MinhashConfig
) -> list[Task]:
    """Tasks over ranges of the documents that have a candidate."""
    runs = tuple(run for commit in found for run in commit.of("pairs"))
    of = [[each.texts.identity for each in signed], [commit.key for commit in found], VERSION,
          shingles_of(config).identity(), config.min_similarity, config.min_containment]  # fmt: skip
    return [
        Task("published", key("published", of, list(numbers)), f"range {n}", find_published,
             (tuple(signed), index, runs, numbers, config))
        for n, numbers in enumerate(pair_ranges(store, runs), 1)
    ]  # fmt: skip


def look_up(
    writer: ShardWriter, store: Store, signed: Sequence[Signed], index: Index, each: Range, config: MinhashConfig
) -> None:
    """Write a run of kind `pairs` by document number: match.CANDIDATES."""
    found = candidates(store, signed, index, Gone.of(index), each, config)
    writer.count("not_compared", found.not_compared)
    if len(found.pairs):
        number = found.pairs["number"].cast(pl.UInt64).to_numpy()
        write_run(writer, "pairs", number, found.pairs.drop("number").to_arrow())


def candidates(
    store: Store, signed: Sequence[Signed], index: Index, gone: Gone, each: Range, config: MinhashConfig
) -> match.Candidates:
    """The candidates of all documents by the keys of a range."""
    keys, numbers = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    whole = Range(each.low << _SHIFT, (each.high + 1 << _SHIFT) - 1)
    for part in signed:
        for table in read_range(store, part.bands.of("bands"), whole):
            keys.append(top(table.column(KEY).to_numpy()))
            numbers.append(part.first + table.column("row").to_numpy().astype(np.int64))
        first = part.first
        for table in iterate_shards(store, part.bands.of("texts"), ["high"], RANGE_KEYS):
            high = top(table.column("high").to_numpy())
            chosen = np.flatnonzero((high >= np.uint64(each.low)) & (high <= np.uint64(each.high)))
            keys.append(high[chosen])
            numbers.append(first + chosen)
            first += table.num_rows
    return match.candidates(index, gone, each, np.concatenate(keys), np.concatenate(numbers), config.leaders)


def find_published(
    writer: ShardWriter,
    store: Store,
    signed: Sequence[Signed],
    index: Index,
    runs: Sequence[Shard],
    numbers: Range,
    config: MinhashConfig,
) -> None:
    """Write a run of kind `published` by document number: the best match of each that has one, match.MATCHES."""
    pairs = pl.concat([pl.DataFrame(table) for table in read_range(store, runs, numbers)])
    matches = compare(store, signed, index, Gone.of(index), pairs.rename({KEY: "number"}), config)
    chosen = match.best(matches)
    writer.count("matched", len(chosen))
    writer.count("unverified", int(matches["similarity"].is_null().sum()))
    writer.count("returned", match.returned(matches))
    if len(chosen):
        write_run(writer, "published", chosen["number"].cast(pl.UInt64).to_numpy(), chosen.to_arrow())


def compare(
    store: Store, signed: Sequence[Signed], index: Index, gone: Gone, pairs: pl.DataFrame, config: MinhashConfig
) -> pl.DataFrame:
    """match.MATCHES of these candidates, which may repeat."""

    def documents(numbers: Int64s, columns: list[str]) -> pa.Table:
        return pa.concat_tables([take_rows(store, s.name, rows, columns) for s, rows in places(signed, numbers)])

    distinct = pairs.select(pl.col(name).cast(kind) for name, kind in match.CANDIDATES.items()).unique()
    return match.compare(index, gone, distinct.sort(*match.CANDIDATES), documents, config)
