"""sample: which kept documents the judge is asked about: of each stratum those with the smallest hash(seed, id). Reads
values, never text.

A budget is shared so that every stratum gets the same number, or all it has: what is rare is judged too. Synthetic
documents are all asked about, and change nothing in the sample of the real ones.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from curate.config import JudgeConfig, RunConfig
from curate.corpus import slices
from curate.lineage import key, uniform
from curate.shards import ShardWriter
from curate.stages.arrange import KEPT
from curate.step import Commit, Task
from curate.storage import Store

VERSION = 1

COLUMNS = {"id": pl.Binary, "is_synthetic": pl.Boolean, "source": pl.String, "lang": pl.String, "text_chars": pl.Int64}
"""Of the decisions, that a stratum may depend on; measures beside them."""

STRATA = {"stratum": pl.String, "documents": pl.Int64, "chosen": pl.Int64, "last": pl.UInt64}
"""A stratum, its real documents, how many of them are asked about, and the rank of the last one of these."""

EDGES = "edges"
"""Name of the commit's note with the quartiles of each measure that strata depend on, as JSON."""


def task(decisions: Sequence[Commit], config: RunConfig) -> Task:
    """One task over all parts. The config has a budget."""
    assert config.judge
    wanted = config.judge
    kept_rows = [identity(commit, config) for commit in decisions]
    what = [VERSION, kept_rows, wanted.max_documents, wanted.by, config.seed]
    args = (tuple(decisions), wanted, config.seed, _measures(config))
    return Task("sample", key("sample", *what), "all documents", take_sample, args)


def identity(decided: Commit, config: RunConfig) -> str:
    """What of a part's decisions can change which of its documents are asked about, and what they are asked with."""
    return decided.key if _measures(config) else decided.notes[KEPT]


def _measures(config: RunConfig) -> dict[str, str]:
    """Rule -> column, of the measures that strata depend on."""
    columns = {measured.filter.filter: measured.column for measured in config.measured}
    by = config.judge.by if config.judge else ()
    return {rule: columns[rule] for rule in by if rule in columns}


def take_sample(
    writer: ShardWriter,
    store: Store,
    decisions: Sequence[Commit],
    wanted: JudgeConfig,
    seed: int,
    measures: Mapping[str, str],
) -> None:
    """Write kind `strata`. In memory: of each stratum as many ranks as the budget has documents."""
    assert wanted.max_documents
    edges = _quartiles(store, decisions, measures)
    sizes: dict[str, int] = {}
    smallest = pl.DataFrame(schema={"stratum": pl.String, "rank": pl.UInt64})
    for rows in kept(store, decisions, measures):
        real = with_ranks(rows.filter(~pl.col("is_synthetic")), wanted, seed, measures, edges)
        for stratum, number in real.group_by("stratum").len().iter_rows():
            sizes[stratum] = sizes.get(stratum, 0) + number
        both = pl.concat([smallest, real.select("stratum", "rank")])
        smallest = both.sort("stratum", "rank").group_by("stratum").head(wanted.max_documents)
    shares = shared_out(sizes, wanted.max_documents)
    ranks = dict(smallest.group_by("stratum").agg(pl.col("rank").sort()).iter_rows())
    strata = [(s, sizes[s], n, ranks[s][n - 1]) for s, n in sorted(shares.items()) if n]
    writer.write("strata", pl.DataFrame(strata, schema=STRATA, orient="row").to_arrow())
    writer.count("documents", sum(sizes.values()))
    writer.count("chosen", sum(shares.values()))
    writer.note(EDGES, json.dumps(edges))


def kept(store: Store, decisions: Sequence[Commit], measures: Mapping[str, str]) -> Iterator[pl.DataFrame]:
    """COLUMNS and measures of the kept rows, in slices."""
    for commit in decisions:
        for rows in slices(store, commit.of("decisions"), ["status", *COLUMNS, *measures.values()]):
            yield rows.filter(pl.col("status") == "kept").drop("status")


def _quartiles(store: Store, decisions: Sequence[Commit], measures: Mapping[str, str]) -> dict[str, list[float]]:
    """Of each measure over all real documents; null values apart."""
    if not measures:
        return {}
    real = (rows.filter(~pl.col("is_synthetic")).select(measures.values()) for rows in kept(store, decisions, measures))
    values = pl.concat([pl.DataFrame(schema=dict.fromkeys(measures.values(), pl.Float64)), *real])
    found = {rule: [values[column].quantile(q) for q in (0.25, 0.5, 0.75)] for rule, column in measures.items()}
    return {rule: sorted({q for q in quartiles if q is not None}) for rule, quartiles in found.items()}


def with_ranks(
    rows: pl.DataFrame, wanted: JudgeConfig, seed: int, measures: Mapping[str, str], edges: Mapping[str, list[float]]
) -> pl.DataFrame:
    """`rows` with `stratum`, and `rank`: hash(seed, id)."""
    parts = [pl.lit("")]
    for name in wanted.by:
        if name == "length":
            parts.append(pl.col("text_chars").clip(1).log(2).floor().cast(pl.Int64).cast(pl.String))
        elif name in measures:
            column = pl.col(measures[name])
            quarter = pl.sum_horizontal([pl.lit(0), *(column >= edge for edge in edges[name])])
            parts.append(pl.when(column.is_null()).then(pl.lit("")).otherwise(quarter.cast(pl.String)))
        else:
            parts.append(pl.col(name).fill_null(""))
    ranks = np.array([uniform(seed, id_, "judge") for id_ in rows["id"]], np.uint64)
    return rows.with_columns(stratum=pl.concat_str(parts, separator="\x1f"), rank=pl.Series(ranks))


def shared_out(sizes: Mapping[str, int], budget: int) -> dict[str, int]:
    """Documents of each stratum: the same number of all, less only where one has no more; what is left over goes one
    each to the largest. Sums up to the budget or to all documents.
    """
    left, shares = budget, dict.fromkeys(sizes, 0)
    open_ = sorted(sizes, key=lambda stratum: (sizes[stratum], stratum))
    while open_:
        share = left // len(open_)
        if sizes[open_[0]] > share:
            break
        stratum = open_.pop(0)
        shares[stratum] = sizes[stratum]
        left -= sizes[stratum]
    extra = left % len(open_) if open_ else 0
    for n, stratum in enumerate(reversed(open_)):
        shares[stratum] = left // len(open_) + (n < extra)
    return shares


def chosen(store: Store, commit: Commit | None, rows: pl.DataFrame, config: RunConfig) -> pl.DataFrame:
    """Of kept rows those that are asked about: by the strata of this stage's commit, by kind `chosen` (ids) of another
    stage's, or all of them.
    """
    assert config.judge
    if commit is None:
        return rows
    named = pl.concat([pl.DataFrame(schema={"id": pl.Binary}), *(_frame(store, commit, "chosen"))])
    if commit.stage != "sample":
        return rows.filter(pl.col("id").is_in(named["id"].implode()))
    strata = pl.concat([pl.DataFrame(schema=STRATA), *(_frame(store, commit, "strata"))])
    edges = json.loads(commit.notes[EDGES])
    ranked = with_ranks(rows, config.judge, config.seed, _measures(config), edges)
    both = ranked.join(strata.select("stratum", "last"), on="stratum", how="left", maintain_order="left")
    wanted = pl.col("is_synthetic") | (pl.col("rank") <= pl.col("last")).fill_null(value=False)
    return both.filter(wanted).select(rows.columns)


def _frame(store: Store, commit: Commit, kind: str) -> Iterator[pl.DataFrame]:
    return slices(store, commit.of(kind))
