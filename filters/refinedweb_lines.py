"""Kernels of the line rules of RefinedWeb and DCLM, and what a character is to them."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import unicode
from filters.loads import find_lf
from filters.pieces import skip_space, strip_end
from filters.punctuation import code_points
from filters.unicode import CLASS, CODE_POINTS, decode, decode_before

RULES = ("uppercase", "numeric", "counter", "one_word", "call")
_UPPERCASE, _NUMERIC, _COUNTER, _ONE_WORD, _CALL = range(len(RULES))

_UPPER, _NUMBER, _SPACE, ALNUM, _GAP = 1, 2, 4, 8, 16
"""`str.isupper`, `isdigit`, `isspace`, `isalnum` of one character; a space that parts the words that are counted."""

_DIGITS_NOT_ND = (
    "00B2-00B3 00B9 1369-1371 19DA 2070 2074-2079 2080-2089 2460-2468 2474-247C 2488-2490 24EA 24F5-24FD 24FF "
    "2776-277E 2780-2788 278A-2792 10A40-10A43 10E60-10E68 11052-1105A 1F100-1F10A"
)
_NUMBERS_NOT_ND = (
    "00B2-00B3 00B9 00BC-00BE 09F4-09F9 0B72-0B77 0BF0-0BF2 0C78-0C7E 0D58-0D5E 0D70-0D78 0F2A-0F33 1369-137C "
    "16EE-16F0 17F0-17F9 19DA 2070 2074-2079 2080-2089 2150-2182 2185-2189 2460-249B 24EA-24FF 2776-2793 2CFD 3007 "
    "3021-3029 3038-303A 3192-3195 3220-3229 3248-324F 3251-325F 3280-3289 32B1-32BF A6E6-A6EF A830-A835 10107-10133 "
    "10140-10178 1018A-1018B 102E1-102FB 10320-10323 10341 1034A 103D1-103D5 10858-1085F 10879-1087F 108A7-108AF "
    "108FB-108FF 10916-1091B 109BC-109BD 109C0-109CF 109D2-109FF 10A40-10A48 10A7D-10A7E 10A9D-10A9F 10AEB-10AEF "
    "10B58-10B5F 10B78-10B7F 10BA9-10BAF 10CFA-10CFF 10E60-10E7E 10F1D-10F26 10F51-10F54 10FC5-10FCB 11052-11065 "
    "111E1-111F4 1173A-1173B 118EA-118F2 11C5A-11C6C 11FC0-11FD4 12400-1246E 16B5B-16B61 16E80-16E96 1D2E0-1D2F3 "
    "1D360-1D378 1E8C7-1E8CF 1EC71-1ECAB 1ECAD-1ECAF 1ECB1-1ECB4 1ED01-1ED2D 1ED2F-1ED3D 1F100-1F10C"
)


def _kinds() -> npt.NDArray[np.uint8]:
    kinds = np.zeros(CODE_POINTS, np.uint8)
    kinds[CLASS & unicode.UPPER != 0] = _UPPER
    kinds[CLASS & unicode.DIGIT != 0] |= _NUMBER | ALNUM
    kinds[code_points(_DIGITS_NOT_ND)] |= _NUMBER
    kinds[CLASS & unicode.LETTER != 0] |= ALNUM
    kinds[code_points(_NUMBERS_NOT_ND)] |= ALNUM
    kinds[CLASS & unicode.SPACE != 0] |= _SPACE
    kinds[list(b" \t\r\n\v\f\0")] |= _GAP
    kinds.flags.writeable = False
    return kinds


KINDS = _kinds()
"""uint8[0x110000] of the flags above; read-only, passed to kernels as an argument."""

_COUNTED = (
    b"likes", b"shares", b"comments", b"retweets", b"reposts", b"quotes", b"bookmarks", b"upvotes", b"downvotes",
    b"downloads", b"views", b"followers",
)  # fmt: skip
_COUNTED_BYTES = np.frombuffer(b"".join(_COUNTED), np.uint8)
_COUNTED_AT = np.cumsum([0, *map(len, _COUNTED)])
_CART = np.frombuffer(b"items in cart", np.uint8)
_MORE = np.frombuffer(b"read more", np.uint8)
_SIGN_IN = np.frombuffer(b"sign-in", np.uint8)
_AT_START = np.int64(_SPACE | _GAP)
_MOST_CALLS = 5
"""In a line of 10 words: "items in cart" three times, "Read more" at its end, "Sign-in" in front."""


@njit(cache=True, nogil=True)
def walk_lines(data, offsets, kinds, classes):
    """(words, words gone by rule) of each document, then (start, end, first, rule) of the stretches that go."""
    most = len(offsets)
    for p in range(offsets[0], offsets[-1]):
        most += data[p] == 10
    start, end = np.empty(_MOST_CALLS * most, np.int64), np.empty(_MOST_CALLS * most, np.int64)
    rules = np.empty(_MOST_CALLS * most, np.uint8)
    first = np.zeros(len(offsets), np.int64)
    words = np.zeros(len(offsets) - 1, np.int64)
    gone = np.zeros((len(offsets) - 1, len(RULES)), np.int64)
    n = np.int64(0)
    for i in range(len(words)):
        line, stop = offsets[i], offsets[i + 1]
        while line < stop:
            p = find_lf(data, line, stop)
            if p > line:
                rule, num_words, chunks = _rule_of(data, line, p, kinds, classes)
                words[i] += num_words
                if rule < _CALL:
                    gone[i, rule] += num_words
                    start[n], end[n], rules[n] = line, min(p + 1, stop), rule
                    n += 1
                elif chunks <= 10:
                    left, num_calls = _cut_calls(data, line, p, kinds, classes, start[n:], end[n:])
                    if num_calls:
                        gone[i, _CALL] += num_words - left
                        rules[n : n + num_calls] = _CALL
                        n += num_calls
                        if start[n - 1] == line and end[n - 1] == p:
                            end[n - 1] = min(p + 1, stop)
            line = p + 1
        first[i + 1] = n
    return words, gone, start[:n], end[:n], first, rules[:n]


@njit(cache=True, nogil=True)
def _rule_of(data, s, e, kinds, classes):
    """(rule by which line s:e goes, or _CALL; words that are counted; words by `str.split`)."""
    characters, capitals, numbers, spaces, words, chunks, _ = _look_at_line(data, s, e, kinds, _AT_START, 0)
    rule = _CALL
    if 2 * capitals > characters:
        rule = _UPPERCASE
    elif chunks == 1 and numbers + spaces == characters:
        rule = _NUMERIC
    elif numbers and _is_counter(data, s, e, kinds, classes):
        rule = _COUNTER
    elif chunks < 2:
        rule = _ONE_WORD
    return rule, words, chunks


@njit(cache=True, nogil=True)
def _look_at_line(data, p, e, kinds, before, in_front):
    """(characters, capitals, numbers, spaces, words that are counted, words by `str.split`, kind of the last one).

    `before` is the kind of the character in front, and `in_front` the number of words there.
    """
    characters = capitals = numbers = spaces = words = chunks = np.int64(0)
    while p < e:
        c, length = np.int64(data[p]), np.int64(1)
        if c >= 0x80:
            c, length = decode(data, p, e)
        kind = np.int64(kinds[c])
        characters += 1
        capitals += kind & 1
        numbers += kind >> 1 & 1
        spaces += kind >> 2 & 1
        chunks += (before & ~kind) >> 2 & 1
        words += (before >> 1 & kind) >> 3 & 1
        before = kind if chunks or in_front else before
        p += length
    return characters, capitals, numbers, spaces, words, chunks, before


@njit(cache=True, nogil=True)
def _is_word_character(data, p, e, kinds):
    """(whether `\\w` matches at p, bytes of the character)."""
    c, length = decode(data, p, e)
    return c == 0x5F or kinds[c] & ALNUM != 0, length


@njit(cache=True, nogil=True)
def _is_counter(data, p, e, kinds, classes):
    while p < e:
        wordy, length = _is_word_character(data, p, e, kinds)
        if wordy:
            break
        p += length
    begin = p
    while p < e:
        c, length = decode(data, p, e)
        if not (classes[c] & unicode.DIGIT or (p > begin and (c == 0x2C or c == 0x2E))):
            break
        p += length
    if p == begin:
        return False
    if p < e and data[p] | 0x20 in (0x62, 0x6B, 0x6D):  # B K M
        p += 1
    word = skip_space(data, p, e, classes)
    if word == p:
        return False
    p = word + _counted_at(data, word, e)
    if p == word:
        return False
    while p < e:
        wordy, length = _is_word_character(data, p, e, kinds)
        if wordy:
            return False
        p += length
    return True


@njit(cache=True, nogil=True)
def _counted_at(data, p, e):
    """Bytes of the counted noun at p; 0 if there is none."""
    for k in range(len(_COUNTED_AT) - 1):
        if _matches(data, p, e, _COUNTED_BYTES[_COUNTED_AT[k] : _COUNTED_AT[k + 1]]):
            return _COUNTED_AT[k + 1] - _COUNTED_AT[k]
    return 0


@njit(cache=True, nogil=True)
def _matches(data, p, e, text):
    """Whether `text`, in lower case, stands at p in capitals or not."""
    if e - p < len(text):
        return False
    for d in range(len(text)):
        c = data[p + d]
        if (c | 0x20 if 0x41 <= c <= 0x5A else c) != text[d]:
            return False
    return True


@njit(cache=True, nogil=True)
def _call_at(data, s, p, e, call, kinds):
    """Whether `call` stands at p as whole words of s:e."""
    if not _matches(data, p, e, call):
        return False
    if p > s:
        c = decode_before(data, s, p)[0]
        if c == 0x5F or kinds[c] & ALNUM:
            return False
    p += len(call)
    return p == e or not _is_word_character(data, p, e, kinds)[0]


@njit(cache=True, nogil=True)
def _more_at(data, s, e, kinds):
    """Where "Read more" and three characters begin that end at e, or e."""
    p = e
    for _ in range(3):
        if p == s:
            return e
        p = decode_before(data, s, p)[1]
    p -= len(_MORE)
    return p if p >= s and _call_at(data, s, p, e, _MORE, kinds) else e


@njit(cache=True, nogil=True)
def _cut_calls(data, line, stop, kinds, classes, start, end):
    """Write the stretches of line:stop that are calls, the whole if nothing else is left; (words left, stretches)."""
    s = skip_space(data, line, stop, classes)
    e = strip_end(data, s, stop, classes)
    n = 0
    p = s
    if _call_at(data, s, s, e, _SIGN_IN, kinds):
        p = s + len(_SIGN_IN)
        if p < e and kinds[decode(data, p, e)[0]] & _SPACE:
            p += decode(data, p, e)[1]
        start[0], end[0] = s, p
        n = 1
    more = _more_at(data, p, e, kinds)
    left = p
    while p < more:
        if data[p] | 0x20 == 0x69 and _call_at(data, s, p, more, _CART, kinds):
            start[n], end[n] = _before_space(data, left, p, kinds), p + len(_CART)
            p = left = end[n]
            n += 1
        else:
            p += 1
    if more < e:
        start[n], end[n] = _before_space(data, left, more, kinds), e
        n += 1
    words = chunks = 0
    p, before = line, _AT_START
    for k in range(n + 1 if n else 0):
        piece = _look_at_line(data, p, start[k] if k < n else stop, kinds, before, chunks)
        words += piece[4]
        chunks += piece[5]
        before = piece[6]
        p = end[k] if k < n else stop
    if n and chunks == 0:
        start[0], end[0] = line, stop
        n = 1
    return words, n


@njit(cache=True, nogil=True)
def _before_space(data, s, p, kinds):
    """Where the one space of s:p that ends at p begins, or p."""
    if p > s:
        c, begin = decode_before(data, s, p)
        if kinds[c] & _SPACE:
            return begin
    return p
