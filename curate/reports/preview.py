"""preview.html: what the bounds of a config do to a sample of its inputs, before anything is run.

It shows text of documents near the bounds, as that is what it is for; it is written where the user says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

import filters
from curate.config import RunConfig
from curate.config.measures import Measured, TransformConfig
from curate.ledger import rule_of
from curate.reports import facts, run_record
from curate.reports.facts import Histogram
from curate.reports.pages import Drawing, draw, render
from curate.reports.run_record import Measure
from curate.sample import Sample
from curate.stages.select import breaks, select

NEAREST = 3
"""Documents that are shown on each side of a bound."""

GROUPS = 8
"""Languages, and sources, that have a column of their own: those with the most documents."""

HEAD_CHARACTERS = 400


@dataclass(frozen=True)
class Loss:
    """What one rule does."""

    measure: Measure
    bounds: str
    drawing: Drawing | None
    beyond: int
    """Documents beyond its bounds, whatever else decides about them."""

    first: int
    """Documents that leave by it: no rule before it in the config turned them away."""

    only: int
    """Documents that would stay without it."""

    groups: Mapping[str, Sequence[float]]
    """`lang` and `source` -> the share of each group's documents beyond its bounds."""

    nearest: Sequence[Mapping[str, Any]]
    """The documents nearest to the bounds on both sides, kept ones first."""


@dataclass(frozen=True)
class Preview:
    """Everything that the page shows; the command prints its numbers."""

    documents: int
    read: int
    kept: int
    losses: Sequence[Loss]
    others: Mapping[str, int]
    """What else turned documents away: language, equal ids, texts of which a transform left nothing."""

    groups: Mapping[str, Sequence[tuple[str, int, int]]]
    """`lang` and `source` -> (name, documents, kept)."""

    recorded: Sequence[Drawing]
    """Measures without a bound."""


def preview(config: RunConfig, sample: Sample) -> Preview:
    """Decide about the sample as `select` does, duplicates and scores apart, and count by rule."""
    cheap = config.model_copy(update={"dedup": None})
    decided = select(sample.facts, None, None, cheap, judged=False)
    texts = pl.Series("text", sample.documents.column("text"))
    decided = decided.with_columns(texts, rule=rule_of("reason"))
    bounded = [m for m in config.measured if m.filter.keep or m.by_language]
    beyond = {m.column: breaks(decided, m) for m in bounded}
    several = pl.sum_horizontal(*beyond.values(), pl.lit(0)) if beyond else pl.lit(0)
    decided = decided.with_columns(broken=decided.select(several.alias("n"))["n"])
    groups = {column: _largest(decided, column) for column in ("lang", "source")}
    listed = run_record.measures_of(config)
    decided = decided.with_columns(left_by=facts.left_by(decided.lazy(), listed))
    measures = {measure.column: measure for measure in listed}
    histograms = {each.column: facts.histogram(decided.lazy(), each, listed) for each in listed}
    losses = [_loss(decided, m, measures[m.column], histograms[m.column], beyond[m.column], groups) for m in bounded]
    rules = {loss.measure.name for loss in losses}
    counted = decided.filter(pl.col("rule").is_not_null()).group_by("rule").len().sort("len", "rule", descending=True)
    recorded = [histograms[m.column] for m in config.measured if m not in bounded]
    return Preview(
        documents=len(decided),
        read=sample.read,
        kept=int((decided["status"] == "kept").sum()),
        losses=losses,
        others={rule: number for rule, number in counted.iter_rows() if rule not in rules},
        groups=groups,
        recorded=[draw(histogram) for histogram in recorded if histogram],
    )


def page(config: RunConfig, found: Preview) -> bytes:
    """The page, as one HTML file."""
    transforms = [
        filters.get_transform(step.transform).label for step in config.measure if isinstance(step, TransformConfig)
    ]
    return render("preview.html", {"config": config, "preview": found, "transforms": transforms})


def _largest(decided: pl.DataFrame, column: str) -> list[tuple[str, int, int]]:
    """The groups with the most documents: name, documents, kept."""
    counted = decided.group_by(column).agg(n=pl.len(), kept=(pl.col("status") == "kept").sum())
    return list(counted.sort("n", column, descending=[True, False]).head(GROUPS).iter_rows())


def _loss(
    decided: pl.DataFrame,
    measured: Measured,
    measure: Measure,
    histogram: Histogram | None,
    beyond: pl.Series,
    groups: Mapping[str, Sequence[tuple[str, int, int]]],
) -> Loss:
    by_it = (decided["left_by"] == measure.column).fill_null(value=False)
    marked = decided.with_columns(beyond=beyond)
    return Loss(
        measure=measure,
        bounds=run_record.describe(measure),
        drawing=draw(histogram) if histogram else None,
        beyond=int(beyond.sum()),
        first=int(by_it.sum()),
        only=int((by_it & (decided["broken"] == 1)).sum()),
        groups={column: [_share(marked, column, name) for name, _, _ in found] for column, found in groups.items()},
        nearest=_nearest(marked, measured, measure, histogram.bounds if histogram else ()),
    )


def _share(marked: pl.DataFrame, column: str, name: str | None) -> float:
    return float(marked.filter(pl.col(column).eq_missing(name))["beyond"].mean() or 0.0)  # type: ignore[arg-type]


def _nearest(
    marked: pl.DataFrame, measured: Measured, measure: Measure, bounds: Sequence[tuple[str, float]]
) -> list[dict[str, Any]]:
    """At most NEAREST documents within and NEAREST beyond, those nearest to a bound of their language first."""
    value = pl.col(measured.column)
    own = {language: [end for end in limits if end is not None] for language, limits in measure.by_language.items()}
    others = [bound for _, bound in bounds]
    distances = [
        pl.when(pl.col("lang") == language).then(pl.min_horizontal([(value - bound).abs() for bound in limits]))
        for language, limits in own.items() if limits
    ]  # fmt: skip
    if others:
        usual = pl.when(~pl.col("lang").is_in(list(own))).then(pl.min_horizontal([(value - b).abs() for b in others]))
        distances.append(usual)
    if not distances:
        return []
    near = marked.with_columns(distance=pl.coalesce(distances)).drop_nulls("distance").sort("distance", "id")
    text = pl.col("text").str.slice(0, HEAD_CHARACTERS).str.replace_all(r"\s*\n\s*", "\n")
    is_cut = pl.col("text").str.len_chars() > HEAD_CHARACTERS
    shown = near.select("id", "lang", "url", "beyond", value=value, text=text, cut=is_cut)
    kept, left = (shown.filter(pl.col("beyond") == side).head(NEAREST) for side in (False, True))
    return list(pl.concat([kept, left]).iter_rows(named=True))
