"""Against the rules written out in plain Python, given the same words: equality is exact."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import FILTERS, TextBatch, gopher
from filters.punctuation import KINDS, SYMBOL

VISIBLE = ["the", "be", "that", "with", "The", "word", "don't", "été", "数", "42", "\uff11", "#", "##", ".", "..."]
VISIBLE += ["....", "\u2026", "-", "\u2022", "—", "🙂", ","]
SPACES = [" ", " ", "\n", "\n", "\r\n", "\x85", "\u2028", "\xa0", "\t"]
PIECES = st.one_of(st.sampled_from(VISIBLE), st.sampled_from(SPACES), st.characters(exclude_categories=["Cs"]))
TEXTS = st.lists(st.lists(PIECES, max_size=40).map("".join), max_size=5)


def expected(text: str, words: list[str]) -> dict[str, float]:
    plain = [w for w in words if any(not KINDS[ord(c)] & SYMBOL for c in w)]
    lines = text.splitlines()
    bullets = sum(line.lstrip().startswith(("\u2022", "-")) for line in lines)
    ellipses = sum(line.rstrip().endswith(("...", "\u2026")) for line in lines)
    return {
        "gopher.word_count": len(plain),
        "gopher.mean_word_length": sum(map(len, plain)) / len(plain) if plain else 0.0,
        "gopher.hash_ratio": text.count("#") / len(words) if words else 0.0,
        "gopher.ellipsis_ratio": (text.count("...") + text.count("\u2026")) / len(words) if words else 0.0,
        "gopher.bullet_line_ratio": bullets / len(lines) if lines else 0.0,
        "gopher.ellipsis_line_ratio": ellipses / len(lines) if lines else 0.0,
        "gopher.alpha_word_ratio": sum(any(map(str.isalpha, w)) for w in words) / len(words) if words else 0.0,
        "gopher.stop_words": len(set(words) & {"the", "be", "to", "of", "and", "that", "have", "with"}),
    }


@settings(deadline=None, max_examples=300)
@given(TEXTS)
def test_values_are_those_of_the_rules(texts: list[str]) -> None:
    batch = TextBatch.of(texts)
    wanted = [expected(text, batch.text_of(batch.words, i)) for i, text in enumerate(texts)]
    for name in wanted[0] if wanted else ():
        assert FILTERS[name].measure(batch).tolist() == [values[name] for values in wanted], name


@pytest.mark.parametrize(
    ("text", "value"), [("two 2 words", 2 / 3), ("1 2 3", 0.0), ("été", 1.0), ("", 0.0), ("a , b .", 0.5)]
)
def test_alpha_word_ratio(text: str, value: float) -> None:
    assert gopher.alpha_word_ratio(TextBatch.of([text])).tolist() == [value]


@pytest.mark.parametrize(
    ("text", "value"), [("the the The of", 2), ("", 0), ("the be to of and that have with", 8), ("then bee", 0)]
)
def test_stop_words_are_distinct_and_case_sensitive(text: str, value: float) -> None:
    assert gopher.stop_words(TextBatch.of([text])).tolist() == [value]


@pytest.mark.parametrize(
    ("text", "value"), [("one, two.", 2), ("- - , .", 0), ("5 %", 1), ("\uff11 1", 1), ("। नमस्ते", 1), ("→ x", 2)]
)
def test_word_count_leaves_out_words_of_symbols(text: str, value: float) -> None:
    assert gopher.word_count(TextBatch.of([text])).tolist() == [value]


def test_mean_word_length_counts_characters_not_bytes() -> None:
    assert gopher.mean_word_length(TextBatch.of(["été , à", "日本", ", ."])).tolist() == [2.0, 1.0, 0.0]


def test_the_default_bounds_reject_a_document_without_words() -> None:
    batch = TextBatch.of([""])
    default = FILTERS["gopher.word_count"].default
    assert default.min is not None
    assert gopher.word_count(batch)[0] < default.min
