"""Against the rules written out in plain Python, given the same words: equality is exact."""

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import FILTERS, TextBatch
from filters.repetition import DUP_SIZES, TOP_SIZES

NAMES = [name for name in FILTERS if name.startswith("repetition.") and "@" not in name]

# Few different words, some of which can be put together in two ways ("1 11" and "11 1"), make repeats likely.
WORDS = st.sampled_from(["1", "11", "111", "a", "the", "été", "日", "🙂", "sentence", ",", "...", "x" * 300])
SPACES = st.sampled_from([" ", " ", " ", " ", "\n", "\n\n", "\n\n\n", "\n \n", "\t", "\r\n", "\u3000"])
TEXT = st.lists(st.one_of(WORDS, SPACES), max_size=80).map("".join)
REPEATED = st.tuples(TEXT, TEXT, st.integers(1, 4)).map(lambda parts: parts[0] + parts[1] * parts[2] + parts[0])
TEXTS = st.lists(st.one_of(TEXT, REPEATED, st.lists(WORDS, max_size=40).map(" ".join)), max_size=4)


def copies(items: list[str]) -> list[str]:
    return [item for i, item in enumerate(items) if item in items[:i]]


def top_gram(words: list[str], n: int) -> int:
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    if not grams:
        return 0
    gram, count = Counter(grams).most_common(1)[0]
    return len(" ".join(gram)) * count


def repeated_grams(words: list[str], n: int) -> int:
    met: set[str] = set()
    i = characters = 0
    while i + n <= len(words):
        gram = "".join(words[i : i + n])
        if gram in met:
            characters += len(gram)
            i += n
        else:
            met.add(gram)
            i += 1
    return characters


def expected(text: str, words: list[str]) -> dict[str, float]:
    if not text:
        return dict.fromkeys(NAMES, 1.0)
    lines, paragraphs = re.split("\n+", text), re.split("\n{2,}", text.strip())
    values = {
        "repetition.dup_line_ratio": len(copies(lines)) / len(lines),
        "repetition.dup_line_char_ratio": len("".join(copies(lines))) / len(text),
        "repetition.dup_paragraph_ratio": len(copies(paragraphs)) / len(paragraphs),
        "repetition.dup_paragraph_char_ratio": len("".join(copies(paragraphs))) / len(text),
    }
    values |= {f"repetition.top_{n}_gram_char_ratio": top_gram(words, n) / len(text) for n in TOP_SIZES}
    return values | {f"repetition.dup_{n}_gram_char_ratio": repeated_grams(words, n) / len(text) for n in DUP_SIZES}


@settings(deadline=None, max_examples=400)
@given(TEXTS)
def test_values_are_those_of_the_rules(texts: list[str]) -> None:
    batch = TextBatch.of(texts)
    wanted = [expected(text, batch.text_of(batch.words, i)) for i, text in enumerate(texts)]
    for name in NAMES:
        assert FILTERS[name].measure(batch).tolist() == [values[name] for values in wanted], name


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("a\nb\na\na", "dup_line_ratio", 0.5),
        ("one\n\ntwo\n\n\none", "dup_paragraph_ratio", 1 / 3),
        ("Hello, World.\nHello, World.\n\nHello", "dup_line_ratio", 1 / 3),
        ("a b a b", "top_2_gram_char_ratio", 6 / 7),
        ("a a a a", "top_2_gram_char_ratio", 9 / 7),
        ("aa b c d e aa b c d e", "dup_5_gram_char_ratio", 6 / 21),
        ("a b c d", "dup_5_gram_char_ratio", 0.0),
    ],
)
def test_by_hand(text: str, name: str, value: float) -> None:
    assert FILTERS[f"repetition.{name}"].measure(TextBatch.of([text])).tolist() == [value]


def test_words_that_join_to_the_same_letters_are_one_gram_to_the_walk_and_two_to_the_count() -> None:
    batch = TextBatch.of(["1 11 1 1 1 x 11 1 1 1 1"])
    assert FILTERS["repetition.dup_5_gram_char_ratio"].measure(batch)[0] == 6 / 23
    assert FILTERS["repetition.top_2_gram_char_ratio"].measure(batch)[0] == 5 * 3 / 23


@pytest.mark.parametrize("name", NAMES)
def test_the_default_bounds_reject_an_empty_document(name: str) -> None:
    chosen = FILTERS[name]
    assert chosen.default.max is not None
    assert chosen.measure(TextBatch.of([""]))[0] > chosen.default.max
