"""What entered and what left between two sets of decisions about the same documents."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from curate.reasons import rule_of

ABSENT = "not in the input"
"""In place of a rule: the other run has no such document."""


@dataclass(frozen=True)
class Changes:
    """Two runs, or one run under two configs. A document is an id: rows that fold into another one do not count."""

    documents: int
    """In either."""

    kept_before: int
    kept_after: int
    entered: Mapping[str, int]
    """Rule that had kept a document out -> documents that are kept now, most first."""

    left: Mapping[str, int]
    """Rule that keeps a document out now -> documents that had been kept."""

    reasons: int
    """Documents that are out both times, by another rule."""

    texts: int
    """Documents that are kept both times, with another text."""

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return asdict(self)


def documents_of(ledger: pl.LazyFrame) -> pl.LazyFrame:
    """The ledger's rows that stand for a document: with an id, and not folded into a row of the same id."""
    folded = pl.col("reason").str.starts_with("duplicate_id").fill_null(value=False)
    return ledger.filter(pl.col("id").is_not_null() & ~folded)


def changes(before: pl.DataFrame, after: pl.DataFrame) -> Changes:
    """Compare by id; both need the columns id, status, reason and text_hash."""
    one, two = (
        frame.select("id", kept=pl.col("status") == "kept", rule=rule_of("reason"), text="text_hash")
        for frame in (before, after)
    )
    both = one.join(two, on="id", how="full", coalesce=True, suffix="_after").with_columns(
        pl.col("kept", "kept_after").fill_null(value=False)
    )
    kept, kept_after = pl.col("kept"), pl.col("kept_after")
    out_twice = both.filter(~kept & ~kept_after)
    in_twice = both.filter(kept & kept_after)
    return Changes(
        documents=len(both),
        kept_before=int(both["kept"].sum()),
        kept_after=int(both["kept_after"].sum()),
        entered=_by_rule(both.filter(~kept & kept_after), "rule"),
        left=_by_rule(both.filter(kept & ~kept_after), "rule_after"),
        reasons=int(out_twice["rule"].ne_missing(out_twice["rule_after"]).sum()),
        texts=int(in_twice["text"].ne_missing(in_twice["text_after"]).sum()),
    )


def _by_rule(rows: pl.DataFrame, column: str) -> dict[str, int]:
    counted = rows.group_by(pl.col(column).fill_null(ABSENT)).len()
    return dict(counted.sort("len", column, descending=[True, False]).iter_rows())
