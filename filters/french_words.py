"""French words with hyphens and apostrophes, which other languages cut: kernels over bytes."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from numba import njit

from filters import word_rules as on
from filters.unicode import all_of, decode, decode_before
from filters.word_rules import ALPHA, listed

_QUOTE, _APOSTROPHE, _HYPHEN, _EN_DASH, _EM_DASH = 0x27, 0x2019, 0x2D, 0x2013, 0x2014
_MAX_PRONOUN = 12
"""Bytes of the longest pronoun."""

_MAX_FRENCH = 128
"""Bytes of the longest French word with hyphens; without a limit a hostile chunk would take quadratic time."""


@njit(cache=True, nogil=True)
def pronoun(data, s, e, kinds, lists):
    """Bytes of a French pronoun behind a hyphen, with it, at the end of s:e; 0 if none."""
    p = e
    while p > s and e - p <= _MAX_PRONOUN:
        c, q = decode_before(data, s, p)
        if _is_hyphen(c):
            found = q > s and kinds[decode_before(data, s, q)[0]] & ALPHA
            return e - q if found and listed(data, p, e, lists, on.PRONOUNS) >= 0 else 0
        p = q
    return 0


@njit(cache=True, nogil=True)
def _is_hyphen(c):
    """Whether c is one of the hyphens and dashes of French words."""
    return c == _HYPHEN or 0x2010 <= c <= 0x2011 or _EN_DASH <= c <= _EM_DASH


@njit(cache=True, nogil=True)
def is_french_whole(data, s, e, kinds, lists):
    """Whether s:e is one French word with hyphens or an apostrophe: `sous-titre`, `entr'ouvert`, `mot-de-passe`."""
    p = s
    while p < e and e - s <= _MAX_FRENCH:
        c, length = decode(data, p, e)
        hyphen = _is_hyphen(c)
        if hyphen or c in (_QUOTE, _APOSTROPHE):
            flag = on.BEFORE_HYPHEN if hyphen else on.BEFORE_ELISION
            q = p + length
            if listed(data, s, p, lists, flag) >= 0 and q < e and kinds[decode(data, q, e)[0]] & ALPHA:
                return _goes_on(data, q, e, kinds)
            return hyphen and _joins_three(data, s, p, q, e, kinds, lists)
        if not kinds[c] & ALPHA:
            return False
        p += length
    return False


@njit(cache=True, nogil=True)
def _goes_on(data, p, e, kinds):
    """Whether p:e has nothing but letters, hyphens and apostrophes."""
    while p < e:
        c, length = decode(data, p, e)
        if not (kinds[c] & ALPHA or _is_hyphen(c) or c in (_QUOTE, _APOSTROPHE)):
            return False
        p += length
    return True


@njit(cache=True, nogil=True)
def _joins_three(data, s, p, q, e, kinds, lists):
    """Whether s:e is letters to p, then a word such as `de` between hyphens from q on, then letters (or `l'` first)."""
    if p == s:
        return False
    between = q
    while q < e:
        c, length = decode(data, q, e)
        if _is_hyphen(c):
            if listed(data, between, q, lists, on.BETWEEN_HYPHENS) < 0:
                return False
            q += length
            if q < e and data[q] | 0x20 == 0x6C and q + 1 < e:
                mark, length = decode(data, q + 1, e)
                if mark in (_QUOTE, _APOSTROPHE):
                    q += 1 + length
            return q < e and all_of(data, q, e, kinds, ALPHA)
        q += length
    return False
