"""What the report shows, read from the ledger: small tables, counted lazily, so that a large ledger stays on disk."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from curate.decisions import fraction_bound
from curate.lineage import uniform
from curate.reasons import of_language, rule_of
from curate.reports.run_record import Measure
from curate.shards import open_parquet
from curate.storage import Store

ROWS = 15
"""Rows of a table by language or source; the rest is summed up in one."""

SHOWN = 10
"""Pairs of languages, clusters and quarantine entries that are listed."""

SAMPLE_CHARACTERS = 300

BINS = 40

OUTLIERS = 0.005
"""Share of the values at each end that go into the outermost bin: one page of 10 MB would flatten a histogram."""


class FunnelRow(NamedTuple):
    """One step of the way from what was read to what was kept."""

    step: str
    remaining: int
    """Documents after the step."""

    removed: int
    """Documents that left in it; negative where synthetic ones were added."""

    share: float
    """`remaining` of the documents read, 0..1; may exceed 1 by synthetic ones."""


def scan(work: Store) -> pl.LazyFrame | None:
    """The ledger; None where the run had no input at all."""
    names = work.list("ledger") if work.exists("ledger") else []
    return work.scan(names) if names else None


def domain_of(column: str) -> pl.Expr:
    """The host of a URL, in lower case; null where there is none."""
    return pl.col(column).str.extract(r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@]*@)?([^/:?#]+)", 1).str.to_lowercase()


def measured_rules(ledger: pl.LazyFrame) -> list[str]:
    """Measured rules in the config's order: `gopher.word_count` of column `gopher.word_count@datatrove.1`."""
    return [column.partition("@")[0] for column in ledger.collect_schema().names() if "@" in column]


def stage_of(rule: str) -> str:
    """The step of the funnel in which a rule turns documents away; measures are gathered by theme."""
    fixed = {
        "duplicate_id": "same record twice",
        "language": "language",
        "dedup.published": "published before",
        "dedup.same_url_as": "same URL",
        "dedup.exact_copy_of": "exact duplicates",
        "dedup.similarity": "near-duplicates",
        "dedup.keeper_rejected": "judge",
    }
    return fixed.get(rule) or rule.partition(".")[0]


def funnel_rows(ledger: pl.LazyFrame) -> list[FunnelRow]:
    """From the documents read to those kept, a row a step, and one for what was synthesised."""
    counted = (
        ledger.select("status", "is_synthetic", rule=rule_of("reason")).group_by("status", "is_synthetic", "rule").len()
        .sort("rule", "status").collect(engine="streaming")
    )  # fmt: skip
    real = counted.filter(~pl.col("is_synthetic"))
    total = int(real["len"].sum())
    removed = {"damaged": int(real.filter(pl.col("status") == "quarantined")["len"].sum())}
    for rule, number in real.filter(pl.col("status") == "rejected").select("rule", "len").iter_rows():
        removed[stage_of(rule)] = removed.get(stage_of(rule), 0) + number
    themes = list(dict.fromkeys(stage_of(rule) for rule in measured_rules(ledger)))
    order = [
        "damaged",
        "extract",
        "same record twice",
        "language",
        *themes,
        "transform",
        "same URL",
        "exact duplicates",
        "near-duplicates",
        "judge",
    ]
    rows, remaining = [FunnelRow("read", total, 0, 1.0 if total else 0.0)], total
    for step in sorted(removed, key=lambda s: (order.index(s) if s in order else 1, s)):
        remaining -= removed[step]
        if removed[step]:
            rows.append(FunnelRow(step, remaining, removed[step], remaining / total))
    added = int(counted.filter(pl.col("is_synthetic") & (pl.col("status") == "kept"))["len"].sum())
    if added:
        rows.append(FunnelRow("synthetic, added", remaining + added, -added, (remaining + added) / max(1, total)))
    return rows


class Reason(NamedTuple):
    """A rule and the documents that left by it."""

    rule: str
    documents: int
    share: float
    example: str


def reasons(ledger: pl.LazyFrame, records_in: int) -> list[Reason]:
    """Every reason of a rejection or quarantine, most documents first, with the smallest one as an example."""
    counted = (
        ledger.filter(pl.col("reason").is_not_null()).group_by(rule=rule_of("reason"))
        .agg(pl.len().alias("documents"), pl.col("reason").min().alias("example"))
        .sort("documents", "rule", descending=[True, False]).collect(engine="streaming")
    )  # fmt: skip
    return [Reason(rule, n, n / records_in, example) for rule, n, example in counted.iter_rows()]


class Group(NamedTuple):
    """Documents by language or source."""

    label: str
    kept: int
    rejected: int
    quarantined: int
    tokens: int
    """Estimate, of the kept ones."""

    @property
    def documents(self) -> int:
        """All of them."""
        return self.kept + self.rejected + self.quarantined


def groups(ledger: pl.LazyFrame, column: str) -> list[Group]:
    """Rows by the values of `column`, most kept first; all beyond ROWS as one."""
    counted = (
        ledger.group_by(label=pl.col(column).fill_null("none"))
        .agg(
            *((pl.col("status") == status).sum().cast(pl.Int64).alias(status)
              for status in ("kept", "rejected", "quarantined")),
            pl.col("token_estimate").filter(pl.col("status") == "kept").sum().alias("tokens"),
        )
        .sort("kept", "rejected", "label", descending=[True, True, False]).collect(engine="streaming")
    )  # fmt: skip
    found = [Group(*row) for row in counted.head(ROWS).iter_rows()]
    if len(counted) > ROWS:
        rest = counted.slice(ROWS)
        sums = [int(rest[name].sum()) for name in ("kept", "rejected", "quarantined", "tokens")]
        found.append(Group(f"{len(rest)} others", *sums))
    return found


@dataclass(frozen=True)
class Histogram:
    """A column's values in bins of equal width; the outermost bins also hold what lies beyond them.

    Where all values are equal there is one bin, of no width.
    """

    title: str
    unit: str
    low: float
    high: float
    counts: Sequence[int]
    beyond: Sequence[int]
    """Of `counts`, those beyond a bound."""

    bounds: Sequence[tuple[str, float]]
    """(min | max, value) as applied."""

    documents: int
    mean: float
    rejected: int
    """Documents that left by this rule on this text."""

    languages: Sequence[str]
    """Those to which other bounds apply than the ones drawn."""


def histogram(ledger: pl.LazyFrame, measure: Measure, measures: Sequence[Measure]) -> Histogram | None:
    """Distribution of one of `measures` over all documents that have a value; None without any."""
    value = pl.col(measure.column)
    stats = ledger.select(
        value.count().alias("n"), value.mean().alias("mean"), value.min().alias("min"), value.max().alias("max"),
        value.quantile(OUTLIERS, "lower").alias("low"), value.quantile(1 - OUTLIERS, "higher").alias("high"),
    ).collect().row(0, named=True)  # fmt: skip
    if not stats["n"]:
        return None
    bounds = applied_bounds(ledger, measure)
    drawn = [bound for _, bound in bounds if stats["min"] <= bound <= stats["max"]]
    low, high = min([stats["low"], *drawn]), max([stats["high"], *drawn])
    if low == high:
        low, high = stats["min"], stats["max"]
    bins = BINS if low < high else 1
    bin_of = ((value - low) / ((high - low) / bins or 1.0)).floor().clip(0, bins - 1).cast(pl.Int64)
    beyond = pl.any_horizontal(pl.lit(value=False), *_beyond(measure, dict(bounds))).sum()
    present = ledger.filter(value.is_not_null()).group_by(bin_of.alias("bin")).agg(pl.len(), beyond.alias("beyond"))
    counted = {number: (n, out) for number, n, out in present.collect().iter_rows()}
    rejected = (
        ledger.filter(left_by(ledger, measures) == measure.column).select(pl.len()).collect(engine="streaming").item()
    )
    counts, out = zip(*(counted.get(i, (0, 0)) for i in range(bins)), strict=True)
    return Histogram(
        measure.title, measure.unit, low, high, counts, out, bounds, stats["n"], stats["mean"], rejected,
        list(measure.by_language),
    )  # fmt: skip


def left_by(ledger: pl.LazyFrame, measures: Sequence[Measure]) -> pl.Expr:
    """Column of the measure by which a document left; null where it stayed or something else decided.

    `measures` are all of a run, in their order. A reason names the rule alone. Where one rule stands on several texts,
    the first of them whose bounds the document breaks has decided.
    """
    found = []
    for number, measure in enumerate(measures):
        decided = rule_of("reason") == measure.name
        if any(later.name == measure.name for later in measures[number + 1 :]):
            decided &= pl.any_horizontal(pl.lit(value=False), *_beyond(measure, dict(applied_bounds(ledger, measure))))
        found.append(pl.when(decided).then(pl.lit(measure.column)))
    return pl.coalesce(*found, pl.lit(None, pl.String))


def _beyond(measure: Measure, others: Mapping[str, float]) -> list[pl.Expr]:
    """Whether a value lies beyond its min, and beyond its max; `others`: for languages without bounds of their own."""
    value, own = pl.col(measure.column), measure.by_language
    low = of_language({language: limits[0] for language, limits in own.items()}, others.get("min"), pl.Float64)
    high = of_language({language: limits[1] for language, limits in own.items()}, others.get("max"), pl.Float64)
    return [value < low, value > high]


def applied_bounds(ledger: pl.LazyFrame, measure: Measure) -> list[tuple[str, float]]:
    """Bounds of the config; that of a keep_fraction as `select` finds it."""
    fixed = [("min", measure.min), ("max", measure.max)]
    if measure.keep_fraction is not None:
        real = ledger.filter(rule_of("reason").ne_missing("duplicate_id") & ~pl.col("is_synthetic"))
        values = real.select(measure.column).collect()[measure.column]
        fixed = [("min", fraction_bound(values, measure.keep_fraction))]
    return [(side, bound) for side, bound in fixed if bound is not None]


def statuses(ledger: pl.LazyFrame) -> list[tuple[str, int]]:
    """How the judge's questions went: status and documents, most first."""
    repeated = pl.col("reason").str.starts_with("duplicate_id").fill_null(value=False)
    asked = ledger.filter(pl.col("quality_status").is_not_null() & ~repeated)
    counted = asked.group_by("quality_status").len().sort("len", "quality_status", descending=[True, False])
    return [(status, number) for status, number in counted.collect(engine="streaming").iter_rows()]


def models(ledger: pl.LazyFrame) -> list[str]:
    """Names of what gave the scores."""
    names: list[str] = (
        ledger.select(pl.col("quality_model").drop_nulls().unique().sort()).collect().to_series().to_list()
    )
    return names


def quarantine(ledger: pl.LazyFrame) -> list[dict[str, Any]]:
    """The first damaged records by object and offset."""
    damaged = ledger.filter(pl.col("status") == "quarantined").select("object", "offset", "end", "reason", "source")
    return list(damaged.sort("object", "offset").head(SHOWN * 5).collect().iter_rows(named=True))


def synthetic_reasons(ledger: pl.LazyFrame) -> list[tuple[str, int]]:
    """Synthetic documents by what became of them: `kept`, or the rule that turned them away; most first."""
    fate = rule_of("reason").fill_null(pl.col("status"))
    counted = ledger.filter("is_synthetic").group_by(fate.alias("fate")).len()
    return [(name, n) for name, n in counted.sort("len", "fate", descending=[True, False]).collect().iter_rows()]


def samples(
    work: Store, ledger: pl.LazyFrame, seed: int, number: int, *, status: str, synthetic: bool
) -> list[dict[str, Any]]:
    """At most `number` documents with the head of their text, chosen by hash(seed, id)."""
    columns = ["id", "url", "lang", "reason", "quality", "shard", "row"]
    wanted = (pl.col("status") == status) & (pl.col("is_synthetic") == synthetic) & pl.col("shard").is_not_null()
    distinct = pl.col("reason").is_null() | (rule_of("reason") != "duplicate_id")
    ids = ledger.filter(wanted & distinct).select("id").collect()["id"].to_list()
    chosen = sorted(ids, key=lambda identity: uniform(seed, identity, "report"))[:number]
    rows = ledger.filter(wanted & distinct & pl.col("id").is_in(chosen)).select(columns).collect()
    by_id = {row["id"]: row for row in rows.iter_rows(named=True)}
    return [by_id[i] | {"text": _head(work, by_id[i]["shard"], by_id[i]["row"])} for i in chosen]


def _head(work: Store, shard: str, row: int) -> str:
    """The first characters of one stored text; only its row group is read."""
    with open_parquet(work, shard) as file:
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if row < size:
                text = str(file.read_row_group(group, columns=["text"]).column("text")[row].as_py())
                text = re.sub(r"\s*\n\s*", "\n", text[: 4 * SAMPLE_CHARACTERS])
                return text[:SAMPLE_CHARACTERS] + ("…" if len(text) > SAMPLE_CHARACTERS else "")
            row -= size
    raise IndexError(f"{shard}: the ledger names row {row} beyond its end; delete the work folder and run again")
