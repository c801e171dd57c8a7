"""select: the only code that drops documents, each with a reason. Reads values, never text.

The order of the decisions is the order of the functions below: equal ids fold into one row, languages, bounds on
measures in config order and texts of which transforms left nothing, keepers of duplicates among what passed, and, once
there are scores, bounds on those.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import polars as pl

from curate.clusters import keepers
from curate.config import DedupConfig, RunConfig
from curate.config.measures import Bounds, Measured, ScoreBounds
from curate.corpus import Part, no_facts, read_facts, read_rows
from curate.errors import CurateError
from curate.ledger import of_language
from curate.lineage import key
from curate.llm.scoring import NOT_SAMPLED
from curate.step import Commit, ShardWriter, Task
from curate.storage import Store

VERSION = 1


@dataclass(frozen=True)
class Evidence:
    """What select decides on: every column by commit, so that its key is known before anything is read."""

    parts: tuple[Part, ...]
    edges: tuple[Commit, ...] = ()
    scores: tuple[Commit, ...] = ()
    judged: bool = False
    """Whether the judge has been asked: bounds on scores apply only then."""

    def key(self, config: RunConfig) -> str:
        """Hash of the evidence and of every bound and policy."""
        parts = sorted([p.key, p.texts.key, p.measures.key if p.measures else None] for p in self.parts)
        bounds = [[m.column, _dumped(m.filter.keep), {k: _dumped(v) for k, v in m.by_language.items()}]
                  for m in config.measured]  # fmt: skip
        judge = _dumped(config.judge.keep) if config.judge and self.judged else None
        # What texts were compared by is in the keys of the edges, of a tokenizer the content.
        dedup = config.dedup.model_dump(exclude={"minhash": {"shingle"}}) if config.dedup else None
        edges = sorted(commit.key for commit in self.edges)
        scores = sorted(commit.identity for commit in self.scores)
        return key("select", VERSION, parts, edges, scores, self.judged, config.languages, bounds, judge, dedup)


def _dumped(bounds: Bounds | None) -> dict[str, object] | None:
    return bounds.model_dump() if bounds else None


def tasks(evidence: Evidence, config: RunConfig) -> list[Task]:
    """One task: keepers are chosen among all documents."""
    return [Task("select", evidence.key(config), "all documents", select_all, (evidence, config))]


def select_all(writer: ShardWriter, store: Store, evidence: Evidence, config: RunConfig) -> None:
    """Write kind `decisions`: one row a document of the distinct parts, in the order of part, shard and row."""
    facts = read_facts(store, evidence.parts, columns_of(config))
    edges = read_rows(store, evidence.edges, "edges")
    scores = read_rows(store, evidence.scores, "scores") if evidence.judged else None
    table = select(facts, edges, scores, config, judged=evidence.judged)
    writer.write("decisions", table.to_arrow())


def select(
    facts: pl.DataFrame, edges: pl.DataFrame | None, scores: pl.DataFrame | None, config: RunConfig, *, judged: bool
) -> pl.DataFrame:
    """`facts` with status (kept | rejected), reason, cluster and quality columns; same rows, same order.

    Raises CurateError where a score is missing and its bound says `stop`.
    """
    facts = facts.with_columns(reason=pl.lit(None, pl.String))
    facts = _fold_equal_ids(facts)
    if config.languages is not None:
        facts = _because(facts, ~pl.col("lang").is_in(list(config.languages)), pl.format("language={}", "lang"))
    for measured in config.measured:
        if measured.after:
            facts = _without_text(facts)
        facts = _bound(facts, measured.column, measured.filter.filter, measured.filter.keep, measured.by_language)
    facts = _without_text(facts)
    facts = _keep_one_of_each_cluster(facts, edges, config.dedup)
    facts = _add_scores(facts, scores)
    if judged and config.judge and config.judge.keep:
        facts = _bound_scores(facts, config.judge.keep)
    status = pl.when(pl.col("reason").is_null()).then(pl.lit("kept")).otherwise(pl.lit("rejected"))
    return facts.with_columns(status=status)


def _because(facts: pl.DataFrame, leaves: pl.Expr, reason: pl.Expr) -> pl.DataFrame:
    """Give `reason` to the documents that leave here and had none: the first reason stays."""
    first = pl.col("reason").is_null() & leaves.fill_null(value=False)
    return facts.with_columns(reason=pl.when(first).then(reason).otherwise("reason"))


def _fold_equal_ids(facts: pl.DataFrame) -> pl.DataFrame:
    """Of rows with equal ids one stays: the oldest, then the smallest by its other values."""
    by_content = facts.select("date", "license", "lang", "text_hash", "part", "row", at=pl.int_range(pl.len()), id="id")
    several = by_content.filter(pl.col("id").is_duplicated())
    best = several.sort(several.columns, nulls_last=True).group_by("id", maintain_order=True).first()
    leaves = several.filter(~pl.col("at").is_in(best["at"].implode()))["at"]
    # The locator names the input object, which only the ledger knows: it adds `=object@offset`.
    return _because(facts, pl.int_range(pl.len()).is_in(leaves.implode()), pl.lit("duplicate_id"))


def _without_text(facts: pl.DataFrame) -> pl.DataFrame:
    """Texts of which transforms left nothing: what is measured on them says nothing."""
    return _because(facts, pl.col("text_chars") == 0, pl.lit("transform.no_text"))


def breaks(facts: pl.DataFrame, measured: Measured) -> pl.Series:
    """bool[documents]: whose value lies beyond the bounds of a measure, whatever else decides about them."""
    undecided = facts.with_columns(reason=pl.lit(None, pl.String))
    bounds = measured.filter.keep
    return _bound(undecided, measured.column, measured.filter.filter, bounds, measured.by_language)[
        "reason"
    ].is_not_null()


def _bound(
    facts: pl.DataFrame, column: str, name: str, bounds: Bounds | None, by_language: Mapping[str, Bounds | None]
) -> pl.DataFrame:
    """Apply one measure's bounds, those of the document's language; a value that equals its bound stays."""
    if bounds and bounds.keep_fraction is not None:
        # Of real documents: what a model wrote must not decide which of them stay.
        real = facts.filter(pl.col("reason").ne_missing("duplicate_id") & ~pl.col("is_synthetic"))
        bounds = Bounds.model_construct(min=fraction_bound(real[column], bounds.keep_fraction))
    for side, sign in (("min", "<"), ("max", ">")):
        limits = {language: getattr(own, side, None) for language, own in by_language.items()}
        others = getattr(bounds, side, None)
        if others is None and not any(limit is not None for limit in limits.values()):
            continue
        limit = of_language(limits, others, pl.Float64)
        leaves = pl.col(column) < limit if side == "min" else pl.col(column) > limit
        shown = of_language({language: _repr(own) for language, own in limits.items()}, _repr(others), pl.String)
        facts = _because(facts, leaves, pl.format(f"{{}}={{}} {sign} {{}}", pl.lit(name), column, shown))
    return facts


def _repr(limit: float | None) -> str | None:
    return None if limit is None else repr(limit)


def fraction_bound(values: pl.Series, fraction: float) -> float | None:
    """The smallest value among the top `fraction` (rounded up) of `values`; None without values."""
    present = values.drop_nulls().sort(descending=True)
    # Of the decimal that the config says: 0.07 * 100 is 7.000000000000001 in floating point, and would keep an eighth.
    keep = math.ceil(Fraction(repr(fraction)) * len(present))
    if not len(present):
        return None
    return float(present[keep - 1]) if keep else float("inf")


def _keep_one_of_each_cluster(
    facts: pl.DataFrame, edges: pl.DataFrame | None, dedup: DedupConfig | None
) -> pl.DataFrame:
    """Add cluster_id, dup_count and similarity; all but one document of each cluster leave.

    Only documents that passed until here can be keepers, or be anybody's duplicate. Equal texts are one node of the
    graph of verified edges, so a removed document has the keeper's text or an edge to it.
    """
    facts = facts.with_columns(at=pl.int_range(pl.len()))
    passed = facts.filter(pl.col("reason").is_null())
    ranked = passed.sort(*_policy(dedup), nulls_last=True).with_columns(rank=pl.int_range(pl.len()))
    if dedup is None:
        clusters = ranked.select("at", cluster_id="id", similarity=pl.lit(None, pl.Float64), exact=pl.lit(value=False))
    else:
        clusters = _clusters(ranked, edges)
    clusters = clusters.with_columns(dup_count=pl.len().over("cluster_id").cast(pl.Int64))
    facts = facts.join(clusters, on="at", how="left", maintain_order="left").drop("at")
    if dedup is None:
        return facts.drop("exact")
    duplicate = pl.col("cluster_id").is_not_null() & (pl.col("cluster_id") != pl.col("id"))
    keeper = pl.col("cluster_id").bin.encode("hex")
    bound = dedup.minhash.min_similarity if dedup.minhash else 1.0
    facts = _because(facts, duplicate & pl.col("exact"), pl.format("dedup.exact_copy_of={}", keeper))
    near = pl.format("dedup.similarity={} >= {} to {}", "similarity", pl.lit(repr(bound)), keeper)
    return _because(facts, duplicate, near).drop("exact")


def _policy(dedup: DedupConfig | None) -> list[pl.Expr]:
    """Sort keys of the keeper policy: source priority, real before synthetic, longest, oldest, smallest id."""
    order: Mapping[str, int] = {source: i for i, source in enumerate(dedup.source_priority)} if dedup else {}
    priority = pl.col("source").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    return [priority, pl.col("is_synthetic"), -pl.col("text_chars"), pl.col("date"), pl.col("id")]


def _clusters(ranked: pl.DataFrame, edges: pl.DataFrame | None) -> pl.DataFrame:
    """at, cluster_id, similarity (null for the keeper's own text) and exact, for documents in order of rank."""
    texts = ranked.group_by("text_hash", maintain_order=True).first().with_columns(node=pl.int_range(pl.len()))
    keeper, similarity = _keepers_of_texts(texts, edges)
    texts = texts.select(
        "text_hash",
        cluster_id=texts["id"].gather(keeper),
        similarity=pl.Series(similarity).fill_nan(None),
        is_keeper_text=pl.Series(keeper == np.arange(len(keeper))),
    )
    found = ranked.join(texts, on="text_hash", how="left", maintain_order="left")
    exact = pl.col("is_keeper_text") & (pl.col("cluster_id") != pl.col("id"))
    similarity_to_keeper = pl.when(exact).then(1.0).otherwise("similarity")
    return found.select("at", "cluster_id", similarity=similarity_to_keeper, exact=exact)


def _keepers_of_texts(texts: pl.DataFrame, edges: pl.DataFrame | None) -> tuple[np.ndarray, np.ndarray]:
    """For each distinct text the node that is kept for it, and its similarity to that (nan for itself)."""
    nodes = len(texts)
    similarity = np.full(nodes, np.nan)
    if edges is None or edges.is_empty():
        return np.arange(nodes), similarity
    node = texts.select("text_hash", "node")
    pairs = (
        edges.join(node.rename({"text_hash": "a", "node": "i"}), on="a")
        .join(node.rename({"text_hash": "b", "node": "j"}), on="b")
        .select("i", "j", "similarity")
    )
    graph = pairs.select("i", "j").to_numpy().astype(np.int64)
    keeper = keepers(graph, np.arange(nodes, dtype=np.int64), np.ones(nodes, np.bool_)).keeper
    both = pl.concat([pairs, pairs.select(i="j", j="i", similarity="similarity")])
    kept_for = pl.DataFrame({"i": np.arange(nodes), "j": keeper})
    found = kept_for.join(both, on=["i", "j"], how="inner")
    similarity[found["i"].to_numpy()] = found["similarity"].to_numpy()
    return keeper, similarity


def _add_scores(facts: pl.DataFrame, scores: pl.DataFrame | None) -> pl.DataFrame:
    """Quality columns; a document that was never asked about is `not_sampled`."""
    columns = {"quality": pl.Float64, "quality_entropy": pl.Float64, "quality_status": pl.String,
               "quality_source": pl.String, "quality_model": pl.String}  # fmt: skip
    if scores is None:
        empty = {name: pl.lit(None, kind) for name, kind in columns.items()}
        facts = facts.with_columns(**empty)
    else:
        one = scores.select("id", *columns).unique("id", keep="first", maintain_order=True)
        facts = facts.join(one, on="id", how="left", maintain_order="left")
    asked_or_passed = pl.col("reason").is_null()
    status = pl.when(asked_or_passed & pl.col("quality_status").is_null()).then(pl.lit(NOT_SAMPLED))
    return facts.with_columns(quality_status=status.otherwise("quality_status"))


def _bound_scores(facts: pl.DataFrame, bounds: ScoreBounds) -> pl.DataFrame:
    """Bounds on `quality`, what its absence means, and the duplicates of keepers that left here."""
    before = facts["reason"]
    passed = facts.filter(pl.col("reason").is_null())
    for status, count in (
        passed.filter(pl.col("quality").is_null())["quality_status"].value_counts(sort=True).iter_rows()
    ):
        action = bounds.missing["not_sampled" if status == NOT_SAMPLED else "failed"]
        if action == "stop":
            raise CurateError(
                f"judge.keep.missing says stop: {count} documents have no score ({status}); nothing was published. "
                "Look at the model server, run again to ask only those, or set missing to keep or reject"
            )
        if action == "reject":
            missing = pl.col("quality").is_null() & (pl.col("quality_status") == status)
            facts = _because(facts, missing, pl.lit(f"judge.quality=missing ({status})"))
    facts = _bound(facts, "quality", "judge.quality", bounds, {})
    left = facts.filter(before.is_null() & pl.col("reason").is_not_null())["id"]
    orphan = pl.col("cluster_id").is_in(left.implode()) & (pl.col("cluster_id") != pl.col("id"))
    reason = pl.format("dedup.keeper_rejected={}", pl.col("cluster_id").bin.encode("hex"))
    return facts.with_columns(reason=pl.when(orphan).then(reason).otherwise("reason"))


def no_decisions(config: RunConfig) -> pl.DataFrame:
    """What `decisions` looks like for a corpus without a document."""
    return select(no_facts(columns_of(config)), None, None, config, judged=False)


def columns_of(config: RunConfig) -> Sequence[str]:
    """Measured columns of a run's decisions."""
    return [measured.column for measured in config.measured]
