"""MinHash over shingles: shingle hashes (curate/shingles.py) -> signatures -> band keys, and exact Jaccard."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from curate.shingles import CHUNK, Shingles, fmix64, mix, next_shingles, symbols, token_shingles
from curate.text.tokens import token_ids

VERSION = 1
"""Of the rule of shingles and of every hash: results are stored under a key that holds it. Bump it when one changes."""

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]

_EMPTY = np.uint64(2**64 - 1)
_BAND_START = np.uint64(0xA4093822299F31D1)
_DEFAULT = Shingles()


class Overlap(NamedTuple):
    """How much two sets share, one entry a pair."""

    jaccard: npt.NDArray[np.float64]
    """Shared over united, 0..1; 0.0 where both are empty."""
    containment: npt.NDArray[np.float64]
    """Shared over the smaller set's size, 0..1; 0.0 where one is empty."""


def shingle_hashes(
    data: npt.NDArray[np.uint8], offsets: Int64s, shingles: Shingles = _DEFAULT
) -> tuple[UInt64s, Int64s]:
    """Hashes of each document's shingles in order, repeats included, and where each document's begin; uint64[total],
    int64[n+1]. A document without units has none. `data` is UTF-8, document i is `data[offsets[i]:offsets[i+1]]`.

    Raises ConfigError where the units are tokens and the tokenizer's file changed.
    """
    data, offsets = _checked(data, offsets)
    first = np.zeros(len(offsets), np.int64)
    size, fewest = shingles.size, shingles.fewest
    if shingles.tokenizer:
        ids, id_first = token_ids(data, offsets, shingles.tokenizer)
        hashes = np.empty(len(ids), np.uint64)
        total = token_shingles(ids, id_first, size, fewest, hashes, first)
        return hashes[:total].copy(), first
    by_character = shingles.unit == "characters"
    # A word takes a byte and a separator after it, or three bytes: never more than half the bytes, rounded up; a
    # character takes a byte. Pages of the estimate that are never written cost no memory.
    most = int(offsets[-1] - offsets[0])
    hashes = np.empty(most if by_character else (most + len(offsets)) // 2 + 1, np.uint64)
    total = _shingle_hashes(data, offsets, symbols(shingles.normalise), by_character, size, fewest, hashes, first)
    return hashes[:total].copy(), first


def shingle_sets(data: npt.NDArray[np.uint8], offsets: Int64s, shingles: Shingles = _DEFAULT) -> tuple[UInt64s, Int64s]:
    """The distinct shingle hashes of each document, ascending, and where each document's begin; uint64[total],
    int64[n+1]. A document without units has the empty set. Raises as `shingle_hashes` does.
    """
    hashes, first = shingle_hashes(data, offsets, shingles)
    # NumPy's vectorised sort takes 3 to 5 ns an item, numba's quicksort 60: worth a Python loop of 1 us a document.
    for start, end in pairwise(first.tolist()):
        hashes[start:end].sort()
    total = _drop_repeats(hashes, first)
    return hashes[:total].copy(), first


def permutations(num_perm: int, seed: int) -> tuple[UInt64s, UInt64s]:
    """Multipliers (odd) and addends of h -> a * h + b modulo 2^64; two uint64[num_perm].

    Drawn as datasketch 2.0.0 draws them for scheme "affine64", from the generator whose stream NumPy has frozen.
    """
    if num_perm < 1:
        raise ValueError(f"num_perm: got {num_perm}, expected at least 1 (bands x rows)")
    # The generator of datasketch: another one gives other signatures.
    generator = np.random.RandomState(seed)
    a = generator.randint(0, 1 << 63, num_perm, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    b = generator.randint(0, 1 << 64, num_perm, dtype=np.uint64)
    return a, b


def signatures(hashes: UInt64s, first: Int64s, a: UInt64s, b: UInt64s) -> UInt64s:
    """Minima of each document's hashes under each permutation; uint64[n, num_perm], 2^64 - 1 without any hash.

    Equal element for element to datasketch 2.0.0 `MinHash(num_perm, seed, scheme="affine64", hashfunc=...)` over the
    same 64-bit hashes. Documents without shingles (`first[i] == first[i+1]`) all look alike: never join them.
    """
    minima = np.full((len(first) - 1, len(a)), _EMPTY)
    _signatures(hashes, first, a, b, minima)
    return minima


def text_signatures(
    data: npt.NDArray[np.uint8], offsets: Int64s, a: UInt64s, b: UInt64s, shingles: Shingles = _DEFAULT
) -> tuple[UInt64s, Int64s]:
    """`signatures` of `shingle_hashes`, which are stored for tokens alone; uint64[n, num_perm] and the number of
    shingles, int64[n], repeats included. Where that is 0 the row is all 2^64 - 1: never join such documents.

    Raises as `shingle_hashes` does.
    """
    if shingles.tokenizer:
        hashes, first = shingle_hashes(data, offsets, shingles)
        return signatures(hashes, first, a, b), np.diff(first)
    data, offsets = _checked(data, offsets)
    minima = np.full((len(offsets) - 1, len(a)), _EMPTY)
    num_shingles = np.zeros(len(offsets) - 1, np.int64)
    how = (symbols(shingles.normalise), shingles.unit == "characters", shingles.size, shingles.fewest)
    _text_signatures(data, offsets, *how, a, b, minima, num_shingles)
    return minima, num_shingles


def band_keys(minima: UInt64s, bands: int, rows: int) -> UInt64s:
    """One 64-bit key a band, of its number and its `rows` minima; uint64[n, bands].

    Equal bands give equal keys; two different ones collide once in 2^64 pairs, which verification then rejects.
    """
    if bands < 1 or rows < 1 or bands * rows > minima.shape[1]:
        raise ValueError(f"bands x rows: got {bands} x {rows}, expected at most the {minima.shape[1]} hashes stored")
    keys = np.empty((len(minima), bands), np.uint64)
    _band_keys(minima, rows, keys)
    return keys


def jaccard(sorted_a: UInt64s, sorted_b: UInt64s) -> float:
    """Shared over united items of two ascending arrays of distinct hashes, 0..1; 0.0 where both are empty."""
    shared = int(_shared(sorted_a, sorted_b))
    return shared / max(len(sorted_a) + len(sorted_b) - shared, 1)


def overlaps(hashes: UInt64s, first: Int64s, pairs: Int64s) -> Overlap:
    """Exact Jaccard and containment of pairs (i, j) of documents, float64[p] each; `hashes` and `first` are
    `shingle_sets`' and pairs int64[p, 2].
    """
    if pairs.size and not 0 <= pairs.min() <= pairs.max() < len(first) - 1:
        got = f"{pairs.min()}..{pairs.max()}"
        raise ValueError(f"pairs: got document numbers {got}, expected 0..{len(first) - 2}, one for each set")
    values = np.zeros((2, len(pairs)))
    _overlaps(hashes, first, np.ascontiguousarray(pairs, np.int64), values)
    return Overlap(values[0], values[1])


def probability(similarity: float, bands: int, rows: int) -> float:
    """Probability that two texts of this Jaccard similarity (0..1) share a band key, 0..1. Source: Broder 1997;
    Leskovec et al., Mining of Massive Datasets, 3.4.2.
    """
    return float(1.0 - (1.0 - similarity**rows) ** bands)


def threshold(bands: int, rows: int) -> float:
    """Similarity at which `probability` rises fastest, about (1/bands)^(1/rows), 0..1. Source: as above."""
    return float((1.0 / bands) ** (1.0 / rows))


def _checked(data: npt.NDArray[np.uint8], offsets: Int64s) -> tuple[npt.NDArray[np.uint8], Int64s]:
    """The arguments as read-only views: numba compiles a kernel twice for arrays that differ in that alone."""
    # A compiled kernel follows its offsets wherever they lead.
    if len(offsets) == 0 or offsets[0] < 0 or offsets[-1] > len(data) or np.any(offsets[1:] < offsets[:-1]):
        raise ValueError(f"offsets: expected n + 1 byte offsets, ascending within 0..{len(data)}, the data's length")
    data, offsets = data.view(), offsets.view()
    data.flags.writeable = offsets.flags.writeable = False
    return data, offsets


@njit(cache=True, nogil=True)
def _shingle_hashes(data, offsets, symbol, by_character, size, fewest, hashes, first):  # type: ignore[no-untyped-def]
    units = np.empty(CHUNK, np.uint64)
    total = 0
    for i in range(len(offsets) - 1):
        begin, end, carried = offsets[i], offsets[i + 1], 0
        p = begin
        while p < end:
            p, carried, count = next_shingles(
                data, begin, p, end, symbol, by_character, size, fewest, units, carried, hashes[total:]
            )
            total += count
        first[i + 1] = total
    return total


@njit(cache=True, nogil=True)
def _text_signatures(  # type: ignore[no-untyped-def]
    data, offsets, symbol, by_character, size, fewest, a, b, minima, num_shingles
):
    units = np.empty(CHUNK, np.uint64)
    hashes = np.empty(CHUNK, np.uint64)
    for i in range(len(offsets) - 1):
        begin, end, carried = offsets[i], offsets[i + 1], 0
        p = begin
        while p < end:
            p, carried, count = next_shingles(
                data, begin, p, end, symbol, by_character, size, fewest, units, carried, hashes
            )
            _lower(minima[i], hashes, count, a, b)
            num_shingles[i] += count


@njit(cache=True, nogil=True)
def _signatures(hashes, first, a, b, minima):  # type: ignore[no-untyped-def]
    chunk = np.empty(CHUNK, np.uint64)
    for i in range(len(first) - 1):
        for start in range(first[i], first[i + 1], CHUNK):
            count = min(CHUNK, first[i + 1] - start)
            chunk[:count] = hashes[start : start + count]
            _lower(minima[i], chunk, count, a, b)


@njit(cache=True, nogil=True)
def _lower(minima, hashes, count, a, b):  # type: ignore[no-untyped-def]
    """Lowers each minimum to the least permuted hash; overwrites the hashes."""
    for i in range(count):
        hashes[i] = fmix64(hashes[i])
    whole = count - count % 4
    for i in range(0, whole, 4):
        h0, h1, h2, h3 = hashes[i], hashes[i + 1], hashes[i + 2], hashes[i + 3]
        for k in range(len(minima)):
            x = min(a[k] * h0 + b[k], a[k] * h1 + b[k])
            y = min(a[k] * h2 + b[k], a[k] * h3 + b[k])
            minima[k] = min(minima[k], min(x, y))
    for i in range(whole, count):
        for k in range(len(minima)):
            minima[k] = min(minima[k], a[k] * hashes[i] + b[k])


@njit(cache=True, nogil=True)
def _band_keys(minima, rows, keys):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        for band in range(keys.shape[1]):
            key = mix(_BAND_START, np.uint64(band))
            for k in range(band * rows, (band + 1) * rows):
                key = mix(key, minima[i, k])
            keys[i, band] = fmix64(key)


@njit(cache=True, nogil=True)
def _drop_repeats(hashes, first):  # type: ignore[no-untyped-def]
    """Moves the distinct items of each sorted run to the front and their bounds into `first`; how many are left."""
    total = 0
    start = first[0]
    for i in range(len(first) - 1):
        end = first[i + 1]
        for k in range(start, end):
            if k == start or hashes[k] != hashes[k - 1]:
                hashes[total] = hashes[k]
                total += 1
        start = end
        first[i + 1] = total
    return total


@njit(cache=True, nogil=True)
def _shared(a, b):  # type: ignore[no-untyped-def]
    i = j = shared = 0
    # Without branches: which side steps is a coin toss, and a wrong guess costs more than the merge step.
    while i < len(a) and j < len(b):
        x, y = a[i], b[j]
        shared += x == y
        i += x <= y
        j += y <= x
    return shared


@njit(cache=True, nogil=True)
def _overlaps(hashes, first, pairs, values):  # type: ignore[no-untyped-def]
    for k in range(len(pairs)):
        a = hashes[first[pairs[k, 0]] : first[pairs[k, 0] + 1]]
        b = hashes[first[pairs[k, 1]] : first[pairs[k, 1] + 1]]
        shared = _shared(a, b)
        values[0, k] = shared / max(len(a) + len(b) - shared, 1)
        values[1, k] = shared / max(min(len(a), len(b)), 1)
