"""Lines and paragraphs as they compare across documents, and the texts without some of them.

Two are equal that differ in case, diacritics, digits (each counts as 0) and white space alone: a run of it is one
space, and none counts at the ends. Punctuation counts, NUL does not. CCNet (Wenzek et al. 2020, arXiv:1911.00359, 3.1)
compares its paragraphs so, but drops punctuation.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.batch import TextBatch
from filters.loads import copied
from filters.pieces import split_at_newlines
from filters.rewrite import Texts
from filters.spans import Spans
from filters.unicode import CLASS, DIGIT, FOLD, SPACE, decode

VERSION = 1
"""Of the rule: results are stored under a key that holds it. Bump it when a hash changes."""

LINE, PARAGRAPH = 1, 2
"""Line feeds that a piece ends with, at least."""

_LF = 10
_ZERO, _BLANK = 0x30, 0x20
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_START = np.uint64(0x452821E638D01377)
_HALF = np.uint64(32)


class Pieces(NamedTuple):
    """Lines or paragraphs of every document."""

    spans: Spans
    """Of one line feed at least (of two) between them; empty where a text begins or ends with that."""

    hashes: npt.NDArray[np.uint64]
    """uint64[pieces]: equal for equal ones; of others by chance, once in 2^64 pairs."""

    characters: npt.NDArray[np.int64]
    """int64[pieces]: code points of the form that is compared, 0 for white space alone."""


def pieces_of(batch: TextBatch, unit: int) -> Pieces:
    """The pieces between runs of at least `unit` line feeds (LINE or PARAGRAPH)."""
    spans = Spans(*split_at_newlines(batch.data, batch.offsets[:-1], batch.offsets[1:], batch.newlines, unit))
    hashes, characters = _hashed(batch.data, spans.start, spans.end, _SYMBOL)
    return Pieces(spans, hashes, characters)


def without(batch: TextBatch, pieces: Pieces, leaves: npt.NDArray[np.bool_]) -> Texts:
    """The texts without the pieces that leave, bool[pieces]; a text that loses none is the same byte for byte.

    Between two pieces that stay, the longest of the runs of line feeds that stood between them stays; in front of the
    first and behind the last none, and of such a text white space alone is no piece.
    """
    spans, blank = pieces.spans, pieces.characters == 0
    data, offsets = _without(batch.data, batch.offsets, spans.start, spans.end, spans.first, leaves, blank)
    return data, offsets


def _symbols() -> npt.NDArray[np.uint32]:
    """What each character compares as, uint32[0x110000]; 0 for one that does not count."""
    table = FOLD.copy()
    table[CLASS & DIGIT != 0] = _ZERO
    table[CLASS & SPACE != 0] = _BLANK
    table.flags.writeable = False
    return table


_SYMBOL = _symbols()


@njit(cache=True, nogil=True)
def _mix(state, symbol):
    state = (state ^ np.uint64(symbol)) * _MULTIPLIER
    return state ^ (state >> _HALF)


@njit(cache=True, nogil=True)
def _hashed(data, start, end, symbols):
    hashes, characters = np.empty(len(start), np.uint64), np.empty(len(start), np.int64)
    for j in range(len(start)):
        p, stop = start[j], end[j]
        state, count, space = _START, np.int64(0), np.int64(0)
        while p < stop:
            code, length = decode(data, p, stop)
            symbol = symbols[code]
            p += length
            if symbol == _BLANK:
                space = np.int64(count > 0)
            elif symbol:
                if space:
                    state = _mix(state, _BLANK)
                    count += 1
                    space = np.int64(0)
                state = _mix(state, symbol)
                count += 1
        hashes[j] = _mix(_mix(state, count), 0)
        characters[j] = count
    return hashes, characters


@njit(cache=True, nogil=True)
def _without(data, offsets, start, end, first, leaves, blank):
    text = np.empty(offsets[-1] - offsets[0], np.uint8)
    new = np.zeros(len(offsets), np.int64)
    n = np.int64(0)
    for i in range(len(offsets) - 1):
        begin, gap = n, np.int64(0)
        if not leaves[first[i] : first[i + 1]].any():
            n = copied(data, offsets[i], offsets[i + 1], text, n)
        else:
            for j in range(first[i], first[i + 1]):
                if j > first[i]:
                    gap = max(gap, start[j] - end[j - 1])
                if leaves[j] or blank[j]:
                    continue
                if n > begin:
                    for d in range(gap):
                        text[n + d] = _LF
                    n += gap
                n = copied(data, start[j], end[j], text, n)
                gap = np.int64(0)
        new[i + 1] = n
    return text[:n].copy(), new
