import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import FILTERS, TextBatch, invisible
from filters.invisible import KINDS

HIDDEN = {
    "control": "\x00\x0b\x7f\x85\x9f\ufffb",
    "bidi": "\u200e\u200f\u061c\u202e\u2066",
    "variation": "\ufe00\ufe0f\U000e0100\U000e01ef\u180b",
    "tag": "\U000e0041\U000e007f",
    "format": "\xad\u200b\u200c\u200d\u2060\ufeff\u2062\u3164\u034f\u180e\U0001d173",
}
KIND_OF = {char: kind for kind, chars in HIDDEN.items() for char in chars}
VISIBLE = st.text(st.characters(categories=["L", "N", "P"], max_codepoint=0x2FF), min_size=1, max_size=5)
RUNS = st.lists(st.tuples(VISIBLE, st.text(st.sampled_from(sorted(KIND_OF)), max_size=6)), max_size=6)


def strings(batch: TextBatch, document: int = 0) -> list[str]:
    return batch.text_of(invisible.found(batch).spans, document)


def value(name: str, text: str) -> float:
    return float(FILTERS[f"invisible.{name}"].measure(TextBatch.of([text]))[0])


@settings(deadline=None, max_examples=300)
@given(RUNS)
def test_between_latin_letters_every_invisible_character_counts(runs: list[tuple[str, str]]) -> None:
    runs = [(f"x{shown}x", hidden) for shown, hidden in runs]
    text = "".join(shown + hidden for shown, hidden in runs)
    hidden = "".join(hidden for _, hidden in runs)
    assert "".join(strings(TextBatch.of([text]))) == hidden
    assert value("per_thousand", text) == (1000 * (len(hidden) / len(text)) if text else 0.0)
    assert value("longest_run", text) == max((len(hidden) for _, hidden in runs), default=0)
    for kind in KINDS:
        counted = sum(KIND_OF[char] == kind for char in hidden)
        assert value(f"{kind}_per_thousand", text) == (1000 * (counted / len(text)) if text else 0.0)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_runs_are_of_one_kind_in_order_and_within_their_document(texts: list[str]) -> None:
    batch = TextBatch.of(texts)
    found = invisible.found(batch)
    for i, text in enumerate(texts):
        own = slice(found.spans.first[i], found.spans.first[i + 1])
        flat = [x for pair in zip(found.spans.start[own], found.spans.end[own], strict=True) for x in pair]
        assert flat == sorted(flat)
        assert all(batch.offsets[i] <= x <= batch.offsets[i + 1] for x in flat)
        assert sum(map(len, strings(batch, i))) <= len(text)


def test_what_may_count_is_a_control_a_format_or_ignorable_by_category() -> None:
    every = "".join(f"a{chr(c)}" for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    counted = strings(TextBatch.of([every]))
    assert {unicodedata.category(char) for char in counted} == {"Cc", "Cf", "Cn", "Mn", "Lo"}
    letters = {char for char in counted if unicodedata.category(char) == "Lo"}
    assert letters == set("\u115f\u1160\u3164\uffa0")
    assert not {*"\t\n\r\u2028\u2029\u2800\ufffc\ufffd\ue000\u0600\u06dd"} & set(counted)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffA byte order mark in front",
        "بی\u200cتو",
        "क्\u200dष र\u200d्य",
        "അവന്\u200d പറഞ്ഞു",
        "👩\u200d👩\u200d👧 🏳\ufe0f\u200d🌈 👁\ufe0f\u200d🗨\ufe0f 👩🏽\u200d🔬",
        "1\ufe0f\u20e3 #\ufe0f\u20e3 ❤\ufe0f ©\ufe0f \u2139\ufe0f ✂\ufe0e ∩\ufe00",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "葛\U000e0100飾区 、\ufe00",
        "ᠨ\u180bᠠ ᠨ\u180eᠠ",
        "ไทย\u200bไทย ភាសា\u200bខ្មែរ",
        "ᄒ\u1160 \u115fᅡ",
    ],
)
def test_what_writing_needs_does_not_count(text: str) -> None:
    assert strings(TextBatch.of([text])) == []
    assert value("per_thousand", text) == 0.0


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("\ufeffa\ufeffb", ["\ufeff"]),
        ("بی\u200c\u200cتو", ["\u200c"]),
        ("a\u200cb ٣\u200d!", ["\u200c", "\u200d"]),
        ("❤\ufe0f\ufe0f x\ufe0f 1\ufe0f2", ["\ufe0f"] * 3),
        ("葛\U000e0100\U000e0101", ["\U000e0101"]),
        ("👧\u200d a", ["\u200d"]),
        ("🏴\U000e0067\U000e0062", ["\U000e0067\U000e0062"]),
        ("🏴" + "\U000e0061" * 7 + "\U000e007f", ["\U000e0061" * 7 + "\U000e007f"]),
        ("a\u200bb", ["\u200b"]),
        ("\u3164", ["\u3164"]),
    ],
)
def test_the_same_characters_elsewhere_count(text: str, hidden: list[str]) -> None:
    assert strings(TextBatch.of([text])) == hidden


def test_a_manifest_in_variation_selectors_is_one_long_run() -> None:
    manifest = "\ufeff" + "".join(chr(0xFE00 + b if b < 16 else 0xE0100 + b - 16) for b in b"C2PATXT\0" * 100)
    assert value("longest_run", "A text." + manifest) == 801
    assert value("longest_run", "A text.") == 0
