"""Against the rules written out in plain Python, given the same words: equality is exact."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import FILTERS, TextBatch, fineweb
from filters.punctuation import KINDS, TERMINAL

LINES = ["line one", "line two.", "x" * 30, "é" * 29, "a"]
ENDS = [".", "!", "?", "。", "।", "\uff1f", "\u06d4", "...", "\u2026", '"', "\u0301", "🙂"]
SPACES = ["\n", "\n", "\n\n", "\r\n", "\u2028", "\x1c", " ", "\u3000"]
PIECES = st.one_of(
    st.sampled_from(LINES), st.sampled_from(ENDS), st.sampled_from(SPACES), st.characters(exclude_categories=["Cs"])
)
TEXTS = st.lists(st.lists(PIECES, max_size=30).map("".join), max_size=5)


def expected(text: str, words: list[str], short: int) -> dict[str, float]:
    lines = [line for line in text.split("\n") if line.strip()]
    num_newlines = text.count("\n")
    new_line_ratio = num_newlines / len(words) if words else 1.0
    if not lines:
        return {
            "fineweb.line_punct_ratio": 0.0,
            "fineweb.short_line_ratio": 1.0,
            "fineweb.char_dup_ratio": 1.0,
            "fineweb.new_line_ratio": new_line_ratio,
        }
    return {
        "fineweb.line_punct_ratio": sum(bool(KINDS[ord(line[-1])] & TERMINAL) for line in lines) / len(lines),
        "fineweb.short_line_ratio": sum(len(line) <= short for line in lines) / len(lines),
        "fineweb.char_dup_ratio": sum(len(line) for i, line in enumerate(lines) if line in lines[:i])
        / (len(text) - num_newlines),
        "fineweb.new_line_ratio": new_line_ratio,
    }


@settings(deadline=None, max_examples=300)
@given(TEXTS, st.integers(0, 40))
def test_values_are_those_of_the_rules(texts: list[str], short: int) -> None:
    batch = TextBatch.of(texts)
    wanted = [expected(text, batch.text_of(batch.words, i), short) for i, text in enumerate(texts)]
    for name in (name for name in FILTERS if name.startswith("fineweb.")):
        knobs = {"short_line_length": short} if name == "fineweb.short_line_ratio" else {}
        assert FILTERS[name].measure(batch, **knobs).tolist() == [values[name] for values in wanted], name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("One.\nTwo\n\n  \nThree?\nFour!", 0.75),
        ("One.\r\nTwo.\r\n", 0.0),
        ("One. \nTwo", 0.0),
        ('He said "yes."', 0.0),
        ("终。\n问\uff1f", 1.0),
    ],
)
def test_line_punct_ratio_looks_at_the_last_character(text: str, value: float) -> None:
    assert fineweb.line_punct_ratio(TextBatch.of([text])).tolist() == [value]


def test_short_line_length_is_inclusive_and_in_characters() -> None:
    batch = TextBatch.of(["é" * 30 + "\n" + "é" * 31])
    assert fineweb.short_line_ratio(batch).tolist() == [0.5]
    assert fineweb.short_line_ratio(batch, short_line_length=31).tolist() == [1.0]


def test_char_dup_ratio_counts_every_copy_after_the_first() -> None:
    assert fineweb.char_dup_ratio(TextBatch.of(["abc\nabc\nabc\nd"])).tolist() == [0.6]


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n"])
@pytest.mark.parametrize("name", [name for name in FILTERS if name.startswith("fineweb.")])
def test_the_default_bounds_reject_a_document_without_lines(name: str, text: str) -> None:
    chosen = FILTERS[name]
    value = chosen.measure(TextBatch.of([text]))[0]
    low, high = chosen.default.min, chosen.default.max
    assert (low is not None and value < low) or (high is not None and value > high)
