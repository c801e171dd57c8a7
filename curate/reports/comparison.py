"""Two texts side by side: the places where they differ, each with a few words around it.

Words are compared, not blanks: line ends and spacing say nothing about a duplicate.
"""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from typing import NamedTuple

CHARACTERS = 400_000
"""Of each text that are looked at."""

WORDS = 2000
"""Of each text that are aligned, from the first difference on: difflib takes up to the square of them."""

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
    """Align two texts. Time and memory are bounded, however long they are and whatever is in them."""
    one, other = (_WORD.findall(text[:CHARACTERS]) for text in (left, right))
    unread = sum(_unread(text, words) for text, words in ((left, one), (right, other)))
    head = _common(one, other)
    tail = _common(one[head:][::-1], other[head:][::-1])
    around = min(CONTEXT, head)
    middles = [words[head - around : len(words) - max(0, tail - CONTEXT)] for words in (one, other)]
    cut = [words[: WORDS + 2 * CONTEXT] for words in middles]
    # Popular words begin no match (`autojunk`), they only prolong one: that is what bounds the time.
    aligned = SequenceMatcher(None, [word for word, _ in cut[0]], [word for word, _ in cut[1]])
    codes = aligned.get_opcodes()
    same = head - around + sum(i2 - i1 for tag, i1, i2, _, _ in codes if tag == "equal")
    uncompared = [len(words) - len(short) for words, short in zip(middles, cut, strict=True)]
    return Comparison(
        tuple(_places(aligned, cut, head - around)),
        same + max(0, tail - CONTEXT),
        sum(i2 - i1 for tag, i1, i2, _, _ in codes if tag != "equal"),
        sum(j2 - j1 for tag, _, _, j1, j2 in codes if tag != "equal"),
        sum(uncompared) + unread,
    )


def _unread(text: str, words: list[tuple[str, str]]) -> int:
    beyond = max(0, len(text) - CHARACTERS)
    return beyond * len(words) // CHARACTERS


def _common(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> int:
    """Words that both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0][0] == pair[1][0], zip(one, other, strict=False)))


def _places(aligned: "SequenceMatcher[str]", words: list[list[tuple[str, str]]], same_before: int) -> "list[Place]":
    places, end = [], -same_before
    for group in aligned.get_grouped_opcodes(CONTEXT):
        left = tuple(Run(_shown(words[0][i1:i2]), tag != "equal") for tag, i1, i2, _, _ in group if i1 < i2)
        right = tuple(Run(_shown(words[1][j1:j2]), tag != "equal") for tag, _, _, j1, j2 in group if j1 < j2)
        places.append(Place(group[0][1] - end, left, right))
        end = group[-1][2]
    return places


def _shown(words: list[tuple[str, str]]) -> str:
    return "".join(f"{word}{' ' if blank else ''}" for word, blank in words)
