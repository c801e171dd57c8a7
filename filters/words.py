"""The compiled word rule: what a word is when no library of the language is injected."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from filters.spans import Spans
from filters.unicode import CLASS, MARK, decode
from filters.word_shapes import KINDS, LONE, SPACE, WORDY, closing, contraction, infix, is_address, is_cannot, opening

if TYPE_CHECKING:
    from filters.batch import TextBatch


@dataclass(frozen=True, slots=True)
class CompiledWords:
    """Words by rules over bytes, near to what spaCy's tokenizer for English gives on ordinary text, for all languages.

    A chunk is what lies between spaces (`str.isspace`). From its front and its end punctuation and symbols are split
    off one by one (a run of dots is one word; `- . / @ \\ ^ | ~` stay, but a full stop leaves a lower-case word, a
    number and two capitals); then `'s n't 're 've 'll 'd 'm`; what looks like a host, URL or mail address is one word;
    else it is cut inside at runs of dots, symbols, a hyphen or one of `: < > = /` before a letter, a comma between
    letters, a full stop between a lower-case and an upper-case letter and `+ - * ^` between digits.
    Every Han, Kana, Hangul and Thai letter, with the marks that follow it, is a word.

    DIFFERS from spaCy 3.8 for English (which FineWeb used): no list of abbreviations (`Mr.` is two words), emoticons,
    units (`5kg` is one) or contractions without an apostrophe (`id` is one, yet `cannot` is two); contractions are
    split after every word; symbols from U+2000 on are all split off; spaCy leaves Han, Kana, Hangul and Thai whole.
    DIFFERS from datatrove for other languages, where it takes the tokenizer of each language.
    """

    name: str = "compiled"
    version: int = 1

    def words(self, batch: "TextBatch", /) -> Spans:
        """Words of every document; none for a document of spaces."""
        return Spans(*_words(batch.data, batch.offsets, KINDS, CLASS))


@njit(cache=True, nogil=True)
def _words(data, offsets, kinds, classes):
    cap = 1024 + (offsets[-1] - offsets[0]) // 4
    start, end = np.empty(cap, np.int64), np.empty(cap, np.int64)
    first = np.zeros(len(offsets), np.int64)
    n = np.int64(0)  # a plain 0 is a type of its own to numba, and compiles what it is passed to twice
    for i in range(len(offsets) - 1):
        p, stop = offsets[i], offsets[i + 1]
        n, p = _add_words(data, p, stop, kinds, classes, start, end, n)
        while p < stop:  # the arrays are full
            cap = 2 * cap + _most_words(data, p, stop, kinds)
            start, end = _grown(start, cap), _grown(end, cap)
            n, p = _add_words(data, p, stop, kinds, classes, start, end, n)
        first[i + 1] = n
    return start[:n], end[:n], first  # untouched pages behind n take no memory


@njit(cache=True, nogil=True)
def _add_words(data, p, stop, kinds, classes, start, end, n):
    """Write the words of p:stop from index n on; returns the next index and the first byte left for want of room.

    Apart from _words because numba counts references to arrays that a loop binds anew: 37 ns a word against 16.
    """
    while p < stop:
        chunk, p, kind, plain = _next_chunk(data, p, stop, kinds)
        if n + p - chunk + 2 > len(start):  # a word has a byte at least
            return n, chunk
        if plain and not is_cannot(data, chunk, p):
            start[n], end[n] = chunk, p
            n += p > chunk
        else:
            n = _split_chunk(data, chunk, p, kinds, start, end, n)
        if kind & LONE:
            chunk = p
            p = _after_marks(data, p + decode(data, p, stop)[1], stop, classes)
            start[n], end[n] = chunk, p
            n += 1
    return n, p


@njit(cache=True, nogil=True)
def _most_words(data, p, stop, kinds):
    chunk, p, _, _ = _next_chunk(data, p, stop, kinds)
    return p - chunk + 2


@njit(cache=True, nogil=True)
def _next_chunk(data, p, stop, kinds):
    """(start, end, kind of the character at the end, whether all are letters, marks and digits) of the next chunk.

    Spaces before it are skipped; it ends before a space, a LONE letter or `stop`, and is empty before a LONE letter.
    """
    while p < stop and data[p] <= 0x20 and kinds[data[p]] & SPACE:
        p += 1
    chunk = p
    kind = np.uint8(SPACE)
    plain = True
    while p < stop:
        c = np.int64(data[p])
        length = np.int64(1)
        if c >= 0x80:
            c, length = decode(data, p, stop)
        kind = kinds[c]
        if not kind & WORDY:
            if kind & SPACE:
                if p > chunk:
                    break
                chunk = p + length
            else:
                plain = False
        elif kind & LONE:
            break
        p += length
    return chunk, p, kind, plain


@njit(cache=True, nogil=True)
def _grown(array, cap):
    grown = np.empty(cap, np.int64)
    grown[: len(array)] = array
    return grown


@njit(cache=True, nogil=True)
def _after_marks(data, p, stop, classes):
    while p < stop and data[p] >= 0x80:
        c, length = decode(data, p, stop)
        if not classes[c] & MARK:
            break
        p += length
    return p


@njit(cache=True, nogil=True)
def _split_chunk(data, s, e, kinds, start, end, n):
    """Write the words of chunk s:e from index n on; returns the next index. The arrays hold e - s more at least."""
    while s < e:
        length = opening(data, s, e, kinds)
        if length == 0:
            break
        start[n], end[n] = s, s + length
        n += 1
        s += length
    tail = len(start)  # what is split off the end waits at the end of the arrays
    while s < e:
        length = closing(data, s, e, kinds)
        if length == 0:
            break
        tail -= 1
        start[tail], end[tail] = e - length, e
        e -= length
    if s < e and not _is_plain(data, s, e, kinds):
        while s < e:
            length = contraction(data, s, e)
            if length == 0:
                break
            tail -= 1
            start[tail], end[tail] = e - length, e
            e -= length
        if is_address(data, s, e, kinds):
            start[n], end[n] = s, e
            n += 1
        else:
            n = _split_inside(data, s, e, kinds, start, end, n)
    elif s < e:
        start[n], end[n] = s, e
        n += 1
    for t in range(tail, len(start)):
        start[n], end[n] = start[t], end[t]
        n += 1
    return n


@njit(cache=True, nogil=True)
def _is_plain(data, s, e, kinds):
    """Whether nothing can be split off s:e: letters, marks and digits only, and not `cannot`."""
    p = s
    while p < e:
        c, length = np.int64(data[p]), np.int64(1)
        if c >= 0x80:
            c, length = decode(data, p, e)
        if not kinds[c] & WORDY:
            return False
        p += length
    return not is_cannot(data, s, e)


@njit(cache=True, nogil=True)
def _split_inside(data, s, e, kinds, start, end, n):
    """Write the words of s:e, cut where an infix stands; returns the next index."""
    word = p = s
    before = np.uint8(0)
    while p < e:
        c, length = decode(data, p, e)
        kind = kinds[c]
        if p > s and not kind & WORDY:
            cut = infix(data, p, e, kinds, c, length, before)
            if cut:
                if p > word:
                    start[n], end[n] = word, p
                    n += 1
                start[n], end[n] = p, p + cut
                n += 1
                p += cut
                word = p
                before = np.uint8(0)
                continue
        before = kind
        p += length
    if word < e:
        start[n], end[n] = word, e
        n += 1
    return n


COMPILED_WORDS = CompiledWords()
"""The one instance that batches share."""
