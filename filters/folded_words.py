"""Words by which one text is looked for in another: without case, accents, punctuation and white space.

Character by character, so that a text means the same alone and in a batch:
- lower case without diacritics (`filters.unicode.FOLD`): marks of category Mn neither count nor separate; the final
  sigma is a sigma;
- a word is a maximal run of letters, marks and digits; all else separates, so `1,000.5` is three words;
- each Han, Kana, Hangul or Thai character is a word by itself.

DIFFERS from the words of MinHash (curate/minhash.py), to which every number is the same one: two sums with other
numbers are near-duplicates, but not the same question.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.batch import TextBatch
from filters.unicode import CLASS, CODE_POINTS, DIGIT, FOLD, LETTER, LONE, MARK, decode

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_WORD_START = np.uint64(0x243F6A8885A308D3)
_HALF = np.uint64(32)
_FMIX_SHIFT = np.uint64(33)
_FMIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_FMIX_2 = np.uint64(0xC4CEB9FE1A85EC53)

# Kinds of a character, in bits 24 and up of a _SYMBOL entry; the folded code point is below.
_PART, _WHOLE, _DROPPED = 1, 2, 3
_KIND_SHIFT = 24
_CODE_POINT = (1 << _KIND_SHIFT) - 1


class FoldedWords(NamedTuple):
    """Words of every document; word j is data[start[j]:end[j]], and document i owns words first[i]:first[i + 1]."""

    hashes: npt.NDArray[np.uint64]
    """64 bits of each folded word; two different ones are equal by chance only, once in 2^64 pairs."""

    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]


def folded_words(batch: TextBatch) -> FoldedWords:
    """Words of every document; pass it to `batch.once`. Without any for a document of spaces and punctuation."""
    # A word takes a byte and a separator behind it, or three bytes; untouched pages behind take no memory.
    room = (int(batch.offsets[-1] - batch.offsets[0]) + len(batch.offsets)) // 2 + 1
    hashes, start, end = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int64)
    first = np.zeros(len(batch) + 1, np.int64)
    total = _words(batch.data, batch.offsets, _SYMBOL, hashes, start, end, first)
    return FoldedWords(hashes[:total], start[:total], end[:total], first)


def _symbols() -> npt.NDArray[np.uint32]:
    """Kind and folded code point of each character, uint32[0x110000]; 0 for a separator."""
    kinds = np.zeros(CODE_POINTS, np.uint32)
    kinds[CLASS & (LETTER | MARK | DIGIT) != 0] = _PART
    kinds[CLASS & LONE != 0] = _WHOLE
    kinds[(CLASS & (LETTER | MARK) != 0) & (FOLD == 0)] = _DROPPED
    symbols = np.where(kinds > 0, kinds << np.uint32(_KIND_SHIFT) | FOLD, np.uint32(0))
    symbols[0x3C2] = symbols[0x3C3]
    symbols.flags.writeable = False
    return symbols


_SYMBOL = _symbols()


@njit(cache=True, nogil=True)
def mix(x):
    """MurmurHash3's finalizer (public domain): every bit of a uint64 reaches every other."""
    x = (x ^ (x >> _FMIX_SHIFT)) * _FMIX_1
    x = (x ^ (x >> _FMIX_SHIFT)) * _FMIX_2
    return x ^ (x >> _FMIX_SHIFT)


@njit(cache=True, nogil=True)
def _fold_in(state, code):
    state = (state ^ np.uint64(code)) * _MULTIPLIER
    return state ^ (state >> _HALF)


@njit(cache=True, nogil=True)
def _words(data, offsets, symbol, hashes, start, end, first):
    n = np.int64(0)
    for i in range(len(offsets) - 1):
        p, stop = offsets[i], offsets[i + 1]
        state, begin, behind = _WORD_START, p, p
        while p < stop:
            code, length = decode(data, p, stop)
            entry = symbol[code]
            kind = entry >> _KIND_SHIFT
            if kind == _PART:
                if state == _WORD_START:
                    begin = p
                state = _fold_in(state, entry & _CODE_POINT)
                behind = p + length
            elif kind == _DROPPED:
                behind = p + length
            else:
                if state != _WORD_START:
                    hashes[n], start[n], end[n] = mix(state), begin, behind
                    n += 1
                    state = _WORD_START
                if kind == _WHOLE:
                    hashes[n], start[n], end[n] = mix(_fold_in(state, entry & _CODE_POINT)), p, p + length
                    n += 1
            p += length
        if state != _WORD_START:
            hashes[n], start[n], end[n] = mix(state), begin, behind
            n += 1
        first[i + 1] = n
    return n
