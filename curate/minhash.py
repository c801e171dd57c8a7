"""MinHash over word shingles: normalised words -> 64-bit shingle hashes -> signatures -> band keys, and exact Jaccard.

The word rule (declared, part of `VERSION`), character by character, so that a text means the same alone and in a batch:
- lower case without diacritics (`filters.unicode.FOLD`): marks of category Mn neither count nor separate, among them
  the vowel signs above and below of Thai and Devanagari; the final sigma is a sigma;
- a number, that is digits and any groups of one separator `.` `,` U+060C U+066B U+066C and digits, becomes one `0`;
- a word is a maximal run of letters, marks and digits; all else separates;
- each Han, Kana, Hangul or Thai character is a word by itself.

A shingle is `size` consecutive words; a text of fewer words has one shingle of all of them, a text without words none.
DIFFERS from datatrove: no language's tokenizer, lower case by character, all groups of `1,234,567.8` are one number.

A word's hash folds in its code points, and a shingle's hash its word hashes, one after the other: x = (x ^ item) * M,
x ^= x >> 32, at the end MurmurHash3's finalizer. Each step is a bijection of x, so order matters and a difference,
once in, is lost only by chance: measured, 3.65 million shingles of real text had as many hashes, and 1,567 collisions
in their upper 32 bits where chance gives 1,551.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.unicode import CLASS, CODE_POINTS, DIGIT, FOLD, LETTER, LONE, MARK, decode

VERSION = 1
"""Of the word rule and of every hash below: results are stored under a key that holds it. Bump it when one changes."""

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]

_EMPTY = np.uint64(2**64 - 1)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_WORD_START = np.uint64(0x243F6A8885A308D3)
_SHINGLE_START = np.uint64(0x13198A2E03707345)
_BAND_START = np.uint64(0xA4093822299F31D1)
_HALF = np.uint64(32)
_FMIX_SHIFT = np.uint64(33)
_FMIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_FMIX_2 = np.uint64(0xC4CEB9FE1A85EC53)

# Kinds of a character, in bits 24 and up of a _SYMBOL entry; the folded code point is below.
_PART, _NUMBER, _WHOLE, _POINT, _DROPPED = 1, 2, 3, 4, 5
_KIND_SHIFT = 24
_CODE_POINT = (1 << _KIND_SHIFT) - 1
_NUMBER_SEPARATORS = (0x2E, 0x2C, 0x060C, 0x066B, 0x066C)
# 1,024 words are 8 KB: with their shingles and a signature of 112 hashes they stay in the 32 KB of a first-level cache.
_CHUNK_WORDS = 1024
MAX_SHINGLE_WORDS = 64
"""Longest shingle, in words."""


class Overlap(NamedTuple):
    """How much two sets share, one entry a pair."""

    jaccard: npt.NDArray[np.float64]
    """Shared over united, 0..1; 0.0 where both are empty."""
    containment: npt.NDArray[np.float64]
    """Shared over the smaller set's size, 0..1; 0.0 where one is empty."""


def shingle_hashes(data: npt.NDArray[np.uint8], offsets: Int64s, *, size: int = 5) -> tuple[UInt64s, Int64s]:
    """Hashes of each document's shingles in order, repeats included, and where each document's begin; uint64[total],
    int64[n+1]. A document without words has none. `data` is UTF-8, document i is `data[offsets[i]:offsets[i+1]]`.
    """
    data, offsets = _checked(data, offsets, size)
    # A word takes a byte and a separator after it, or three bytes: never more than half the bytes, rounded up.
    # Pages of the estimate that are never written cost no memory.
    hashes = np.empty((int(offsets[-1] - offsets[0]) + len(offsets)) // 2 + 1, np.uint64)
    first = np.zeros(len(offsets), np.int64)
    total = _shingle_hashes(data, offsets, size, _SYMBOL, hashes, first)
    return hashes[:total].copy(), first


def shingle_sets(data: npt.NDArray[np.uint8], offsets: Int64s, *, size: int = 5) -> tuple[UInt64s, Int64s]:
    """The distinct shingle hashes of each document, ascending, and where each document's begin; uint64[total],
    int64[n+1]. A document without words has the empty set.
    """
    hashes, first = shingle_hashes(data, offsets, size=size)
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
    data: npt.NDArray[np.uint8], offsets: Int64s, a: UInt64s, b: UInt64s, *, size: int = 5
) -> tuple[UInt64s, Int64s]:
    """`signatures` of `shingle_hashes` without storing the hashes; uint64[n, num_perm] and the number of shingles,
    int64[n], repeats included. Where that is 0 the row is all 2^64 - 1: never join such documents.
    """
    data, offsets = _checked(data, offsets, size)
    minima = np.full((len(offsets) - 1, len(a)), _EMPTY)
    num_shingles = np.zeros(len(offsets) - 1, np.int64)
    _text_signatures(data, offsets, size, _SYMBOL, a, b, minima, num_shingles)
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


def _checked(data: npt.NDArray[np.uint8], offsets: Int64s, size: int) -> tuple[npt.NDArray[np.uint8], Int64s]:
    """The arguments as read-only views: numba compiles a kernel twice for arrays that differ in that alone."""
    if not 1 <= size <= MAX_SHINGLE_WORDS:
        raise ValueError(f"shingle size: got {size} words, expected 1..{MAX_SHINGLE_WORDS}")
    # A compiled kernel follows its offsets wherever they lead.
    if len(offsets) == 0 or offsets[0] < 0 or offsets[-1] > len(data) or np.any(offsets[1:] < offsets[:-1]):
        raise ValueError(f"offsets: expected n + 1 byte offsets, ascending within 0..{len(data)}, the data's length")
    data, offsets = data.view(), offsets.view()
    data.flags.writeable = offsets.flags.writeable = False
    return data, offsets


def _symbols() -> npt.NDArray[np.uint32]:
    """Kind and folded code point of each character; 0 for a separator. uint32[2^21]: all that `decode` can return,
    so that broken UTF-8 reads no memory but this; the unused upper half is never written and costs none.
    """
    symbols = np.zeros(1 << 21, np.uint32)
    kinds = np.zeros(CODE_POINTS, np.uint32)
    kinds[CLASS & (LETTER | MARK) != 0] = _PART
    kinds[CLASS & LONE != 0] = _WHOLE
    kinds[(CLASS & (LETTER | MARK) != 0) & (FOLD == 0)] = _DROPPED
    kinds[CLASS & DIGIT != 0] = _NUMBER
    kinds[list(_NUMBER_SEPARATORS)] = _POINT
    symbols[:CODE_POINTS] = np.where(kinds > 0, kinds << np.uint32(_KIND_SHIFT) | FOLD, 0)
    # str.lower() writes a capital sigma as one of two letters, by its place in the word; here both are one.
    symbols[0x3C2] = symbols[0x3C3]
    return symbols


_SYMBOL = _symbols()


@njit(cache=True, nogil=True)
def _mix(state, item):  # type: ignore[no-untyped-def]  # numba infers the types
    state = (state ^ item) * _MULTIPLIER
    return state ^ (state >> _HALF)


@njit(cache=True, nogil=True)
def _fmix64(x):  # type: ignore[no-untyped-def]
    """MurmurHash3's finalizer (public domain), which datasketch applies to every hash first."""
    x = (x ^ (x >> _FMIX_SHIFT)) * _FMIX_1
    x = (x ^ (x >> _FMIX_SHIFT)) * _FMIX_2
    return x ^ (x >> _FMIX_SHIFT)


@njit(cache=True, nogil=True)
def _number_end(data, p, end, symbol):  # type: ignore[no-untyped-def]
    """Byte after the number whose first digit begins at `p`."""
    after_point = False
    number_end = p
    while p < end:
        code, length = decode(data, p, end)
        kind = symbol[code] >> _KIND_SHIFT
        p += length
        if kind == _NUMBER:
            number_end = p
            after_point = False
        elif kind == _POINT and not after_point:
            after_point = True
        else:
            break
    return number_end


@njit(cache=True, nogil=True)
def _read_words(data, p, end, symbol, words, filled):  # type: ignore[no-untyped-def]
    """Appends hashes of the words from byte `p` on until the document or the room ends; next byte, words filled.

    The room ends with a word, so no word is cut: its last byte is read before the buffer is found full.
    """
    state = _WORD_START
    while p < end and filled < len(words):
        code, length = decode(data, p, end)
        entry = symbol[code]
        kind = entry >> _KIND_SHIFT
        if kind == _PART:
            state = _mix(state, np.uint64(entry & _CODE_POINT))
            p += length
        elif kind == _NUMBER:
            state = _mix(state, np.uint64(48))
            p = _number_end(data, p, end, symbol)
        elif kind == _DROPPED:
            p += length
        elif state != _WORD_START:
            words[filled] = _fmix64(state)
            filled += 1
            state = _WORD_START
            # The character is read again if it is a word by itself: there may be no room for a second word now.
            if kind != _WHOLE:
                p += length
        else:
            if kind == _WHOLE:
                words[filled] = _fmix64(_mix(state, np.uint64(entry & _CODE_POINT)))
                filled += 1
            p += length
    if state != _WORD_START:
        words[filled] = _fmix64(state)
        filled += 1
    return p, filled


@njit(cache=True, nogil=True)
def _hash_shingles(words, num_words, size, out):  # type: ignore[no-untyped-def]
    """Writes one hash for each run of `size` words."""
    start = _mix(_SHINGLE_START, np.uint64(size))
    count = num_words - size + 1
    for i in range(count):
        out[i] = start
    for k in range(size):
        for i in range(count):
            out[i] = _mix(out[i], words[i + k])
    for i in range(count):
        out[i] = _fmix64(out[i])


@njit(cache=True, nogil=True)
def _next_shingles(data, p, end, symbol, size, words, carried, out):  # type: ignore[no-untyped-def]
    """Shingles of the next chunk of a document, whose last `carried` words came before; next byte, words now carried,
    shingles written. Fewer than `size` words in all are one shingle.
    """
    p, filled = _read_words(data, p, end, symbol, words, carried)
    if filled >= size:
        _hash_shingles(words, filled, size, out)
        for k in range(size - 1):
            words[k] = words[filled - size + 1 + k]
        return p, size - 1, filled - size + 1
    if p >= end and filled > 0 and carried == 0:
        _hash_shingles(words, filled, filled, out)
        return p, filled, 1
    return p, filled, 0


@njit(cache=True, nogil=True)
def _shingle_hashes(data, offsets, size, symbol, hashes, first):  # type: ignore[no-untyped-def]
    words = np.empty(_CHUNK_WORDS, np.uint64)
    total = 0
    for i in range(len(offsets) - 1):
        p, end, carried = offsets[i], offsets[i + 1], 0
        while p < end:
            p, carried, count = _next_shingles(data, p, end, symbol, size, words, carried, hashes[total:])
            total += count
        first[i + 1] = total
    return total


@njit(cache=True, nogil=True)
def _text_signatures(data, offsets, size, symbol, a, b, minima, num_shingles):  # type: ignore[no-untyped-def]
    words = np.empty(_CHUNK_WORDS, np.uint64)
    hashes = np.empty(_CHUNK_WORDS, np.uint64)
    for i in range(len(offsets) - 1):
        p, end, carried = offsets[i], offsets[i + 1], 0
        while p < end:
            p, carried, count = _next_shingles(data, p, end, symbol, size, words, carried, hashes)
            _lower(minima[i], hashes, count, a, b)
            num_shingles[i] += count


@njit(cache=True, nogil=True)
def _signatures(hashes, first, a, b, minima):  # type: ignore[no-untyped-def]
    chunk = np.empty(_CHUNK_WORDS, np.uint64)
    for i in range(len(first) - 1):
        for start in range(first[i], first[i + 1], _CHUNK_WORDS):
            count = min(_CHUNK_WORDS, first[i + 1] - start)
            chunk[:count] = hashes[start : start + count]
            _lower(minima[i], chunk, count, a, b)


@njit(cache=True, nogil=True)
def _lower(minima, hashes, count, a, b):  # type: ignore[no-untyped-def]
    """Lowers each minimum to the least permuted hash; overwrites the hashes."""
    for i in range(count):
        hashes[i] = _fmix64(hashes[i])
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
            key = _mix(_BAND_START, np.uint64(band))
            for k in range(band * rows, (band + 1) * rows):
                key = _mix(key, minima[i, k])
            keys[i, band] = _fmix64(key)


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
