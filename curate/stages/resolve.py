"""resolve: which of the documents that passed the cheap bounds are kept for their duplicates.

Where the config compares addresses, one document of an address stays, and duplicates are resolved among those. Holds 6
bytes of every document (with addresses 11), 60 of one that shares its text or address or has an edge, and 8 of an edge.
A document whose neighbours all left for others is compared with those others, once: `again`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from curate import clusters, keepers
from curate.clusters import Claims
from curate.config import DedupConfig
from curate.equal import ROWS, sharing
from curate.lineage import key
from curate.runs import write_run
from curate.shards import ShardWriter, iterate_shards
from curate.stages.dedup import write_pairs
from curate.step import Commit, Task
from curate.storage import Store

VERSION = 2

RUN_ROWS = 1 << 18

Int64s = npt.NDArray[np.int64]


def task(bounded: Sequence[Commit], edges: Sequence[Commit], dedup: DedupConfig, *, again: bool) -> Task:
    """One task over all documents; `bounded` are the commits of `bound` in the order of the distinct parts.

    `again`: whether to name the pairs that are still to be compared.
    """
    of = [[commit.key for commit in bounded], [commit.key for commit in edges], dedup.prefer,
          dedup.source_priority, dedup.url, again]  # fmt: skip
    args = (tuple(bounded), tuple(edges), dedup, again)
    return Task("resolve", key("resolve", VERSION, clusters.VERSION, of), "all documents", resolve_all, args)


def resolve_all(
    writer: ShardWriter,
    store: Store,
    bounded: Sequence[Commit],
    edges: Sequence[Commit],
    dedup: DedupConfig,
    again: bool,  # noqa: FBT001 - tasks have positional arguments
) -> None:
    """Write runs by document number: of kind `clusters` keepers.CLUSTERS of the documents that have a duplicate, of
    kind `same_url` keepers.SAME_URL; and with `again` of kind `pairs` texts that stay, with the keepers of neighbours
    that left.
    """
    graph = _Graph(store, tuple(edges))
    involved = _Involved(store, bounded, graph)
    if dedup.url:
        for some in involved.leave_for_address(dedup).iter_slices(RUN_ROWS):
            write_run(writer, "same_url", some["number"].cast(pl.UInt64).to_numpy(), some.to_arrow())
    number, text_bytes, labels, claims = involved.claims(dedup)
    resolved = clusters.resolve(claims, graph)
    similarity = clusters.similarities(claims, resolved, graph.with_similarity())
    for some in keepers.cluster_rows(number, labels, claims, resolved, similarity, rows_at_once=RUN_ROWS):
        write_run(writer, "clusters", some["number"].cast(pl.UInt64).to_numpy(), some.to_arrow())
    if again:
        pairs = clusters.neighbours_of_removed(claims, resolved, graph)
        writer.count("again", len(pairs))
        if len(pairs):
            texts, at = np.unique(claims.text, return_index=True)
            write_pairs(writer, pairs, text_bytes[at][np.searchsorted(texts, pairs)].sum(axis=1))


@dataclass(frozen=True)
class _Graph:
    """The edges between texts, each by the number of the first document with it; read anew each time."""

    store: Store
    commits: tuple[Commit, ...]

    def __iter__(self) -> Iterator[Int64s]:
        for pairs, _ in self.with_similarity():
            yield pairs

    def with_similarity(self) -> Iterator[tuple[Int64s, npt.NDArray[np.float64]]]:
        """Pairs and the Jaccard of each."""
        shards = [shard for commit in self.commits for shard in commit.of("edges")]
        for table in iterate_shards(self.store, shards, ["a_number", "b_number", "similarity"], ROWS):
            ends = [table.column(name).to_numpy() for name in ("a_number", "b_number")]
            yield np.stack(ends, axis=1), table.column("similarity").to_numpy()


class _Involved:
    """The documents that share their text with another, or whose text has an edge."""

    def __init__(self, store: Store, bounded: Sequence[Commit], graph: _Graph) -> None:
        self._store = store
        self._bounded = bounded
        self._text, self._is = self._equal("text_hash")
        for pairs in graph:
            self._is[pairs.ravel()] = True
        # The document that stands for a text has its edges; so have the others with that text.
        self._is |= self._is[self._text]

    def _equal(self, column: str) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
        """Of each document the number of the first one with its hash, and whether two have it."""
        total = sum(commit.rows("bounded") for commit in self._bounded)
        first, shares = np.arange(total, dtype=np.uint32), np.zeros(total, np.bool_)
        for lowest, numbers in sharing(self._store, self._bounded, "bounded", column):
            first[numbers] = lowest
            shares[numbers] = True
        return first, shares

    def leave_for_address(self, dedup: DedupConfig) -> pl.DataFrame:
        """keepers.SAME_URL, by number; these documents take no further part."""
        address, shares = self._equal("url_hash")
        frames = list(self._passed(shares, []))
        if not frames:
            return pl.DataFrame(schema=keepers.SAME_URL)
        found = pl.concat(frames)
        number = found["number"].to_numpy()
        left = keepers.same_urls(found, address[number].astype(np.int64), self._text[number].astype(np.int64), dedup)
        self._is[left["number"].to_numpy()] = False
        return left

    def claims(self, dedup: DedupConfig) -> tuple[Int64s, Int64s, pl.DataFrame, Claims]:
        """Those of them that passed: numbers, bytes of their texts, their labels, and what may be kept."""
        numbers, text_bytes, claims = [np.empty(0, np.int64)], [np.empty(0, np.int64)], []
        labels = [pl.DataFrame(schema=dict.fromkeys(keepers.LABELS, pl.Categorical))]
        for passed in self._passed(self._is, ["text_bytes", "lang"]):
            labels.append(passed.select(pl.col(keepers.LABELS).cast(pl.Categorical)))
            numbers.append(passed["number"].to_numpy())
            text_bytes.append(passed["text_bytes"].to_numpy())
            claims.append(keepers.claims(passed, self._text[numbers[-1]].astype(np.int64), dedup))
        if not claims:
            return numbers[0], text_bytes[0], labels[0], Claims(numbers[0], (numbers[0], numbers[0]))
        order = zip(*(each.order for each in claims), strict=True)
        texts = np.concatenate([each.text for each in claims])
        claimed = Claims(texts, tuple(np.concatenate(column) for column in order))
        return np.concatenate(numbers), np.concatenate(text_bytes), pl.concat(labels), claimed

    def _passed(self, chosen: npt.NDArray[np.bool_], columns: list[str]) -> Iterator[pl.DataFrame]:
        """Of the chosen documents those that passed, some at a time: number, POLICY and `columns`."""
        start, read = 0, ["number", *columns, *keepers.POLICY]
        for commit in self._bounded:
            for table in iterate_shards(self._store, commit.of("bounded"), [*read, "reason"], ROWS):
                wanted = pl.Series(chosen[start : start + table.num_rows])
                start += table.num_rows
                yield pl.DataFrame(table).filter(wanted & pl.col("reason").is_null()).select(read)
