"""Units, steps of normalisation and short texts, against the declared rule written in Python."""

import re
import unicodedata
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from curate import minhash
from curate.errors import ConfigError
from curate.shingles import STEPS, Shingles, symbols
from curate.text.tokens import tokenizer_file
from filters.unicode import CODE_POINTS
from tests.curate.test_minhash import ALPHABET, LONE_SCRIPTS, NUMBER, fmix64, mix, packed, split

TEXTS = st.lists(st.text(ALPHABET, max_size=60), max_size=5)
SUBSETS = list(chain.from_iterable(combinations(STEPS, n) for n in range(len(STEPS) + 1)))
SEPARATOR = " "
SEEN = ["the", "cat", "sat", "on", "mat", "café", "漢", ".", "THE", "x9"]


def folded(char, steps):
    """What `lower` and `diacritics` leave of a character; "" for a mark that is dropped."""
    if "lower" in steps:
        char = char.lower() if "diacritics" in steps else char.lower()[0]
    if "diacritics" in steps:
        bases = [c for c in unicodedata.normalize("NFD", char) if unicodedata.category(c) != "Mn"]
        char = (bases[0] if len(bases) == 1 else char) if bases else ""
    return "\u03c3" if char == "\u03c2" and "lower" in steps else char


def pieces(text, steps):
    """(what is left of it, whether it is a word by itself) of each character; SEPARATOR where it separates."""
    for char in NUMBER.sub("0", text) if "numbers" in steps else text:
        category = unicodedata.category(char)
        letter = category[0] in "LM"
        left = folded(char, steps)
        if char.isspace() or ("punctuation" in steps and not (letter or category == "Nd")):
            yield SEPARATOR, False
        elif left or not letter:
            yield left, category[0] == "L" and unicodedata.name(char, "").startswith(LONE_SCRIPTS)


def units(text, unit, steps):
    spaced = "".join(f" {left} " if whole and unit == "words" else left for left, whole in pieces(text, steps))
    normalised = re.sub(" +", " ", spaced).strip(" ")
    return list(normalised) if unit == "characters" else [word for word in normalised.split(" ") if word]


def hashed(items, size, fewest):
    """Hashes of the shingles of units, each a sequence of numbers."""
    found = []
    for item in items:
        state = 0x243F6A8885A308D3
        for number in item:
            state = mix(state, number)
        found.append(fmix64(state))
    whole = len(found) < fewest
    shingles = [found] * bool(found) if whole else [found[i : i + size] for i in range(len(found) - size + 1)]
    result = []
    for shingle in shingles:
        state = mix(0x13198A2E03707345, len(shingle))
        for item in shingle:
            state = mix(state, item)
        result.append(fmix64(state))
    return [result[0] ^ (2**64 - 1)] if whole and len(found) == size else result


def hashes_of(texts, shingles):
    return [h.tolist() for h in split(*minhash.shingle_hashes(*packed(texts), shingles))]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    vocabulary = {token: n for n, token in enumerate(["?", "the", "cat", "sat", "on", "mat", "café", "漢", "."])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(str(file))
    return file


@given(TEXTS, st.sampled_from(SUBSETS), st.sampled_from(["words", "characters"]), st.integers(1, 7), st.integers(1, 9))
@settings(deadline=None, max_examples=300)  # the first call compiles
def test_shingles_follow_the_declared_rule_with_any_steps(texts, steps, unit, size, least):
    got = hashes_of(texts, Shingles(unit, size, steps, least))
    expected = [[[ord(c) for c in item] for item in units(text, unit, steps)] for text in texts]
    assert got == [hashed(items, size, size + least - 1) for items in expected]


@pytest.mark.parametrize("steps", [("lower",), ("diacritics",), ()], ids="+".join)
def test_each_letter_and_mark_of_unicode_is_folded_by_its_step(steps):
    table = symbols(steps) & 0xFFFFFF
    letters = [c for c in map(chr, range(CODE_POINTS)) if unicodedata.category(c)[0] in "LM"]
    wrong = [c for c in letters if table[ord(c)] != (ord(left) if (left := folded(c, steps)) else 0)]
    assert wrong == []


@pytest.mark.parametrize(
    ("step", "text", "same"),
    [
        ("lower", "The QUICK fox", "the quick fox"),
        ("numbers", "it cost 3.14", "it cost 2"),
        ("diacritics", "naïve café", "naive cafe"),
        ("punctuation", "well, known!", "well known"),
    ],
)
@pytest.mark.parametrize("unit", ["words", "characters"])
def test_a_step_that_is_left_out_tells_texts_apart(step, text, same, unit):
    left, right = hashes_of([text, same], Shingles(unit, 3))
    assert left == right
    left, right = hashes_of([text, same], Shingles(unit, 3, tuple(s for s in STEPS if s != step)))
    assert left != right


@pytest.mark.parametrize(
    ("text", "same"),
    [("  a  b\n", "a b"), ("a, b", "a b"), ("a \u0301 b", "a b"), ("1,234.5 x", "0 x"), ("…漢字。", "漢字")],
)
def test_characters_are_those_of_the_normalised_text_with_single_spaces(text, same):
    left, right = hashes_of([text, same], Shingles("characters", 2))
    assert left == right
    assert len(left) == max(len(same) - 1, 1)


@pytest.mark.parametrize("num_characters", [1, 4, 5, 1022, 1023, 1024, 1025, 1028, 5000])
@pytest.mark.parametrize(("size", "least"), [(1, 1), (1, 9), (5, 1), (24, 500), (64, 512)])
def test_long_texts_have_every_shingle_of_characters(num_characters, size, least):
    text = "".join(f"{chr(97 + i % 26)}{' .' * (i % 5 == 0)}{'é' * (i % 11)}" for i in range(num_characters))
    text = text[:num_characters] + " ... "
    expected = [[ord(c)] for c in units(text, "characters", STEPS)]
    assert hashes_of([text], Shingles("characters", size, STEPS, least))[0] == hashed(expected, size, size + least - 1)


@given(st.lists(st.binary(max_size=60), max_size=5), st.sampled_from(SUBSETS))
@settings(deadline=None)  # the first call compiles
def test_bytes_that_are_not_utf8_give_the_same_alone_as_in_a_batch(texts, steps):
    shingles = Shingles("characters", 3, steps)
    together = hashes_of(texts, shingles)
    assert [hashes_of([text], shingles)[0] for text in texts] == together


@pytest.mark.parametrize("num_tokens", [0, 1, 3, 4, 5, 1023, 1024, 1025, 3000])
@pytest.mark.parametrize(("size", "least"), [(1, 1), (3, 1), (3, 3), (64, 512)])
def test_shingles_of_tokens_are_of_the_ids(tokenizer, num_tokens, size, least):
    text = " ".join(["the", "cat", "sat", "漢", "unknown"][i * i % 5] for i in range(num_tokens))
    ids = Tokenizer.from_file(str(tokenizer)).encode(text).ids
    found = hashes_of(["a mat .", text, ""], Shingles("tokens", size, (), least, tokenizer_file(tokenizer)))
    assert found[1] == hashed([[number] for number in ids], size, size + least - 1)
    assert found[2] == []


@pytest.mark.parametrize("unit", ["words", "characters", "tokens"])
@given(texts=st.lists(st.lists(st.sampled_from(SEEN), max_size=20), max_size=4))
@settings(max_examples=25, deadline=None)
def test_signatures_of_every_unit_equal_datasketch(tokenizer, unit, texts):
    shingles = Shingles(unit, 3, tokenizer=tokenizer_file(tokenizer) if unit == "tokens" else None)
    a, b = minhash.permutations(19, 5)
    data = packed([" ".join(words) for words in texts])
    minima, num_shingles = minhash.text_signatures(*data, a, b, shingles)
    hashes, first = minhash.shingle_hashes(*data, shingles)
    assert num_shingles.tolist() == np.diff(first).tolist()
    for row, items in zip(minima, split(hashes, first), strict=True):
        sketch = MinHash(19, 5, scheme="affine64", hashfunc=int)
        for item in items:
            sketch.update(item)
        np.testing.assert_array_equal(row, sketch.hashvalues)


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.lists(st.sampled_from("abc"), min_size=1, max_size=12)
)
@settings(deadline=None)
def test_texts_too_short_for_the_minimum_are_alike_only_when_their_words_are_equal(left, right):
    shingles = Shingles("words", 3, STEPS, 8)
    hashes, first = minhash.shingle_sets(*packed([" ".join(left), " ".join(right).upper()]), shingles)
    [similarity] = minhash.overlaps(hashes, first, np.array([[0, 1]])).jaccard
    if min(len(left), len(right)) < 10:
        assert similarity == (left == right)
    else:
        assert similarity == minhash.jaccard(
            *split(*minhash.shingle_sets(*packed([" ".join(left), " ".join(right)]), Shingles("words", 3)))
        )


def test_the_identity_is_of_what_changes_a_hash(tokenizer, tmp_path):
    copy = tmp_path / "elsewhere.json"
    copy.write_bytes(tokenizer.read_bytes())
    one, other = (Shingles("tokens", 3, (), 1, tokenizer_file(file)) for file in (tokenizer, copy))
    assert one.identity() == other.identity()
    copy.write_text(copy.read_text().replace("mat", "hat"))
    different = [Shingles(), Shingles(size=4), Shingles("characters"), Shingles(normalise=STEPS[1:]),
                 Shingles(min_shingles=2), one, Shingles("tokens", 3, (), 1, tokenizer_file(copy))]  # fmt: skip
    assert len({repr(shingles.identity()) for shingles in different}) == len(different)


def test_a_tokenizer_that_changed_meanwhile_is_refused(tokenizer, tmp_path):
    copy = tmp_path / "tokenizer.json"
    copy.write_bytes(tokenizer.read_bytes())
    named = tokenizer_file(tmp_path)
    copy.write_text(copy.read_text().replace("mat", "hat"))
    with pytest.raises(ConfigError, match="when the run began; run it again"):
        hashes_of(["the cat"], Shingles("tokens", 1, (), 1, named))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 65}, "got 65 words, expected 1..64"),
        ({"min_shingles": 0}, "min_shingles: got 0, expected 1..512"),
        ({"unit": "tokens"}, "tokens need one, no other unit takes one"),
    ],
)
def test_wrong_shingles_are_refused(wrong, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Shingles(**wrong)
