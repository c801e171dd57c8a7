"""What the report says of deduplication: how large clusters are, how alike pairs are, what crossed a language or a
source, and what was not compared. Counted lazily, so that ledger and edges stay on disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from curate.changes import documents_of
from curate.config import MinhashConfig
from curate.lineage import uniform
from curate.reports import run_record
from curate.reports.clusters import Cluster, Member, read, side_by_side
from curate.reports.comparison import Comparison
from curate.reports.facts import BINS, SHOWN, Histogram
from curate.reports.run_record import RunRecord
from curate.result import StageResult
from curate.storage import Store

SIZES = (1, 2, 5, 10, 100, 1_000, 10_000, 100_000)
"""Last size of each row of the distribution but the last one, which has no end."""

TALLIED = ["exact", "lang", "keeper_lang", "across_languages", "source", "keeper_source", "across_sources"]

STEPS = ("sign", "candidates", "verify", "resolve")
"""Stages that count what `counted` gives."""

MEANING = {
    "looked_at": ("texts signed", "documents whose text was read to be compared"),
    "without_words": (
        "without words",
        "nothing in them to compare: only a document with the same text is their duplicate",
    ),
    "short": (
        "short",
        "one shingle in all, or fewer than the config's min_shingles and so taken as one: only a text of the same "
        "words is their near-duplicate",
    ),
    "saturated": (
        "saturated",
        "hold so large a part of all shingles that any two would look alike: only a document with the same text is "
        "their duplicate",
    ),
    "candidates": ("candidate pairs", "texts that share a band; a pair that shares several may count several times"),
    "not_compared": (
        "not compared",
        "pairs that share a band too, in one that more than {leaders} texts share: there all are compared with the "
        "{leaders} longest, and not with each other; counted once a band",
    ),
    "largest_bucket": (
        "largest bucket",
        "texts that share one band: where it is large, a template that pages have in common",
    ),
    "compared": ("compared", "pairs whose similarity was computed on their whole texts"),
    "verified": ("verified", "of these, pairs that meet a bound: the only ones by which a near-duplicate can leave"),
    "again": (
        "compared again",
        "a part of those compared: pairs of a text that stayed and the keeper for which a near-duplicate of it left, "
        "as the two may be copies as well",
    ),
}
"""Counter -> its name in the report and what it says, in the order of the steps."""


def counted(stages: Sequence[StageResult]) -> dict[str, int]:
    """The counters of MEANING of a run's last deduplication; empty without one. A run with synthesis has two, and the
    second sees the documents of both.
    """
    starts = [number for number, stage in enumerate(stages) if stage.name == STEPS[0]]
    found: dict[str, int] = {}
    for stage in stages[starts[-1] :] if starts else ():
        if stage.name in STEPS:
            for name in MEANING:
                found[name] = found.get(name, 0) + stage.counts.get(name, 0) + stage.largest.get(name, 0)
    return found


class Step(NamedTuple):
    """A counter of the steps."""

    name: str
    number: int
    meaning: str


def steps(record: RunRecord, minhash: MinhashConfig | None) -> list[Step]:
    """What was compared and what was not; empty where near-duplicates were not looked for."""
    if minhash is None or not record.dedup:
        return []
    return [
        Step(name, record.dedup[counter], meaning.format(leaders=minhash.leaders))
        for counter, (name, meaning) in MEANING.items()
        if counter in record.dedup
    ]


class Size(NamedTuple):
    """Clusters of like size."""

    label: str
    clusters: int
    documents: int


def sizes(ledger: pl.LazyFrame) -> list[Size]:
    """Distribution of cluster sizes among the documents that passed the bounds; a document without a duplicate is a
    cluster of one. Only sizes that there are.
    """
    keepers = documents_of(ledger).filter(pl.col("id") == pl.col("cluster_id"))
    row = pl.lit(0)
    for last in SIZES:
        row = row + (pl.col("dup_count") > last)
    found = keepers.group_by(row=row).agg(pl.len(), pl.col("dup_count").sum()).sort("row")
    return [Size(_label(row), n, documents) for row, n, documents in found.collect(engine="streaming").iter_rows()]


def _label(row: int) -> str:
    first = SIZES[row - 1] + 1 if row else 1
    if row == len(SIZES):
        return f"{first:,} and more"
    return f"{first:,}" if first == SIZES[row] else f"{first:,} to {SIZES[row]:,}"


def similarities(work: Store, record: RunRecord, bound: float) -> Histogram | None:
    """Exact Jaccard of the verified pairs, over the range that holds them and the bound; None without pairs. Pairs
    beyond the bound are those that the containment let in.
    """
    shards = [shard.name for commit in run_record.edges(work, record) for shard in commit.of("edges")]
    if not shards:
        return None
    value = pl.col("similarity")
    pairs = work.scan(shards).select(value)
    low = min(bound, pairs.select(value.min()).collect(engine="streaming").item())
    bins = BINS if low < 1 else 1
    bin_of = ((value - low) / ((1 - low) / bins or 1.0)).floor().clip(0, bins - 1).cast(pl.Int64)
    grouped = pairs.group_by(bin=bin_of).agg(pl.len(), beyond=(value < bound).sum(), sum=value.sum())
    found = {number: rest for number, *rest in grouped.collect(engine="streaming").iter_rows()}
    counts, beyond, sums = zip(*(found.get(number, (0, 0, 0.0)) for number in range(bins)), strict=True)
    return Histogram(
        "similarity", "exact Jaccard", low, 1.0, counts, beyond, [("min", bound)], sum(counts),
        sum(sums) / sum(counts), sum(beyond), [],
    )  # fmt: skip


class Crossing(NamedTuple):
    """Removed documents by where they and their keepers come from."""

    removed_from: str
    kept_from: str
    documents: int


@dataclass(frozen=True)
class Crossed:
    """Duplicates that were removed; those whose keeper the judge rejected are among them."""

    exact: int
    """With the keeper's text."""

    near: int
    exact_sources: int
    """Of `exact`, those whose keeper is of another source; and so on."""

    near_sources: int
    near_languages: int
    sources: Sequence[Crossing]
    """Of both kinds; most documents first, SHOWN of them."""

    languages: Sequence[Crossing]
    """Of near-duplicates."""

    pairs: Sequence[dict[str, Any]]
    """A few near-duplicates across languages, by hash(seed, id)."""


def crossed(ledger: pl.LazyFrame, seed: int) -> Crossed:
    """How many removed duplicates have their keeper in another detected language, or in another source."""
    several = documents_of(ledger).filter(pl.col("dup_count") > 1)
    removed = several.filter(pl.col("cluster_id") != pl.col("id")).with_columns(
        across_languages=pl.col("lang") != pl.col("keeper_lang"),
        across_sources=pl.col("source") != pl.col("keeper_source"),
    )  # fmt: skip
    tally = removed.group_by(TALLIED).len().collect(engine="streaming")
    others = removed.filter(pl.col("across_languages") & ~pl.col("exact")).select("id").collect(engine="streaming")
    chosen = nsmallest(SHOWN, others["id"], key=lambda identity: uniform(seed, identity, "report"))
    near, exact = tally.filter(~pl.col("exact")), tally.filter("exact")
    return Crossed(
        _sum(exact), _sum(near), _sum(exact.filter("across_sources")), _sum(near.filter("across_sources")),
        _sum(near.filter("across_languages")), _crossings(tally.filter("across_sources"), "source"),
        _crossings(near.filter("across_languages"), "lang"), _pairs(several, chosen),
    )  # fmt: skip


def _pairs(several: pl.LazyFrame, chosen: Sequence[bytes]) -> list[dict[str, Any]]:
    """These documents and their keepers, in this order."""
    if not chosen:
        return []
    columns = ["id", "url", "lang", "similarity", "cluster_id", "keeper_lang"]
    found = several.filter(pl.col("id").is_in(chosen)).select(columns).collect(engine="streaming")
    keepers = several.filter(pl.col("id").is_in(found["cluster_id"].to_list())).select("id", "url")
    url = dict(keepers.collect(engine="streaming").iter_rows())
    by_id = {row["id"]: row | {"keeper_url": url[row["cluster_id"]]} for row in found.iter_rows(named=True)}
    return [by_id[identity] for identity in chosen]


def _sum(tally: pl.DataFrame) -> int:
    return int(tally["len"].sum())


def _crossings(tally: pl.DataFrame, column: str) -> list[Crossing]:
    names = [column, f"keeper_{column}"]
    by_both = tally.group_by(names).agg(pl.col("len").sum())
    ordered = by_both.sort("len", *names, descending=[True, False, False])
    return [Crossing(*row) for row in ordered.head(SHOWN).iter_rows()]


class Doubtful(NamedTuple):
    """A near-duplicate and its keeper, and where their texts differ."""

    cluster: Cluster
    member: Member
    texts: Comparison


def least_similar(work: Path, ledger: pl.LazyFrame, number: int) -> list[Doubtful]:
    """The near-duplicates least like their keepers, one a cluster, with their texts."""
    near = documents_of(ledger).filter((pl.col("cluster_id") != pl.col("id")) & (pl.col("similarity") < 1))
    # A family of one template may fill them all: then fewer are shown.
    least = near.sort("similarity", "cluster_id", "id").select("cluster_id").head(100 * number)
    kept = least.collect(engine="streaming")["cluster_id"].unique(maintain_order=True)
    chosen = read(work, kept.head(number).to_list())
    return [Doubtful(cluster, *side_by_side(work, cluster)[0]) for cluster in chosen]
