"""Two texts side by side: the places where they differ, each with a few words around it.

Words are compared, not blanks: line ends and spacing say nothing about a duplicate.
"""

import re
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import NamedTuple

CHARACTERS = 400_000
"""Of each text that are looked at."""

WORDS = 10_000
"""Of each text that are aligned, from the first difference on: 12 MB and about 0.1 s, whatever they are."""

CONTEXT = 10
"""Words shown on either side of a difference."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese set no blanks between words: each character is one."""

_WORD = re.compile(rf"([{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s])(\s*)")


class Run(NamedTuple):
    """Words in a row that both texts have, or only this one."""

    text: str
    """As it stands, but every run of blanks and line ends is one blank."""

    differs: bool


@dataclass(frozen=True)
class Place:
    """A stretch of both texts with a difference in it."""

    same_before: int
    """Words that both texts have between the last place and this one, not shown."""

    left: tuple[Run, ...]
    right: tuple[Run, ...]


@dataclass(frozen=True)
class Comparison:
    """Where two texts differ."""

    places: tuple[Place, ...]
    """Empty where the words are the same."""

    same: int
    """Words of both; punctuation marks are words."""

    only_left: int
    only_right: int
    not_compared: int
    """Words of either text beyond CHARACTERS or WORDS; those beyond CHARACTERS by their share of the characters."""


def compare(left: str, right: str) -> Comparison:
    """Align two texts by a longest common subsequence of their words, in bounded time and memory."""
    one, other = (_WORD.findall(text[:CHARACTERS]) for text in (left, right))
    unread = sum(_unread(text, words) for text, words in ((left, one), (right, other)))
    head = _common(one, other)
    tail = _common(one[head:][::-1], other[head:][::-1])
    middles = [[word for word, _ in words[head : len(words) - tail]] for words in (one, other)]
    matches = [(i + head, j + head) for i, j in _aligned(middles[0][:WORDS], middles[1][:WORDS])]
    cut = [min(len(middle), WORDS) for middle in middles]
    steps = _steps([(i, i) for i in range(head)] + matches, head + cut[0], head + cut[1])
    beyond = sum(map(len, middles)) - sum(cut)
    if not beyond:
        steps += [(len(one) - n, len(other) - n, "=") for n in range(tail, 0, -1)]
    return Comparison(
        tuple(_places(steps, one, other)),
        head + len(matches) + tail,
        cut[0] - len(matches),
        cut[1] - len(matches),
        beyond + unread,
    )


def _aligned(one: list[str], other: list[str]) -> list[tuple[int, int]]:
    """Places of a longest common subsequence, ascending. Bits of one integer are the words of `one`: a row of the table
    of lengths takes three operations (Crochemore et al. 2001, doi 10.1016/S0020-0190(00)00214-X; Hyyrö 2004).
    """
    places: dict[str, int] = {}
    for i, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << i
    full = (1 << len(one)) - 1
    rows = [full]
    for word in other:
        row = rows[-1]
        hit = row & places.get(word, 0)
        rows.append((row + hit | row - hit) & full)
    found, i, j = [], len(one), len(other)
    # A bit is 0 where the common subsequence grows with this word of `one`.
    while i and j:
        if rows[j] >> (i - 1) & 1:
            i -= 1
        elif not rows[j - 1] >> (i - 1) & 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            found.append((i, j))
    return found[::-1]


def _steps(matches: list[tuple[int, int]], left: int, right: int) -> list[tuple[int, int, str]]:
    """The way through both texts: places on the left and the right, and whether a word is in both (=), or only on the
    left (<) or the right (>).
    """
    steps: list[tuple[int, int, str]] = []
    i = j = 0
    for a, b in [*matches, (left, right)]:
        steps += [(n, j, "<") for n in range(i, a)]
        steps += [(a, n, ">") for n in range(j, b)]
        steps.append((a, b, "="))
        i, j = a + 1, b + 1
    return steps[:-1]


def _unread(text: str, words: list[tuple[str, str]]) -> int:
    beyond = max(0, len(text) - CHARACTERS)
    return beyond * len(words) // CHARACTERS


def _common(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> int:
    """Words that both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0][0] == pair[1][0], zip(one, other, strict=False)))


def _places(steps: list[tuple[int, int, str]], one: list[tuple[str, str]], other: list[tuple[str, str]]) -> list[Place]:
    """The steps that differ, with those near them."""
    changed = [n for n, (_, _, kind) in enumerate(steps) if kind != "="]
    bounds: list[list[int]] = []
    for n in changed:
        if bounds and n - CONTEXT <= bounds[-1][1]:
            bounds[-1][1] = n + 1 + CONTEXT
        else:
            bounds.append([max(0, n - CONTEXT), n + 1 + CONTEXT])
    places, end = [], 0
    for first, last in bounds:
        some = steps[first:last]
        left = _runs([(one[i], kind) for i, _, kind in some if kind != ">"])
        right = _runs([(other[j], kind) for _, j, kind in some if kind != "<"])
        places.append(Place(first - end, left, right))
        end = last
    return places


def _runs(words: list[tuple[tuple[str, str], str]]) -> tuple[Run, ...]:
    grouped = groupby(words, key=lambda each: each[1] != "=")
    return tuple(Run(_shown([word for word, _ in some]), differs) for differs, some in grouped)


def _shown(words: list[tuple[str, str]]) -> str:
    return "".join(f"{word}{' ' if blank else ''}" for word, blank in words)
