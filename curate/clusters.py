"""From equal band keys to candidate pairs, and from verified edges to keepers: sorted arrays and one pass over each.

Documents are numbers 0..n-1, and `rank` gives each a different number, the best the smallest. It must come from the
documents themselves (source, length, date, id), not from the order they are processed in: then neither does the result.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

VERSION = 1
"""Of both rules below: results are stored under a key that holds it. Bump it when one changes."""

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]

_HALF = np.uint64(32)
_LOW = np.uint64(2**32 - 1)
# Two document numbers share 64 bits when pairs are sorted.
_MAX_DOCS = 2**32


class Status(IntEnum):
    """What became of a document."""

    INELIGIBLE = 0
    """Took no part; its edges were ignored."""
    KEEPER = 1
    """Stays; no edge to another keeper."""
    REMOVED = 2
    """A copy; has an edge to its keeper."""


class Keepers(NamedTuple):
    """One entry a document."""

    keeper: Int64s
    """Number of the best-ranked keeper among the neighbours of a removed document; else the document's own number."""
    status: npt.NDArray[np.uint8]
    """A `Status`."""


def candidate_pairs(keys: UInt64s, docs: Int64s, rank: Int64s, *, leaders: int = 16) -> tuple[Int64s, int]:
    """Pairs of documents to compare, (lower, higher) number, distinct and sorted, int64[p, 2]; how many pairs of equal
    key were left out, 0 or more, a pair counted once for each key. Row r says that document `docs[r]` has `keys[r]`.

    Documents of one key are a bucket: its `leaders` best by rank are compared with each other and with all others, so
    that a bucket of g documents costs at most g x leaders pairs of 8 bytes, not g^2 / 2.
    """
    _check_numbers("docs", docs, len(rank))
    if len(keys) != len(docs):
        raise ValueError(f"candidate_pairs: got {len(keys)} keys and {len(docs)} docs, expected one key a document row")
    if leaders < 1:
        raise ValueError(f"leaders: got {leaders}, expected at least 1")
    members, first = _buckets(keys, docs, rank)
    num_pairs, num_compared = _count_pairs(first, leaders)
    codes = np.empty(num_compared, np.uint64)
    _write_pairs(members, first, leaders, codes)
    codes.sort()
    return _split_codes(codes[_starts(codes)]), num_pairs - num_compared


def keepers(edges: Int64s, rank: Int64s, eligible: npt.NDArray[np.bool_]) -> Keepers:
    """Who stays: walking the eligible documents from the best rank on, each one without an edge to a keeper so far.

    That is the lexicographically first independent set in the order of rank. `edges` is int64[e, 2], either way round,
    repeats allowed. A document without edges keeps itself; an ineligible one neither stays nor removes another.
    Edges are sorted by their worse end, so that one sweep meets each document when all better ones are decided: time
    e log e whatever the graph, where rounds over the edges would need one round for every two links of a chain.
    """
    _check_numbers("edges", edges, len(rank))
    if len(eligible) != len(rank):
        raise ValueError(f"eligible: got {len(eligible)} entries, expected one for each of {len(rank)} documents")
    loops = np.flatnonzero(edges[:, 0] == edges[:, 1])
    if len(loops):
        raise ValueError(f"edges[{loops[0]}]: joins document {edges[loops[0], 0]} to itself, expected two documents")
    document = _order(rank)
    position = np.empty(len(rank), np.int64)
    position[document] = np.arange(len(rank))
    taking_part = edges[eligible[edges[:, 0]] & eligible[edges[:, 1]]]
    ends = np.sort(position[taking_part], axis=1).astype(np.uint64)
    codes = ends[:, 1] << _HALF | ends[:, 0]
    codes.sort()
    keeper_position = np.arange(len(rank), dtype=np.int64)
    _sweep(codes, keeper_position)
    keeper = np.empty_like(keeper_position)
    keeper[document] = document[keeper_position]
    status = np.where(keeper == np.arange(len(rank)), Status.KEEPER, Status.REMOVED)
    return Keepers(keeper, np.where(eligible, status, Status.INELIGIBLE).astype(np.uint8))


def _order(rank: Int64s) -> Int64s:
    """Document numbers from the best rank to the worst; int64[n]."""
    document = np.argsort(rank)
    _check_ties(rank, document, np.zeros(len(rank), np.bool_))
    return document


def _check_ties(rank: Int64s, documents: Int64s, starts: npt.NDArray[np.bool_]) -> None:
    """Stops where two neighbours in a bucket share a rank: only the order of processing would decide between them."""
    ranks = rank[documents]
    ties = np.flatnonzero((ranks[1:] == ranks[:-1]) & (documents[1:] != documents[:-1]) & ~starts[1:])
    if len(ties):
        pair = np.sort(documents[ties[0] : ties[0] + 2]).tolist()
        raise ValueError(f"rank: documents {pair} share rank {ranks[ties[0]]}, expected distinct ranks; add the id")


def _starts(values: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
    """True where a value is the first or differs from the one before."""
    starts = np.ones(len(values), np.bool_)
    starts[1:] = values[1:] != values[:-1]
    return starts


def _check_numbers(name: str, numbers: Int64s, num_docs: int) -> None:
    if num_docs > _MAX_DOCS:
        raise ValueError(f"rank: got {num_docs} documents, expected at most 2^32; split the input into partitions")
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < num_docs:
        got = f"{numbers.min()}..{numbers.max()}"
        raise ValueError(f"{name}: got document numbers {got}, expected 0..{num_docs - 1}, one for each rank")


def _buckets(keys: UInt64s, docs: Int64s, rank: Int64s) -> tuple[Int64s, Int64s]:
    """Documents of each key that two or more rows have, best first and each once, and where each bucket begins."""
    order = np.argsort(keys)
    ordered = keys[order]
    alone = _starts(ordered)
    alone[:-1] &= alone[1:]
    # Most keys are alone: only the rest is sorted a second time.
    bucket, members = ordered[~alone], docs[order[~alone]]
    order = np.lexsort((rank[members], bucket))
    bucket, members = bucket[order], members[order]
    starts = _starts(bucket)
    _check_ties(rank, members, starts)
    once = starts | _starts(members)
    first = np.append(np.flatnonzero(starts[once]), np.count_nonzero(once))
    return members[once], first.astype(np.int64)


def _split_codes(codes: UInt64s) -> Int64s:
    return np.stack([codes >> _HALF, codes & _LOW], axis=1).astype(np.int64)


@njit(cache=True, nogil=True)
def _count_pairs(first, leaders):  # type: ignore[no-untyped-def]  # numba infers the types
    num_pairs = num_compared = 0
    for bucket in range(len(first) - 1):
        size = first[bucket + 1] - first[bucket]
        left_out = max(size - leaders, 0)
        pairs = size * (size - 1) // 2
        num_pairs += pairs
        num_compared += pairs - left_out * (left_out - 1) // 2
    return num_pairs, num_compared


@njit(cache=True, nogil=True)
def _write_pairs(members, first, leaders, codes):  # type: ignore[no-untyped-def]
    written = 0
    for bucket in range(len(first) - 1):
        start, end = first[bucket], first[bucket + 1]
        for i in range(start, min(start + leaders, end)):
            for j in range(i + 1, end):
                low, high = min(members[i], members[j]), max(members[i], members[j])
                codes[written] = np.uint64(low) << _HALF | np.uint64(high)
                written += 1


@njit(cache=True, nogil=True)
def _sweep(codes, keeper):  # type: ignore[no-untyped-def]
    """Sets the keeper of each position that has a better neighbour which keeps itself; the first found is the best."""
    for code in codes:
        worse, better = np.int64(code >> _HALF), np.int64(code & _LOW)
        if keeper[worse] == worse and keeper[better] == better:
            keeper[worse] = better
