"""What a word is in each language: character classes, lists of strings, and which rules hold, as kernels take them.

The classes and lists are those of spaCy 3.8 (MIT License), in `filters/data/word_rules.txt`; a language that has no
rules here has spaCy's common ones.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import unicode
from filters.loads import after_letters
from filters.punctuation import code_points
from filters.unicode import CLASS, CODE_POINTS

ALPHA, LOWER, UPPER, DIGIT, SPACE, LONE, QUOTE, ICON, OPEN, CLOSE, RULED, WORD = (1 << i for i in range(12))
"""Letter; of these lower and upper case (letters without case are both); 0 to 9; space; a word by itself; quotation
mark; symbol that is cut out anywhere; split off in front, behind; a rule may hold there; `\\w`."""

(
    HYPHEN_AFTER_DIGIT, HYPHEN, HYPHEN_BEFORE_LOWER, HYPHEN_ALWAYS, HYPHENED_WHOLE, DASH_INSIDE, MINUS_AND_SIGNS,
    SIGNS, MINUS, DOT_CASE, DOT_CASE_OR_QUOTE, DOT_DIGIT_OR_UPPER, COMMA, COMMA_OR_MARK, OPERATOR,
    SLASH_AFTER_DIGIT, OPERATOR_AFTER_DIGIT, QUOTES_INSIDE, ELISION, ELISION_BEFORE_DIGIT, ICONS_LEAVE,
    DASHES_LEAVE, POSSESSIVE, SLASH_LEAVES, TWO_QUOTES_LEAVE, STOP_AFTER_DIGIT, STOP_AFTER_PUNCT, STOP_ALWAYS,
    STOP_AFTER_DASH, PERCENT_STAYS, FRENCH, ITALIAN, PORTUGUESE, POLISH, GERMAN,
) = (1 << i for i in range(35))  # fmt: skip
"""Rules that hold in some languages only; `word_shapes` says what each does."""

_COMMON = (
    MINUS_AND_SIGNS | DOT_CASE | DOT_CASE_OR_QUOTE | COMMA | OPERATOR | OPERATOR_AFTER_DIGIT | ICONS_LEAVE
    | DASHES_LEAVE | POSSESSIVE | STOP_AFTER_DIGIT | STOP_AFTER_PUNCT
)  # fmt: skip
LANGUAGES = {
    "*": _COMMON | HYPHEN,
    "eng": _COMMON | HYPHEN | HYPHEN_AFTER_DIGIT,
    "deu": DOT_CASE | COMMA | COMMA_OR_MARK | OPERATOR | SLASH_AFTER_DIGIT | QUOTES_INSIDE | DASH_INSIDE | MINUS
    | ICONS_LEAVE | SLASH_LEAVES | TWO_QUOTES_LEAVE | STOP_AFTER_PUNCT | GERMAN,
    "fra": (_COMMON | HYPHEN | ELISION | FRENCH) & ~(ICONS_LEAVE | DASHES_LEAVE | POSSESSIVE | STOP_AFTER_PUNCT),
    "spa": (_COMMON | SIGNS | STOP_AFTER_DASH | PERCENT_STAYS) & ~(MINUS_AND_SIGNS | POSSESSIVE),
    "ita": _COMMON | HYPHEN | HYPHEN_BEFORE_LOWER | ELISION | ELISION_BEFORE_DIGIT | ITALIAN,
    "por": _COMMON | HYPHEN | HYPHENED_WHOLE | PORTUGUESE,
    "rus": _COMMON | HYPHEN,
    "pol": DOT_DIGIT_OR_UPPER | COMMA | COMMA_OR_MARK | OPERATOR | QUOTES_INSIDE | HYPHEN | HYPHEN_ALWAYS | ICONS_LEAVE
    | TWO_QUOTES_LEAVE | STOP_ALWAYS | POLISH,
}  # fmt: skip
"""ISO 639-3 code -> its rules; `*` stands for all other languages, and what has none (`und`) gets English."""

RULES = np.array(list(LANGUAGES.values()), np.int64)
_NUMBER = {code: i for i, code in enumerate(LANGUAGES)}
_NUMBER["und"] = _NUMBER["eng"]
_LISTS = ("unit", "fra-pronoun", "fra-hyphen", "fra-elision", "fra-between", "pol-prefix")
UNITS, PRONOUNS, BEFORE_HYPHEN, BEFORE_ELISION, BETWEEN_HYPHENS, POLISH_PREFIXES = (
    np.uint32(1 << i) for i in range(len(LANGUAGES), len(LANGUAGES) + len(_LISTS))
)
"""Flags of the lists; before them stand the exceptions of each language, in the order of LANGUAGES."""

_DATA = Path(__file__).parent / "data" / "word_rules.txt"
_SLOTS = 8192
"""A power of two, at least twice as many as there are strings."""

_LETTERS = np.uint32(16)
"""Places of the bits that repeat the flags of strings of letters and at most one character."""

_RECORDS = 2 * _SLOTS
_LONGEST = 64
"""Bytes, more than any string has: a chunk of any length is looked at in steps of bounded time."""

_FIELDS = 4
_RULED = ".+-*^/=<>:~%\u00a7\u2010\u2011\u2013\u2014\u00b0$@'\u2019"


Lists = npt.NDArray[np.uint32]
"""All strings and how to find them, in one array: numba counts references to the members of a tuple of arrays, which
made words 7 times slower. 8192 flags of all strings whose cheap hash is the index, in the high half once more of those
of letters; 8192 numbers of strings, plus one,
by hash; four fields a string: its flags, its bytes, where they begin, where its cuts begin (their number, then the
bytes from the string's beginning to the end of each word in it); bytes and cuts, one an element.
"""


def numbers_of(langs: Sequence[str]) -> npt.NDArray[np.int64]:
    """Index into RULES of each language code (`eng_Latn`)."""
    return np.fromiter((_NUMBER.get(lang.partition("_")[0], 0) for lang in langs), np.int64, len(langs))


@njit(cache=True, nogil=True)
def _cheap(first, middle, last, length):
    mixed = np.uint32(first) * np.uint32(0x9E3779B1) + np.uint32(last) * np.uint32(0x85EBCA77)
    mixed += np.uint32(middle) * np.uint32(0xC2B2AE3D) + np.uint32(length) * np.uint32(0x27D4EB2F)
    return np.int64((mixed >> np.uint32(15)) & np.uint32(_SLOTS - 1))


@njit(cache=True, nogil=True)
def _hash(data, s, e):
    h = np.uint64(e - s)
    for p in range(s, e):
        h = (h ^ np.uint64(data[p])) * np.uint64(0x100000001B3)
    return np.int64((h ^ (h >> np.uint64(29))) & np.uint64(_SLOTS - 1))


@njit(cache=True, nogil=True)
def listed(data, s, e, lists, flag):
    """The string s:e of the lists of `flag`, or -1."""
    if s >= e or e - s > _LONGEST or not lists[_cheap(data[s], data[(s + e) >> 1], data[e - 1], e - s)] & flag:
        return np.int64(-1)
    return _find(data, s, e, lists, flag)


@njit(cache=True, nogil=True)
def listed_letters(data, s, e, lists, flag):
    """Like `listed`, for s:e that is ASCII letters and at most one character behind them: a look is enough for most."""
    if e - s > _LONGEST or not lists[_cheap(data[s], data[(s + e) >> 1], data[e - 1], e - s)] >> _LETTERS & flag:
        return np.int64(-1)
    return _find(data, s, e, lists, flag)


@njit(cache=True, nogil=True)
def _find(data, s, e, lists, flag):
    slot = _hash(data, s, e)
    while lists[_SLOTS + slot]:
        k = np.int64(lists[_SLOTS + slot]) - 1
        record = _RECORDS + _FIELDS * k
        same = lists[record] & flag != 0 and np.int64(lists[record + 1]) == e - s
        begin = np.int64(lists[record + 2])
        d = 0
        while same and d < e - s:
            same = lists[begin + d] == data[s + d]
            d += 1
        if same:
            return k
        slot = (slot + 1) & (_SLOTS - 1)
    return np.int64(-1)


@njit(cache=True, nogil=True)
def cuts_of(lists, k):
    """(index of the first cut of string k, index behind its last)."""
    first = np.int64(lists[_RECORDS + _FIELDS * k + 3]) + 1
    return first, first + np.int64(lists[first - 1])


@njit(cache=True, nogil=True)
def _fill(lists, text, start, mask):
    for k in range(len(mask)):
        s, e = start[k], start[k + 1]
        flags = mask[k]
        if e - 1 <= after_letters(text, s, e):
            flags |= flags << _LETTERS
        lists[_cheap(text[s], text[(s + e) >> 1], text[e - 1], e - s)] |= flags
        slot = _hash(text, s, e)
        while lists[_SLOTS + slot]:
            slot = (slot + 1) & (_SLOTS - 1)
        lists[_SLOTS + slot] = k + 1


def _read() -> tuple[dict[str, list[int]], dict[tuple[str, ...], list[str]]]:
    """(code points by class, names of its lists by string in its pieces)."""
    classes: dict[str, list[int]] = {}
    lists: dict[tuple[str, ...], list[str]] = {}
    for line in _DATA.read_text("utf-8").split("\n"):
        name, *pieces = line.split("\t")
        if name.startswith("class "):
            classes[name.removeprefix("class ")] = code_points(pieces[0])
        elif pieces and not name.startswith("#"):
            lists[tuple(pieces)] = name.split(",")
    return classes, lists


def _kinds(classes: dict[str, list[int]]) -> npt.NDArray[np.uint16]:
    kinds = np.zeros(CODE_POINTS, np.uint16)
    for name, flags in {
        "alpha": ALPHA, "lower": LOWER, "upper": UPPER, "word": WORD, "punct": OPEN | CLOSE | RULED,
        "quote": OPEN | CLOSE | QUOTE | RULED, "icon": OPEN | ICON | RULED, "currency": OPEN | RULED,
    }.items():  # fmt: skip
        kinds[classes[name]] |= flags
    kinds[[ord(c) for c in "\u00a7%=\u2014\u2013"]] |= OPEN
    kinds[[ord(c) for c in _RULED]] |= RULED
    kinds[[ord(c) for c in "0123456789"]] |= DIGIT
    kinds[CLASS & unicode.SPACE != 0] = SPACE
    kinds[CLASS & unicode.LONE != 0] = LONE | ALPHA | WORD
    kinds.flags.writeable = False
    return kinds


def _lists(named: dict[tuple[str, ...], list[str]]) -> Lists:
    flags = {name: 1 << i for i, name in enumerate((*LANGUAGES, *_LISTS))}
    pieces = [[len(piece.encode()) for piece in each] for each in named]
    mask = np.array([sum(flags[name] for name in names) for names in named.values()], np.uint32)
    text = np.frombuffer("".join(map("".join, named)).encode() + bytes(1), np.uint8)
    start = np.cumsum([0, *map(sum, pieces)], dtype=np.int64)
    cuts = [np.array([len(each), *np.cumsum(each)], np.uint32) for each in pieces]
    records = np.zeros((len(mask), _FIELDS), np.uint32)
    bytes_at = _RECORDS + records.size
    records[:, 0], records[:, 1], records[:, 2] = mask, np.diff(start), start[:-1] + bytes_at
    records[:, 3] = np.cumsum([0, *map(len, cuts[:-1])]) + bytes_at + len(text)
    lists: Lists = np.concatenate([np.zeros(_RECORDS, np.uint32), records.ravel(), text.astype(np.uint32), *cuts])
    _fill(lists, text, start, mask)
    lists.flags.writeable = False
    return lists


@cache
def tables() -> tuple[npt.NDArray[np.uint16], Lists]:
    """(flags by code point, the lists): read on first use, in about 30 ms."""
    classes, named = _read()
    return _kinds(classes), _lists(named)
