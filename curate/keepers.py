"""Which documents leave as duplicates, over frames of facts: what may be kept by the config's policy, and what becomes
of the others. Nothing is read or written.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from curate import clusters
from curate.clusters import Claims
from curate.config import DedupConfig, MinhashConfig
from curate.config.dedup import Preference
from curate.index import match
from curate.lineage import text_hash
from curate.reasons import because
from curate.schema import ID
from filters.same_url import one_spelling

CLUSTERS = {"number": pl.Int64, "cluster_id": pl.Binary, "dup_count": pl.Int64, "similarity": pl.Float64,
            "exact": pl.Boolean, "keeper_source": pl.String, "keeper_lang": pl.String}  # fmt: skip
"""Of a document that is not alone in its cluster: the keeper's id, documents of the cluster, Jaccard with the keeper
(null for the keeper), whether it has the keeper's text, and the keeper's source and language."""

LABELS = ["source", "lang"]
"""Columns of a keeper that its duplicates are told of."""

SAME_URL = {"number": pl.Int64, "same_url": pl.Binary}
"""A document that leaves for another one from its address, and the id of that one."""

POLICY = ["source", "is_synthetic", "text_chars", "date", "id"]
"""Columns that the choice of a keeper looks at."""


def claims(documents: pl.DataFrame, text: np.ndarray, dedup: DedupConfig) -> Claims:
    """Documents that passed as the candidates for keeping: POLICY and the number of each one's text, int64[n]. Their
    order ends with the halves of the id.
    """
    halves = np.frombuffer(b"".join(documents["id"]), ">u8").astype(np.uint64).reshape(-1, 2)
    order = [_preferred(documents, criterion, dedup) for criterion in dedup.prefer]
    return Claims(text, (*order, halves[:, 0], halves[:, 1]))


def _preferred(documents: pl.DataFrame, criterion: Preference, dedup: DedupConfig) -> np.ndarray:
    """A number for each document, the smaller the better."""
    match criterion:
        case "source":
            priority = {source: i for i, source in enumerate(dedup.source_priority)}
            sources = documents["source"]
            return sources.replace_strict(priority, default=len(priority), return_dtype=pl.UInt16).to_numpy()
        case "real":
            return documents["is_synthetic"].to_numpy()
        case "longest" | "shortest":
            characters = documents["text_chars"].to_numpy()
            return -characters if criterion == "longest" else characters
        case "oldest" | "newest":
            date = documents["date"].dt.epoch("ms")
            return (date if criterion == "oldest" else -date).fill_null(2**63 - 1).to_numpy()


def without_published(facts: pl.DataFrame, found: pl.DataFrame, by: str, minhash: MinhashConfig) -> pl.DataFrame:
    """`facts` where what was published before leaves; `found` has the best match of a document, index.match.MATCHES, to
    be joined by its column `by`.
    """
    near = facts.join(found, on=by, how="left", maintain_order="left")
    old = pl.col("published_id").bin.encode("hex")
    bound = pl.lit(repr(minhash.min_similarity))
    exact, similar = pl.col("exact"), pl.col("similarity") >= minhash.min_similarity
    leaves = match.meets(minhash)
    near = because(near, leaves & exact, pl.format("dedup.published={} exact copy", old))
    near = because(
        near, leaves & similar, pl.format("dedup.published={} similarity={} >= {}", old, "similarity", bound)
    )
    near = because(near, leaves, pl.format("dedup.published={} contained, similarity={}", old, "similarity"))
    return near.select(facts.columns)


def url_hashes(decided: pl.DataFrame) -> pl.Series:
    """A hash of each document's address in its one spelling, 16 bytes; null where it has none or left for a reason."""
    passed = zip(decided["url"], decided["reason"], strict=True)
    spelled = (one_spelling(url) if reason is None else None for url, reason in passed)
    hashes = [None if each is None else text_hash(each) for each in spelled]
    return pl.Series("url_hash", hashes, pl.Binary)


def same_urls(documents: pl.DataFrame, address: np.ndarray, text: np.ndarray, dedup: DedupConfig) -> pl.DataFrame:
    """SAME_URL of documents that passed: POLICY and `number`, and int64[n] each the numbers of address and text.

    One with the text of the document that stays is not among them: it is a copy, and leaves as that.
    """
    keeper = clusters.resolve(claims(documents, address, dedup), []).keeper
    leaves = text[keeper] != text
    chosen = {"number": documents["number"].filter(leaves), "same_url": documents["id"].gather(keeper[leaves])}
    return pl.DataFrame(chosen, schema=SAME_URL)


def same_urls_among(decided: pl.DataFrame, dedup: DedupConfig | None) -> pl.DataFrame:
    """SAME_URL of the documents in memory that passed."""
    if dedup is None or not dedup.url:
        return pl.DataFrame(schema=SAME_URL)
    found = decided.with_columns(url_hashes(decided)).filter(pl.col("url_hash").is_not_null())
    numbers = (found.select(pl.col(name).rank("dense").cast(pl.Int64)) for name in ("url_hash", "text_hash"))
    address, text = (each.to_series().to_numpy() for each in numbers)
    return same_urls(found, address, text, dedup)


def with_same_url(decided: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """The documents of `found` (SAME_URL) leave."""
    facts = decided.join(found, on="number", how="left", maintain_order="left")
    stays = pl.col("same_url").bin.encode("hex")
    return because(facts, stays.is_not_null(), pl.format("dedup.same_url_as={}", stays)).drop("same_url")


def clusters_among(decided: pl.DataFrame, edges: pl.DataFrame | None, dedup: DedupConfig | None) -> pl.DataFrame:
    """CLUSTERS of the documents in memory that passed."""
    passed = decided.filter(pl.col("reason").is_null())
    if dedup is None or passed.is_empty():
        return pl.DataFrame(schema=CLUSTERS)
    texts = passed.select("text_hash").unique(maintain_order=True).with_row_index("text")
    text = passed.join(texts, on="text_hash", how="left", maintain_order="left")["text"].to_numpy().astype(np.int64)
    pairs, similarity = np.empty((0, 2), np.int64), np.empty(0)
    if edges is not None and not edges.is_empty():
        known = edges
        for side, end in (("a", "i"), ("b", "j")):
            known = known.join(texts.rename({"text_hash": side, "text": end}), on=side)
        pairs, similarity = known.select("i", "j").to_numpy().astype(np.int64), known["similarity"].to_numpy()
    claimed = claims(passed, text, dedup)
    resolved = clusters.resolve(claimed, [pairs])
    similar = clusters.similarities(claimed, resolved, [(pairs, similarity)])
    labels = passed.select(LABELS)
    rows = cluster_rows(passed["number"].to_numpy(), labels, claimed, resolved, similar, rows_at_once=len(passed))
    return pl.concat([pl.DataFrame(schema=CLUSTERS), *rows])


def cluster_rows(
    number: np.ndarray,
    labels: pl.DataFrame,
    claimed: Claims,
    resolved: clusters.Resolved,
    similarity: np.ndarray,
    *,
    rows_at_once: int,
) -> Iterator[pl.DataFrame]:
    """CLUSTERS of the claims that are not alone, some at a time. Of each claim, `number` int64[n] is the document,
    `labels` has LABELS, and `similarity` float64[n] is clusters.similarities'.
    """
    size = np.bincount(resolved.keeper, minlength=len(number))
    several = np.flatnonzero(size[resolved.keeper] > 1)
    for start in range(0, len(several), rows_at_once):
        at = several[start : start + rows_at_once]
        keeper = resolved.keeper[at]
        halves = np.stack([half[keeper] for half in claimed.order[-2:]], axis=1).astype(">u8")
        ids = pa.FixedSizeBinaryArray.from_buffers(ID, len(at), [None, pa.py_buffer(halves.tobytes())])
        values = {
            "number": number[at], "cluster_id": pl.Series(ids.cast(pa.binary())), "dup_count": size[keeper],
            "similarity": pl.Series(np.where(keeper == at, np.nan, similarity[at])).fill_nan(None),
            "exact": resolved.exact[at] & (keeper != at),
            **{f"keeper_{name}": labels[name][keeper].cast(pl.String) for name in LABELS},
        }  # fmt: skip
        yield pl.DataFrame(values, schema=CLUSTERS)


def with_clusters(decided: pl.DataFrame, found: pl.DataFrame, dedup: DedupConfig | None) -> pl.DataFrame:
    """Add the columns of CLUSTERS; all but one document of each cluster leave.

    Only documents that passed until here can be keepers, or be anybody's duplicate; one that `found` has no row for is
    alone.
    """
    facts = decided.join(found, on="number", how="left", maintain_order="left")
    passed = pl.col("reason").is_null()
    facts = facts.with_columns(
        cluster_id=pl.when(passed).then(pl.col("cluster_id").fill_null(pl.col("id"))),
        dup_count=pl.when(passed).then(pl.col("dup_count").fill_null(1)),
    )
    if dedup is None:
        return facts
    duplicate = pl.col("cluster_id").is_not_null() & (pl.col("cluster_id") != pl.col("id"))
    keeper = pl.col("cluster_id").bin.encode("hex")
    facts = because(facts, duplicate & pl.col("exact"), pl.format("dedup.exact_copy_of={}", keeper))
    if dedup.minhash is None:
        return facts
    bound = pl.lit(repr(dedup.minhash.min_similarity))
    similar = pl.col("similarity") >= dedup.minhash.min_similarity
    near = pl.format("dedup.similarity={} >= {} to {}", "similarity", bound, keeper)
    facts = because(facts, duplicate & similar, near)
    within = pl.format("dedup.contained, similarity={} to {}", "similarity", keeper)
    return because(facts, duplicate, within)
