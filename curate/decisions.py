"""The rules by which documents stay or leave, over frames of facts: one row a document. Nothing is read or written.

`stages/select.py` applies them part by part; `select` below applies them to documents that are all in memory. The first
reason stays: equal ids, languages, bounds on measures in config order and texts of which transforms left nothing, then
of what passed other texts from one address and duplicates, and, once there are scores, bounds on those.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import polars as pl
import pyarrow as pa

from curate import keepers
from curate.config import RunConfig
from curate.config.measures import Bounds, Measured, ScoreBounds
from curate.errors import CurateError
from curate.llm.scoring import NOT_SAMPLED, SCORED
from curate.reasons import because, of_language
from curate.schema import LEDGER, SCORES, with_measures
from curate.schema import with_scores as with_scores_of


def select(
    facts: pl.DataFrame,
    edges: pl.DataFrame | None,
    scores: pl.DataFrame | None,
    config: RunConfig,
    *,
    judged: bool,
    published: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """`facts` with status (kept | rejected), reason, cluster and quality columns; same rows, same order.

    `edges`: a, b (text hashes) and similarity. `published`: index.match.MATCHES without the number. Raises CurateError
    where a score is missing and its bound says `stop`.
    """
    # By place, as the stages number them: rows that are equal but for it are decided by it.
    numbered = facts.with_columns(number=pl.arg_sort_by("part", "shard", "row").arg_sort().cast(pl.Int64))
    decided = bounded(numbered, twins(numbered), fractions(numbered, config), config)
    if published is not None and config.dedup and config.dedup.minhash:
        decided = keepers.without_published(decided, published, "id", config.dedup.minhash)
    decided = keepers.with_same_url(decided, keepers.same_urls_among(decided, config.dedup))
    decided = keepers.with_clusters(decided, keepers.clusters_among(decided, edges, config.dedup), config.dedup)
    weighed = None
    if judged and config.judge and config.judge.keep:
        given, keep = no_scores(config) if scores is None else scores, config.judge.keep
        check_missing(decided, given, keep)
        bound = score_bound(decided, given, keep)
        weighed = Weighed(bound, left_keepers(decided, given, keep, bound))
    return with_scores(decided, scores, config, weighed).drop("number")


def bounded(
    facts: pl.DataFrame, folded: pl.DataFrame, shares: Mapping[str, float | None], config: RunConfig
) -> pl.DataFrame:
    """`facts` with `reason` of everything before the keepers, and the columns of `folded`: `twin` is the number of the
    row with the same id that stays in its stead. `folded` is `twins`' and `shares` is `fractions`'.
    """
    facts = facts.join(folded, on="number", how="left", maintain_order="left")
    # The locator names the input object, which only the ledger knows: it adds `=object@offset`.
    facts = facts.with_columns(reason=pl.when(pl.col("twin").is_not_null()).then(pl.lit("duplicate_id")))
    if config.languages is not None:
        facts = because(facts, ~pl.col("lang").is_in(list(config.languages)), pl.format("language={}", "lang"))
    for measured in config.measured:
        if measured.after:
            facts = _without_text(facts)
        facts = _bound(facts, measured, shares.get(measured.column))
    return _without_text(facts)


def twins(facts: pl.DataFrame) -> pl.DataFrame:
    """number and twin of rows that leave because another one with their id stays: the oldest, then the smallest by its
    other values. Reads id, date, license, lang, text_hash and number.
    """
    several = facts.filter(pl.col("id").is_duplicated())
    ordered = several.sort("date", "license", "lang", "text_hash", "number", nulls_last=True)
    twin = ordered.select("number", twin=pl.col("number").first().over("id"))
    return twin.filter(pl.col("number") != pl.col("twin")).sort("number")


def _without_text(facts: pl.DataFrame) -> pl.DataFrame:
    """Texts of which transforms left nothing: what is measured on them says nothing."""
    return because(facts, pl.col("text_chars") == 0, pl.lit("transform.no_text"))


def breaks(facts: pl.DataFrame, measured: Measured) -> pl.Series:
    """bool[documents]: whose value lies beyond the bounds of a measure, whatever else decides about them."""
    share = _fraction(facts, measured.column, measured.filter.keep, pl.lit(value=True))
    undecided = facts.with_columns(reason=pl.lit(None, pl.String))
    return _bound(undecided, measured, share)["reason"].is_not_null()


def fractions(facts: pl.DataFrame, config: RunConfig) -> dict[str, float | None]:
    """Column -> the bound that its `keep_fraction` means for these documents, those with an equal id counted once."""
    once = pl.col("number").is_in(twins(facts)["number"].implode()).not_()
    return {m.column: _fraction(facts, m.column, m.filter.keep, once) for m in config.measured}


def _fraction(facts: pl.DataFrame, column: str, bounds: Bounds | None, among: pl.Expr) -> float | None:
    if bounds is None or bounds.keep_fraction is None:
        return None
    # Of real documents: what a model wrote must not decide which of them stay.
    return fraction_bound(facts.filter(among & ~pl.col("is_synthetic"))[column], bounds.keep_fraction)


def fraction_bound(values: pl.Series, fraction: float) -> float | None:
    """The smallest value among the top `fraction` (rounded up) of `values`; None without values."""
    present = values.drop_nulls().sort(descending=True)
    # Of the decimal that the config says: 0.07 * 100 is 7.000000000000001 in floating point, and would keep an eighth.
    keep = math.ceil(Fraction(repr(fraction)) * len(present))
    if not len(present):
        return None
    return float(present[keep - 1]) if keep else float("inf")


def _bound(facts: pl.DataFrame, measured: Measured, share: float | None) -> pl.DataFrame:
    """Apply one measure's bounds, those of the document's language; a value that equals its bound stays."""
    bounds = measured.filter.keep
    if bounds and bounds.keep_fraction is not None:
        bounds = Bounds.model_construct(min=share)
    for side, sign in (("min", "<"), ("max", ">")):
        limits = {language: getattr(own, side, None) for language, own in measured.by_language.items()}
        others = getattr(bounds, side, None)
        if others is None and not any(limit is not None for limit in limits.values()):
            continue
        limit = of_language(limits, others, pl.Float64)
        leaves = pl.col(measured.column) < limit if side == "min" else pl.col(measured.column) > limit
        shown = of_language({language: _repr(own) for language, own in limits.items()}, _repr(others), pl.String)
        name = pl.lit(measured.filter.filter)
        facts = because(facts, leaves, pl.format(f"{{}}={{}} {sign} {{}}", name, measured.column, shown))
    return facts


def _repr(limit: float | None) -> str | None:
    return None if limit is None else repr(limit)


def check_missing(decided: pl.DataFrame, scores: pl.DataFrame, bounds: ScoreBounds) -> None:
    """Raises CurateError where documents that passed have no score, and the bound says `stop`."""
    passed = decided.filter(pl.col("reason").is_null()).select("id")
    asked = passed.join(best(scores).select("id", "quality", "quality_status"), on="id", how="left")
    missing = asked.filter(pl.col("quality").is_null())["quality_status"].fill_null(NOT_SAMPLED)
    for status, count in missing.value_counts(sort=True).iter_rows():
        if _action(bounds, status) == "stop":
            raise CurateError(
                f"judge.keep.missing says stop: {count} documents have no score ({status}); nothing was published. "
                "Look at the model server, run again to ask only those, or set missing to keep or reject"
            )


def score_bound(decided: pl.DataFrame, scores: pl.DataFrame, bounds: ScoreBounds) -> float | None:
    """The bound that `keep_fraction` of a score means, among real documents."""
    judged = decided.filter(pl.col("reason").ne_missing("duplicate_id")).select("id", "is_synthetic")
    return _fraction(judged.join(best(scores), on="id"), "quality", bounds, pl.lit(value=True))


def _action(bounds: ScoreBounds, status: str) -> str:
    return bounds.missing["not_sampled" if status == NOT_SAMPLED else "failed"]


@dataclass(frozen=True)
class Weighed:
    """What only all scores together say."""

    bound: float | None
    """The least score that stays, where the config names a share of the documents."""

    left: pl.Series
    """Ids of the keepers that leave for their scores."""


def best(scores: pl.DataFrame) -> pl.DataFrame:
    """One row a document: what the judge said where it gave a score, else what was learned from it, else why not."""
    learned, scored = pl.col("quality_source") == "distilled", pl.col("quality_status") == SCORED
    order = pl.when(learned).then(1).when(scored).then(0).otherwise(2)
    return scores.sort(order, maintain_order=True).unique("id", keep="first", maintain_order=True)


def left_keepers(decided: pl.DataFrame, scores: pl.DataFrame, bounds: ScoreBounds, bound: float | None) -> pl.Series:
    """Ids of those that others are duplicates of, and that leave for their own scores."""
    alone = pl.col("reason").is_null() & (pl.col("cluster_id") == pl.col("id")) & (pl.col("dup_count") > 1)
    scored = decided.filter(alone).select("id", "reason").join(best(scores), on="id", how="left")
    scored = scored.with_columns(pl.col("quality_status").fill_null(NOT_SAMPLED))
    return _because_of_score(scored, bounds, bound).filter(pl.col("reason").is_not_null())["id"]


def with_scores(
    decided: pl.DataFrame, scores: pl.DataFrame | None, config: RunConfig, weighed: Weighed | None
) -> pl.DataFrame:
    """Score columns and status; once scores are weighed, bounds on them apply, and the duplicates of keepers that break
    them leave too. A document that was never asked about is `not_sampled`.
    """
    one = no_scores(config)
    if scores is not None:
        one = best(scores).select(one.columns)
    facts = decided.join(one, on="id", how="left", maintain_order="left")
    unasked = pl.col("reason").is_null() & pl.col("quality_status").is_null()
    facts = facts.with_columns(
        quality_status=pl.when(unasked).then(pl.lit(NOT_SAMPLED)).otherwise(pl.col("quality_status"))
    )
    if weighed and config.judge and config.judge.keep:
        facts = _because_of_score(facts, config.judge.keep, weighed.bound)
        orphan = pl.col("cluster_id").is_in(weighed.left.implode()) & (pl.col("cluster_id") != pl.col("id"))
        reason = pl.format("dedup.keeper_rejected={}", pl.col("cluster_id").bin.encode("hex"))
        facts = facts.with_columns(reason=pl.when(orphan).then(reason).otherwise("reason"))
    status = pl.when(pl.col("reason").is_null()).then(pl.lit("kept")).otherwise(pl.lit("rejected"))
    return facts.with_columns(status=status)


def no_scores(config: RunConfig) -> pl.DataFrame:
    """The id and the columns of all scores of a run, without a row."""
    empty = pl.from_arrow(with_scores_of(SCORES, config.further_scores).empty_table())
    assert isinstance(empty, pl.DataFrame)
    return empty.drop("text_hash")


def _because_of_score(facts: pl.DataFrame, bounds: ScoreBounds, bound: float | None) -> pl.DataFrame:
    """Give a reason to those whose quality breaks a bound, or is missing where that means to leave."""
    for status in facts.filter(pl.col("quality").is_null())["quality_status"].drop_nulls().unique().sort():
        if _action(bounds, status) == "reject":
            missing = pl.col("quality").is_null() & (pl.col("quality_status") == status)
            facts = because(facts, missing, pl.lit(f"judge.quality=missing ({status})"))
    low = bound if bounds.keep_fraction is not None else bounds.min
    for limit, sign in ((low, "<"), (bounds.max, ">")):
        if limit is not None:
            leaves = pl.col("quality") < limit if sign == "<" else pl.col("quality") > limit
            said = pl.format(f"judge.quality={{}} {sign} {{}}", "quality", pl.lit(repr(limit)))
            facts = because(facts, leaves, said)
    return facts


def ledger_schema(config: RunConfig) -> pa.Schema:
    """Columns of a run's ledger."""
    return with_measures(with_scores_of(LEDGER, config.further_scores), columns_of(config))


def columns_of(config: RunConfig) -> Sequence[str]:
    """Measured columns of a run's decisions."""
    return [measured.column for measured in config.measured]
