"""resolve: which of the documents that passed the cheap bounds are kept for their duplicates.

Holds 6 bytes of every document, 60 of one that shares its text or has an edge, and 8 of an edge. A document whose
neighbours all left for others is compared with those others, once: `again`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from curate import clusters, decisions
from curate.clusters import Claims
from curate.config import DedupConfig
from curate.equal import ROWS, sharing
from curate.lineage import key
from curate.runs import write_run
from curate.stages.dedup import write_pairs
from curate.step import Commit, ShardWriter, Task, iterate_shards
from curate.storage import Store

VERSION = 1

RUN_ROWS = 1 << 20

Int64s = npt.NDArray[np.int64]


def task(bounded: Sequence[Commit], edges: Sequence[Commit], dedup: DedupConfig, *, again: bool) -> Task:
    """One task over all documents; `bounded` are the commits of `bound` in the order of the distinct parts.

    `again`: whether to name the pairs that are still to be compared.
    """
    of = [[commit.key for commit in bounded], [commit.key for commit in edges], dedup.prefer,
          dedup.source_priority, again]  # fmt: skip
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
    """Write runs of kind `clusters` by document number: decisions.CLUSTERS of the documents that have a duplicate; and
    with `again` of kind `pairs`: texts that stay, with the keepers of neighbours that left.
    """
    graph = _Graph(store, tuple(edges))
    involved = _Involved(store, bounded, graph)
    documents, claims = involved.claims(dedup)
    resolved = clusters.resolve(claims, graph)
    similarity = clusters.similarities(claims, resolved, graph.with_similarity())
    number = documents["number"].to_numpy()
    rows = decisions.cluster_rows(number, documents["id"], resolved, similarity)
    for some in rows.filter(pl.col("dup_count") > 1).iter_slices(RUN_ROWS):
        write_run(writer, "clusters", some["number"].cast(pl.UInt64).to_numpy(), some.to_arrow())
    if again:
        pairs = clusters.neighbours_of_removed(claims, resolved, graph)
        writer.count("again", len(pairs))
        if len(pairs):
            bytes_of = dict(zip(claims.text.tolist(), documents["text_bytes"].to_list(), strict=True))
            write_pairs(writer, pairs, np.array([bytes_of[a] + bytes_of[b] for a, b in pairs.tolist()]))


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
        total = sum(commit.rows("bounded") for commit in bounded)
        self._text = np.arange(total, dtype=np.uint32)
        self._is = np.zeros(total, np.bool_)
        for lowest, numbers in sharing(store, bounded, "bounded", "text_hash"):
            self._text[numbers] = lowest
            self._is[numbers] = True
        for pairs in graph:
            self._is[pairs.ravel()] = True
        # The document that stands for a text has its edges; so have the others with that text.
        self._is |= self._is[self._text]

    def claims(self, dedup: DedupConfig) -> tuple[pl.DataFrame, Claims]:
        """Those of them that passed: number, id and text_bytes, and what may be kept."""
        columns = ["number", "text_bytes", "reason", *decisions.POLICY]
        frames, claims, start = [], [], 0
        for commit in self._bounded:
            for table in iterate_shards(self._store, commit.of("bounded"), columns, ROWS):
                chosen = self._is[start : start + table.num_rows]
                start += table.num_rows
                passed = pl.DataFrame(table).filter(pl.Series(chosen) & pl.col("reason").is_null())
                text = self._text[passed["number"].to_numpy()].astype(np.int64)
                frames.append(passed.select("number", "id", "text_bytes"))
                claims.append(decisions.claims(passed, text, dedup))
        if not frames:
            nothing = pl.DataFrame(schema={"number": pl.Int64, "id": pl.Binary, "text_bytes": pl.Int64})
            return nothing, Claims(np.empty(0, np.int64), (np.empty(0, np.int64),))
        order = zip(*(each.order for each in claims), strict=True)
        texts = np.concatenate([each.text for each in claims])
        return pl.concat(frames), Claims(texts, tuple(np.concatenate(column) for column in order))
