import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import TextBatch
from filters.phrases import Phrases

LISTS = [
    ["ab", "abc", "bc", "c"],
    ["use cookies", "uses cookies", "cookie policy"],
    ["aaa", "aab", "ba"],
    ["{", "kk", "k!"],
]


def texts_of(phrases: list[str]) -> st.SearchStrategy[list[str]]:
    """Texts put together from beginnings and ends of phrases."""
    parts = {part for phrase in phrases for i in range(len(phrase)) for part in (phrase[: i + 1], phrase[i:])}
    parts |= {part.upper() for part in parts} | {part.replace("k", "\u212a") for part in parts} | {"\u0130", "é", " "}
    return st.lists(st.lists(st.sampled_from(sorted(parts)), max_size=8).map("".join), max_size=6)


@pytest.mark.parametrize("phrases", LISTS)
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_phrase_is_found_where_python_finds_it_in_lower_case(phrases: list[str], data: st.DataObject) -> None:
    texts = data.draw(texts_of(phrases))
    batch = TextBatch.of(texts)
    automaton = Phrases.of({phrase: 1 << i for i, phrase in enumerate(phrases)})
    found = automaton.within(batch.data, batch.offsets[:-1], batch.offsets[1:])
    assert found.tolist() == [
        sum(1 << i for i, phrase in enumerate(phrases) if phrase in text.lower()) for text in texts
    ]


@pytest.mark.parametrize("phrase", [phrase for phrases in LISTS for phrase in phrases])
def test_a_phrase_does_not_go_on_in_the_next_piece(phrase: str) -> None:
    batch = TextBatch.of([phrase])
    start, end = np.arange(len(batch.data)), np.arange(1, len(batch.data) + 1)
    assert Phrases.of({phrase: 1}).within(batch.data, start, end).tolist() == [len(phrase) == 1] * len(start)


@pytest.mark.parametrize("phrase", ["", "Lorem", "é"])
def test_a_phrase_that_could_never_be_found_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match="lower-case ASCII"):
        Phrases.of({phrase: 1})


def test_no_other_character_becomes_an_ascii_letter_in_lower_case() -> None:
    """But U+0130, which becomes `i` with a dot above: no phrase of letters holds that."""
    ascii_in_lower_case = [c for c in map(chr, range(0x80, 0x110000)) if any(map(str.isascii, c.lower()))]
    assert ascii_in_lower_case == ["\u0130", "\u212a"]
