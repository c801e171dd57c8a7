"""Sorted runs: how documents that belong together meet, though many tasks read them and none holds them all.

A task writes its rows in order of a 64-bit key (a run), others read a range of the key from all runs. Row groups that
lie outside the range are never read, so all ranges together read each row about once, however many ranges there are.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.shards import Shard, ShardWriter, open_parquet
from curate.storage import Store

UInt64s = npt.NDArray[np.uint64]

KEY = "@key"
"""Name of the key's column: no column of the user's can have it."""

LAST = 2**64 - 1
"""The largest key."""

GROUP_ROWS = 1 << 15
"""Rows of a row group of narrow rows: a range reads at most two groups a run more than it asked for."""


class Range(NamedTuple):
    """Keys from `low` to `high`, both included."""

    low: int
    high: int


def equal_ranges(number: int, keys: int = LAST + 1) -> list[Range]:
    """The keys 0..keys-1 in `number` ranges of about one width: for keys that are hashes, or document numbers."""
    bounds = [keys * i // number for i in range(number + 1)]
    return [Range(low, high - 1) for low, high in pairwise(bounds)]


def ranges_for(rows: int, rows_at_once: int, number: int | None = None, keys: int = LAST + 1) -> list[Range]:
    """Equal ranges: `number` of them, or as few as hold at most about `rows_at_once` of `rows` rows each."""
    return equal_ranges(number or max(1, -(-rows // rows_at_once)), keys)


def write_run(writer: ShardWriter, kind: str, by: UInt64s, columns: pa.Table, *, group_rows: int = GROUP_ROWS) -> None:
    """Write rows as one run: a column KEY with `by` in ascending order, then the columns, in the same order. Without a
    row there is no run.
    """
    if not len(by):
        return
    order = np.argsort(by, kind="stable")
    table = columns.take(pa.array(order)).add_column(0, KEY, pa.array(by[order]))
    writer.write_whole(kind, table, row_group_rows=group_rows, exchange=True)


def read_range(
    store: Store, runs: Sequence[Shard], keys: Range, columns: list[str] | None = None
) -> Iterator[pa.Table]:
    """The rows of each run whose key lies in the range, in order; `columns` absent: all."""
    for run in runs:
        with open_parquet(store, run.name) as file:
            groups = [n for n, (low, high) in enumerate(_spans(file)) if low <= keys.high and high >= keys.low]
            if not groups:
                continue
            wanted = columns if columns is None or KEY in columns else [KEY, *columns]
            table = file.read_row_groups(groups, columns=wanted, use_threads=False)
        found = table.column(KEY).to_numpy()
        start = int(np.searchsorted(found, np.uint64(keys.low), side="left"))
        end = int(np.searchsorted(found, np.uint64(keys.high), side="right"))
        if start < end:
            table = table.slice(start, end - start)
            yield table if columns is None else table.select(columns)


def cut(store: Store, runs: Sequence[Shard], rows: int) -> list[Range]:
    """Ranges of about `rows` rows over all runs, none of them empty, which together hold every key; for keys that lie
    anyhow. Cut between row groups, so a range may have a row group of each run more.
    """
    starts: list[tuple[int, int]] = []
    for run in runs:
        with open_parquet(store, run.name) as file:
            sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
            starts += [(low, size) for (low, _), size in zip(_spans(file), sizes, strict=True)]
    starts.sort()
    bounds, gathered = [low for low, _ in starts[:1]], 0
    for low, size in starts:
        if gathered and gathered + size > rows and low > bounds[-1]:
            bounds.append(low)
            gathered = 0
        gathered += size
    return [Range(low, high - 1) for low, high in pairwise([0, *bounds[1:], LAST + 1])] if starts else []


def _spans(file: "pa.parquet.ParquetFile") -> list[tuple[int, int]]:
    """Smallest and largest key of each row group."""
    key = file.schema_arrow.get_field_index(KEY)
    columns = [file.metadata.row_group(n).column(key).statistics for n in range(file.num_row_groups)]
    return [(int(c.min), int(c.max)) for c in columns]
