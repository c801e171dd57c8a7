"""The decision ledger of a run, put together from what the stage of that name left; and the counts over it.

`ledger/`, `rejected/` and `quarantine/` in the work folder are what the last run decided.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from curate.corpus import Part, read_rows
from curate.errors import ConservationError
from curate.schema import SYNTHETIC
from curate.stages.ledger import DATASETS, TALLY
from curate.step import Commit
from curate.storage import Store


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


def gather(work: Store, parts: Sequence[Part], written: Sequence[Commit]) -> Counts:
    """Link the three datasets, a file or more a planned split, and count; `written`: the stage's commits, in its order.
    Raises ConservationError (promise P1).
    """
    for name in DATASETS:
        files = {
            f"{name}/part-{number:05d}-{n:05d}.parquet": shard.name
            for number, commit in enumerate(written)
            for n, shard in enumerate(commit.of(name))
        }
        for file, shard in files.items():
            work.link_over(work, shard, file)
        for stale in set(work.list(name)) - set(files):
            work.delete(stale)
    tally = read_rows(work, written, "tally")
    return _count(parts, pl.DataFrame(schema=TALLY) if tally is None else tally)


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
