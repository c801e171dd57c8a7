"""Quality measures of Gopher (Rae et al. 2021, arXiv:2112.11446, A.1.1) with the maths of DCLM, arXiv:2406.11794.

A word is what `str.split` gives, punctuation included; a line lies between LF, stripped, and is not blank. DCLM rejects
a document without words by each rule of words; here such values are ones that the default bounds reject. Without lines
the shares of lines are 0.0, as DCLM keeps such a document.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.batch import TextBatch
from filters.gopher import SOURCE, STOP_KEYS, symbols
from filters.pieces import skip_space, strip_end
from filters.ratio import ratio
from filters.registry import Bounds, register
from filters.segments import BEGINS, CLASSES
from filters.unicode import CLASS, LETTER, SPACE, decode

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

BULLETS = ("\u25cf", "\u2022", "*", "-")
_BULLETS = tuple(map(ord, BULLETS))

_measure = partial(register, source=f"{SOURCE}, as in DCLM", semantics="dclm", version=1)


@_measure("gopher.word_count@dclm", unit="words", default=Bounds(min=50, max=100_000))
def word_count(batch: TextBatch) -> Floats:
    """Words between ASCII spaces (and NUL) that begin with a letter or number, 0 upwards; 0.0 without words."""
    return batch.once(_word_facts).tokens.astype(np.float64)


@_measure("gopher.mean_word_length@dclm", unit="characters a word", default=Bounds(min=3, max=10))
def mean_word_length(batch: TextBatch) -> Floats:
    """Mean characters of the words, punctuation included, 1 upwards; 0.0 without words."""
    facts = batch.once(_word_facts)
    return ratio(facts.characters, facts.words)


@_measure("gopher.symbol_ratio@dclm", unit="symbols a word", default=Bounds(max=0.1))
def symbol_ratio(batch: TextBatch) -> Floats:
    """Symbols (`#`, `...`, `. . .`, U+2026, each without overlaps) over the words, 0 upwards; 1.0 without words."""
    hashes, ellipses = batch.once(symbols)
    found = hashes + ellipses + _count_spaced(batch.data, batch.offsets)
    return ratio(found, batch.once(_word_facts).words, empty=1.0)


@_measure("gopher.bullet_line_ratio@dclm", unit="share of lines, 0..1", high=1.0, default=Bounds(max=0.9))
def bullet_line_ratio(batch: TextBatch) -> Floats:
    """Share of lines that begin with U+25CF, U+2022, `*` or `-`, 0..1; 0.0 without lines."""
    return ratio(batch.once(_line_ends)[0], batch.newline_lines.counts())


@_measure("gopher.ellipsis_line_ratio@dclm", unit="share of lines, 0..1", high=1.0, default=Bounds(max=0.3))
def ellipsis_line_ratio(batch: TextBatch) -> Floats:
    """Share of lines that end with `...`, `. . .` or U+2026, 0..1; 0.0 without lines."""
    return ratio(batch.once(_line_ends)[1], batch.newline_lines.counts())


@_measure("gopher.alpha_word_ratio@dclm", unit="share of words, 0..1", high=1.0, default=Bounds(min=0.8))
def alpha_word_ratio(batch: TextBatch) -> Floats:
    """Share of words with at least one letter (`str.isalpha`), 0..1; 0.0 without words."""
    facts = batch.once(_word_facts)
    return ratio(facts.alpha, facts.words)


@_measure("gopher.stop_words@dclm", unit="stop words", default=Bounds(min=2))
def stop_words(batch: TextBatch) -> Floats:
    """Words, with repeats, that are in lower case one of `the be to of and that have with`, 0 upwards; 0.0 for none."""
    return batch.once(_word_facts).stop.astype(np.float64)


@dataclass(frozen=True, slots=True)
class _WordFacts:
    """Counts for each document, of one walk over its characters."""

    words: Counts
    characters: Counts
    alpha: Counts
    stop: Counts
    tokens: Counts
    """Words between ASCII spaces, as fastText parts them, that begin with a letter or number."""


def _word_facts(batch: TextBatch) -> _WordFacts:
    return _WordFacts(*_count_words(batch.data, batch.offsets, CLASS, CLASSES))


def _line_ends(batch: TextBatch) -> tuple[Counts, Counts]:
    lines = batch.newline_lines
    bullets, ellipses = _count_line_ends(batch.data, lines.start, lines.end, lines.first, CLASS)
    return bullets, ellipses


@njit(cache=True, nogil=True)
def _count_words(data, offsets, classes, breaks):
    """(words, their characters, words with a letter, stop words, tokens) of each document."""
    counts = np.zeros((5, len(offsets) - 1), np.int64)
    for i in range(len(offsets) - 1):
        p, stop = offsets[i], offsets[i + 1]
        word, any_of, in_token = p, np.uint8(0), False
        while p < stop:
            c, length = np.int64(data[p]), np.int64(1)
            if c >= 0x80:
                c, length = decode(data, p, stop)
            is_gap = c == 0x20 or 9 <= c <= 13 or c == 0
            counts[4, i] += not is_gap and not in_token and breaks[c] & BEGINS != 0
            in_token = not is_gap
            if classes[c] & SPACE:
                _end_word(data, word, p, any_of, counts, i)
                word, any_of = p + length, np.uint8(0)
            else:
                any_of |= classes[c]
                counts[1, i] += 1
            p += length
        _end_word(data, word, stop, any_of, counts, i)
    return counts[0], counts[1], counts[2], counts[3], counts[4]


@njit(cache=True, nogil=True)
def _end_word(data, s, e, any_of, counts, i):
    if s == e:
        return
    counts[0, i] += 1
    counts[2, i] += any_of & LETTER != 0
    if 2 <= e - s <= 4:
        key = np.int64(e - s) << 32
        for p in range(s, e):
            c = np.int64(data[p])
            key |= (c | 0x20 if 0x41 <= c <= 0x5A else c) << (8 * (p - s))
        for k in range(len(STOP_KEYS)):
            counts[3, i] += key == STOP_KEYS[k]


@njit(cache=True, nogil=True)
def _is_spaced(data, p):
    """Whether `. . .` stands at p; 5 bytes must lie there."""
    return (
        data[p] == 0x2E and data[p + 1] == 0x20 and data[p + 2] == 0x2E and data[p + 3] == 0x20 and data[p + 4] == 0x2E
    )


@njit(cache=True, nogil=True)
def _count_spaced(data, offsets):
    """`. . .` in each document, without overlaps."""
    found = np.zeros(len(offsets) - 1, np.int64)
    for i in range(len(found)):
        p = offsets[i]
        while p + 5 <= offsets[i + 1]:
            if data[p] == 0x2E and _is_spaced(data, p):
                found[i] += 1
                p += 4
            p += 1
    return found


@njit(cache=True, nogil=True)
def _count_line_ends(data, start, end, first, classes):
    bullets = np.zeros(len(first) - 1, np.int64)
    ellipses = np.zeros(len(first) - 1, np.int64)
    for i in range(len(bullets)):
        for j in range(first[i], first[i + 1]):
            s = skip_space(data, start[j], end[j], classes)
            e = strip_end(data, s, end[j], classes)
            c = decode(data, s, e)[0]
            for k in range(len(_BULLETS)):
                bullets[i] += c == _BULLETS[k]
            if e - s >= 3:
                dots = data[e - 1] == 0x2E and data[e - 2] == 0x2E and data[e - 3] == 0x2E
                one = data[e - 1] == 0xA6 and data[e - 2] == 0x80 and data[e - 3] == 0xE2
                ellipses[i] += dots or one or (e - s >= 5 and _is_spaced(data, e - 5))
    return bullets, ellipses
