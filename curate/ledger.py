"""The decision ledger: one row an input record, with every value, the decision and its reason; and the counts over it.

`ledger/`, `rejected/` and `quarantine/` in the work folder are rewritten by every run. Only here do the names of input
objects meet the shards, which know content alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from curate.corpus import Part, read_rows
from curate.errors import ConservationError
from curate.schema import LEDGER, with_measures
from curate.step import Commit, write_file
from curate.storage import Store

SYNTHETIC = "synthetic"
"""Object name of what an LLM wrote."""


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


def write_ledger(work: Store, parts: Sequence[Part], decisions: Commit, measures: Sequence[str]) -> Counts:
    """Write the three datasets, a file a planned split each, and count. Raises ConservationError (promise P1)."""
    schema = with_measures(LEDGER, measures)
    decided = read_rows(work, [decisions], "decisions")
    by_part = dict(decided.partition_by("part", as_dict=True)) if decided is not None else {}
    kept_at = _kept_locators(parts, decided)
    written: dict[str, list[str]] = {"ledger": [], "rejected": [], "quarantine": []}
    frames, seen = [], set[str]()
    for number, part in enumerate(sorted(parts, key=lambda p: (p.object, p.key))):
        rows = _part_ledger(
            work, part, by_part.get((part.key,)), repeated=part.key in seen, kept_at=kept_at, schema=schema
        )
        seen.add(part.key)
        frames.append(rows.select("status", "reason", "is_synthetic"))
        rejected, quarantined = (rows.filter(pl.col("status") == s) for s in ("rejected", "quarantined"))
        for dataset, chosen in (("ledger", rows), ("rejected", rejected), ("quarantine", quarantined)):
            written[dataset].append(_write(work, f"{dataset}/part-{number:05d}.parquet", chosen, schema))
    for dataset, names in written.items():
        for stale in set(work.list(dataset)) - set(names):
            work.delete(stale)
    return _count(parts, pl.concat(frames) if frames else pl.DataFrame())


def _write(work: Store, name: str, rows: pl.DataFrame, schema: pa.Schema) -> str:
    table = rows.select(schema.names).to_arrow().cast(schema)
    write_file(work, name, table)
    return name


def _part_ledger(
    work: Store, part: Part, decided: pl.DataFrame | None, *, repeated: bool, kept_at: pl.DataFrame, schema: pa.Schema
) -> pl.DataFrame:
    """All rows of one planned split, in the order of the input object."""
    frames = []
    if decided is not None and len(decided):
        frames.append(_with_locator_of_kept(decided, kept_at, repeated=repeated))
    for kind, status in (("rejected", "rejected"), ("quarantined", "quarantined")):
        rows = read_rows(work, [part.documents], kind)
        if rows is not None and len(rows):
            frames.append(rows.with_columns(status=pl.lit(status)))
    empty = pl.from_arrow(schema.empty_table())
    assert isinstance(empty, pl.DataFrame)
    rows = pl.concat([empty, *[_fit(frame, empty) for frame in frames]], how="diagonal")
    synthetic = part.object == SYNTHETIC
    return rows.with_columns(
        object=pl.lit(part.object),
        is_synthetic=pl.col("is_synthetic").fill_null(value=synthetic),
    ).sort("offset", "end", maintain_order=True)


def _fit(frame: pl.DataFrame, like: pl.DataFrame) -> pl.DataFrame:
    """Only the ledger's columns, in the ledger's types."""
    if "text_bytes" in frame.columns:
        frame = frame.with_columns(token_estimate=(pl.col("text_bytes") + 3) // 4)
    return frame.select(pl.col(n).cast(like.schema[n]) for n in like.columns if n in frame.columns)


def _kept_locators(parts: Sequence[Part], decided: pl.DataFrame | None) -> pl.DataFrame:
    """id -> `object@offset` of the row that stays for it."""
    names: dict[str, str] = {}
    for part in sorted(parts, key=lambda p: p.object):
        names.setdefault(part.key, part.object)
    if decided is None:
        return pl.DataFrame(schema={"id": pl.Binary, "kept_at": pl.String})
    stays = decided.filter(pl.col("reason").ne_missing("duplicate_id"))
    object_name = pl.col("part").replace_strict(names, return_dtype=pl.String)
    return stays.select("id", kept_at=pl.format("{}@{}", object_name, "offset"))


def _with_locator_of_kept(decided: pl.DataFrame, kept_at: pl.DataFrame, *, repeated: bool) -> pl.DataFrame:
    """Name the row that stays for each equal id; all rows of an object met before are such duplicates."""
    rows = decided.join(kept_at, on="id", how="left", maintain_order="left")
    duplicate = (pl.col("reason") == "duplicate_id").fill_null(value=False) | pl.lit(repeated)
    reason = pl.when(duplicate).then(pl.format("duplicate_id={}", "kept_at")).otherwise("reason")
    return rows.with_columns(reason=reason, status=pl.when(duplicate).then(pl.lit("rejected")).otherwise("status"))


def _count(parts: Sequence[Part], rows: pl.DataFrame) -> Counts:
    """Totals over the ledger, checked against what the readers counted."""
    written = sum(part.documents.counts.get("in", 0) for part in parts if part.object == SYNTHETIC)
    records_in = sum(part.documents.counts.get("in", 0) for part in parts) - written
    if len(rows) != records_in + written:
        raise ConservationError(
            f"ledger: the readers counted {records_in + written} records, the ledger has {len(rows)} rows. "
            "This is a defect of Curate: please report it with the config"
        )
    status = dict(rows.group_by("status").len().iter_rows()) if len(rows) else {}
    reasons = rows.filter(pl.col("reason").is_not_null()).select(rule=rule_of("reason")) if len(rows) else rows
    by_rule = reasons.group_by("rule").len().sort("len", "rule", descending=[True, False]) if len(reasons) else reasons
    return Counts(
        records_in,
        written,
        kept=status.get("kept", 0),
        rejected=status.get("rejected", 0),
        quarantined=status.get("quarantined", 0),
        skipped=_skipped(part.documents for part in parts),
        reasons=dict(by_rule.iter_rows()) if len(by_rule) else {},
    )


def rule_of(column: str) -> pl.Expr:
    """The rule in a reason: what stands before its value, `gopher.word_count` of `gopher.word_count=12.0 < 50.0`."""
    return pl.col(column).str.extract(r"^([^= ]+)", 1)


def of_language(own: Mapping[str, object], others: object, kind: type[pl.DataType]) -> pl.Expr:
    """What `own` has for the document's language, and `others` for every other language and for none."""
    if not own:
        return pl.lit(others, kind)
    return pl.col("lang").replace_strict(list(own), list(own.values()), default=pl.lit(others, kind), return_dtype=kind)


def _skipped(commits: Iterable[Commit]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for commit in commits:
        for name, n in commit.counts.items():
            if name.startswith("skipped."):
                totals[name.removeprefix("skipped.")] = totals.get(name.removeprefix("skipped."), 0) + n
    return dict(sorted(totals.items()))
