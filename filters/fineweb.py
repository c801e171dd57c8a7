"""Quality measures that FineWeb adds: Penedo et al. 2024, arXiv:2406.17557, section 3.6, with the maths of datatrove.

Lines lie between LF; blank ones are dropped first. datatrove rejects a document without lines before it divides; here
it gets the worst value of each rule (0.0, 1.0, 1.0, 1.0), which the default bounds reject.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import pieces
from filters.batch import TextBatch
from filters.punctuation import KINDS, TERMINAL
from filters.ratio import ratio
from filters.registry import Bounds, register
from filters.unicode import decode_before

SOURCE = "FineWeb, arXiv:2406.17557 3.6"

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@register(
    "fineweb.line_punct_ratio",
    unit="share of lines, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
    default=Bounds(min=0.12),
)
def line_punct_ratio(batch: TextBatch) -> Floats:
    """Share of lines whose last character ends a sentence (a space or CR after it counts), 0..1; 0.0 without lines."""
    lines = batch.newline_lines
    ended = _count_ended(batch.data, lines.start, lines.end, lines.first, KINDS)
    return ratio(ended, lines.counts(), empty=0.0)


@register(
    "fineweb.short_line_ratio",
    unit="share of lines, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
    default=Bounds(max=0.67),
)
def short_line_ratio(batch: TextBatch, *, short_line_length: int = 30) -> Floats:
    """Share of lines of `short_line_length` characters or fewer, 0..1; 1.0 without lines."""
    lines = batch.newline_lines
    short = batch.once(_line_characters) <= short_line_length
    return ratio(lines.sums(short), lines.counts(), empty=1.0)


@register(
    "fineweb.char_dup_ratio",
    unit="share of characters, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
    default=Bounds(max=0.01),
)
def char_dup_ratio(batch: TextBatch) -> Floats:
    """Characters in lines that repeat an earlier line over all characters but LF, 0..1; 1.0 without lines."""
    lines = batch.newline_lines
    hashes = pieces.hashes(batch.data, lines.start, lines.end)
    repeated = pieces.repeats(batch.data, lines.start, lines.end, lines.first, hashes)
    characters = lines.sums(batch.once(_line_characters) * repeated)
    whole = np.where(lines.counts() > 0, batch.characters - batch.newlines, 0)
    return ratio(characters, whole, empty=1.0)


@register(
    "fineweb.new_line_ratio",
    unit="newlines a word",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    default=Bounds(max=0.3),
)
def new_line_ratio(batch: TextBatch) -> Floats:
    """LF over words, 0 upwards; 1.0 without words."""
    return ratio(batch.newlines, batch.words.counts(), empty=1.0)


def _line_characters(batch: TextBatch) -> Counts:
    lines = batch.newline_lines
    return np.asarray(pieces.characters(batch.data, lines.start, lines.end))


@njit(cache=True, nogil=True)
def _count_ended(data, start, end, first, kinds):
    ended = np.zeros(len(first) - 1, np.int64)
    for i in range(len(ended)):
        for j in range(first[i], first[i + 1]):
            c, _ = decode_before(data, start[j], end[j])
            ended[i] += kinds[c] & TERMINAL != 0
    return ended
