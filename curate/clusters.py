"""From equal band keys to candidate pairs, and from verified edges to keepers: sorted arrays and one pass over each.

Documents are numbers 0..n-1, and `rank` gives each a different number, the best the smallest. It must come from the
documents themselves (source, length, date, id), not from the order they are processed in: then neither does the result.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from curate.ascending import begins, look_up

VERSION = 1
"""Of both rules below: results are stored under a key that holds it. Bump it when one changes."""

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]

_HALF = np.uint64(32)
_LOW = np.uint64(2**32 - 1)
# Two document numbers share 64 bits when pairs are sorted.
_MAX_DOCS = 2**32


PAIRS_AT_ONCE = 1 << 22
"""Candidate pairs that are in memory, 8 bytes each and as many again while they are written."""


class Claims(NamedTuple):
    """Documents of which each may be kept; one entry a document."""

    text: Int64s
    """Number of the document's text: equal for equal texts."""
    order: tuple[npt.NDArray[Any], ...]
    """Sort keys of the policy, the first one decides before the second: smallest is best. No two documents tie."""


class Resolved(NamedTuple):
    """One entry a document of the claims."""

    keeper: Int64s
    """Place among the claims of the document that is kept in its stead; its own where it is kept."""
    exact: npt.NDArray[np.bool_]
    """Whether the keeper has the same text."""


def resolve(claims: Claims, edges: Iterable[Int64s]) -> Resolved:
    """Who is kept, among documents of equal text and of texts joined by `edges`, arrays int64[e, 2] of text numbers.

    A text is as good as its best document. Texts stay as `keepers` says, and of a text that stays its best document;
    edges of texts that no document claims are ignored. A removed document has its keeper's text or an edge to it.
    """
    place = np.lexsort(claims.order[::-1])
    position = np.empty(len(place), np.int64)
    position[place] = np.arange(len(place))
    texts, text = np.unique(claims.text, return_inverse=True)
    best = np.empty(len(texts), np.int64)
    best[text[place[::-1]]] = place[::-1]
    keeper_text = keepers((_among(some, texts) for some in edges), position[best])
    keeper = best[keeper_text[text]]
    return Resolved(keeper, keeper_text[text] == text)


def similarities(
    claims: Claims, resolved: Resolved, edges: Iterable[tuple[Int64s, npt.NDArray[np.float64]]]
) -> npt.NDArray[np.float64]:
    """Similarity of each document with its keeper, float64[n]: 1 for an equal text, else that of the edge between their
    texts. `edges` as for `resolve`, each array with the similarities of its edges.
    """
    texts, text = np.unique(claims.text, return_inverse=True)
    keeper_text = np.arange(len(texts))
    keeper_text[text] = text[resolved.keeper]
    similarity = np.ones(len(texts))
    for pairs, values in edges:
        places, known = _places(pairs, texts)
        for near, far in (places[known].T, places[known][:, ::-1].T):
            joined = keeper_text[near] == far
            similarity[near[joined]] = values[known][joined]
    return similarity[text]


def neighbours_of_removed(claims: Claims, resolved: Resolved, edges: Iterable[Int64s]) -> Int64s:
    """Pairs of text numbers, distinct and sorted, int64[p, 2]: a kept text and the keeper of a neighbour that left.

    The kept one may be a copy of that keeper without having been compared with it.
    """
    texts, text = np.unique(claims.text, return_inverse=True)
    keeper_text = np.arange(len(texts))
    keeper_text[text] = text[resolved.keeper]
    found = [np.empty((0, 2), np.int64)]
    for some in edges:
        known = _among(some, texts)
        for near, far in (known.T, known[:, ::-1].T):
            chosen = (keeper_text[near] == near) & (keeper_text[far] != far) & (keeper_text[far] != near)
            found.append(np.unique(np.sort(np.stack([near, keeper_text[far]], axis=1)[chosen], axis=1), axis=0))
    return texts[np.unique(np.concatenate(found), axis=0)].reshape(-1, 2)


def _among(edges: Int64s, texts: Int64s) -> Int64s:
    """The edges between these texts (ascending numbers), as places in `texts`."""
    places, known = _places(edges, texts)
    return places[known]


def _places(edges: Int64s, texts: Int64s) -> tuple[Int64s, npt.NDArray[np.bool_]]:
    """Place of each end among the texts, int64[e, 2], and whether both ends are there."""
    places, found = look_up(texts, edges)
    return places, np.asarray(found.all(axis=1))


def candidate_pairs(keys: UInt64s, docs: Int64s, rank: Int64s, *, leaders: int = 16) -> "Candidates":
    """Pairs of documents to compare. Row r says that document `docs[r]` has `keys[r]`.

    Documents of one key are a bucket: its `leaders` best by rank are compared with each other and with all others, so
    that a bucket of g documents costs at most g x leaders pairs, not g^2 / 2.
    """
    _check_numbers("docs", docs, len(rank))
    if len(keys) != len(docs):
        raise ValueError(f"candidate_pairs: got {len(keys)} keys and {len(docs)} docs, expected one key a document row")
    if leaders < 1:
        raise ValueError(f"leaders: got {leaders}, expected at least 1")
    members, first = _buckets(keys, docs, rank)
    sizes = np.diff(first)
    left_out = np.maximum(sizes - leaders, 0)
    return Candidates(
        _pairs(members, first, leaders),
        not_compared=int((left_out * (left_out - 1) // 2).sum()),
        largest=int(sizes.max(initial=0)),
    )


class Candidates(NamedTuple):
    """What is compared, and what is not."""

    pairs: Iterator[Int64s]
    """(lower, higher) number, int64[p, 2], sorted and distinct in each array; at most PAIRS_AT_ONCE and one document's
    leaders in one."""
    not_compared: int
    """Pairs of equal key that are left out, a pair counted once for each key."""
    largest: int
    """Documents of the largest bucket; 0 without a bucket."""


def keepers(edges: Iterable[Int64s], rank: Int64s) -> Int64s:
    """The keeper of each document, int64[n]: its own number where it stays, else that of its best-ranked neighbour that
    does. `edges` are arrays int64[e, 2], either way round, repeats allowed; 8 bytes an edge are held.

    Walking from the best rank on, each document stays that has no edge to one that stays so far: the lexicographically
    first independent set in the order of rank. Edges are sorted by their worse end, so that one sweep meets each
    document when all better ones are decided: time e log e whatever the graph, where rounds over the edges would need
    one round for every two links of a chain.
    """
    document = _order(rank)
    position = np.empty(len(rank), np.int64)
    position[document] = np.arange(len(rank))
    codes = np.concatenate([np.empty(0, np.uint64), *(_codes(some, position) for some in edges)])
    codes.sort()
    keeper_position = np.arange(len(rank), dtype=np.int64)
    _sweep(codes, keeper_position)
    keeper = np.empty_like(keeper_position)
    keeper[document] = document[keeper_position]
    return keeper


def _codes(edges: Int64s, position: Int64s) -> UInt64s:
    """The positions of an edge's worse and better end in one number."""
    _check_numbers("edges", edges, len(position))
    loops = np.flatnonzero(edges[:, 0] == edges[:, 1])
    if len(loops):
        raise ValueError(f"edges[{loops[0]}]: joins document {edges[loops[0], 0]} to itself, expected two documents")
    ends = np.sort(position[edges], axis=1).astype(np.uint64)
    return ends[:, 1] << _HALF | ends[:, 0]


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
    alone = begins(ordered)
    alone[:-1] &= alone[1:]
    # Most keys are alone: only the rest is sorted a second time.
    bucket, members = ordered[~alone], docs[order[~alone]]
    order = np.lexsort((rank[members], bucket))
    bucket, members = bucket[order], members[order]
    starts = begins(bucket)
    _check_ties(rank, members, starts)
    once = starts | begins(members)
    first = np.append(np.flatnonzero(starts[once]), np.count_nonzero(once))
    return members[once], first.astype(np.int64)


def _pairs(members: Int64s, first: Int64s, leaders: int) -> Iterator[Int64s]:
    """Each member with the leaders before it, some members at a time."""
    start_of = np.repeat(first[:-1], np.diff(first))
    number = np.minimum(np.arange(len(members)) - start_of, leaders)
    before = np.cumsum(number) - number
    cuts = np.flatnonzero(np.diff(before // PAIRS_AT_ONCE)) + 1
    for start, end in pairwise([0, *cuts.tolist(), len(members)]):
        codes = np.empty(int(number[start:end].sum()), np.uint64)
        _write_pairs(members, start_of, start, end, leaders, codes)
        codes.sort()
        if len(codes):
            yield _split_codes(codes[begins(codes)])


def _split_codes(codes: UInt64s) -> Int64s:
    return np.stack([codes >> _HALF, codes & _LOW], axis=1).astype(np.int64)


@njit(cache=True, nogil=True)
def _write_pairs(members, start_of, start, end, leaders, codes):  # type: ignore[no-untyped-def]  # numba infers the types
    written = 0
    for row in range(start, end):
        bucket = start_of[row]
        for i in range(bucket, min(bucket + leaders, row)):
            low, high = min(members[i], members[row]), max(members[i], members[row])
            codes[written] = np.uint64(low) << _HALF | np.uint64(high)
            written += 1


@njit(cache=True, nogil=True)
def _sweep(codes, keeper):  # type: ignore[no-untyped-def]
    """Sets the keeper of each position that has a better neighbour which keeps itself; the first found is the best."""
    for code in codes:
        worse, better = np.int64(code >> _HALF), np.int64(code & _LOW)
        if keeper[worse] == worse and keeper[better] == better:
            keeper[worse] = better
