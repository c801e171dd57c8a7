"""Why a document was kept and not the next best of its cluster, told by the policy of decisions.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from curate import decisions
from curate.config import DedupConfig

WHY = {
    "source": "priority of its source",
    "is_synthetic": "real before synthetic",
    "text_chars": "longest",
    "date": "oldest",
    "id": "smallest id",
}
"""decisions.POLICY, in the words of a reader."""


@dataclass(frozen=True)
class Criterion:
    """One step of the choice between the keeper and the document that would have been kept in its stead."""

    name: str
    keeper: str
    runner_up: str
    decided: bool
    """Whether the two differ here for the first time."""


def two_best(
    members: pl.DataFrame, keeper: bytes, dedup: DedupConfig | None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The keeper and the best of the others by the policy, if any; `order` is what they are compared by."""
    order = decisions.claims(members, np.arange(len(members)), dedup).order
    at = members.select((pl.col("id") == keeper).arg_max()).item()
    others = [place for place in np.lexsort(order[::-1])[:2].tolist() if place != at]
    found = [members.row(place, named=True) | {"order": [c[place] for c in order]} for place in (at, *others[:1])]
    return found[0], found[1] if others else None


def because(
    keeper: Mapping[str, Any], runner_up: Mapping[str, Any], dedup: DedupConfig | None
) -> tuple[Criterion, ...]:
    """The criteria of the policy in order, up to the one that decided. The id has the last two columns of the order."""
    columns = zip(keeper["order"], runner_up["order"], strict=True)
    at = next(number for number, (one, other) in enumerate(columns) if one != other)
    used = decisions.POLICY[: min(at, len(decisions.POLICY) - 1) + 1]
    priority = list(dedup.source_priority) if dedup else []
    return tuple(
        Criterion(WHY[name], _value(keeper, name, priority), _value(runner_up, name, priority), name == used[-1])
        for name in used
    )


def _value(document: Mapping[str, Any], name: str, priority: Sequence[str]) -> str:
    value = document[name]
    if name == "source":
        place = f"number {priority.index(value) + 1} of" if value in priority else "not in"
        return f"{value} ({place} source_priority)" if priority else str(value)
    shown = {
        "is_synthetic": "synthetic" if value else "real",
        "date": f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else "no date",
        "id": value.hex() if isinstance(value, bytes) else "",
        "text_chars": f"{value:,} characters" if isinstance(value, int) else "",
    }
    return shown[name]
