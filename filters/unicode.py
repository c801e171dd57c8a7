"""What a character is, by code point: CLASS (flags), FOLD (lower case, no diacritics), and decode() for kernels.

The tables are read from `filters/data/unicode.npz` in about 5 ms instead of being built from `unicodedata` in seconds,
and so are the same under every Python. `python filters/unicode.py` writes that file anew; a test compares it with
`unicodedata`. Pass the tables to kernels as arguments: as a global, numba bakes the megabyte into the code it compiles.
"""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

LETTER = 1
"""Category L*: `str.isalpha()` of one character."""

MARK = 2
"""Category M*: accents and vowel signs that belong to the letter before them."""

DIGIT = 4
"""Category Nd: `\\d` of a Python regular expression."""

SPACE = 8
"""`str.isspace()`: also U+0085, U+00A0, U+3000 and the separators U+001C to U+001F."""

PUNCT = 16
"""Category P*."""

SYMBOL = 32
"""Category S*: currency, arithmetic, modifiers, emoji."""

UPPER = 64
"""`str.isupper()` of one character."""

LONE = 128
"""A letter of Han, Hiragana, Katakana, Hangul or Thai: scripts without spaces, so each is a word by itself."""

CODE_POINTS = 0x110000
_DATA = Path(__file__).parent / "data" / "unicode.npz"
_LONE_NAMES = (
    "CJK UNIFIED IDEOGRAPH",
    "CJK COMPATIBILITY IDEOGRAPH",
    "IDEOGRAPHIC",
    "VERTICAL IDEOGRAPHIC",
    "HIRAGANA",
    "HENTAIGANA",
    "KATAKANA",
    "HALFWIDTH KATAKANA",
    "HANGUL",
    "HALFWIDTH HANGUL",
    "THAI CHARACTER",
)


def class_of(char: str) -> int:
    """Bit flags of one character, 0..255; 0 for controls, unassigned code points and numbers that are not digits."""
    category = unicodedata.category(char)
    flags = {"L": LETTER, "M": MARK, "P": PUNCT, "S": SYMBOL}.get(category[0], 0)
    flags |= DIGIT * (category == "Nd") | SPACE * char.isspace() | UPPER * char.isupper()
    if flags & LETTER and unicodedata.name(char, "").startswith(_LONE_NAMES):
        flags |= LONE
    return flags


def fold_of(char: str) -> int:
    """Code point of `char` in lower case without diacritics; 0 for a mark, which a fold drops.

    A character that decomposes into several letters (a Hangul syllable, some Indic vowel signs) stays as it is.
    """
    bases = [c for c in unicodedata.normalize("NFD", char.lower()) if unicodedata.category(c) != "Mn"]
    if not bases:
        return 0
    return ord(bases[0] if len(bases) == 1 else char)


def generate() -> dict[str, npt.NDArray[Any]]:
    """The content of the data file: CLASS as runs of equal flags, FOLD as the code points that it changes."""
    chars = [chr(c) for c in range(CODE_POINTS)]
    classes = np.fromiter(map(class_of, chars), np.uint8, CODE_POINTS)
    folds = np.fromiter(map(fold_of, chars), np.uint32, CODE_POINTS)
    run_start = np.flatnonzero(np.diff(classes, prepend=classes[0] + np.uint8(1))).astype(np.uint32)
    folded = np.flatnonzero(folds != np.arange(CODE_POINTS)).astype(np.uint32)
    return {
        "unidata_version": np.array(unicodedata.unidata_version),
        "run_start": run_start,
        "run_class": classes[run_start],
        "folded": folded,
        "folded_to": folds[folded],
    }


def _load() -> tuple[str, npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    with np.load(_DATA, allow_pickle=False) as stored:
        lengths = np.diff(stored["run_start"], append=np.uint32(CODE_POINTS))
        classes = np.repeat(stored["run_class"], lengths)
        folds = np.arange(CODE_POINTS, dtype=np.uint32)
        folds[stored["folded"]] = stored["folded_to"]
        version = str(stored["unidata_version"])
    classes.flags.writeable = folds.flags.writeable = False
    return version, classes, folds


@njit(cache=True, nogil=True)
def decode(data, p, end):  # type: ignore[no-untyped-def]  # numba infers the types
    """Code point at byte `p` and its length in bytes, of valid UTF-8.

    In other bytes it still stays within `end` and the tables; a character cut off by `end` is (0xFFFD, 1).
    """
    lead = np.int64(data[p])
    if lead < 0x80:
        return lead, np.int64(1)
    if lead < 0xE0 and p + 1 < end:
        return (lead & 0x1F) << 6 | np.int64(data[p + 1]) & 0x3F, np.int64(2)
    if 0xE0 <= lead < 0xF0 and p + 2 < end:
        return (lead & 0x0F) << 12 | (np.int64(data[p + 1]) & 0x3F) << 6 | np.int64(data[p + 2]) & 0x3F, np.int64(3)
    if lead >= 0xF0 and p + 3 < end:
        c = (lead & 0x07) << 18 | (np.int64(data[p + 1]) & 0x3F) << 12
        c |= (np.int64(data[p + 2]) & 0x3F) << 6 | np.int64(data[p + 3]) & 0x3F
        if c < CODE_POINTS:
            return c, np.int64(4)
    return np.int64(0xFFFD), np.int64(1)


@njit(cache=True, nogil=True)
def decode_before(data, start, p):  # type: ignore[no-untyped-def]  # numba infers the types
    """Code point that ends at byte `p` and the byte where it begins, `start` at least; p > start."""
    begin = p - 1
    while begin > start and (data[begin] & 0xC0) == 0x80:
        begin -= 1
    return decode(data, begin, p)[0], begin


@njit(cache=True, nogil=True)
def all_of(data, p, end, classes, flag):  # type: ignore[no-untyped-def]  # numba infers the types
    """Whether every character of p:end has the flag."""
    while p < end:
        c, length = decode(data, p, end)
        if not classes[c] & flag:
            return False
        p += length
    return True


if __name__ == "__main__":
    np.savez_compressed(_DATA, allow_pickle=False, **generate())
else:
    UNIDATA_VERSION, CLASS, FOLD = _load()
    """Version of the Unicode data; uint8[0x110000] flags above; uint32[0x110000] code point, or 0 for dropped."""
