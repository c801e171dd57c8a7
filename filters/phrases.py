"""Which phrases of a fixed list a text holds: a look-up a byte, however many phrases (Aho and Corasick 1975)."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from numba import njit

KELVIN = "\u212a"
"""The one character outside ASCII whose lower case is an ASCII letter: `k`."""


@dataclass(frozen=True, slots=True)
class Automaton:
    """Where every byte leads; a state is a beginning of a phrase, the longest that the bytes so far end with."""

    moves: npt.NDArray[np.uint32]
    """uint32[states, 256]: the state after a byte."""

    flags: list[int]
    """Flags of the phrase that each state is; 0 for a mere beginning."""

    shorter: list[int]
    """The longest other beginning of a phrase that a state ends with."""

    by_length: list[int]
    """All states but the first, shorter ones in front."""


def automaton(phrases: Iterable[tuple[bytes, int]]) -> Automaton:
    """Of phrases, none of them empty, with their flags."""
    children: list[dict[int, int]] = [{}]
    flags = [0]
    for phrase, flag in phrases:
        state = 0
        for byte in phrase:
            if byte not in children[state]:
                children[state][byte] = len(children)
                children.append({})
                flags.append(0)
            state = children[state][byte]
        flags[state] |= flag
    moves = np.zeros((len(children), 256), np.uint32)
    shorter = [0] * len(children)
    by_length = [0]
    for state in by_length:
        moves[state] = moves[shorter[state]]
        for byte, child in children[state].items():
            shorter[child] = int(moves[state, byte]) if state else 0
            moves[state, byte] = child
            by_length.append(child)
    return Automaton(moves, flags, shorter, by_length[1:])


@dataclass(frozen=True, slots=True, eq=False)
class Phrases:
    """An automaton over bytes; its first state is 0."""

    moves: npt.NDArray[np.uint32]
    """uint32[states x 256]: 256 x the state after a byte; multiplied here, it costs no time a byte."""

    ends: npt.NDArray[np.uint8]
    """uint8[states]: flags of the phrases that end there."""

    @classmethod
    def of(cls, flags: Mapping[str, int]) -> "Phrases":
        """Phrases in lower-case ASCII, each with its flags; found wherever `phrase in text.lower()` is true."""
        for phrase in flags:
            if not phrase or not phrase.isascii() or phrase != phrase.lower():
                raise ValueError(f"phrase {phrase!r}: never found; write it in lower-case ASCII")
        found = automaton((spelled, flag) for phrase, flag in flags.items() for spelled in _spellings(phrase))
        moves, ends = found.moves, found.flags
        for state in found.by_length:
            ends[state] |= ends[found.shorter[state]]
        moves[:, ord("A") : ord("Z") + 1] = moves[:, ord("a") : ord("z") + 1]
        tables = 256 * moves.ravel(), np.array(ends, np.uint8)
        for table in tables:
            table.flags.writeable = False
        return cls(*tables)

    def within(
        self, data: npt.NDArray[np.uint8], start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.uint8]:
        """Flags of the phrases in every piece: uint8[pieces]."""
        return np.asarray(_within(data, start, end, self.moves, self.ends))


def _spellings(phrase: str) -> Iterator[bytes]:
    return ("".join(chars).encode() for chars in product(*(c + KELVIN if c == "k" else c for c in phrase)))


@njit(cache=True, nogil=True)
def _within(data, start, end, moves, ends):
    flags = np.zeros(len(start), np.uint8)
    for j in range(len(start)):
        state = np.int64(0)
        flag = np.uint8(0)
        for p in range(start[j], end[j]):
            state = np.int64(moves[state | np.int64(data[p])])
            flag |= ends[state >> 8]
        flags[j] = flag
    return flags
