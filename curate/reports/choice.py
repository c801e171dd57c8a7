"""Why a document was kept and not the next best of its cluster, told by the policy of decisions.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from curate import keepers
from curate.config import DedupConfig

WHY = {"source": "priority of its source", "real": "real before synthetic", "id": "smallest id"}
"""Criteria of `dedup.prefer`, and the id behind them, in the words of a reader; the others say it themselves."""


@dataclass(frozen=True)
class Criterion:
    """One step of the choice between the keeper and the document that would have been kept in its stead."""

    name: str
    keeper: str
    runner_up: str
    decided: bool
    """Whether the two differ here for the first time."""


def two_best(members: pl.DataFrame, keeper: bytes, dedup: DedupConfig) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The keeper and the best of the others by the policy, if any; `order` is what they are compared by."""
    order = keepers.claims(members, np.arange(len(members)), dedup).order
    at = members.select((pl.col("id") == keeper).arg_max()).item()
    others = [place for place in np.lexsort(order[::-1])[:2].tolist() if place != at]
    found = [members.row(place, named=True) | {"order": [c[place] for c in order]} for place in (at, *others[:1])]
    return found[0], found[1] if others else None


def because(keeper: Mapping[str, Any], runner_up: Mapping[str, Any], dedup: DedupConfig) -> tuple[Criterion, ...]:
    """The criteria of the policy in order, up to the one that decided. The id has two columns of the order."""
    columns = zip(keeper["order"], runner_up["order"], strict=True)
    at = next(number for number, (one, other) in enumerate(columns) if one != other)
    used = [*dedup.prefer, "id"][: min(at, len(dedup.prefer)) + 1]
    priority = list(dedup.source_priority)
    return tuple(
        Criterion(
            WHY.get(name, name), _value(keeper, name, priority), _value(runner_up, name, priority), name == used[-1]
        )
        for name in used
    )


def _value(document: Mapping[str, Any], criterion: str, priority: Sequence[str]) -> str:
    """What a document has for a criterion."""
    match criterion:
        case "source":
            source = str(document["source"])
            place = f"number {priority.index(source) + 1} of" if source in priority else "not in"
            return f"{source} ({place} source_priority)" if priority else source
        case "real":
            return "synthetic" if document["is_synthetic"] else "real"
        case "longest" | "shortest":
            return f"{document['text_chars']:,} characters"
        case "oldest" | "newest":
            return f"{document['date']:%Y-%m-%d %H:%M:%S}" if document["date"] else "no date"
    return str(document["id"].hex())
