"""What lists of domains and words hold, packed for look-up. A list is content here: the engine reads the files.

A measure that takes a list has a knob of one of these types; the config names a file there, see curate/config/lists.py.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import pieces
from filters.phrases import Phrases


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Texts in order of their hashes: a list of millions takes its own bytes and 24 more an entry."""

    data: npt.NDArray[np.uint8]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]

    example: ClassVar[str] = ""
    """What an entry looks like, for messages."""

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """The entries as they are, those that stand there twice once. Pass what `normal` made of them."""
        data, start, end = _packed(sorted(set(entries)))
        hashes = pieces.hashes(data, start, end)
        order = np.argsort(hashes, kind="stable")
        return cls(data, start[order], end[order], hashes[order])

    @staticmethod
    def normal(entry: str) -> str | None:
        """The entry as it is looked up; None for one that could never be found."""
        return entry

    def hold(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """bool[texts]: which of them are entries."""
        data, start, end = _packed(texts)
        found: npt.NDArray[np.bool_] = _held(
            data, start, end, pieces.hashes(data, start, end), self.data, self.start, self.end, self.hashes
        )
        return found


class Domains(Entries):
    """Host names in lower case. One stands for all below it too, which is for the measure to look up."""

    __slots__ = ()
    example: ClassVar[str] = "ads.example.org"

    @staticmethod
    def normal(entry: str) -> str | None:
        """`entry` in lower case without a `*.` in front or a dot behind; None for an address or a path."""
        domain = entry.lower().removeprefix("*.").strip(".")
        return domain if domain and not re.search(r"[\s/:@?#\\]", domain) else None


class Words(Entries):
    """Single words of letters in lower case."""

    __slots__ = ()
    example: ClassVar[str] = "casino"

    @staticmethod
    def normal(entry: str) -> str | None:
        """`entry` in lower case; None for anything but letters, at which texts are cut."""
        return entry.lower() if entry.isalpha() and entry.lower().isalpha() else None


@dataclass(frozen=True, slots=True, eq=False)
class Subwords:
    """Runs of ASCII letters and digits that are looked for within longer ones."""

    phrases: Phrases
    example: ClassVar[str] = "casino"

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """The entries as they are. Pass what `normal` made of them."""
        return cls(Phrases.of(dict.fromkeys(entries, 1)))

    @staticmethod
    def normal(entry: str) -> str | None:
        """`entry` in lower case; None for anything but ASCII letters and digits."""
        return entry.lower() if entry.isascii() and entry.isalnum() else None

    def within(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """bool[texts]: which of them hold an entry."""
        return self.phrases.within(*_packed(texts)) > 0


def _packed(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(data, start, end) of the texts in UTF-8; what is no character (a lone surrogate) becomes `?`."""
    encoded = [text.encode("utf-8", "replace") for text in texts]
    offsets = np.fromiter(accumulate(map(len, encoded), initial=0), np.int64, len(texts) + 1)
    return np.frombuffer(b"".join(encoded), np.uint8), offsets[:-1].copy(), offsets[1:].copy()


@njit(cache=True, nogil=True)
def _held(data, start, end, hashes, list_data, list_start, list_end, list_hashes):
    found = np.zeros(len(start), np.bool_)
    for j in range(len(start)):
        k = np.searchsorted(list_hashes, hashes[j])
        while k < len(list_hashes) and list_hashes[k] == hashes[j] and not found[j]:
            same = list_end[k] - list_start[k] == end[j] - start[j]
            d = 0
            while same and d < end[j] - start[j]:
                same = data[start[j] + d] == list_data[list_start[k] + d]
                d += 1
            found[j] = same
            k += 1
    return found
