"""Repetition measures of Gopher (Rae et al. 2021, arXiv:2112.11446, table A1) with the maths of DCLM, arXiv:2406.11794.

Every copy of a repeated line, paragraph or n-gram counts, the first one too, and white space counts nowhere: lines (cut
at LF) and paragraphs (cut at two LF or more) are stripped, blank ones left out, and shares are of the characters of
what stays. Words are those of Unicode (UAX 29), if they begin with a letter or number; shares are of their characters.
DCLM rejects an empty text, and one without lines, before it divides; here such values are 1.0, as in `repetition.*`.

DIFFERS from DCLM where uniseg, which parts its words, has an older version of the Unicode table.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import pieces, segments
from filters.batch import TextBatch
from filters.gram_words import repeated_characters
from filters.grams import room
from filters.pieces import skip_space, strip_end
from filters.ratio import ratio
from filters.registry import Bounds, register
from filters.repetition import DUP_SIZES, SOURCE, TOP_SIZES
from filters.spans import Spans
from filters.unicode import CLASS

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_share = partial(register, source=f"{SOURCE}, as in DCLM", semantics="dclm", version=1, high=1.0)


@_share("repetition.dup_line_ratio@dclm", unit="share of lines, 0..1", default=Bounds(max=0.3))
def dup_line_ratio(batch: TextBatch) -> Floats:
    """Share of lines that are there twice or more, every copy of them, 0..1; 1.0 without lines."""
    found = batch.once(_lines)
    return ratio(found.copies, found.pieces, empty=1.0)


@_share("repetition.dup_line_char_ratio@dclm", unit="share of characters, 0..1", default=Bounds(max=0.2))
def dup_line_char_ratio(batch: TextBatch) -> Floats:
    """Share of the characters of lines that are in repeated ones, 0..1; 1.0 without lines."""
    found = batch.once(_lines)
    return ratio(found.copied_characters, found.characters, empty=1.0)


@_share("repetition.dup_paragraph_ratio@dclm", unit="share of paragraphs, 0..1", default=Bounds(max=0.3))
def dup_paragraph_ratio(batch: TextBatch) -> Floats:
    """Share of paragraphs that are there twice or more, every copy of them, 0..1; 1.0 without paragraphs."""
    found = batch.once(_paragraphs)
    return ratio(found.copies, found.pieces, empty=1.0)


@_share("repetition.dup_paragraph_char_ratio@dclm", unit="share of characters, 0..1", default=Bounds(max=0.2))
def dup_paragraph_char_ratio(batch: TextBatch) -> Floats:
    """Share of the characters of paragraphs that are in repeated ones, 0..1; 1.0 without paragraphs."""
    found = batch.once(_paragraphs)
    return ratio(found.copied_characters, found.characters, empty=1.0)


@dataclass(frozen=True, slots=True)
class _Repeated:
    """Counts for each document."""

    pieces: Counts
    characters: Counts
    copies: Counts
    """Pieces that are there twice or more, each time."""

    copied_characters: Counts


def _lines(batch: TextBatch) -> _Repeated:
    return _repeated(batch, batch.newline_lines)


def _paragraphs(batch: TextBatch) -> _Repeated:
    return _repeated(batch, batch.paragraphs)


def _repeated(batch: TextBatch, spans: Spans) -> _Repeated:
    stripped = Spans(*_stripped(batch.data, spans.start, spans.end, spans.first, CLASS))
    copy = _has_twin(batch, stripped)
    characters = pieces.characters(batch.data, stripped.start, stripped.end)
    return _Repeated(
        stripped.counts(), stripped.sums(characters), stripped.sums(copy), stripped.sums(copy * characters)
    )


def _has_twin(batch: TextBatch, spans: Spans) -> npt.NDArray[np.uint8]:
    """1 for every piece that another one of its document equals: bool in uint8[pieces]."""
    start, end, first = spans.start, spans.end, spans.first
    hashes = pieces.hashes(batch.data, start, end)
    behind = pieces.repeats(batch.data, start, end, first, hashes)
    # The first copies are the ones that are met again from the end.
    back = [each[::-1].copy() for each in (start, end, len(start) - first, hashes)]
    before = pieces.repeats(batch.data, *back)[::-1]
    return np.asarray(behind | before)


@njit(cache=True, nogil=True)
def _stripped(data, start, end, first, classes):
    """The pieces without the white space at their ends, those apart of which nothing is left."""
    new_start, new_end = np.empty_like(start), np.empty_like(end)
    new_first = np.zeros_like(first)
    n = 0
    for i in range(len(first) - 1):
        for j in range(first[i], first[i + 1]):
            p = skip_space(data, start[j], end[j], classes)
            if p < end[j]:
                new_start[n], new_end[n] = p, strip_end(data, p, end[j], classes)
                n += 1
        new_first[i + 1] = n
    return new_start[:n], new_end[:n], new_first


def _grams(batch: TextBatch) -> tuple[Counts, Counts, Counts]:
    words = batch.once(segments.words)
    sizes = (np.array(list(table), np.int64) for table in (TOP_SIZES, DUP_SIZES))
    top, cover, whole = repeated_characters(batch.data, words.start, words.end, words.first, *sizes, *room(words))
    return top, cover, whole


def _gram_ratio(batch: TextBatch, kind: int, column: int) -> Floats:
    found = batch.once(_grams)
    return np.where(batch.characters > 0, ratio(found[kind][:, column], found[2]), 1.0)


def _register_top(column: int, n: int, most: float) -> None:
    def measure(batch: TextBatch) -> Floats:
        return _gram_ratio(batch, 0, column)

    measure.__doc__ = (
        f"Characters of the longest of the most frequent {n}-grams x its count over those of all words, 0 upwards "
        "(copies may overlap); 0.0 where no gram repeats, 1.0 for an empty document."
    )
    _share(
        f"repetition.top_{n}_gram_char_ratio@dclm",
        unit="characters of copies a character",
        high=None,
        default=Bounds(max=most),
    )(measure)


def _register_dup(column: int, n: int, most: float) -> None:
    def measure(batch: TextBatch) -> Floats:
        return _gram_ratio(batch, 1, column)

    measure.__doc__ = (
        f"Share of the characters of words that are in words of {n}-grams which are there twice or more, 0..1; "
        "0.0 where no gram repeats, 1.0 for an empty document."
    )
    _share(f"repetition.dup_{n}_gram_char_ratio@dclm", unit="share of characters, 0..1", default=Bounds(max=most))(
        measure
    )


for _column, (_n, _most) in enumerate(TOP_SIZES.items()):
    _register_top(_column, _n, _most)
for _column, (_n, _most) in enumerate(DUP_SIZES.items()):
    _register_dup(_column, _n, _most)
