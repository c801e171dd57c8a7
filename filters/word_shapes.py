"""What the word rule splits off a chunk and where it cuts it: kernels over bytes, by the rules of a language."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from numba import njit

from filters import word_rules as on
from filters.french_words import pronoun
from filters.unicode import decode, decode_before
from filters.word_rules import ALPHA, CLOSE, DIGIT, ICON, LOWER, OPEN, QUOTE, UPPER, WORD, listed

_QUOTE, _PLUS, _COMMA, _HYPHEN, _DOT, _SLASH, _COLON = 0x27, 0x2B, 0x2C, 0x2D, 0x2E, 0x2F, 0x3A
_DOLLAR, _PERCENT, _AT, _EN_DASH, _EM_DASH, _TILDE = 0x24, 0x25, 0x40, 0x2013, 0x2014, 0x7E
_APOSTROPHE, _DEGREE, _SQUARED, _ELLIPSIS, _GRAVE = 0x2019, 0xB0, 0xB2, 0x2026, 0x60
_MAX_UNIT = 12
"""Bytes of the longest unit or currency, and of digits before a degree sign."""


@njit(cache=True, nogil=True)
def opening(data, s, e, rules, kinds, lists):
    """Bytes to split off the front of s:e; 0 if none."""
    c, length = decode(data, s, e)
    if rules & (on.FRENCH | on.ITALIAN | on.PORTUGUESE | on.POLISH | on.GERMAN):
        own = _opening_of_language(data, s, e, rules, kinds, lists, c)
        if own:
            return own
    if c == _DOT:
        p = s
        while p < e and data[p] == _DOT:
            p += 1
        return p - s if p - s > 1 else 0
    if c == _PLUS:
        return 0 if s + 1 < e and kinds[data[s + 1]] & DIGIT else 1
    if kinds[c] & OPEN:
        return length
    if c == 0x55 and e - s > 2 and data[s + 1] == 0x53 and data[s + 2] == _DOLLAR:  # US$
        return 3
    if (c == 0x41 or c == 0x43) and e - s > 1 and data[s + 1] == _DOLLAR:  # A$ C$
        return 2
    return 0


@njit(cache=True, nogil=True)
def _opening_of_language(data, s, e, rules, kinds, lists, c):
    if rules & on.FRENCH:  # d' l' n' before a letter
        if c | 0x20 in (0x64, 0x6C, 0x6E) and s + 1 < e:
            mark, length = decode(data, s + 1, e)
            p = s + 1 + length
            if (mark in (_QUOTE, _APOSTROPHE)) and p < e and kinds[decode(data, p, e)[0]] & ALPHA:
                return p - s
    elif rules & on.ITALIAN:  # '90 and 30 with a degree sign
        if c == _QUOTE:
            two = e - s > 2 and kinds[data[s + 1]] & DIGIT and kinds[data[s + 2]] & DIGIT
            return 3 if two else 0
        p = s
        while p < e and p - s < _MAX_UNIT and kinds[data[p]] & DIGIT:
            p += 1
        if p > s and p < e and decode(data, p, e)[0] == _DEGREE:
            return p + 2 - s
    elif rules & on.PORTUGUESE:  # R$
        p = s
        for _ in range(3):
            if p >= e:
                break
            c, length = decode(data, p, e)
            if not kinds[c] & WORD:
                break
            p += length
        if p > s and p < e and data[p] == _DOLLAR:
            return p + 1 - s
    elif rules & on.POLISH:
        p = s
        while p < e and p - s < _MAX_UNIT and data[p] != _HYPHEN:
            p += 1
        if p < e and data[p] == _HYPHEN and listed(data, s, p, lists, on.POLISH_PREFIXES) >= 0:
            return p + 1 - s
    elif c == _GRAVE and s + 1 < e and data[s + 1] == _GRAVE:
        return 2
    return 0


@njit(cache=True, nogil=True)
def closing(data, s, e, digits, rules, kinds, lists):
    """Bytes to split off the end of s:e, the longest that any rule finds; 0 if none."""
    c, p = decode_before(data, s, e)
    kind = kinds[c]
    if kind & DIGIT:
        return 0
    if digits and p > s and c != _DOT:
        unit = _unit(data, s, e, kinds, lists)
        if unit and not (unit == 1 and c == _PERCENT and rules & on.PERCENT_STAYS):
            return unit
    if c == _DOT:
        if rules & on.STOP_ALWAYS:
            return 1
        while p > s and data[p - 1] == _DOT:
            p -= 1
        return e - p if e - p > 1 or _full_stop_leaves(data, s, p, rules, kinds) else 0
    if kind & CLOSE:
        if p > s and c in (_QUOTE, _APOSTROPHE, _ELLIPSIS):
            before, q = decode_before(data, s, p)
            both = c == _QUOTE or rules & on.POLISH
            if before == c and (c == _ELLIPSIS or (rules & on.TWO_QUOTES_LEAVE and both)):
                return e - q
        return e - p
    if kind & ICON:
        return e - p if rules & on.ICONS_LEAVE else 0
    if c in (_EN_DASH, _EM_DASH):
        return e - p if rules & on.DASHES_LEAVE else 0
    if c == _SLASH:
        return 1 if rules & on.SLASH_LEAVES else 0
    if p == s:
        return 0
    if c == _PLUS:
        return 1 if kinds[decode_before(data, s, p)[0]] & DIGIT else 0
    if rules & on.POSSESSIVE and (c == 0x73 or c == 0x53):  # 's 'S
        mark, q = decode_before(data, s, p)
        return e - q if mark in (_QUOTE, _APOSTROPHE) else 0
    if rules & on.FRENCH and kind & ALPHA:
        return pronoun(data, s, e, kinds, lists)
    return 0


@njit(cache=True, nogil=True)
def _unit(data, s, e, kinds, lists):
    """Bytes of the unit or currency that follows the last digit of s:e; 0 if none."""
    p = e
    while p > s and e - p <= _MAX_UNIT:
        if kinds[data[p - 1]] & DIGIT:
            return e - p if p < e and listed(data, p, e, lists, on.UNITS) >= 0 else 0
        p -= 1
    return 0


@njit(cache=True, nogil=True)
def _full_stop_leaves(data, s, p, rules, kinds):
    """Whether the full stop after s:p is a word of its own: not after one letter (`J.`) or one capital."""
    if p == s:
        return False
    c, q = decode_before(data, s, p)
    kind = kinds[c]
    if kind & DIGIT:
        return rules & on.STOP_AFTER_DIGIT != 0
    if kind & (LOWER | QUOTE) or c in (_PERCENT, _SQUARED, _PLUS, _HYPHEN, 0x28, 0x29, 0x3A, 0x3F):
        return True
    if kind & CLOSE or c == 0x7C:
        return rules & on.STOP_AFTER_PUNCT != 0
    if c in (_EN_DASH, _EM_DASH):
        return rules & on.STOP_AFTER_DASH != 0
    if q == s or not kind & ALPHA:
        return False
    first = decode_before(data, s, q)[0]
    return (kind & UPPER != 0 and kinds[first] & UPPER != 0) or (first == _DEGREE and c | 0x20 in (0x63, 0x66, 0x6B))


@njit(cache=True, nogil=True)
def _ends_scheme(data, s, p, kinds):
    """Whether p is the last byte of `://` behind two or more word characters, `+`, `-` and `.` from s on."""
    if p - 4 < s or data[p] != _SLASH or data[p - 1] != _SLASH or data[p - 2] != _COLON:
        return False
    q = s
    while q < p - 2:
        c, length = decode(data, q, p)
        if not (kinds[c] & WORD or c in (_PLUS, _HYPHEN, _DOT)):
            return False
        q += length
    return True


@njit(cache=True, nogil=True)
def is_address(data, s, e, kinds):
    """Whether s:e is [scheme://][user@]host.name[:port][/path]; the last label has lower-case letters only."""
    dot = False
    host = s
    for p in range(s, e):
        if data[p] == _DOT:
            dot = True
        elif p > s and (data[p] == _AT or (host == s and _ends_scheme(data, s, p, kinds))):
            host = p + 1
    if not dot:
        return False
    p = label = host
    dots = 0
    while p < e:
        c, length = decode(data, p, e)
        if c == _DOT:
            if p == label or not kinds[decode_before(data, s, p)[0]] & (ALPHA | DIGIT):
                return False
            dots += 1
            label = p + 1
        elif not (kinds[c] & (ALPHA | DIGIT) or (p > label and (c == _HYPHEN or c == 0x5F))):
            break
        p += length
    if dots == 0 or p - label < 2:
        return False
    q = label
    while q < p:
        c, length = decode(data, q, e)
        if not kinds[c] & LOWER:
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
def infix(data, p, e, rules, kinds, c, length, before):
    """Bytes of what is cut out at p, whose first code point is c, after `before`; 0 if a word goes on."""
    kind = kinds[c]
    if kind & ICON or c == _ELLIPSIS:
        return length
    q = p + length
    if c == _DOT:
        while q < e and data[q] == _DOT:
            q += 1
        if q - p > 1:
            return q - p
    if rules & on.HYPHEN_ALWAYS and (c in (_HYPHEN, _EN_DASH, _EM_DASH, _TILDE)):
        return length
    if q >= e:
        return 0
    d = decode(data, q, e)[0]
    after, was = kinds[d], kinds[before]
    if c == _DOT:
        return length if _cut_at_dot(rules, was, after, before, d) else 0
    if was & ALPHA and after & ALPHA:
        if c == _COMMA:
            return length
        if rules & on.COMMA_OR_MARK and (c == 0x21 or c == 0x3F):
            return length
    if was & DIGIT and (after & DIGIT or d == _HYPHEN):
        if c == _HYPHEN and (rules & on.MINUS_AND_SIGNS or (rules & on.MINUS and after & DIGIT)):
            return length
        if c in (_PLUS, 0x2A, 0x5E) and rules & (on.MINUS_AND_SIGNS | on.SIGNS):  # + * ^
            return length
    if c in (_HYPHEN, _EN_DASH, _EM_DASH, _TILDE):
        return _hyphen(data, p, q, e, rules, kinds, c, was)
    if c in (_COLON, _SLASH) or 60 <= c <= 62:  # < = >
        return length if _cut_at_operator(rules, was, after, c) else 0
    if rules & on.QUOTES_INSIDE and was & ALPHA and (after & ALPHA or (rules & on.POLISH and d == _HYPHEN)):
        quote = kind & QUOTE and c != _QUOTE
        return length if quote or c in (0x28, 0x29, 0x5B, 0x5D) else 0
    return 0


@njit(cache=True, nogil=True)
def _cut_at_dot(rules, was, after, before, d):
    if rules & on.DOT_DIGIT_OR_UPPER:
        return was & (DIGIT | ALPHA) != 0 and after & (DIGIT | UPPER) != 0
    if rules & on.DOT_CASE_OR_QUOTE:
        dash = rules & on.STOP_AFTER_DASH
        left = was & (LOWER | QUOTE) or (dash and _EN_DASH <= before <= _EM_DASH)
        return left and (after & (UPPER | QUOTE) or (dash and _EN_DASH <= d <= _EM_DASH))
    return was & LOWER != 0 and after & UPPER != 0


@njit(cache=True, nogil=True)
def _cut_at_operator(rules, was, after, c):
    if c == _SLASH and rules & on.SLASH_AFTER_DIGIT:
        return was & (ALPHA | DIGIT) != 0 and after & (ALPHA | DIGIT) != 0
    left = ALPHA | DIGIT if rules & on.OPERATOR_AFTER_DIGIT else ALPHA
    return was & left != 0 and after & ALPHA != 0


@njit(cache=True, nogil=True)
def _hyphen(data, p, q, e, rules, kinds, c, was):
    """Bytes of one hyphen or dash, two or three hyphens, or two em dashes at p before a letter; 0 if none."""
    if not (was & ALPHA or (was & DIGIT and rules & on.HYPHEN_AFTER_DIGIT)):
        return 0
    if rules & on.DASH_INSIDE:
        two = c == _HYPHEN and data[q] == _HYPHEN and q + 1 < e
        return 2 if two and kinds[decode(data, q + 1, e)[0]] & ALPHA else 0
    if not rules & on.HYPHEN:
        return 0
    most = 3 if c == _HYPHEN else (2 if c == _EM_DASH else 1)
    for _ in range(most - 1):
        again, length = decode(data, q, e)
        if again != c or q + length >= e:
            break
        q += length
    wanted = LOWER if rules & on.HYPHEN_BEFORE_LOWER else ALPHA
    return q - p if kinds[decode(data, q, e)[0]] & wanted else 0


@njit(cache=True, nogil=True)
def elides(data, s, p, rules, kinds, c, before):
    """Whether s:e is cut between the apostrophe `before`, which follows a letter, and the character c at p."""
    if before != _QUOTE and before != _APOSTROPHE:
        return False
    q = decode_before(data, s, p)[1]
    if q == s or not kinds[decode_before(data, s, q)[0]] & ALPHA:
        return False
    if rules & on.ELISION_BEFORE_DIGIT and (kinds[c] & DIGIT or c == 0x22):
        return True
    return kinds[c] & ALPHA != 0


@njit(cache=True, nogil=True)
def after_hyphened(data, p, e, kinds):
    """(end of the word characters from p on, end of what hyphens join to them or 0)."""
    q = _after_word(data, p, e, kinds)
    end = 0
    stop = q
    while stop < e and data[stop] == _HYPHEN:
        next_stop = _after_word(data, stop + 1, e, kinds)
        if next_stop == stop + 1:
            break
        end = stop = next_stop
    return q, end


@njit(cache=True, nogil=True)
def _after_word(data, p, e, kinds):
    while p < e:
        c, length = decode(data, p, e)
        if not kinds[c] & WORD:
            break
        p += length
    return p
