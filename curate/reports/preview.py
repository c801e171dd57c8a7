"""preview.html: what the bounds of a config do to a sample of its inputs, before anything is run.

It shows text of documents near the bounds, as that is what it is for; it is written into the work folder, where
all other texts are, or where the user says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import polars as pl

import filters
from curate.config import RunConfig
from curate.config.measures import Measured, TransformConfig
from curate.decisions import breaks, select
from curate.reasons import rule_of
from curate.reports import facts, run_record
from curate.reports.facts import Histogram
from curate.reports.pages import Drawing, draw, render
from curate.reports.run_record import Measure
from curate.sample import Sample

NAME = "preview.html"

NEAREST = 3
"""Documents that are shown on each side of a bound."""

GROUPS = 8
"""Languages, and sources, that are shown for themselves: those with the most documents. The rest is summed up."""

HEAD_CHARACTERS = 400


class Group(NamedTuple):
    """Documents of one language or source, or of the smaller ones together."""

    label: str
    members: Sequence[str | None]
    documents: int
    kept: int


class Row(NamedTuple):
    """What a rule does to one language, or to several that have no bounds of their own."""

    label: str
    bounds: str
    documents: int
    beyond: int


@dataclass(frozen=True)
class Loss:
    """What one rule does to the documents of the config's languages."""

    measure: Measure
    bounds: str
    """As people write them; says so where they differ by language."""

    drawing: Drawing | None
    beyond: int
    """Documents beyond its bounds, whatever else decides about them."""

    first: int
    """Documents that leave by it: no rule before it in the config turned them away."""

    only: int
    """Documents that would stay without it."""

    groups: Mapping[str, Sequence[float]]
    """`lang` and `source` -> the share of each group's documents beyond its bounds."""

    languages: Sequence[Row]
    """What it does by language; empty where all have the same bounds."""

    nearest: Sequence[Mapping[str, Any]]
    """The documents nearest to the bounds on both sides, kept ones first."""


@dataclass(frozen=True)
class Preview:
    """Everything that the page shows; the command prints its numbers."""

    documents: int
    read: int
    in_languages: int
    """Documents of the config's `languages`: histograms, losses and groups are about these alone."""

    kept: int
    losses: Sequence[Loss]
    others: Mapping[str, int]
    """What else turned documents away: language, equal ids, texts of which a transform left nothing."""

    groups: Mapping[str, Sequence[Group]]
    """`lang` and `source` -> the largest ones."""

    recorded: Sequence[Drawing]
    """Measures without a bound."""


def preview(config: RunConfig, sample: Sample) -> Preview:
    """Decide about the sample as `select` does, duplicates and scores apart, and count by rule."""
    cheap = config.model_copy(update={"dedup": None})
    decided = select(sample.facts, None, None, cheap, judged=False)
    texts = pl.Series("text", sample.documents.column("text"))
    bounded = [m for m in config.measured if m.filter.keep or m.by_language]
    # Found among all documents: those of other languages too move the bound of a keep_fraction.
    measures = [_fixed(decided, measure) for measure in run_record.measures_of(config)]
    decided = decided.with_columns(
        texts, *(breaks(decided, m).alias(_beyond(m)) for m in bounded), rule=rule_of("reason"),
        left_by=facts.left_by(decided.lazy(), measures),
    )  # fmt: skip
    decided = decided.with_columns(broken=pl.sum_horizontal(pl.lit(0), *map(_beyond, bounded)))
    ours = decided if config.languages is None else decided.filter(pl.col("lang").is_in(list(config.languages)))
    groups = {column: _largest(ours, column) for column in ("lang", "source")}
    histograms = {each.column: facts.histogram(ours.lazy(), each, measures) for each in measures}
    listed = {measure.column: measure for measure in run_record.measures_of(config)}
    losses = [_loss(ours, m, listed[m.column], histograms[m.column], groups) for m in bounded]
    rules = {loss.measure.name for loss in losses}
    counted = decided.filter(pl.col("rule").is_not_null()).group_by("rule").len().sort("len", "rule", descending=True)
    recorded = [histograms[m.column] for m in config.measured if m not in bounded]
    return Preview(
        documents=len(decided),
        read=sample.read,
        in_languages=len(ours),
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


def _fixed(decided: pl.DataFrame, measure: Measure) -> Measure:
    """The measure with a number in place of a keep_fraction."""
    if measure.keep_fraction is None:
        return measure
    return replace(measure, min=dict(facts.applied_bounds(decided.lazy(), measure)).get("min"), keep_fraction=None)


def _beyond(measured: Measured) -> str:
    """The column that says whose value lies beyond its bounds."""
    return f"beyond {measured.column}"


def _largest(ours: pl.DataFrame, column: str) -> list[Group]:
    """The groups with the most documents, and at the end the sum of the others."""
    counted = ours.group_by(column).agg(n=pl.len(), kept=(pl.col("status") == "kept").sum())
    rows = list(counted.sort("n", column, descending=[True, False]).iter_rows())
    found = [Group(name or "none", [name], number, kept) for name, number, kept in rows[:GROUPS]]
    names, numbers, kept = zip(*rows[GROUPS:], strict=True) if rows[GROUPS:] else ((), (), ())
    return [*found, Group(f"others ({len(names)})", names, sum(numbers), sum(kept))] if names else found


def _loss(
    ours: pl.DataFrame,
    measured: Measured,
    measure: Measure,
    histogram: Histogram | None,
    groups: Mapping[str, Sequence[Group]],
) -> Loss:
    by_it = (ours["left_by"] == measure.column).fill_null(value=False)
    marked = ours.with_columns(beyond=_beyond(measured))
    differ = f"; {len(measure.by_language)} by language" if measure.by_language else ""
    return Loss(
        measure=measure,
        bounds=_described(measure) + differ,
        drawing=draw(histogram) if histogram else None,
        beyond=int(marked["beyond"].sum()),
        first=int(by_it.sum()),
        only=int((by_it & (ours["broken"] == 1)).sum()),
        groups={column: [_share(marked, column, group) for group in found] for column, found in groups.items()},
        languages=_by_language(marked, measure),
        nearest=_nearest(marked, measured, measure, histogram.bounds if histogram else ()),
    )


def _described(measure: Measure) -> str:
    """The bounds; `no bound` where only other languages have one."""
    unbounded = measure.min is None and measure.max is None and measure.keep_fraction is None
    return "no bound" if unbounded else run_record.describe(measure)


def _by_language(marked: pl.DataFrame, measure: Measure) -> list[Row]:
    """The largest languages with bounds of their own, the others of these, and all that have the usual bounds."""
    if not measure.by_language:
        return []
    counted = marked.group_by("lang").agg(n=pl.len(), beyond=pl.col("beyond").sum())
    rows = list(counted.sort("n", "lang", descending=[True, False]).iter_rows())
    own = [row for row in rows if row[0] in measure.by_language]
    usual = [row for row in rows if row[0] not in measure.by_language]
    found = [Row(name, _described(measure.of(name)), number, beyond) for name, number, beyond in own[:GROUPS]]
    for label, bounds, summed in (
        (f"others ({len(own[GROUPS:])})", "their own", own[GROUPS:]),
        (f"all other languages ({len(usual)})", _described(measure.of(None)), usual),
    ):
        if summed:
            found.append(Row(label, bounds, sum(row[1] for row in summed), sum(row[2] for row in summed)))
    return found


def _share(marked: pl.DataFrame, column: str, group: Group) -> float:
    members = marked.filter(pl.col(column).is_in(list(group.members), nulls_equal=True))
    return float(members["beyond"].mean() or 0.0)  # type: ignore[arg-type]


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
