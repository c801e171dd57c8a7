"""Words by the boundary rules of Unicode (UAX 29, default word boundaries) that begin with a letter or number.

The table of word-break classes is not in Python's `unicodedata`: `filters/data/word_break.npz` holds it as runs of
equal class (Unicode 17), and a test compares it with that of the `regex` module.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.batch import TextBatch
from filters.refinedweb_lines import ALNUM
from filters.refinedweb_lines import KINDS as ALNUM_KINDS
from filters.spans import Spans
from filters.unicode import CODE_POINTS, decode

OTHER, NEWLINE, EXTEND, ZWJ, LETTER, HEBREW, NUMERIC, KATAKANA, UNDERSCORE, MID_LETTER, MID_NUMBER, MID_BOTH, \
    SINGLE_QUOTE, DOUBLE_QUOTE = range(14)  # fmt: skip
"""Word-break classes: NEWLINE is CR, LF and Newline, EXTEND also Format, OTHER all that never joins with a word."""

PICTOGRAPH, BEGINS = 32, 64
"""Flags beside the class: may follow a ZWJ; `str.isalnum()` of one character, so a word begins with it."""

_CLASS = 31
DATA = Path(__file__).parent / "data" / "word_break.npz"


def _load() -> npt.NDArray[np.uint8]:
    with np.load(DATA, allow_pickle=False) as stored:
        lengths = np.diff(stored["run_start"], append=np.uint32(CODE_POINTS))
        classes: npt.NDArray[np.uint8] = np.repeat(stored["run_class"], lengths)
    classes[ALNUM_KINDS & ALNUM != 0] |= BEGINS
    classes.flags.writeable = False
    return classes


CLASSES = _load()
"""uint8[0x110000]: class and flags by code point; read-only, passed to kernels as an argument."""


def words(batch: TextBatch) -> Spans:
    """Words of every document; pass it to `batch.once`. Spaces, punctuation and words with a `_` in front are none."""
    return Spans(*_segments(batch.data, batch.offsets, CLASSES))


@njit(cache=True, nogil=True)
def _segments(data, offsets, classes):
    # Of two neighbours one at least is not ASCII, so two words have three bytes; untouched pages take no memory.
    most = 2 * (offsets[-1] - offsets[0]) // 3 + len(offsets)
    start, end = np.empty(most, np.int64), np.empty(most, np.int64)
    first = np.zeros(len(offsets), np.int64)
    n = np.int64(0)
    for i in range(len(offsets) - 1):
        p = offsets[i]
        while p < offsets[i + 1]:
            start[n] = p
            p, is_word = _segment(data, p, offsets[i + 1], classes)
            end[n] = p
            n += is_word
        first[i + 1] = n
    return start[:n], end[:n], first


@njit(cache=True, nogil=True)
def _segment(data, p, stop, classes):
    """(end of the segment that begins at p, 1 if its first character is a letter or number)."""
    c, length = decode(data, p, stop)
    is_word = np.int64(classes[c] & BEGINS != 0)
    last = np.int64(classes[c] & _CLASS)
    p += length
    if last == NEWLINE:
        return p, is_word
    joiner = last == ZWJ
    while p < stop:
        c, length = decode(data, p, stop)
        kind = np.int64(classes[c] & _CLASS)
        if kind in (EXTEND, ZWJ):
            joiner = kind == ZWJ
            p += length
            continue
        if (joiner and classes[c] & PICTOGRAPH) or _joins(last, kind):
            last = kind
            p += length
        else:
            behind, last = _over_middle(data, p + length, stop, classes, last, kind)
            if not behind:
                break
            p = behind
        joiner = False
    return p, is_word


@njit(cache=True, nogil=True)
def _joins(last, kind):
    """Whether no boundary lies between two neighbours, whatever is around them (WB5, 8 to 10, 13 to 13b)."""
    if kind == UNDERSCORE:
        return LETTER <= last <= UNDERSCORE
    if last == UNDERSCORE:
        return LETTER <= kind <= KATAKANA
    if last == KATAKANA or kind == KATAKANA:
        return last == kind
    return LETTER <= last <= NUMERIC and LETTER <= kind <= NUMERIC


@njit(cache=True, nogil=True)
def _over_middle(data, p, stop, classes, last, middle):
    """(end, class) of the character that goes on with the word behind `middle`, which ends at p; (0, last) if none.

    WB6 and 7 between letters, WB7a to 7c in Hebrew, WB11 and 12 between digits.
    """
    if last in (LETTER, HEBREW) and middle in (MID_LETTER, MID_BOTH, SINGLE_QUOTE):
        low, high = LETTER, HEBREW
    elif last == NUMERIC and middle in (MID_NUMBER, MID_BOTH, SINGLE_QUOTE):
        low, high = NUMERIC, NUMERIC
    elif last == HEBREW and middle == DOUBLE_QUOTE:
        low, high = HEBREW, HEBREW
    else:
        return 0, last
    q = p
    while q < stop:
        c, length = decode(data, q, stop)
        kind = np.int64(classes[c] & _CLASS)
        q += length
        if kind != EXTEND and kind != ZWJ:
            if low <= kind <= high:
                return q, kind
            break
    return (p, middle) if last == HEBREW and middle == SINGLE_QUOTE else (0, last)
