"""Texts that nobody wrote: 10,000 of them, of all scripts and none, through every filter and transform.

Each is made of pieces that rules look for, torn and repeated, and of characters drawn from all of Unicode. The values
must be finite, within reach, and the same whatever stands beside the text.
"""

import random
from itertools import pairwise

import numpy as np
import pytest

from filters import FILTERS, TRANSFORMS, TextBatch

NUMBER = 10_000
SEED = 20_260

PIECES = [
    " ", "\n", "\n\n", "\t", "\r\n", "\x0b", "\x85", "\u2028", "\u00a0", "\u3000", ".", "...", "\u2026", "!", "?",
    "\u3002", "\u0964", "#", "-", "\u2022", "\u25cf", "*", "{", "}", "[1]", "[edit]", "[citation needed]", "[", "]",
    "(", ")", "lorem ipsum", "javascript", "privacy policy", "use cookies", "the", "be", "that", "THE",
    "Read more...", "sign-in", "3 likes", "1.2M views", "items in cart", "http://", "https://a.b/c?d=e", "www.",
    "a.b@c.de", "@", "+49 30 1234567", "8.8.8.8", "2001:db8::1", "::", "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00", "'", "n't", "'s", "can't", "\u2019", "$", "\u20ac", "%", "1,000.5", "\u200b",
    "\u200c", "\u200d", "\ufeff", "\u00ad", "\u202e", "\ufe0f", "\U000e0041", "\u0301", "\u0308" * 9, "\u1100\u1161",
    "\u0e01\u0e33", "\u0915\u094d\u0937", "\u0627\u0644", "\u05d0", "\u65e5\u672c", "\u3041", "\uac00",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\x00", "\x07", "\ufffd", "\U0010ffff",
]  # fmt: skip


LETTERS = "abcdefghijklmnopqrstuvwxyzABC0123456789"


def one(draw: random.Random) -> str:
    """A text of up to some hundred pieces, characters and repetitions of either."""
    parts = []
    for _ in range(int(draw.paretovariate(0.7)) % 120):
        kind = draw.random()
        if kind < 0.55:
            parts.append(draw.choice(PIECES))
        elif kind < 0.8:
            parts.append(
                "".join(draw.choice("abcdefghijklmnopqrstuvwxyzABC0123456789") for _ in range(draw.randint(1, 9)))
            )
        elif kind < 0.95:
            parts.append(any_character(draw))
        else:
            parts.append(draw.choice(PIECES) * draw.randint(2, 60))
    return "".join(parts)


def any_character(draw: random.Random) -> str:
    """One of all code points but the surrogates."""
    code = draw.randrange(0x110000 - 0x800)
    return chr(code if code < 0xD800 else code + 0x800)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    draw = random.Random(SEED)
    return [one(draw) for _ in range(NUMBER)]


@pytest.fixture(scope="module")
def batch(texts: list[str]) -> TextBatch:
    return TextBatch.of(texts)


@pytest.fixture(scope="module")
def others(texts: list[str]) -> TextBatch:
    """The same texts in the opposite order: other neighbours."""
    return TextBatch.of(texts[::-1])


def test_the_texts_are_what_they_should_be(texts: list[str]) -> None:
    assert len(set(texts)) > NUMBER * 0.75
    assert "" in texts
    assert len(set("".join(texts))) > 10_000


@pytest.mark.parametrize("name", FILTERS)
def test_every_value_is_finite_and_within_reach_and_its_own(name: str, batch: TextBatch, others: TextBatch) -> None:
    chosen = FILTERS[name]
    values = chosen.measure(batch)
    assert values.shape == (NUMBER,)
    assert np.isfinite(values).all()
    assert chosen.low is None or values.min() >= chosen.low
    assert chosen.high is None or values.max() <= chosen.high
    assert np.array_equal(values, chosen.measure(others)[::-1])


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_new_text_is_utf_8_and_its_own(name: str, batch: TextBatch, others: TextBatch) -> None:
    after, again = TRANSFORMS[name].apply(batch), TRANSFORMS[name].apply(others)
    new = [after.data[s:e].tobytes().decode() for s, e in pairwise(after.offsets)]
    assert new == [again.data[s:e].tobytes().decode() for s, e in pairwise(again.offsets)][::-1]


LONG = {
    "a line without an end": "word " * 200_000,
    "one word": "x" * 1_000_000,
    "marks on one letter": "a" + "\u0301" * 500_000,
    "nothing that is seen": "\u200b" * 333_333,
    "lines of one letter": "a\n" * 500_000,
    "ends without a line": "\n" * 1_000_000,
    "open brackets": "[" * 1_000_000,
    "half an address": "a.@" * 333_333,
    "dotted digits": "1." * 500_000,
    "digits": "4" * 1_000_000,
    "colons": "::" * 500_000,
    "plus signs": "+1 (" * 250_000,
    "apostrophes": "'" * 1_000_000,
    "no spaces": "\u65e5\u672c\u8a9e" * 111_111,
}


@pytest.fixture(scope="module")
def long() -> TextBatch:
    return TextBatch.of(list(LONG.values()))


@pytest.mark.parametrize("name", FILTERS)
def test_a_megabyte_of_anything_is_measured(name: str, long: TextBatch) -> None:
    """A rule that were quadratic in one of these would take an hour."""
    assert np.isfinite(FILTERS[name].measure(long)).all()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_megabyte_of_anything_is_rewritten(name: str, long: TextBatch) -> None:
    assert TRANSFORMS[name].apply(long).data.size <= 3 * long.data.size
