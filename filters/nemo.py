"""Heuristic filters of NeMo Curator 1.4.0, those whose rule or whose maths is not that of `gopher.*`.

A word is what `str.split` gives, a line lies between LF and is not blank. NeMo gives an empty text 1.0 for a share of
characters, and fails on a blank one (division by zero) in its rules of words and lines: here a document without words
or lines gets values that the default bounds reject.

DIFFERS: words of Chinese and Japanese, which NeMo takes from jieba and MeCab, lie between spaces here as well.
NOT IMPLEMENTED: the boilerplate filter (besides C4's policy phrases it looks for whole consent banners), words without
letters (`gopher.alpha_word_ratio`), repeated lines, paragraphs and n-grams (`repetition.*`), filters of tokens,
histograms, code and given substrings.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from functools import partial

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.batch import TextBatch
from filters.gopher import STOP_WORDS
from filters.loads import has_byte, load_8
from filters.pieces import skip_space, strip_end
from filters.ratio import ratio
from filters.registry import Bounds, register
from filters.unicode import CLASS, SPACE, decode

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_measure = partial(register, source="NeMo Curator 1.4.0", semantics="nemo", version=1)
_share_of_characters = partial(_measure, unit="share of characters, 0..1", high=1.0)
_share_of_lines = partial(_measure, unit="share of lines, 0..1", high=1.0)

_ALNUM, _DIGIT, _WHITE, _PAREN, _WORDS, _WORD_CHARACTERS, _LONGEST, _SYMBOL_WORDS, _COMMON_WORDS = range(9)
"""Columns of what one walk over the characters counts."""

_FIELD = 16
"""Bits of each of the first four in a sum that is emptied every _BLOCK bytes."""

_BLOCK = 1 << 15


def _of_bytes(*characters: bytes) -> npt.NDArray[np.int64]:
    """int64[256]: 1 for the first string's bytes, 1 << 16 for the second's and so on."""
    fields = np.zeros(256, np.int64)
    for k, some in enumerate(characters):
        fields[list(some)] += 1 << (_FIELD * k)
    fields.flags.writeable = False
    return fields


_DIGITS = b"0123456789"
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FIELDS = _of_bytes(_LETTERS + _DIGITS + b"\n?!,.", _DIGITS, b"\t\n\r\b ", b"{}[]()")
_IN_URL = _of_bytes(_LETTERS + _DIGITS + b"$-_@.&+/:=?#~!*(),") > 0
_HEX = _of_bytes(_DIGITS + b"abcdefABCDEF") > 0
_COMMON = tuple(int.from_bytes(word.encode(), "little") for word in STOP_WORDS)
_BULLETS = tuple(map(ord, "\u2022\u2023\u2043\u204c\u204d\u2219\u25cb\u25cf\u25d8\u25e6\u29be\u29bf"))
_ELLIPSES = [
    mark.encode() for mark in ("...", "\u2026", "[...]", "(...)", "[\u2026]", "-\u00bb", "read more..", "read more")
]
_MARKS = np.frombuffer(b"".join(_ELLIPSES), np.uint8)
_MARK_AT = np.cumsum([0, *map(len, _ELLIPSES)])


@_share_of_characters("nemo.non_alphanumeric_ratio", default=Bounds(max=0.25))
def non_alphanumeric_ratio(batch: TextBatch) -> Floats:
    """Share of characters but `A-Z a-z 0-9 LF ? ! , .`, so spaces and all other letters too, 0..1; 1.0 if empty."""
    return ratio(batch.characters - batch.once(_walk)[:, _ALNUM], batch.characters, empty=1.0)


@_share_of_characters("nemo.digit_ratio", default=Bounds(max=0.15))
def digit_ratio(batch: TextBatch) -> Floats:
    """Share of characters that are one of `0-9`, 0..1; 1.0 for an empty document."""
    return ratio(batch.once(_walk)[:, _DIGIT], batch.characters, empty=1.0)


@_share_of_characters("nemo.url_ratio", default=Bounds(max=0.2))
def url_ratio(batch: TextBatch) -> Floats:
    """Share of characters in `http://` and `https://` addresses, 0..1; 1.0 for an empty document."""
    return ratio(batch.once(_urls)[0], batch.characters, empty=1.0)


@_share_of_characters("nemo.white_space_ratio", default=Bounds(max=0.25))
def white_space_ratio(batch: TextBatch) -> Floats:
    """Share of characters that are space, TAB, LF, CR or backspace, 0..1; 1.0 for an empty document."""
    return ratio(batch.once(_walk)[:, _WHITE], batch.characters, empty=1.0)


@_share_of_characters("nemo.parenthesis_ratio", default=Bounds(max=0.1))
def parenthesis_ratio(batch: TextBatch) -> Floats:
    """Share of characters that are one of `{}[]()`, U+27E8 or U+27E9, 0..1; 1.0 for an empty document."""
    return ratio(batch.once(_walk)[:, _PAREN], batch.characters, empty=1.0)


@_measure("nemo.porn_urls", unit="addresses", default=Bounds(max=0))
def porn_urls(batch: TextBatch) -> Floats:
    """Addresses (as in nemo.url_ratio) that hold `porn`, 0 upwards; 0.0 without addresses. NeMo says 1 for any."""
    return batch.once(_urls)[1].astype(np.float64)


@_measure("nemo.word_count", unit="words", default=Bounds(min=50, max=100_000))
def word_count(batch: TextBatch) -> Floats:
    """Words between spaces, 0 upwards; 0.0 for a document without words."""
    return batch.once(_walk)[:, _WORDS].astype(np.float64)


@_measure("nemo.mean_word_length", unit="characters a word", default=Bounds(min=3, max=10))
def mean_word_length(batch: TextBatch) -> Floats:
    """Mean characters of the words, punctuation included, 1 upwards; 0.0 without words."""
    counts = batch.once(_walk)
    return ratio(counts[:, _WORD_CHARACTERS], counts[:, _WORDS])


@_measure("nemo.longest_word", unit="characters", default=Bounds(min=1, max=1000))
def longest_word(batch: TextBatch) -> Floats:
    """Characters of the longest word, 0 upwards; 0.0 without words, for which the default minimum is."""
    return batch.once(_walk)[:, _LONGEST].astype(np.float64)


@_measure("nemo.symbol_word_ratio", unit="share of words, 0..1", high=1.0, default=Bounds(max=0.1))
def symbol_word_ratio(batch: TextBatch) -> Floats:
    """Share of words that are an ellipsis, or of which runs of `#` are more than half, 0..1; 1.0 without words."""
    counts = batch.once(_walk)
    return ratio(counts[:, _SYMBOL_WORDS], counts[:, _WORDS], empty=1.0)


@_measure("nemo.common_words", unit="words", default=Bounds(min=2))
def common_words(batch: TextBatch) -> Floats:
    """Words that are one of `the be to of and that have with`, with repeats (NeMo stops at 2), 0 upwards; 0.0: none."""
    return batch.once(_walk)[:, _COMMON_WORDS].astype(np.float64)


@_share_of_lines("nemo.bullet_line_ratio", default=Bounds(max=0.9))
def bullet_line_ratio(batch: TextBatch) -> Floats:
    """Share of lines that begin with one of 12 round or triangular bullets after spaces, 0..1; 1.0 without lines."""
    return ratio(batch.once(_line_ends)[0], batch.newline_lines.counts(), empty=1.0)


@_share_of_lines("nemo.ellipsis_line_ratio", default=Bounds(max=0.3))
def ellipsis_line_ratio(batch: TextBatch) -> Floats:
    """Share of lines that end with an ellipsis (bracketed too), `-\u00bb` or "read more", 0..1; 1.0 without lines."""
    return ratio(batch.once(_line_ends)[1], batch.newline_lines.counts(), empty=1.0)


@_share_of_lines("nemo.no_end_mark_ratio", default=Bounds(max=0.85))
def no_end_mark_ratio(batch: TextBatch) -> Floats:
    """Share of lines that do not end with one of `. ? ! " '`, spaces left out, 0..1; 1.0 without lines."""
    return ratio(batch.once(_line_ends)[2], batch.newline_lines.counts(), empty=1.0)


def _walk(batch: TextBatch) -> Counts:
    return np.asarray(_walk_characters(batch.data, batch.offsets, CLASS))


def _urls(batch: TextBatch) -> tuple[Counts, Counts]:
    characters, porn = _walk_urls(batch.data, batch.offsets)
    return characters, porn


def _line_ends(batch: TextBatch) -> tuple[Counts, Counts, Counts]:
    lines = batch.newline_lines
    bullets, ellipses, unended = _walk_lines(batch.data, lines.start, lines.end, lines.first, CLASS)
    return bullets, ellipses, unended


@njit(cache=True, nogil=True)
def _walk_characters(data, offsets, classes):
    counts = np.zeros((len(offsets) - 1, 9), np.int64)
    for i in range(len(counts)):
        p, stop = offsets[i], offsets[i + 1]
        word, length = p, np.int64(0)
        while p < stop:
            block = min(p + _BLOCK, stop)
            fields = np.int64(0)
            while p < block:
                c, size = np.int64(data[p]), np.int64(1)
                if c >= 0x80:
                    c, size = decode(data, p, stop)
                    if c == 0x27E8 or c == 0x27E9:
                        fields += 1 << (_FIELD * _PAREN)
                else:
                    fields += _FIELDS[c]
                if classes[c] & SPACE:
                    if length:
                        _add_word(data, word, p, length, counts[i])
                    word, length = p + size, np.int64(0)
                else:
                    length += 1
                p += size
            for k in range(4):
                counts[i, k] += fields >> (_FIELD * k) & 0xFFFF
        if length:
            _add_word(data, word, stop, length, counts[i])
    return counts


@njit(cache=True, nogil=True)
def _add_word(data, p, e, length, counts):
    counts[_WORDS] += 1
    counts[_WORD_CHARACTERS] += length
    counts[_LONGEST] = max(counts[_LONGEST], length)
    if data[p] == 0x23:
        counts[_SYMBOL_WORDS] += _is_mostly_hashes(data, p, e, length)
    elif e - p <= 5:
        counts[_SYMBOL_WORDS] += _mark_bytes(data, p, e) == e - p
        key = np.int64(0)
        for q in range(p, e):
            key |= np.int64(data[q]) << (8 * (q - p))
        for k in range(len(_COMMON)):
            counts[_COMMON_WORDS] += key == _COMMON[k]


@njit(cache=True, nogil=True)
def _is_mostly_hashes(data, p, e, length):
    runs = 0
    for q in range(p, e):
        runs += data[q] == 0x23 and (q == p or data[q - 1] != 0x23)
    return 2 * runs > length


@njit(cache=True, nogil=True)
def _mark_bytes(data, s, e):
    """Bytes of the ellipsis mark with which s:e ends, in capitals or not; 0 if none."""
    for k in range(len(_MARK_AT) - 1):
        p = e - (_MARK_AT[k + 1] - _MARK_AT[k])
        if p < s:
            continue
        q = p
        while q < e and _lower(data[q]) == _MARKS[_MARK_AT[k] + q - p]:
            q += 1
        if q == e:
            return e - p
    return 0


@njit(cache=True, nogil=True)
def _lower(c):
    return c | 0x20 if 0x41 <= c <= 0x5A else c


@njit(cache=True, nogil=True)
def _walk_lines(data, start, end, first, classes):
    bullets = np.zeros(len(first) - 1, np.int64)
    ellipses = np.zeros(len(first) - 1, np.int64)
    unended = np.zeros(len(first) - 1, np.int64)
    for i in range(len(bullets)):
        for j in range(first[i], first[i + 1]):
            s = skip_space(data, start[j], end[j], classes)
            e = strip_end(data, s, end[j], classes)
            last = data[e - 1]
            unended[i] += last not in (0x2E, 0x3F, 0x21, 0x22, 0x27)  # . ? ! " '
            ellipses[i] += _mark_bytes(data, s, e) > 0
            if data[s] == 0xE2:
                bullet = decode(data, s, e)[0]
                for k in range(len(_BULLETS)):
                    bullets[i] += bullet == _BULLETS[k]
    return bullets, ellipses, unended


@njit(cache=True, nogil=True)
def _walk_urls(data, offsets):
    """(characters of addresses, addresses with `porn`) of each document."""
    characters = np.zeros(len(offsets) - 1, np.int64)
    porn = np.zeros(len(offsets) - 1, np.int64)
    for i in range(len(characters)):
        begin, p, stop = offsets[i], offsets[i], offsets[i + 1]
        while p < stop:
            while p + 8 <= stop and not has_byte(load_8(data, p), 0x3A):
                p += 8
            if p < stop and data[p] == 0x3A:
                start = _scheme(data, begin, p)
                end = _url_end(data, p, stop)
                if start < p and end > p + 3:
                    characters[i] += end - start
                    porn[i] += _holds_porn(data, start, end)
                    begin = p = end
                    continue
            p += 1
    return characters, porn


@njit(cache=True, nogil=True)
def _scheme(data, s, p):
    """Where the `http` or `https` begins that ends at p, or p."""
    q = p - 1 if p > s and data[p - 1] == 0x73 else p
    if q - 4 >= s and data[q - 4] == 0x68 and data[q - 3] == 0x74 and data[q - 2] == 0x74 and data[q - 1] == 0x70:
        return q - 4
    return p


@njit(cache=True, nogil=True)
def _url_end(data, p, stop):
    """The end of the address whose `://` is at p, or p + 3 at most if there is none."""
    if p + 3 > stop or data[p + 1] != 0x2F or data[p + 2] != 0x2F:
        return p
    p += 3
    while p < stop:
        if _IN_URL[data[p]]:
            p += 1
        elif data[p] == 0x25 and p + 2 < stop and _HEX[data[p + 1]] and _HEX[data[p + 2]]:
            p += 3
        else:
            break
    return p


@njit(cache=True, nogil=True)
def _holds_porn(data, s, e):
    for p in range(s, e - 3):
        if data[p] == 0x70 and data[p + 1] == 0x6F and data[p + 2] == 0x72 and data[p + 3] == 0x6E:
            return True
    return False
