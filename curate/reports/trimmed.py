"""What the report says of lines that left because many texts have them: how many of each source, which most often."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from curate.reports.run_record import RunRecord
from curate.shards import take_rows
from curate.step import find
from curate.storage import Store

SHOWN = 15
"""Lines and sources that are listed."""

CHARACTERS = 200
"""Of a line that is shown."""


class OfSource(NamedTuple):
    """What left the documents of a source."""

    source: str
    times: int
    characters: int
    """Of the forms that are compared."""


class Line(NamedTuple):
    """A line that left."""

    hash: str
    """16 hex digits; with `scope: source` or `host` the same line has one for each."""

    times: int
    text: str | None
    """As it stood in one document; None unless the config asks for samples."""


class Trimmed(NamedTuple):
    """What left in a run, the most first."""

    sources: Sequence[OfSource]
    lines: int
    """Different ones."""

    frequent: Sequence[Line]


def trimmed(work: Store, record: RunRecord, *, with_text: bool) -> Trimmed | None:
    """None where nothing was taken out. Each part is counted once, however many objects have its content."""
    steps = dict.fromkeys((str(part["stage"]), str(part["documents"])) for part in record.parts)
    commits = [commit for stage, key in steps if (commit := find(work, stage, key))]
    names = [shard.name for commit in commits for shard in commit.of("trimmed")]
    if not names:
        return None
    rows = work.scan(names)
    totals = pl.col("times", "characters").sum()
    sources = rows.group_by("source").agg(totals).sort("times", "source", descending=[True, False]).head(SHOWN)
    places = pl.col("shard", "row", "start", "end").sort_by("shard", "row", "start").first()
    lines = rows.group_by("line").agg(pl.col("times").sum(), places)
    number = lines.select(pl.len()).collect().item()
    frequent = lines.sort("times", "line", descending=[True, False]).head(SHOWN).collect()
    return Trimmed(
        [OfSource(*row) for row in sources.collect().select("source", "times", "characters").iter_rows()],
        number,
        [
            Line(f"{line:016x}", times, _text(work, *place) if with_text else None)
            for line, times, *place in frequent.select("line", "times", "shard", "row", "start", "end").iter_rows()
        ],
    )


def _text(work: Store, shard: str, row: int, start: int, end: int) -> str:
    text = take_rows(work, shard, np.array([row], np.int64), ["text"]).column("text")[0].as_py()
    shown: str = text.encode()[start:end].decode()
    return shown if len(shown) <= CHARACTERS else shown[:CHARACTERS] + "…"
