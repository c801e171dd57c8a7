"""What the shingles of a text are: units (words, characters or tokens), and every run of `size` of them hashed.

What is left of a text, character by character, so that it means the same alone and in a batch; `normalise` names the
steps, each of which can be left out:
- `lower`: lower case, `str.lower()` of the character; the final sigma is a sigma;
- `diacritics`: a letter is its base, and marks of category Mn neither count nor separate, among them the vowel signs
  above and below of Thai and Devanagari (`filters.unicode.FOLD` is this and `lower`);
- `numbers`: digits and any groups of one separator `.` `,` U+060C U+066B U+066C and digits become one `0`;
- `punctuation`: all but letters, marks, digits and such numbers separates. Without it white space alone does, and a
  comma is part of the word that it follows.

Words: maximal runs of what does not separate; each Han, Kana, Hangul or Thai letter is a word by itself.
Characters: each that does not separate; a run of separators between two of them is one space, at either end it is none.
Tokens: the ids that a tokenizer.json gives the text as it is, without special tokens. No step applies.
DIFFERS from datatrove: no language's tokenizer, lower case by character, all groups of `1,234,567.8` are one number.

A text with fewer than `min_shingles` shingles has one instead, of all its units: of such texts only those with equal
units are alike. So it is with a text of fewer than `size` units, whatever `min_shingles`. One without units has none.

A unit's hash folds in its code points, or its one code point or id, and a shingle's hash its units' hashes, one after
the other: x = (x ^ item) * M, x ^= x >> 32, at the end MurmurHash3's finalizer. Each step is a bijection of x, so order
matters and a difference, once in, is lost only by chance: measured, 3.65 million shingles of real text had as many
hashes, and 1,567 collisions in their upper 32 bits where chance gives 1,551. Of the one shingle of a short text that
has exactly `size` units all bits are turned over.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np
import numpy.typing as npt
from numba import njit

from curate.config.dedup import MAX_SHINGLE_SIZE, MAX_SHINGLES_AT_LEAST, MinhashConfig, Step, Unit
from curate.text.tokens import TokenizerFile, tokenizer_file
from filters.unicode import CLASS, CODE_POINTS, DIGIT, FOLD, LETTER, LONE, MARK, SPACE, decode

STEPS: tuple[Step, ...] = get_args(Step)

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_WORD_START = np.uint64(0x243F6A8885A308D3)
_SHINGLE_START = np.uint64(0x13198A2E03707345)
_HALF = np.uint64(32)
_FMIX_SHIFT = np.uint64(33)
_FMIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_FMIX_2 = np.uint64(0xC4CEB9FE1A85EC53)

# Kinds of a character, in bits 24 and up of an entry of `symbols`; the folded code point is below.
_PART, _NUMBER, _WHOLE, _POINT, _DROPPED, _PART_POINT = 1, 2, 3, 4, 5, 6
_KIND_SHIFT = 24
_CODE_POINT = (1 << _KIND_SHIFT) - 1
_NUMBER_SEPARATORS = (0x2E, 0x2C, 0x060C, 0x066B, 0x066C)
CHUNK = 1024
"""Units in memory at a time. As 8 KB of hashes they stay, with their shingles and a signature of 112 hashes, in the
32 KB of a first-level cache."""


@dataclass(frozen=True, slots=True)
class Shingles:
    """The parameters of the rule above. Raises ValueError for what it cannot be."""

    unit: Unit = "words"
    size: int = 5
    normalise: tuple[Step, ...] = STEPS
    min_shingles: int = 1
    tokenizer: TokenizerFile | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MAX_SHINGLE_SIZE:
            raise ValueError(f"shingle size: got {self.size} {self.unit}, expected 1..{MAX_SHINGLE_SIZE}")
        if not 1 <= self.min_shingles <= MAX_SHINGLES_AT_LEAST:
            raise ValueError(f"min_shingles: got {self.min_shingles}, expected 1..{MAX_SHINGLES_AT_LEAST}")
        if (self.unit == "tokens") != (self.tokenizer is not None):
            raise ValueError(
                f"tokenizer: got {self.tokenizer} for {self.unit}; tokens need one, no other unit takes one"
            )

    @property
    def fewest(self) -> int:
        """Units of a text that has `min_shingles` shingles; one with fewer units has a single shingle."""
        return self.size + self.min_shingles - 1

    def identity(self) -> list[object]:
        """What of this can change a hash, as JSON values: of a tokenizer its content."""
        steps = [] if self.unit == "tokens" else sorted(self.normalise)
        return [self.unit, self.size, steps, self.min_shingles, self.tokenizer and self.tokenizer.sha256]


def shingles_of(config: MinhashConfig) -> Shingles:
    """The shingles that a config asks for. Raises OSError where its tokenizer is not there."""
    shingle = config.shingle
    named = tokenizer_file(shingle.tokenizer) if shingle.tokenizer else None
    return Shingles(shingle.unit, shingle.size, shingle.normalise, config.min_shingles, named)


@lru_cache(maxsize=4)
def symbols(normalise: tuple[Step, ...]) -> npt.NDArray[np.uint32]:
    """Kind and folded code point of each character; 0 for a separator. uint32[2^21]: all that `decode` can return,
    so that broken UTF-8 reads no memory but this; the unused upper half is never written and costs none.
    """
    folded = _folded(lower="lower" in normalise, diacritics="diacritics" in normalise)
    letters = CLASS & (LETTER | MARK) != 0
    kinds = np.zeros(CODE_POINTS, np.uint32)
    point = _POINT
    if "punctuation" not in normalise:
        kinds[CLASS & SPACE == 0] = _PART
        point = _PART_POINT
    kinds[letters] = _PART
    kinds[CLASS & LONE != 0] = _WHOLE
    kinds[letters & (folded == 0)] = _DROPPED
    if "numbers" in normalise:
        kinds[CLASS & DIGIT != 0] = _NUMBER
        kinds[list(_NUMBER_SEPARATORS)] = point
    else:
        kinds[CLASS & DIGIT != 0] = _PART
    table = np.zeros(1 << 21, np.uint32)
    table[:CODE_POINTS] = np.where(kinds > 0, kinds << np.uint32(_KIND_SHIFT) | folded, 0)
    if "lower" in normalise:
        # str.lower() writes a capital sigma as one of two letters, by its place in the word; here both are one.
        table[0x3C2] = table[0x3C3]
    table.flags.writeable = False  # numba compiles a kernel twice for arrays that differ in that alone
    return table


def _folded(*, lower: bool, diacritics: bool) -> npt.NDArray[np.uint32]:
    """uint32[0x110000]: FOLD, or the half of it that is asked for; only what FOLD changes is looked at."""
    if lower and diacritics:
        return FOLD
    folded = np.arange(CODE_POINTS, dtype=np.uint32)
    for code in np.flatnonzero(folded != FOLD).tolist() if lower or diacritics else ():
        if lower:
            folded[code] = ord(chr(code).lower()[0])  # one has two: the dotted capital I
            continue
        bases = [c for c in unicodedata.normalize("NFD", chr(code)) if unicodedata.category(c) != "Mn"]
        folded[code] = 0 if not bases else ord(bases[0]) if len(bases) == 1 else code
    return folded


@njit(cache=True, nogil=True)
def mix(state, item):  # type: ignore[no-untyped-def]  # numba infers the types
    """One step of a hash; a bijection of `state` for each item."""
    state = (state ^ item) * _MULTIPLIER
    return state ^ (state >> _HALF)


@njit(cache=True, nogil=True)
def fmix64(x):  # type: ignore[no-untyped-def]
    """MurmurHash3's finalizer (public domain), which datasketch applies to every hash first."""
    x = (x ^ (x >> _FMIX_SHIFT)) * _FMIX_1
    x = (x ^ (x >> _FMIX_SHIFT)) * _FMIX_2
    return x ^ (x >> _FMIX_SHIFT)


@njit(cache=True, nogil=True)
def _number_end(data, p, end, symbol):  # type: ignore[no-untyped-def]
    """Byte after the number whose first digit begins at `p`."""
    after_point = False
    number_end = p
    while p < end:
        code, length = decode(data, p, end)
        kind = symbol[code] >> _KIND_SHIFT
        p += length
        if kind == _NUMBER:
            number_end = p
            after_point = False
        elif kind in (_POINT, _PART_POINT) and not after_point:
            after_point = True
        else:
            break
    return number_end


@njit(cache=True, nogil=True)
def _read_words(data, p, end, symbol, words, filled):  # type: ignore[no-untyped-def]
    """Appends hashes of the words from byte `p` on until the document or the room ends; next byte, words filled.

    The room ends with a word, so no word is cut: its last byte is read before the buffer is found full.
    """
    state = _WORD_START
    while p < end and filled < len(words):
        code, length = decode(data, p, end)
        entry = symbol[code]
        kind = entry >> _KIND_SHIFT
        if kind == _PART:
            state = mix(state, np.uint64(entry & _CODE_POINT))
            p += length
        elif kind == _NUMBER:
            state = mix(state, np.uint64(48))
            p = _number_end(data, p, end, symbol)
        elif kind == _DROPPED:
            p += length
        elif kind == _PART_POINT:
            state = mix(state, np.uint64(entry & _CODE_POINT))
            p += length
        elif state != _WORD_START:
            words[filled] = fmix64(state)
            filled += 1
            state = _WORD_START
            # The character is read again if it is a word by itself: there may be no room for a second word now.
            if kind != _WHOLE:
                p += length
        else:
            if kind == _WHOLE:
                words[filled] = fmix64(mix(state, np.uint64(entry & _CODE_POINT)))
                filled += 1
            p += length
    if state != _WORD_START:
        words[filled] = fmix64(state)
        filled += 1
    return p, filled


@njit(cache=True, nogil=True)
def _read_characters(data, begin, p, end, symbol, units, filled):  # type: ignore[no-untyped-def]
    """Appends hashes of the characters from byte `p` on, as `_read_words` does; the document begins at byte `begin`."""
    while p < end and filled < len(units):
        code, length = decode(data, p, end)
        entry = symbol[code]
        kind = entry >> _KIND_SHIFT
        if kind == _NUMBER:
            units[filled] = fmix64(mix(_WORD_START, np.uint64(48)))
            filled += 1
            p = _number_end(data, p, end, symbol)
        elif kind in (0, _POINT, _DROPPED):
            # The whole run is read at once: what follows decides whether it is a space.
            inside = p > begin
            separates = False
            while p < end and (kind in (0, _POINT, _DROPPED)):
                separates |= kind != _DROPPED
                p += length
                if p < end:
                    code, length = decode(data, p, end)
                    kind = symbol[code] >> _KIND_SHIFT
            if inside and separates and p < end:
                units[filled] = fmix64(mix(_WORD_START, np.uint64(32)))
                filled += 1
        else:
            units[filled] = fmix64(mix(_WORD_START, np.uint64(entry & _CODE_POINT)))
            filled += 1
            p += length
    return p, filled


@njit(cache=True, nogil=True)
def _hash_shingles(units, num_units, size, out):  # type: ignore[no-untyped-def]
    """Writes one hash for each run of `size` units."""
    start = mix(_SHINGLE_START, np.uint64(size))
    count = num_units - size + 1
    for i in range(count):
        out[i] = start
    for k in range(size):
        for i in range(count):
            out[i] = mix(out[i], units[i + k])
    for i in range(count):
        out[i] = fmix64(out[i])


@njit(cache=True, nogil=True)
def next_shingles(data, begin, p, end, symbol, by_character, size, fewest, units, carried, out):  # type: ignore[no-untyped-def]
    """Shingles of the next chunk of a document, begun at byte `begin`, whose last `carried` units came before; next
    byte, units now carried, shingles written. Fewer than `fewest` units in all are one shingle.
    """
    first = p == begin
    if by_character:
        p, filled = _read_characters(data, begin, p, end, symbol, units, carried)
    else:
        p, filled = _read_words(data, p, end, symbol, units, carried)
    carried, count = shingles_in(units, filled, size, fewest, first and p >= end, out)
    return p, carried, count


@njit(cache=True, nogil=True)
def shingles_in(units, filled, size, fewest, whole, out):  # type: ignore[no-untyped-def]
    """Shingles of the units in a chunk, `whole` where it is all of a document; units now carried, shingles written."""
    if whole and filled < fewest:
        if filled == 0:
            return 0, 0
        _hash_shingles(units, filled, filled, out)
        # Of exactly `size` units the whole would be a shingle of longer texts too.
        out[0] = ~out[0] if filled == size else out[0]
        return filled, 1
    if filled < size:
        return filled, 0
    _hash_shingles(units, filled, size, out)
    for k in range(size - 1):
        units[k] = units[filled - size + 1 + k]
    return size - 1, filled - size + 1


@njit(cache=True, nogil=True)
def token_shingles(ids, id_first, size, fewest, hashes, first):  # type: ignore[no-untyped-def]
    """Writes the shingles of each document's tokens and where they begin; how many there are."""
    units = np.empty(CHUNK, np.uint64)
    total = 0
    for i in range(len(id_first) - 1):
        at, carried = id_first[i], 0
        while at < id_first[i + 1]:
            begins, filled = at == id_first[i], carried
            while at < id_first[i + 1] and filled < CHUNK:
                units[filled] = fmix64(mix(_WORD_START, ids[at]))
                filled += 1
                at += 1
            whole = begins and at == id_first[i + 1]
            carried, count = shingles_in(units, filled, size, fewest, whole, hashes[total:])
            total += count
        first[i + 1] = total
    return total
