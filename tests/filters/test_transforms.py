"""What every transform promises, checked for each one in the registry; and the masks of personal data."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import TRANSFORMS, TextBatch, get_transform, pii, register_transform
from filters.rewrite import Texts, changed, replaced
from filters.spans import Spans
from tests.filters.test_contract import HOSTILE

TEXTS = [
    *HOSTILE,
    "A line that ends well. [1]\nno end\nWrite to a.b@example.org or +49 30 123456, at once.\nuse cookies here.",
    "LOUD LINE HERE NOW\n3 likes\nSome words of a page that stay here.\nSign-in to see it",
    "a\u00adb\u200bc\u202ed\U000e0041\U000e0042 and e\ufe0f",
]
ANY = st.lists(st.text(max_size=60), max_size=6)
EACH = pytest.mark.parametrize("name", TRANSFORMS)


def texts_of(batch: TextBatch) -> list[str]:
    """Decoded strictly: what comes out is UTF-8."""
    return [batch.data[s:e].tobytes().decode() for s, e in pairwise(batch.offsets)]


def applied(name: str, texts: list[str]) -> list[str]:
    return texts_of(get_transform(name).apply(TextBatch.of(texts)))


@EACH
@given(texts=ANY)
def test_every_text_becomes_one_text_and_nothing_is_invented(name: str, texts: list[str]) -> None:
    after = applied(name, texts)
    assert len(after) == len(texts)
    masks = "".join(pii.MASKS)
    for old, new in zip(texts, after, strict=True):
        assert set(new) <= set(old) | set(masks) | {"\n"}


@EACH
def test_a_text_does_not_depend_on_the_others(name: str) -> None:
    assert [applied(name, [text])[0] for text in TEXTS] == applied(name, TEXTS)
    whole = TextBatch.of(TEXTS)
    inner = TextBatch(whole.data, whole.offsets[3:-2])
    assert texts_of(get_transform(name).apply(inner)) == applied(name, TEXTS)[3:-2]


@EACH
def test_the_texts_start_at_0_and_the_languages_stay(name: str) -> None:
    before = TextBatch.of(TEXTS, langs=["eng_Latn"] * len(TEXTS))
    after = get_transform(name).apply(before)
    assert after.offsets[0] == 0
    assert after.offsets[-1] == len(after.data)
    assert after.langs == before.langs


@EACH
def test_the_changed_texts_are_known(name: str) -> None:
    before = TextBatch.of(TEXTS)
    after = get_transform(name).apply(before)
    expected = [old != new for old, new in zip(TEXTS, texts_of(after), strict=True)]
    assert any(expected)
    assert changed(before, after).tolist() == expected


@pytest.mark.parametrize("name", ["pii.mask", "invisible.strip"])
@given(texts=ANY)
def test_what_was_cleaned_stays_as_it_is(name: str, texts: list[str]) -> None:
    once = applied(name, texts)
    assert applied(name, once) == once


def test_personal_data_give_way_to_the_name_of_their_kind() -> None:
    text = "Write to a.b@example.org or +49 30 123456, from 8.8.8.8 or 2001:4860:4860::8888."
    assert applied("pii.mask", [text]) == ["Write to [EMAIL] or [PHONE], from [IP] or [IP]."]
    chosen = get_transform("pii.mask").apply(TextBatch.of([text]), kinds=("ipv4",))
    assert texts_of(chosen) == [text.replace("8.8.8.8", "[IP]")]


def test_a_masked_text_has_no_personal_data() -> None:
    batch = get_transform("pii.mask").apply(TextBatch.of(TEXTS))
    assert not pii.found(batch).kind.size


@given(text=st.text(alphabet="ab ", max_size=30), data=st.data())
def test_spans_give_way_to_what_stands_for_them(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    kinds = data.draw(st.lists(st.integers(0, 2), min_size=len(pairs), max_size=len(pairs)))
    by = ("", "X", "YZ")
    start, end = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    spans = Spans(start, end, np.array([0, len(pairs)], np.int64))
    texts: Texts = replaced(TextBatch.of([text]), spans, np.array(kinds, np.uint8), by)
    expected, at = "", 0
    for (s, e), kind in zip(pairs, kinds, strict=True):
        expected += text[at:s] + by[kind]
        at = e
    expected += text[at:]
    assert texts[0].tobytes().decode() == (expected.strip() if pairs else expected)


def test_an_unknown_transform_is_told_its_near_misses() -> None:
    with pytest.raises(ValueError, match=r"unknown transform 'c4.claen'; did you mean c4\.clean"):
        get_transform("c4.claen")


def test_a_name_is_registered_once() -> None:
    again = register_transform("c4.clean", source="", semantics="", version=1)
    with pytest.raises(ValueError, match="already registered"):
        again(TRANSFORMS["c4.clean"].rewrite)


def test_as_many_texts_come_out_as_went_in() -> None:
    with pytest.raises(ValueError, match="1 texts, expected one for each of 2 documents"):
        TextBatch.of(["a", "b"]).with_texts(np.zeros(0, np.uint8), np.zeros(2, np.int64))
