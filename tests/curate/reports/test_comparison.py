"""Two texts side by side: every word is accounted for, nothing that differs is called the same, and time is bounded."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.reports.comparison import CHARACTERS, CONTEXT, WORDS, Comparison, compare

TEXTS = st.lists(st.sampled_from(["a", "the", "river", "Fluss", "7", ".", "川", "ก"]), max_size=80)


def shown(found: Comparison, side: str, *, differs: bool) -> str:
    runs = [run for place in found.places for run in getattr(place, side) if run.differs == differs]
    return " ".join(run.text for run in runs)


@given(TEXTS, TEXTS)
def test_every_word_is_in_both_or_in_one(left: list[str], right: list[str]) -> None:
    found = compare(" ".join(left), "\n".join(right))
    assert found.same + found.only_left == len(left)
    assert found.same + found.only_right == len(right)
    assert found.not_compared == 0
    assert (found.places == ()) == (left == right)
    for side, number in (("left", found.only_left), ("right", found.only_right)):
        assert len(shown(found, side, differs=True).split()) == number


@given(TEXTS, TEXTS)
def test_what_is_not_marked_stands_on_both_sides(left: list[str], right: list[str]) -> None:
    found = compare(" ".join(left), " ".join(right))
    same = [shown(found, side, differs=False) for side in ("left", "right")]
    assert same[0].split() == same[1].split()
    hidden = sum(place.same_before for place in found.places)
    assert hidden + len(same[0].split()) <= found.same


def longest(left: list[str], right: list[str]) -> int:
    """Length of a longest common subsequence, by the table that the definition gives."""
    row = [0] * (len(right) + 1)
    for word in left:
        before, row = row, [0]
        for n, other in enumerate(right):
            row.append(before[n] + 1 if word == other else max(before[n + 1], row[-1]))
    return row[-1]


@given(TEXTS, TEXTS)
def test_no_alignment_has_more_words_in_common(left: list[str], right: list[str]) -> None:
    assert compare(" ".join(left), " ".join(right)).same == longest(left, right)


@given(TEXTS)
def test_spacing_is_no_difference(text: list[str]) -> None:
    assert compare(" ".join(text), "\r\n\t ".join(text)) == compare(" ".join(text), " ".join(text))


@pytest.mark.parametrize("separator", [" ", ""])
def test_only_the_places_that_differ_are_shown_with_a_few_words_around(separator: str) -> None:
    alphabet = "水火木金土日月山川田" if not separator else "abcdefghij"
    words = random.Random(0).choices(alphabet, k=1200)
    changed = list(words)
    changed[100], changed[700] = "人", "人"
    found = compare(separator.join(words), separator.join(changed))
    assert [place.same_before for place in found.places] == [100 - CONTEXT, 600 - 1 - 2 * CONTEXT]
    assert (found.same, found.only_left, found.only_right) == (1198, 2, 2)
    for place in found.places:
        assert [run.differs for run in place.left] == [False, True, False]
        assert len(re.findall(r"\S", "".join(run.text for run in place.left))) == 2 * CONTEXT + 1


def test_a_difference_late_in_a_long_text_is_found() -> None:
    words = [f"word{n}" for n in range(20_000)]
    found = compare(" ".join(words), " ".join([*words[:15_000], "other", *words[15_001:]]))
    assert (found.same, found.only_left, found.only_right, found.not_compared) == (19_999, 1, 1, 0)


def letters(seed: int) -> str:
    return " ".join(random.Random(seed).choices("abcdefgh", k=50_000))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a b " * 400_000, "b a " * 400_000),
        ("x" * 3_000_000, "y" * 3_000_000),
        (letters(1), letters(2)),
        ("." * 1_000_000, "," * 1_000_000),
    ],
    ids=["turned", "one word", "few words", "marks"],
)  # fmt: skip
def test_long_and_repetitive_texts_are_cut_and_it_is_said(left: str, right: str) -> None:
    found = compare(left, right)
    assert max(found.only_left, found.only_right) <= WORDS
    assert found.not_compared > 0
    assert sum(len(run.text) for place in found.places for run in (*place.left, *place.right)) <= 2 * CHARACTERS
