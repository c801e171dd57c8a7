"""Listed words of a document's language: C4's rule against bad words (Raffel et al. 2020, arXiv:1910.10683, 2.2).

C4 drops a document with one listed word, as the default bound does; mC4 and datatrove do so with a list by language. No
list is shipped: the config names a file for each language (C4's are on github.com/LDNOOBW, CC BY 4.0).

DIFFERS from datatrove 0.10.1: nothing is kept at random; a document in a language without a list is 0.0, not an error;
a combining mark goes on with its word, where `\\w` of Python ends it. A list is taken as it is, where mC4 left out four
entries for Chinese and Japanese, each of which stands in a tenth of all documents.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.batch import TextBatch
from filters.phrases import automaton
from filters.ratio import ratio
from filters.registry import Bounds, register
from filters.unicode import CLASS, DIGIT, LETTER, MARK, decode, decode_before

Floats = npt.NDArray[np.float64]

WITHOUT_SPACES = ("cmn", "jpn", "tha")
"""Languages in which a listed word may stand anywhere, as in mC4; in others no letter or digit may touch it."""


@dataclass(frozen=True, slots=True, eq=False)
class BadWords:
    """The words and phrases of one language, in lower case. A state of the automaton takes 1 KB, a letter about one."""

    moves: npt.NDArray[np.uint32]
    """uint32[states x 256]: 256 x the state after a byte."""

    entry: npt.NDArray[np.int64]
    """int64[states]: the state that is the longest entry which a state ends with, 0 for none."""

    shorter: npt.NDArray[np.int64]
    """int64[states]: the next shorter one, 0 for none."""

    size: npt.NDArray[np.int64]
    """int64[states]: bytes of the entry that a state is."""

    example: ClassVar[str] = "some word"

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """The entries as they are. Pass what `normal` made of them."""
        encoded = [entry.encode() for entry in entries]
        found = automaton((each, len(each)) for each in dict.fromkeys(encoded))
        size = np.array(found.flags, np.int64)
        entry, shorter = np.zeros_like(size), np.zeros_like(size)
        for state in found.by_length:
            shorter[state] = entry[found.shorter[state]]
            entry[state] = state if size[state] else shorter[state]
        return cls(256 * found.moves.ravel(), entry, shorter, size)

    @staticmethod
    def normal(entry: str) -> str | None:
        """`entry` in lower case with single spaces; None without a letter or digit."""
        return " ".join(entry.lower().split()) if any(map(str.isalnum, entry)) else None


_NO_LISTS: Mapping[str, BadWords] = {}


@register(
    "badwords.per_1000_words",
    unit="listed words in 1,000 words",
    source="C4, arXiv:1910.10683 2.2",
    semantics="c4",
    version=1,
    default=Bounds(max=0),
)
def per_1000_words(batch: TextBatch, *, words: Mapping[str, BadWords] = _NO_LISTS) -> Floats:
    """Places in 1,000 words where an entry of the list of the language ends, 0 upwards; 0.0 without words or a list."""
    found = np.zeros(len(batch), np.int64)
    langs = np.array(batch.langs, dtype=object)
    for lang, listed in words.items():
        chosen = np.flatnonzero(langs == lang)
        data, offsets = _lower(batch, chosen)
        whole = not lang.startswith(WITHOUT_SPACES)
        found[chosen] = _count(data, offsets, listed.moves, listed.entry, listed.shorter, listed.size, whole, CLASS)
    return 1000 * ratio(found, batch.words.counts())


def _lower(batch: TextBatch, chosen: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """(data, offsets) of `str.lower()` of the chosen documents: lower case may have more bytes."""
    offsets = batch.offsets
    texts = [batch.data[offsets[i] : offsets[i + 1]].tobytes().decode(errors="replace") for i in chosen]
    lower = [text.lower().encode() for text in texts]
    ends = np.fromiter(accumulate(map(len, lower), initial=0), np.int64, len(lower) + 1)
    return np.frombuffer(b"".join(lower), np.uint8), ends


@njit(cache=True, nogil=True)
def _count(data, offsets, moves, entry, shorter, size, whole, classes):
    """Places where an entry ends, the longest that fits at each: int64[documents]."""
    found = np.zeros(len(offsets) - 1, np.int64)
    for i in range(len(found)):
        state = np.int64(0)
        for p in range(offsets[i], offsets[i + 1]):
            state = np.int64(moves[state | np.int64(data[p])])
            at = entry[state >> 8]
            while at:
                if not whole or _stands_alone(data, offsets[i], p + 1 - size[at], p + 1, offsets[i + 1], classes):
                    found[i] += 1
                    break
                at = shorter[at]
    return found


@njit(cache=True, nogil=True)
def _stands_alone(data, begin, s, e, stop, classes):
    """Whether no letter, mark, digit or `_` touches s:e."""
    if s > begin and _goes_on(decode_before(data, begin, s)[0], classes):
        return False
    return e == stop or not _goes_on(decode(data, e, stop)[0], classes)


@njit(cache=True, nogil=True)
def _goes_on(c, classes):
    return c == 0x5F or classes[c] & (LETTER | MARK | DIGIT) != 0
