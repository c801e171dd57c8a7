"""Stop words by language: counted by the document's own list, each once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import TextBatch, get
from filters.fineweb2 import LISTS

stop_words = get("fineweb2.stop_words").measure
LANGUAGES = sorted(LISTS)
WORDS = sorted({word for words in LISTS.values() for word in words.split()} | {"x", "Der", "nicht", "люди", "ei"})


@given(
    st.lists(st.tuples(st.sampled_from([*LANGUAGES, "und", "swe_Latn"]), st.lists(st.sampled_from(WORDS))), max_size=6)
)
def test_the_value_is_the_number_of_different_words_of_the_own_list(documents: list[tuple[str, list[str]]]) -> None:
    texts = [" ".join(words) for _, words in documents]
    batch = TextBatch.of(texts, langs=[language for language, _ in documents])
    expected = [
        len({*batch.text_of(batch.words, i)} & {*LISTS.get(language, "").split()})
        for i, (language, _) in enumerate(documents)
    ]
    assert stop_words(batch).tolist() == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_a_list_between_spaces_are_nearly_all_found(language: str) -> None:
    """In Chinese, Japanese and Korean neighbours may join; what ends in an apostrophe needs a word behind it: l'eau."""
    words = LISTS[language].split()
    [found] = stop_words(TextBatch.of([" ".join(words)], langs=[language]))
    assert len(words) == len(set(words))
    share = 0.5 if language in {"jpn_Jpan", "cmn_Hani", "kor_Hang"} else 1.0
    assert found >= share * len([word for word in words if word.isalpha()])


def test_english_has_the_words_of_gopher() -> None:
    texts = ["the cat and the dog", "The be to of and that have with", "nothing here", ""]
    batch = TextBatch.of(texts, langs=["eng_Latn"] * 4)
    np.testing.assert_array_equal(stop_words(batch), get("gopher.stop_words").measure(batch))
