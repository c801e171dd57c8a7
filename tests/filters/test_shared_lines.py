"""Lines across documents: against the same rules in plain Python, over any text."""

import random
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import TextBatch
from filters.shared_lines import LINE, PARAGRAPH, pieces_of, without

TEXTS = st.lists(
    st.one_of(st.text("aB\u00c9\u0301 \u30007\u0663.\n\r\t\u3042", max_size=30), st.text(max_size=10)), max_size=5
)


def compared(piece: str) -> str:
    """The form that is compared."""
    letters = []
    for char in piece:
        folded = unicodedata.normalize("NFD", char.lower())
        bases = [c for c in folded if unicodedata.category(c) != "Mn" and c != "\0"]
        letters.append("0" if char.isdecimal() else "".join(bases) if len(bases) <= 1 else char)
    return " ".join("".join(letters).split())


def cut(text: str, unit: int) -> list[str]:
    return re.split(f"\n{{{unit},}}", text)


@settings(deadline=None)
@given(TEXTS, st.sampled_from([LINE, PARAGRAPH]))
def test_pieces_are_those_of_a_plain_split_and_equal_where_their_forms_are(texts: list[str], unit: int) -> None:
    batch = TextBatch.of(texts)
    pieces = pieces_of(batch, unit)
    plain = [cut(text, unit) for text in texts]
    assert [batch.text_of(pieces.spans, i) for i in range(len(texts))] == plain
    forms = [compared(piece) for each in plain for piece in each]
    assert pieces.characters.tolist() == [len(form) for form in forms]
    by_hash = dict(zip(pieces.hashes.tolist(), forms, strict=True))
    assert [by_hash[h] for h in pieces.hashes.tolist()] == forms
    assert len(by_hash) == len(set(forms))


@settings(deadline=None)
@given(TEXTS, st.sampled_from([LINE, PARAGRAPH]), st.randoms(use_true_random=False))
def test_what_stays_is_untouched_and_in_order(texts: list[str], unit: int, chance: random.Random) -> None:
    batch = TextBatch.of(texts)
    pieces = pieces_of(batch, unit)
    leaves = np.array([chance.random() < 0.3 for _ in pieces.hashes], np.bool_)
    data, offsets = without(batch, pieces, leaves)
    for i, text in enumerate(texts):
        new = data[offsets[i] : offsets[i + 1]].tobytes().decode()
        own = slice(*pieces.spans.first[i : i + 2])
        if not leaves[own].any():
            assert new == text
            continue
        staying = [piece for piece, gone in zip(cut(text, unit), leaves[own], strict=True) if not gone]
        staying = [piece for piece in staying if compared(piece)]
        assert (cut(new, unit) if new else []) == staying
        assert len(new.encode()) <= len(text.encode())


@pytest.mark.parametrize(
    ("text", "unit", "gone", "new"),
    [
        ("a\nb\nc", LINE, [1], "a\nc"),
        ("a\nb\n\nc", LINE, [1], "a\n\nc"),
        ("a\n\nb\nc", LINE, [1], "a\n\nc"),
        ("\na\nb\n", LINE, [1], "b"),
        ("a\nb\n", LINE, [1], "a"),
        ("a\n \nb\nc", LINE, [2], "a\nc"),
        ("a\n \nb", LINE, [0, 2], ""),
        ("a\nb\n\n\nc\n\nd", PARAGRAPH, [1], "a\nb\n\n\nd"),
    ],
)
def test_the_longest_break_between_what_stays_stays(text: str, unit: int, gone: list[int], new: str) -> None:
    batch = TextBatch.of([text])
    pieces = pieces_of(batch, unit)
    leaves = np.zeros(len(pieces.hashes), np.bool_)
    leaves[gone] = True
    assert without(batch, pieces, leaves)[0].tobytes().decode() == new
