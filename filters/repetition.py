"""Repetition measures of Gopher: Rae et al. 2021, arXiv:2112.11446, table A1, with the maths of datatrove 0.10.1.

A duplicate is every copy after the first. All shares of characters have `len(text)` below the line, spaces included.
datatrove rejects an empty text before it divides; here each value of it is 1.0, which the default bounds reject.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from filters import pieces
from filters.batch import TextBatch
from filters.grams import gram_characters, room
from filters.ratio import ratio
from filters.registry import Bounds, register
from filters.spans import Spans

SOURCE = "Gopher, arXiv:2112.11446 table A1"
TOP_SIZES = {2: 0.20, 3: 0.18, 4: 0.16}
"""Words in a gram -> greatest share of characters that the paper keeps."""

DUP_SIZES = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@register(
    "repetition.dup_line_ratio",
    unit="share of lines, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
    default=Bounds(max=0.3),
)
def dup_line_ratio(batch: TextBatch) -> Floats:
    """Share of lines (pieces between runs of LF) that repeat an earlier one, 0..1; 1.0 for an empty document."""
    repeated = batch.once(_lines)
    return _or_empty(batch, ratio(repeated.copies, repeated.pieces))


@register(
    "repetition.dup_line_char_ratio",
    unit="share of characters, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
    default=Bounds(max=0.2),
)
def dup_line_char_ratio(batch: TextBatch) -> Floats:
    """Share of characters in lines that repeat an earlier one, 0..1; 1.0 for an empty document."""
    return ratio(batch.once(_lines).characters, batch.characters, empty=1.0)


@register(
    "repetition.dup_paragraph_ratio",
    unit="share of paragraphs, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
    default=Bounds(max=0.3),
)
def dup_paragraph_ratio(batch: TextBatch) -> Floats:
    """Share of paragraphs (stripped text cut at two LF or more) that repeat an earlier one, 0..1; 1.0 if empty."""
    repeated = batch.once(_paragraphs)
    return _or_empty(batch, ratio(repeated.copies, repeated.pieces))


@register(
    "repetition.dup_paragraph_char_ratio",
    unit="share of characters, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
    default=Bounds(max=0.2),
)
def dup_paragraph_char_ratio(batch: TextBatch) -> Floats:
    """Share of characters in paragraphs that repeat an earlier one, 0..1; 1.0 for an empty document."""
    return ratio(batch.once(_paragraphs).characters, batch.characters, empty=1.0)


def _or_empty(batch: TextBatch, values: Floats) -> Floats:
    return np.where(batch.characters > 0, values, 1.0)


@dataclass(frozen=True, slots=True)
class _Repeated:
    """Counts for each document."""

    pieces: Counts
    copies: Counts
    characters: Counts
    """Characters of the copies."""


def _repeated(batch: TextBatch, spans: Spans) -> _Repeated:
    hashes = pieces.hashes(batch.data, spans.start, spans.end)
    copy = pieces.repeats(batch.data, spans.start, spans.end, spans.first, hashes)
    characters = pieces.characters(batch.data, spans.start, spans.end)
    return _Repeated(spans.counts(), spans.sums(copy), spans.sums(copy * characters))


def _lines(batch: TextBatch) -> _Repeated:
    spans = pieces.split_at_newlines(batch.data, batch.offsets[:-1], batch.offsets[1:], batch.newlines, 1)
    return _repeated(batch, Spans(*spans))


def _paragraphs(batch: TextBatch) -> _Repeated:
    return _repeated(batch, batch.paragraphs)


def _grams(batch: TextBatch) -> tuple[Counts, Counts]:
    words = batch.words
    sizes = (np.array(list(table), np.int64) for table in (TOP_SIZES, DUP_SIZES))
    top, dup = gram_characters(batch.data, words.start, words.end, words.first, *sizes, *room(words))
    return top, dup


def _register_top(column: int, n: int, most: float) -> None:
    def measure(batch: TextBatch) -> Floats:
        return ratio(batch.once(_grams)[0][:, column], batch.characters, empty=1.0)

    measure.__doc__ = (
        f"Characters of the most frequent {n}-gram (words with single spaces) x its count over all characters, "
        f"0 upwards (copies may overlap); 0.0 with fewer than {n} words, 1.0 for an empty document."
    )
    register(
        f"repetition.top_{n}_gram_char_ratio",
        unit="characters of copies a character",
        source=SOURCE,
        semantics="datatrove",
        version=1,
        default=Bounds(max=most),
    )(measure)


def _register_dup(column: int, n: int, most: float) -> None:
    def measure(batch: TextBatch) -> Floats:
        return ratio(batch.once(_grams)[1][:, column], batch.characters, empty=1.0)

    measure.__doc__ = (
        f"Share of characters in {n}-grams that repeat an earlier one, words without spaces, 0..1; "
        f"0.0 with fewer than {n} words, 1.0 for an empty document."
    )
    register(
        f"repetition.dup_{n}_gram_char_ratio",
        unit="share of characters, 0..1",
        source=SOURCE,
        semantics="datatrove",
        version=1,
        high=1.0,
        default=Bounds(max=most),
    )(measure)


for _column, (_n, _most) in enumerate(TOP_SIZES.items()):
    _register_top(_column, _n, _most)
for _column, (_n, _most) in enumerate(DUP_SIZES.items()):
    _register_dup(_column, _n, _most)
