"""The decision ledger: one row an input record, with every value, the decision and its reason; and the counts over it.

`ledger/`, `rejected/` and `quarantine/` in the work folder are rewritten by every run. Only here do the names of input
objects meet the shards, which know content alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from curate.corpus import Part, read_rows, slices
from curate.errors import ConservationError
from curate.reasons import rule_of
from curate.step import Commit, Shard, new_file
from curate.storage import Store

SYNTHETIC = "synthetic"
"""Object name of what an LLM wrote."""


DATASETS = {"ledger": None, "rejected": "rejected", "quarantine": "quarantined"}
"""Folder in the work folder -> status of its rows; None: all."""


@dataclass(frozen=True)
class Counts:
    """What became of every record: records_in + written = kept + rejected + quarantined."""

    records_in: int
    """Records of the input."""

    written: int
    """Texts that an LLM was asked for."""

    kept: int
    rejected: int
    quarantined: int
    skipped: Mapping[str, int]
    reasons: Mapping[str, int]
    """Rule -> documents that it turned away, most first."""


def write_ledger(work: Store, parts: Sequence[Part], decisions: Mapping[str, Commit], schema: pa.Schema) -> Counts:
    """Write the three datasets, a file a planned split each, and count; `decisions` by key of the part, a slice of
    which is in memory at a time. Raises ConservationError (promise P1).
    """
    ordered = sorted(parts, key=lambda p: (p.object, p.key))
    names: dict[str, str] = {}
    for part in ordered:
        names.setdefault(part.key, part.object)
    tallies, seen = [_NO_TALLY], set[str]()
    files = [f"part-{number:05d}.parquet" for number in range(len(ordered))]
    for file, part in zip(files, ordered, strict=True):
        shards = decisions[part.key].of("decisions") if part.key in decisions else []
        with ExitStack() as stack:
            add = {name: stack.enter_context(new_file(work, f"{name}/{file}", schema)) for name in DATASETS}
            for rows in _part_ledger(work, part, shards, repeated=part.key in seen, names=names, schema=schema):
                tallies.append(rows.group_by("status", rule=rule_of("reason")).len())
                for name, status in DATASETS.items():
                    chosen = rows.filter(pl.col("status") == status) if status else rows
                    add[name](chosen.select(schema.names).to_arrow().cast(schema))
        seen.add(part.key)
    for name in DATASETS:
        for stale in set(work.list(name)) - {f"{name}/{file}" for file in files}:
            work.delete(stale)
    return _count(parts, pl.concat(tallies))


_NO_TALLY = pl.DataFrame(schema={"status": pl.String, "rule": pl.String, "len": pl.get_index_type()})


def _part_ledger(
    work: Store,
    part: Part,
    decided: Sequence[Shard],
    *,
    repeated: bool,
    names: Mapping[str, str],
    schema: pa.Schema,
) -> Iterator[pl.DataFrame]:
    """All rows of one planned split, in the order of the input object, in slices."""
    empty = pl.DataFrame(schema.empty_table())
    whole = {"object": pl.lit(part.object),
             "is_synthetic": pl.col("is_synthetic").fill_null(value=part.object == SYNTHETIC)}  # fmt: skip
    turned_away = pl.concat([empty, *_turned_away(work, part, empty)], how="diagonal").sort("offset", "end")
    for rows in slices(work, decided):
        due = turned_away["offset"] <= rows["offset"].max()
        located = _fit(_with_locator_of_kept(rows, names, repeated=repeated), empty)
        together = pl.concat([empty, located, turned_away.filter(due)], how="diagonal")
        turned_away = turned_away.filter(~due)
        yield together.with_columns(**whole).sort("offset", "end", maintain_order=True)
    if len(turned_away):
        yield turned_away.with_columns(**whole)


def _turned_away(work: Store, part: Part, like: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """What never became a document."""
    for kind, status in (("rejected", "rejected"), ("quarantined", "quarantined")):
        rows = read_rows(work, [part.documents], kind)
        if rows is not None:
            yield _fit(rows.with_columns(status=pl.lit(status)), like)


def _fit(frame: pl.DataFrame, like: pl.DataFrame) -> pl.DataFrame:
    """Only the ledger's columns, in the ledger's types."""
    if "text_bytes" in frame.columns:
        frame = frame.with_columns(token_estimate=(pl.col("text_bytes") + 3) // 4)
    return frame.select(pl.col(n).cast(like.schema[n]) for n in like.columns if n in frame.columns)


def _with_locator_of_kept(decided: pl.DataFrame, names: Mapping[str, str], *, repeated: bool) -> pl.DataFrame:
    """Name the row that stays for each equal id; all rows of an object met before are such duplicates. `names`: of each
    part the first object.
    """
    duplicate = (pl.col("reason") == "duplicate_id").fill_null(value=False)
    part = pl.when(duplicate).then("twin_part").otherwise("part").replace_strict(names, return_dtype=pl.String)
    stays = pl.format("duplicate_id={}@{}", part, pl.when(duplicate).then("twin_offset").otherwise("offset"))
    leaves = duplicate | pl.lit(repeated)
    return decided.with_columns(
        reason=pl.when(leaves).then(stays).otherwise("reason"),
        status=pl.when(leaves).then(pl.lit("rejected")).otherwise("status"),
    )


def _count(parts: Sequence[Part], tally: pl.DataFrame) -> Counts:
    """Totals over the ledger, checked against what the readers counted. `tally`: status, rule and len, added up."""
    written = sum(part.documents.counts.get("in", 0) for part in parts if part.object == SYNTHETIC)
    records_in = sum(part.documents.counts.get("in", 0) for part in parts) - written
    if int(tally["len"].sum()) != records_in + written:
        raise ConservationError(
            f"ledger: the readers counted {records_in + written} records, the ledger has {tally['len'].sum()} rows. "
            "This is a defect of Curate: please report it with the config"
        )
    status = dict(tally.group_by("status").agg(pl.col("len").sum()).iter_rows())
    reasons = tally.filter(pl.col("rule").is_not_null()).group_by("rule").agg(pl.col("len").sum())
    return Counts(
        records_in,
        written,
        kept=status.get("kept", 0),
        rejected=status.get("rejected", 0),
        quarantined=status.get("quarantined", 0),
        skipped=_skipped(part.documents for part in parts),
        reasons=dict(reasons.sort("len", "rule", descending=[True, False]).iter_rows()),
    )


def _skipped(commits: Iterable[Commit]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for commit in commits:
        for name, n in commit.counts.items():
            if name.startswith("skipped."):
                totals[name.removeprefix("skipped.")] = totals.get(name.removeprefix("skipped."), 0) + n
    return dict(sorted(totals.items()))
