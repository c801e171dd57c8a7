"""Listed words, against the rule written out in plain Python."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import TextBatch
from filters.badwords import BadWords, per_1000_words

ENTRIES = ["darn", "darn it", "it", "a-b", "b", "\u00e9t\u00e9", "ss", "\u0437\u043b\u043e", "\u60aa", "x&y"]
WORDS = {lang: BadWords.of(ENTRIES) for lang in ("eng_Latn", "jpn_Jpan")}
PARTS = [*ENTRIES, *(entry.upper() for entry in ENTRIES), " ", " ", "-", "_", "1", "\u0301", "\u0130", "s", "\n", "."]
TEXTS = st.lists(st.one_of(st.sampled_from(PARTS), st.characters(exclude_categories=["Cs"])), max_size=25).map("".join)


def goes_on(char: str) -> bool:
    return char == "_" or unicodedata.category(char)[0] in "LM" or unicodedata.category(char) == "Nd"


def places(text: str, *, whole: bool) -> int:
    text = text.lower()

    def stands(start: int, end: int) -> bool:
        return not whole or not ((start > 0 and goes_on(text[start - 1])) or (end < len(text) and goes_on(text[end])))

    return sum(
        any(text[:end].endswith(entry) and stands(end - len(entry), end) for entry in ENTRIES)
        for end in range(1, len(text) + 1)
    )


@settings(deadline=None, max_examples=400)
@given(st.lists(st.tuples(TEXTS, st.sampled_from(["eng_Latn", "jpn_Jpan", "und"])), max_size=4))
def test_values_are_those_of_the_rule(documents: list[tuple[str, str]]) -> None:
    batch = TextBatch.of([text for text, _ in documents], langs=[lang for _, lang in documents])
    counts = [places(text, whole=lang != "jpn_Jpan") if lang != "und" else 0 for text, lang in documents]
    words = batch.words.counts()
    expected = [1000 * (count / n) if n else 0.0 for count, n in zip(counts, words, strict=True)]
    assert per_1000_words(batch, words=WORDS).tolist() == expected


@pytest.mark.parametrize(
    ("text", "lang", "value"),
    [
        ("Darn it all now", "eng_Latn", 500.0),
        ("darning its kit", "eng_Latn", 0.0),
        ("darn_it e\u0301t\u00e9", "eng_Latn", 0.0),
        ("DARN", "deu_Latn", 0.0),
        ("\u60aa\u4eba", "jpn_Jpan", 500.0),
        ("", "eng_Latn", 0.0),
    ],
)
def test_by_hand(text: str, lang: str, value: float) -> None:
    assert per_1000_words(TextBatch.of([text], langs=[lang]), words=WORDS).tolist() == [value]


@pytest.mark.parametrize(("entry", "normal"), [(" Some\t WORD ", "some word"), ("\u2026", None), ("x&Y", "x&y")])
def test_an_entry_is_looked_up_in_lower_case(entry: str, normal: str | None) -> None:
    assert BadWords.normal(entry) == normal
