"""What the compiled word rule splits off a chunk and where it cuts it: flags by code point, kernels over bytes."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import unicode
from filters.unicode import CLASS, CODE_POINTS, decode, decode_before

ALPHA, DIGIT, SPACE, LONE, UPPER, OPEN, CLOSE, ICON = 1, 2, 4, 8, 16, 32, 64, 128
"""Letter or mark; digit; space; a word by itself; capital; split off in front; split off behind; cut out anywhere."""

WORDY = ALPHA | DIGIT

_OPEN_AND_CLOSE = ",:;!?()[]{}<>_#*&'\"`"
_OPEN_ONLY = "%=$+"
_JOINS = "-./@\\^|~%=$+\u2010\u2011"
"""Punctuation and symbols that are not split off at the end of a word."""

_PLUS, _COMMA, _HYPHEN, _DOT, _SLASH, _COLON = 0x2B, 0x2C, 0x2D, 0x2E, 0x2F, 0x3A
_DOLLAR, _PERCENT, _AT, _EN_DASH, _EM_DASH, _TILDE = 0x24, 0x25, 0x40, 0x2013, 0x2014, 0x7E
_CANNOT = tuple(b"cannot")


def _kinds() -> npt.NDArray[np.uint8]:
    """What each code point does to a word: uint8[0x110000] flags."""
    kinds = np.zeros(CODE_POINTS, np.uint8)
    split_off = CLASS & (unicode.PUNCT | unicode.SYMBOL) != 0
    kinds[split_off] = OPEN | CLOSE
    kinds[:128][split_off[:128]] = 0
    for flags, chars in ((OPEN | CLOSE, _OPEN_AND_CLOSE), (0, _JOINS), (OPEN, _OPEN_ONLY)):
        kinds[[ord(c) for c in chars]] = flags
    icons = CLASS & unicode.SYMBOL != 0
    icons[:0x2000] = False
    icons[[ord(c) for c in "\u2026\u00a6\u00a9\u00ae\u00b0"]] = True
    kinds[icons] |= ICON
    kinds[CLASS & (unicode.LETTER | unicode.MARK) != 0] |= ALPHA
    for ours, theirs in (
        (DIGIT, unicode.DIGIT),
        (SPACE, unicode.SPACE),
        (LONE, unicode.LONE),
        (UPPER, unicode.UPPER),
    ):
        kinds[CLASS & theirs != 0] |= ours
    kinds.flags.writeable = False
    return kinds


KINDS = _kinds()


@njit(cache=True, nogil=True)
def opening(data, s, e, kinds):
    """Bytes to split off the front of s:e."""
    if data[s] == _DOT:
        p = s
        while p < e and data[p] == _DOT:
            p += 1
        return p - s if p - s > 1 else 0
    if data[s] == _PLUS and s + 1 < e and kinds[data[s + 1]] & DIGIT:
        return 0
    c, length = decode(data, s, e)
    return length if kinds[c] & OPEN else 0


@njit(cache=True, nogil=True)
def closing(data, s, e, kinds):
    """Bytes to split off the end of s:e."""
    c, p = decode_before(data, s, e)
    if c == _DOT:
        while p > s and data[p - 1] == _DOT:
            p -= 1
        return e - p if e - p > 1 or _full_stop_leaves(data, s, p, kinds) else 0
    if kinds[c] & (CLOSE | ICON):
        return e - p
    if p == s:
        return 0
    if c == 0x73 or c == 0x53:  # 's 'S
        length = _apostrophe(data, s, p)
        return length + 1 if length and p - length > s else 0
    if c in (_PLUS, _DOLLAR, _PERCENT):
        before, _ = decode_before(data, s, p)
        return e - p if kinds[before] & DIGIT else 0
    return 0


@njit(cache=True, nogil=True)
def _full_stop_leaves(data, s, p, kinds):
    """Whether the full stop after s:p is a word of its own: not after one letter (`J.`, `e.g.`) or one capital."""
    if p == s:
        return False
    c, q = decode_before(data, s, p)
    if kinds[c] & (DIGIT | CLOSE) or c in (_PERCENT, _PLUS, _HYPHEN):
        return True
    if not kinds[c] & ALPHA or q == s:
        return False
    before, _ = decode_before(data, s, q)
    if kinds[c] & UPPER:
        return kinds[before] & UPPER != 0
    return before != _DOT


@njit(cache=True, nogil=True)
def _apostrophe(data, s, p):
    """Bytes of the apostrophe (U+0027, U+2019) that ends at p; 0 if none."""
    if p > s and data[p - 1] == 0x27:
        return 1
    if p > s + 2 and data[p - 1] == 0x99 and data[p - 2] == 0x80 and data[p - 3] == 0xE2:
        return 3
    return 0


@njit(cache=True, nogil=True)
def contraction(data, s, e):
    """Bytes of n't, 're, 've, 'll, 'd or 'm at the end of s:e, if something comes before; 0 if none; 3 of `cannot`."""
    last = data[e - 1]
    if is_cannot(data, s, e):
        return 3
    letters = 1
    if last == 0x65 or last == 0x6C:  # 're 've 'll
        if e - 2 < s:
            return 0
        before = data[e - 2]
        if before not in (0x72, 0x76) if last == 0x65 else before != 0x6C:
            return 0
        letters = 2
    elif last != 0x74 and last != 0x64 and last != 0x6D:  # n't 'd 'm
        return 0
    mark = _apostrophe(data, s, e - letters)
    if mark == 0:
        return 0
    p = e - letters - mark
    if last == 0x74:
        p -= 1
        if p < s or data[p] != 0x6E:
            return 0
    return e - p if p > s else 0


@njit(cache=True, nogil=True)
def is_cannot(data, s, e):
    """Whether s:e is `cannot` or `Cannot`."""
    if e - s != len(_CANNOT) or data[s] | 0x20 != _CANNOT[0]:
        return False
    for d in range(1, len(_CANNOT)):  # noqa: SIM110  (numba compiles no generator)
        if data[s + d] != _CANNOT[d]:
            return False
    return True


@njit(cache=True, nogil=True)
def _ends_scheme(data, s, p):
    return p - 2 > s and data[p] == _SLASH and data[p - 1] == _SLASH and data[p - 2] == _COLON


@njit(cache=True, nogil=True)
def is_address(data, s, e, kinds):
    """Whether s:e is [scheme://][user@]host.name[:port][/path]; the last label has lower-case letters only."""
    dot = False
    host = s
    for p in range(s, e):
        if data[p] == _DOT:
            dot = True
        elif p > s and (data[p] == _AT or (host == s and _ends_scheme(data, s, p))):
            host = p + 1
    if not dot:
        return False
    p = label = host
    dots = 0
    while p < e:
        c, length = decode(data, p, e)
        if c == _DOT:
            if p == label or not kinds[decode_before(data, s, p)[0]] & WORDY:
                return False
            dots += 1
            label = p + 1
        elif not (kinds[c] & WORDY or (p > label and (c == _HYPHEN or c == 0x5F))):
            break
        p += length
    if dots == 0 or p - label < 2:
        return False
    q = label
    while q < p:
        c, length = decode(data, q, e)
        if not kinds[c] & ALPHA or kinds[c] & UPPER:
            return False
        q += length
    if p < e and data[p] == _COLON:
        q = p + 1
        while q < e and kinds[data[q]] & DIGIT and q - p < 6:
            q += 1
        if q - p < 3:
            return False
        p = q
    return p == e or data[p] == _SLASH or data[p] == 0x3F or data[p] == 0x23


@njit(cache=True, nogil=True)
def infix(data, p, e, kinds, c, length, before):
    """Bytes of the infix at p, whose first code point is c; 0 if a word goes on there."""
    if kinds[c] & ICON:
        return length
    q = p + length
    if q >= e:
        return 0
    after = kinds[decode(data, q, e)[0]]
    if c == _DOT:
        while q < e and data[q] == _DOT:
            q += 1
        if q - p > 1:
            return q - p
        lower = before & ALPHA and not before & UPPER
        return length if lower and after & UPPER else 0
    if c == _COMMA:
        return length if before & ALPHA and after & ALPHA else 0
    if before & DIGIT and c in (_PLUS, _HYPHEN, 0x2A, 0x5E) and (after & DIGIT or data[q] == _HYPHEN):  # + - * ^
        return length
    if not before & WORDY:
        return 0
    if c in (_HYPHEN, _EN_DASH, _EM_DASH, _TILDE):
        most = 3 if c == _HYPHEN else (2 if c == _EM_DASH else 1)
        for _ in range(most - 1):
            again, bytes_again = decode(data, q, e)
            if again != c or q + bytes_again >= e:
                break
            q += bytes_again
        return q - p if kinds[decode(data, q, e)[0]] & ALPHA else 0
    if c in (_COLON, _SLASH) or 0x3C <= c <= 0x3E:  # < = >
        return length if after & ALPHA else 0
    return 0
