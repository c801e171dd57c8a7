"""ledger: what became of the records of a planned split -> a row each, with every value, the decision and its reason.

Only here do the names of input objects meet the shards, which know content alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl
import pyarrow as pa

from curate.config import RunConfig
from curate.corpus import Part, read_rows, slices
from curate.decisions import ledger_schema
from curate.lineage import key
from curate.reasons import rule_of
from curate.schema import SYNTHETIC
from curate.shards import ShardWriter
from curate.step import Commit, Task
from curate.storage import Store

VERSION = 1

DATASETS = {"ledger": None, "rejected": "rejected", "quarantine": "quarantined"}
"""Folder in the work folder, and kind -> status of its rows; None: all."""

TALLY = {"status": pl.String, "rule": pl.String, "len": pl.Int64}
"""Rows by status and rule."""

DUPLICATE_ID = "duplicate_id"


def in_order(parts: Sequence[Part]) -> list[Part]:
    """The planned splits in the order of their files."""
    return sorted(parts, key=lambda part: (part.object, part.key))


@dataclass(frozen=True)
class Due:
    """A planned split whose rows are to be written."""

    part: Part
    decided: Commit | None
    repeated: bool
    """Whether an equal split came before, whose rows stay in their stead."""

    names: Mapping[str, str]
    """Key of a part -> its first object, for those that a row may name."""


def tasks(parts: Sequence[Part], decisions: Mapping[str, Commit], config: RunConfig) -> list[Task]:
    """One task a planned split, in `in_order`; `decisions` by key of the part. Equal splits have a task each, as their
    objects have names of their own.
    """
    ordered = in_order(parts)
    names: dict[str, str] = {}
    due = []
    for part in ordered:
        due.append(
            Due(part, decisions.get(part.key), part.key in names, {part.key: names.setdefault(part.key, part.object)})
        )
    digest, schema = key("names", names), ledger_schema(config)
    columns = [[field.name, str(field.type)] for field in schema]
    found = []
    for one in due:
        others = bool(one.decided and one.decided.counts.get(DUPLICATE_ID))
        split = replace(one, names=names) if others else one
        what = [VERSION, columns, one.part.key, one.part.object, one.repeated, one.decided and one.decided.key,
                digest if others else one.names]  # fmt: skip
        found.append(Task("ledger", key("ledger", *what), one.part.object, write_split, (split, schema)))
    return found


def write_split(writer: ShardWriter, store: Store, due: Due, schema: pa.Schema) -> None:
    """Write the kinds of DATASETS, all of them, and `tally`."""
    for kind in DATASETS:
        writer.write(kind, schema.empty_table())
    tallies = [pl.DataFrame(schema=TALLY)]
    for rows in _rows(store, due, schema):
        tallies.append(rows.group_by("status", rule=rule_of("reason")).agg(len=pl.len().cast(pl.Int64)))
        for kind, status in DATASETS.items():
            chosen = rows.filter(pl.col("status") == status) if status else rows
            writer.write(kind, chosen.select(schema.names).to_arrow().cast(schema))
    tally = pl.concat(tallies).group_by("status", "rule").agg(pl.col("len").sum()).sort("status", "rule")
    writer.write("tally", tally.to_arrow())


def _rows(store: Store, due: Due, schema: pa.Schema) -> Iterator[pl.DataFrame]:
    """All rows of the split, in the order of the input object, in slices."""
    part, shards = due.part, due.decided.of("decisions") if due.decided else []
    empty = pl.DataFrame(schema.empty_table())
    whole = {"object": pl.lit(part.object),
             "is_synthetic": pl.col("is_synthetic").fill_null(value=part.object == SYNTHETIC)}  # fmt: skip
    turned_away = pl.concat([empty, *_turned_away(store, part, empty)], how="diagonal").sort("offset", "end")
    for rows in slices(store, shards):
        reached = turned_away["offset"] <= rows["offset"].max()
        located = _fit(_with_locator_of_kept(rows, due), empty)
        together = pl.concat([empty, located, turned_away.filter(reached)], how="diagonal")
        turned_away = turned_away.filter(~reached)
        yield together.with_columns(**whole).sort("offset", "end", maintain_order=True)
    if len(turned_away):
        yield turned_away.with_columns(**whole)


def _turned_away(store: Store, part: Part, like: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """What never became a document."""
    for kind, status in (("rejected", "rejected"), ("quarantined", "quarantined")):
        rows = read_rows(store, [part.documents], kind)
        if rows is not None:
            yield _fit(rows.with_columns(status=pl.lit(status)), like)


def _fit(frame: pl.DataFrame, like: pl.DataFrame) -> pl.DataFrame:
    """Only the ledger's columns, in the ledger's types."""
    if "text_bytes" in frame.columns:
        frame = frame.with_columns(token_estimate=(pl.col("text_bytes") + 3) // 4)
    return frame.select(pl.col(n).cast(like.schema[n]) for n in like.columns if n in frame.columns)


def _with_locator_of_kept(decided: pl.DataFrame, due: Due) -> pl.DataFrame:
    """Name the row that stays for each equal id; all rows of a repeated split are such duplicates."""
    duplicate = (pl.col("reason") == DUPLICATE_ID).fill_null(value=False)
    part = pl.when(duplicate).then("twin_part").otherwise("part").replace_strict(due.names, return_dtype=pl.String)
    stays = pl.format("duplicate_id={}@{}", part, pl.when(duplicate).then("twin_offset").otherwise("offset"))
    leaves = duplicate | pl.lit(due.repeated)
    return decided.with_columns(
        reason=pl.when(leaves).then(stays).otherwise("reason"),
        status=pl.when(leaves).then(pl.lit("rejected")).otherwise("status"),
    )
