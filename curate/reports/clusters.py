"""Clusters of duplicates as people read them: how large, how alike, where from, and why this copy was kept.

Read from the ledger and the verified edges of a finished run; nothing is compared or decided anew. In memory are the
ids of the keepers, and about 200 bytes of each document in a cluster that is shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from heapq import nsmallest
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate import keepers
from curate.changes import documents_of
from curate.config import DedupConfig
from curate.config.settings import with_settings
from curate.corpus import read_places
from curate.errors import CurateError
from curate.lineage import uniform
from curate.reasons import rule_of
from curate.reports import explanation, facts, run_record
from curate.reports.choice import Criterion, because, two_best
from curate.reports.comparison import Comparison, compare
from curate.reports.run_record import RunRecord
from curate.storage import Store

VERSION = 1
"""Of the JSON form; raised when a field changes its name or meaning."""

MEMBERS_SHOWN = 20
"""Of a cluster; one real cluster held 743,779 documents."""

LABELS_SHOWN = 10
"""Sources, languages and hosts of a cluster that are named; the rest is summed up."""

COMPARED = 3
"""Near-copies of a cluster whose texts are shown beside the keeper's."""

PREFIX_DIGITS = 4
"""Least digits of an id that say which."""


@dataclass(frozen=True)
class Spread:
    """Of exact Jaccard similarities."""

    number: int
    min: float
    median: float
    max: float


@dataclass(frozen=True)
class Member:
    """One document of a cluster."""

    id: str
    url: str | None
    source: str
    lang: str
    date: datetime | None
    chars: int
    similarity: float | None
    """Exact Jaccard with the keeper; None for the keeper."""

    exact: bool
    """Whether it has the keeper's text."""

    status: str
    reason: str | None
    shard: str
    row: int


@dataclass(frozen=True)
class Cluster:
    """The documents that were taken for copies of one, among those that passed the bounds."""

    id: str
    """Of the keeper."""

    documents: int
    exact: int
    """Documents with the keeper's text, beside the keeper."""

    near: Spread | None
    """The other documents: their similarity with the keeper; None where there are none."""

    texts: int
    """Distinct ones."""

    pairs: Spread | None
    """Verified pairs among these texts; all others share no band, or were below the bound, or were left out."""

    sources: Mapping[str, int]
    """Documents by label, most first."""

    languages: Mapping[str, int]
    hosts: Mapping[str, int]
    statuses: Mapping[str, int]
    runner_up: str | None
    """Id of the best member after the keeper by the policy; None in a cluster of one."""

    why: tuple[Criterion, ...]
    members: tuple[Member, ...]
    """The keeper, then the least similar first: at most MEMBERS_SHOWN."""

    def to_json(self) -> dict[str, Any]:
        """JSON values only, without text of a document."""
        values = asdict(self)
        for member in values["members"]:
            member["date"] = member["date"].isoformat() if member["date"] else None
        return values


def totals(work: Path) -> tuple[int, int]:
    """Clusters of two documents or more, and the documents in them."""
    several = _keepers(_ledger(work)).select(pl.len(), pl.col("dup_count").sum())
    number, documents = several.collect(engine="streaming").row(0)
    return number, documents


def largest(work: Path, number: int) -> list[Cluster]:
    """The clusters of two documents or more, most documents first, then by id of the keeper."""
    top = _keepers(_ledger(work)).sort("dup_count", "id", descending=[True, False]).head(number)
    return read(work, top.select("id").collect(engine="streaming")["id"].to_list())


def sampled(work: Path, number: int) -> list[Cluster]:
    """Clusters of two documents or more, drawn by hash of the run's seed and the keeper's id: however large."""
    seed = run_record.read(work).settings["seed"]
    ids = _keepers(_ledger(work)).select("id").collect(engine="streaming")["id"]
    return read(work, nsmallest(number, ids, key=lambda identity: uniform(seed, identity, "clusters")))


def of_document(work: Path, document: str) -> list[Cluster]:
    """The cluster of a document, given by its id, the beginning of one, or its URL as stored; of a URL that several
    documents have, all their clusters. Raises CurateError where there is none.
    """
    ledger = _ledger(work)
    found = documents_of(ledger).filter(_is(document)).select("id", "cluster_id", rule=rule_of("reason")).collect()
    if found.is_empty():
        raise CurateError(explanation.unknown(work, ledger, document))
    if len(document) < explanation.ID_DIGITS and _is_prefix(document) and found["id"].n_unique() > 1:
        raise CurateError(f"{document}: {found['id'].n_unique():,} ids in {work} begin so; give more digits")
    clustered = found["cluster_id"].drop_nulls().unique(maintain_order=True).to_list()
    if not clustered:
        raise CurateError(
            f"{document} left by {found['rule'][0]} before duplicates were looked for among what had passed, so it is "
            f"in no cluster; `curate explain {work} {found['id'][0].hex()}` has all about it"
        )
    return read(work, clustered)


def read(work: Path, ids: Sequence[bytes]) -> list[Cluster]:
    """The clusters of these keepers, in this order."""
    store, record, ledger = Store(work), run_record.read(work), documents_of(_ledger(work))
    members = (
        ledger.filter(pl.col("cluster_id").is_in(ids))
        .select("cluster_id", *keepers.POLICY, "text_hash", "similarity", "status", pl.col("lang").fill_null("none"),
                host=facts.domain_of("url").fill_null("none"))
        .collect(engine="streaming")
    )  # fmt: skip
    pairs = _pairs(store, record, members)
    dedup = with_settings(record.settings, []).dedup or DedupConfig()
    frames = members.partition_by("cluster_id", as_dict=True)
    shown = {each: _shown(frames[(each,)], each) for each in ids}
    rows = _rows(ledger, [document for some in shown.values() for document in some])
    return [
        _cluster(
            frames[(each,)], pairs.filter(pl.col("cluster_id") == each)["similarity"], dedup,
            [rows[document] for document in shown[each]],
        )
        for each in ids
    ]  # fmt: skip


def side_by_side(work: Path, cluster: Cluster) -> list[tuple[Member, Comparison]]:
    """The keeper's text (left) against those of the COMPARED least similar members, copies of a text once."""
    keeper, *others = cluster.members
    near = [member for member in others if not member.exact]
    if not near:
        return []
    places = [(member.shard, member.row) for member in (keeper, *near)]
    found = read_places(Store(work), places, ["text", "text_hash"]).to_pylist()
    first = {row["text_hash"]: member for member, row in reversed(list(zip(near, found[1:], strict=True)))}
    texts = {row["text_hash"]: row["text"] for row in found[1:]}
    chosen = list(texts)[:COMPARED]
    return [(first[each], compare(found[0]["text"], texts[each])) for each in chosen]


def listing(work: Path, found: Sequence[Cluster], *, texts: bool) -> dict[str, Any]:
    """JSON values: these clusters, with `texts` where their texts differ, and what there is in all."""
    number, documents = totals(work)
    return {
        "clusters_version": VERSION,
        "clusters_in_all": number,
        "documents_in_all": documents,
        "counts": dict(run_record.read(work).dedup),
        "clusters": [cluster.to_json() | (_texts(work, cluster) if texts else {}) for cluster in found],
    }


def _texts(work: Path, cluster: Cluster) -> dict[str, Any]:
    compared = side_by_side(work, cluster)
    return {"texts": [{"keeper": cluster.id, "other": member.id} | asdict(how) for member, how in compared]}


def _ledger(work: Path) -> pl.LazyFrame:
    """Raises CurateError where there is no finished run."""
    run_record.read(work)
    ledger = facts.scan(Store(work))
    if ledger is None:
        raise CurateError(f"{work}: the run had no input, so it has no ledger and no cluster")
    return ledger


def _keepers(ledger: pl.LazyFrame) -> pl.LazyFrame:
    return documents_of(ledger).filter((pl.col("id") == pl.col("cluster_id")) & (pl.col("dup_count") > 1))


def _is_prefix(document: str) -> bool:
    digits = all(c in "0123456789abcdefABCDEF" for c in document)
    return digits and PREFIX_DIGITS <= len(document) <= explanation.ID_DIGITS


def _is(document: str) -> pl.Expr:
    url = pl.col("url") == document
    if not _is_prefix(document):
        return url
    low, high = (bytes.fromhex(document.ljust(explanation.ID_DIGITS, digit)) for digit in "0f")
    return url | pl.col("id").is_between(pl.lit(low), pl.lit(high))


def _shown(members: pl.DataFrame, keeper: bytes) -> list[bytes]:
    """Ids of the members that are listed: the keeper, then the least similar, texts equal to the keeper's last."""
    own = pl.col("id") == keeper
    exact = pl.col("text_hash") == pl.col("text_hash").filter(own).first()
    order = members.sort(own, exact, "similarity", "id", descending=[True, False, False, False])
    return order["id"].head(MEMBERS_SHOWN).to_list()


def _rows(ledger: pl.LazyFrame, ids: Sequence[bytes]) -> dict[bytes, dict[str, Any]]:
    """What is shown of these documents, by id."""
    columns = ["id", "url", "source", "lang", "date", "text_chars", "similarity", "status", "reason", "shard", "row",
               "text_hash"]  # fmt: skip
    found = ledger.filter(pl.col("id").is_in(ids)).select(columns).collect(engine="streaming")
    return {row["id"]: row for row in found.iter_rows(named=True)}


def _pairs(store: Store, record: RunRecord, members: pl.DataFrame) -> pl.DataFrame:
    """cluster_id and similarity of each verified pair whose texts are both of one cluster."""
    texts = members.select("cluster_id", "text_hash").unique().lazy()
    shards = [shard.name for commit in run_record.edges(store, record) for shard in commit.of("edges")]
    if not shards:
        return pl.DataFrame(schema={"cluster_id": pl.Binary, "similarity": pl.Float64})
    edges = store.scan(shards).select("a", "b", "similarity")
    of_a = edges.join(texts, left_on="a", right_on="text_hash")
    both = of_a.join(texts, left_on=["b", "cluster_id"], right_on=["text_hash", "cluster_id"])
    return both.select("cluster_id", "similarity").collect(engine="streaming")


def _cluster(members: pl.DataFrame, pairs: pl.Series, dedup: DedupConfig, shown: Sequence[dict[str, Any]]) -> Cluster:
    """One cluster. `members` has all its documents, `pairs` the similarities of its verified pairs."""
    keeper, runner_up = two_best(members, shown[0]["id"], dedup)
    exact = members.select(pl.col("text_hash") == keeper["text_hash"]).to_series()
    return Cluster(
        id=keeper["id"].hex(),
        documents=len(members),
        exact=int(exact.sum()) - 1,
        near=_spread(members.filter(~exact)["similarity"]),
        texts=members["text_hash"].n_unique(),
        pairs=_spread(pairs),
        sources=_counted(members["source"]),
        languages=_counted(members["lang"]),
        hosts=_counted(members["host"]),
        statuses=_counted(members["status"]),
        runner_up=runner_up["id"].hex() if runner_up else None,
        why=because(keeper, runner_up, dedup) if runner_up else (),
        members=tuple(_member(row, keeper) for row in shown),
    )


def _spread(similarities: pl.Series) -> Spread | None:
    values = similarities.to_numpy()
    if not len(values):
        return None
    return Spread(len(values), float(values.min()), float(np.median(values)), float(values.max()))


def _counted(labels: pl.Series) -> dict[str, int]:
    """Documents by label, most first; those beyond LABELS_SHOWN as one."""
    counted = labels.rename("label").value_counts().sort("count", "label", descending=[True, False])
    shown = dict(counted.head(LABELS_SHOWN).iter_rows())
    rest = counted.slice(LABELS_SHOWN)
    return shown | ({f"{len(rest):,} others": int(rest["count"].sum())} if len(rest) else {})


def _member(row: dict[str, Any], keeper: dict[str, Any]) -> Member:
    return Member(
        row["id"].hex(), row["url"], row["source"], row["lang"] or "none", row["date"], row["text_chars"],
        row["similarity"], row["text_hash"] == keeper["text_hash"] and row["id"] != keeper["id"], row["status"],
        row["reason"], row["shard"], row["row"],
    )  # fmt: skip
