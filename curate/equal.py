"""Which of all documents share a hash: a range of hashes at a time, so that memory does not grow with the corpus."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from curate.ascending import begins
from curate.corpus import halves
from curate.runs import Range, ranges_for
from curate.shards import iterate_shards
from curate.step import Commit
from curate.storage import Store

RANGE_HASHES = 2 << 20
"""Hashes that are compared at once: about 150 MB while they are sorted."""

ROWS = 1 << 18
"""Rows that are read at once."""

Int64s = npt.NDArray[np.int64]


def sharing(store: Store, commits: Sequence[Commit], kind: str, column: str) -> Iterator[tuple[Int64s, Int64s]]:
    """Documents that share a 16-byte hash with another, by ranges of the hash: (number of the first one, number).

    Documents are numbered through the rows of the commits' shards of `kind`; one without a hash (null) shares none.
    """
    total = sum(commit.rows(kind) for commit in commits)
    for each in ranges_for(total, RANGE_HASHES):
        hashes, numbers = _in_range(store, commits, kind, column, each)
        # Numbers ascend, and the sort is stable: the first of equal hashes has the lowest.
        order = np.lexsort((hashes[:, 1], hashes[:, 0]))
        hashes, numbers = hashes[order], numbers[order]
        first = begins(hashes[:, 0], hashes[:, 1])
        alone = first.copy()
        alone[:-1] &= first[1:]
        lowest = numbers[first][np.cumsum(first) - 1]
        yield lowest[~alone], numbers[~alone]


def _in_range(
    store: Store, commits: Sequence[Commit], kind: str, column: str, each: Range
) -> tuple[npt.NDArray[np.uint64], Int64s]:
    """The hashes whose first half lies in the range, uint64[n, 2], and the numbers of their documents."""
    hashes, numbers, start = [np.empty((0, 2), np.uint64)], [np.empty(0, np.int64)], 0
    for commit in commits:
        for table in iterate_shards(store, commit.of(kind), [column], ROWS):
            there = np.flatnonzero(table.column(column).is_valid().to_numpy())
            read = halves(table.column(column).drop_null())
            chosen = np.flatnonzero((read[:, 0] >= np.uint64(each.low)) & (read[:, 0] <= np.uint64(each.high)))
            hashes.append(read[chosen])
            numbers.append(start + there[chosen])
            start += table.num_rows
    return np.concatenate(hashes), np.concatenate(numbers)
