"""The compiled word rule: what a word is when no library of the language is injected."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.french_words import is_french_whole
from filters.loads import after_letters
from filters.spans import Spans
from filters.unicode import CLASS, MARK, decode, decode_before
from filters.word_rules import (
    CLOSE,
    DIGIT,
    ELISION,
    FRENCH,
    HYPHENED_WHOLE,
    LONE,
    RULED,
    RULES,
    SPACE,
    STOP_ALWAYS,
    WORD,
    cuts_of,
    listed,
    listed_letters,
    numbers_of,
    tables,
)
from filters.word_shapes import after_hyphened, closing, elides, infix, is_address, opening

if TYPE_CHECKING:
    from filters.batch import TextBatch


_ROOM = 1024
_APOSTROPHE, _DOT = 0x27, 0x2E
_MAX_JOINED = 10
"""Bytes of the longest exception that is made of several words: an emoticon."""


@dataclass(frozen=True, slots=True)
class CompiledWords:
    """Words as spaCy 3.8's tokenizer of the document's language makes them, by rules over bytes.

    A chunk is what lies between spaces (`str.isspace`). A chunk that is an exception of the language (`don't`, `z.B.`,
    `:-)`) is cut as the list says. From others, punctuation and symbols are split off in front and behind one by one,
    units behind digits and what else the language has, until nothing goes or what is left is an exception; a host, URL
    or mail address is one word; the rest is cut inside. Neighbours that make an exception are joined again (`):`).
    English, German, French, Spanish, Italian, Portuguese, Russian and Polish have rules of their own; `und` has
    English's; all others spaCy's common ones, which are all that Czech and many more have there.
    Every Han, Kana, Hangul and Thai letter, with the marks that follow it, is a word, in every language.

    DIFFERS from datatrove 0.10.1: a letter of Han, Kana, Hangul or Thai is a word where it takes a dictionary (jieba,
    SudachiPy, Kiwi, PyThaiNLP) or, in other languages, leaves a run whole; Romanian, Dutch, Swedish and others lack
    their own exceptions; exceptions with a space (`EE. UU.`), dotted addresses of numbers, and some forty French stems
    (`marque-pages`) are not known.
    """

    name: str = "compiled"
    version: int = 2

    def words(self, batch: "TextBatch", /) -> Spans:
        """Words of every document; none for a document of spaces."""
        tables_of = (numbers_of(batch.langs), RULES, *tables(), CLASS)
        room = _ROOM + int(batch.offsets[-1] - batch.offsets[0]) // 4  # the buffer may hold other documents too
        start, end = (np.empty(room, np.int64) for _ in range(2))
        first = np.zeros(len(batch) + 1, np.int64)
        at = (0, int(batch.offsets[0]), 0)
        while True:
            *at, more = _words(batch.data, batch.offsets, *tables_of, start, end, first, *at)
            if not more:
                break
            start, end = (_grown(array, at[2], more) for array in (start, end))
        return Spans(start[: at[2]], end[: at[2]], first)  # untouched pages behind take no memory


def _grown(array: npt.NDArray[np.int64], used: int, more: int) -> npt.NDArray[np.int64]:
    grown = np.empty(2 * len(array) + more, np.int64)
    grown[:used] = array[:used]
    return grown


@njit(cache=True, nogil=True)
def _words(data, offsets, languages, rules, kinds, lists, classes, start, end, first, i, p, n):
    """Write the words of documents i on, of the first from byte p on, from index n on; and where each ends in `first`.

    Returns (document, byte, index, room wanted in `start` and `end`); no room is wanted when all is done. It grows no
    array: numba counts references to those that a loop binds anew, 37 ns a word against 16.
    """
    for document in range(i, len(offsets) - 1):
        if document > i:
            p = offsets[document]
        stop = offsets[document + 1]
        own = rules[languages[document]]
        exceptions = np.uint32(1 << languages[document])
        while p < stop:
            while p < stop and data[p] <= 0x20 and kinds[data[p]] & SPACE:
                p += 1
            q = after_letters(data, p, stop)
            e = _after_mark(data, p, q, stop, own, kinds)
            if (
                e
                and n + 2 <= len(start)
                and listed_letters(data, p, e, lists, exceptions) < 0
                and (e == q or listed_letters(data, p, q, lists, exceptions) < 0)
            ):
                start[n], end[n] = p, q
                start[n + 1], end[n + 1] = q, e
                n += 1 + (e > q)
                p = e
                continue
            chunk, p, kind, digits, ruled, last = _next_chunk(data, p, stop, kinds)
            if n + p - chunk + 2 > len(start):  # a word has a byte at least
                return document, chunk, n, p - chunk + 2
            if ruled == p and not digits and listed(data, chunk, p, lists, exceptions) < 0:
                start[n], end[n] = chunk, p
                n += p > chunk
            else:
                n = _split_chunk(data, chunk, p, digits, ruled, last, own, exceptions, kinds, lists, start, end, n)
            if kind & LONE:
                chunk = p
                p = _after_marks(data, p + decode(data, p, stop)[1], stop, classes)
                start[n], end[n] = chunk, p
                n += 1
        first[document + 1] = n
    return len(offsets) - 1, p, n, np.int64(0)


@njit(cache=True, nogil=True)
def _after_mark(data, p, q, stop, rules, kinds):
    """The end of a chunk of the letters p:q and at most a mark that leaves them in all languages; 0 for other chunks.

    Five of six chunks are of this kind, and nothing but an exception cuts their letters.
    """
    if q == p:
        return np.int64(0)
    e = q
    if q < stop and data[q] < 0x80 and kinds[data[q]] & CLOSE and data[q] != _APOSTROPHE:
        e += data[q] != _DOT or data[q - 1] >= 0x61 or rules & STOP_ALWAYS != 0
    return e if e == stop or (data[e] < 0x80 and kinds[data[e]] & SPACE) else np.int64(0)


@njit(cache=True, nogil=True)
def _next_chunk(data, p, stop, kinds):
    """(start, end, kind of the character at the end, digits, first RULED character, last one) of the next chunk.

    Spaces before it are skipped; it ends before a space, a LONE letter or `stop`, and is empty before a LONE letter.
    `digits`: whether a letter or mark may follow a digit in it. Without a RULED character: its end, its start - 1.
    """
    while p < stop and data[p] <= 0x20 and kinds[data[p]] & SPACE:
        p += 1
    chunk = p
    kind, any_of = np.uint16(SPACE), np.uint16(0)
    digits = False
    ruled, last = stop, p - 1
    while p < stop:
        c, length = np.int64(data[p]), np.int64(1)
        if c >= 0x80:
            c, length = decode(data, p, stop)
        kind = kinds[c]
        if kind & (SPACE | LONE | RULED):
            if kind & RULED:
                ruled = min(ruled, p)
                last = p
            elif kind & LONE or p > chunk:
                break
            else:
                chunk = p + length
                last = p
        digits |= any_of & ~kind & DIGIT != 0
        any_of |= kind
        p += length
    return chunk, p, kind, digits, min(ruled, p), last


@njit(cache=True, nogil=True)
def _after_marks(data, p, stop, classes):
    while p < stop and data[p] >= 0x80:
        c, length = decode(data, p, stop)
        if not classes[c] & MARK:
            break
        p += length
    return p


@njit(cache=True, nogil=True)
def _split_chunk(data, s, e, digits, ruled, last, rules, exceptions, kinds, lists, start, end, n):
    """Write the words of chunk s:e from index n on; returns the next index. The arrays hold e - s more at least."""
    first = n
    tail = len(start)  # what is split off the end waits at the end of the arrays
    whole, k = False, np.int64(-1)
    while s < e:
        whole = rules & FRENCH != 0 and is_french_whole(data, s, e, kinds, lists)
        k = listed(data, s, e, lists, exceptions)
        if whole or k >= 0:
            break
        before = opening(data, s, e, rules, kinds, lists)
        behind = np.int64(0)
        if before:
            k = listed(data, s + before, e, lists, exceptions)
        if k < 0 and s + before < e:
            behind = closing(data, s + before, e, digits, rules, kinds, lists)
            if behind:
                k = listed(data, s, e - behind, lists, exceptions)
                before = before if k < 0 else 0
        if before + behind == 0:
            break
        if before:
            start[n], end[n] = s, s + before
            n += 1
            s += before
        if behind:
            tail -= 1
            start[tail], end[tail] = e - behind, e
            e -= behind
        if k >= 0:
            break
        if not digits and (e <= ruled or s > last):
            k = listed(data, s, e, lists, exceptions)
            whole = k < 0  # no other rule can hold for letters alone
            break
    if k >= 0 and not whole:
        n = _cut_as_listed(s, k, lists, start, end, n)
    elif s < e:
        if whole or is_address(data, s, e, kinds):
            start[n], end[n] = s, e
            n += 1
        else:
            n = _split_inside(data, s, e, rules, kinds, start, end, n)
    for t in range(tail, len(start)):
        start[n], end[n] = start[t], end[t]
        n += 1
    return _joined(data, first, n, exceptions, lists, start, end) if n - first > 1 else n


@njit(cache=True, nogil=True)
def _joined(data, first, n, exceptions, lists, start, end):
    """Join neighbours among words first:n that make an exception, such as `)` and `:`; returns the next index."""
    i = to = first
    while i < n:
        k, after = np.int64(-1), i + 1
        j = i + 1
        while j < n and end[j] - start[i] <= _MAX_JOINED:
            found = listed(data, start[i], end[j], lists, exceptions)
            j += 1
            if found >= 0 and lists[cuts_of(lists, found)[0] - 1] <= j - i:
                k, after = found, j
        if k >= 0:
            to = _cut_as_listed(start[i], k, lists, start, end, to)
        else:
            start[to], end[to] = start[i], end[i]
            to += 1
        i = after
    return to


@njit(cache=True, nogil=True)
def _cut_as_listed(s, k, lists, start, end, n):
    """Write the words of exception k, which begins at s; returns the next index."""
    p = s
    first, stop = cuts_of(lists, k)
    for j in range(first, stop):
        start[n], end[n] = p, s + np.int64(lists[j])
        p = end[n]
        n += 1
    return n


@njit(cache=True, nogil=True)
def _split_inside(data, s, e, rules, kinds, start, end, n):
    """Write the words of s:e, cut where an infix stands; returns the next index."""
    word = p = s
    before = np.int64(0)
    while p < e:
        c, length = decode(data, p, e)
        kind = kinds[c]
        if rules & HYPHENED_WHOLE and kind & WORD:
            q, stop = after_hyphened(data, p, e, kinds)
            if stop and p > s:
                n = _add(word, p, start, end, n)
                n = _add(p, stop, start, end, n)
                word = stop
            p = max(q, stop)
            before = decode_before(data, s, p)[0]
            continue
        if p > s:
            cut = infix(data, p, e, rules, kinds, c, length, before) if kind & RULED else 0
            if cut:
                n = _add(word, p, start, end, n)
                n = _add(p, p + cut, start, end, n)
                p += cut
                word = p
                before = decode_before(data, s, p)[0]
                continue
            if rules & ELISION and elides(data, s, p, rules, kinds, c, before):
                n = _add(word, p, start, end, n)
                word = p
        before = c
        p += length
    return _add(word, e, start, end, n)


@njit(cache=True, nogil=True)
def _add(s, e, start, end, n):
    """Write the word s:e, if it is one."""
    if s < e:
        start[n], end[n] = s, e
        n += 1
    return n


COMPILED_WORDS = CompiledWords()
"""The one instance that batches share."""
