import re
import unicodedata
from itertools import pairwise
from itertools import permutations as orders

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import minhash
from curate.config.dedup import MAX_SHINGLE_SIZE
from curate.shingles import Shingles

NUMBER = re.compile(r"\d+(?:[.,\u060c\u066b\u066c]\d+)*")
LONE_SCRIPTS = ("CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "HANGUL", "THAI")
# Letters with and without accents, special cases of lower case, digits and their separators, scripts without spaces,
# marks of both kinds, symbols, numbers that are not digits, controls.
ALPHABET = (
    "abzABéÉÅßçñİ\u0131\u017fΣ\u03c3ςЖжйЙ0179٣४.,،\u066b٬-_'\u2019 \n\t"
    "漢字かがカパー\uff72한글ไทยที่हिन्दीक्षा😀\u0301\u20dd½²Ⅷ\x00\u00ad"
)
GOLDEN = ["0xb7bedd8e1b4ba7b3", "0xf0345ccd48ff2e05"]
TEXTS = st.lists(st.text(ALPHABET, max_size=80), max_size=6)


def packed(texts):
    pieces = [text.encode() if isinstance(text, str) else text for text in texts]
    offsets = np.cumsum([0, *map(len, pieces)]).astype(np.int64)
    return np.frombuffer(b"".join(pieces), np.uint8), offsets


def split(values, first):
    return [values[start:end] for start, end in pairwise(first)]


def hashes_of(*texts, size=5):
    return split(*minhash.shingle_hashes(*packed(texts), Shingles(size=size)))


def expected_words(text):
    """The declared word rule, in Python."""
    words, word = [], ""
    for char in NUMBER.sub("0", text):
        category = unicodedata.category(char)
        bases = [c for c in unicodedata.normalize("NFD", char.lower()) if unicodedata.category(c) != "Mn"]
        folded = (bases[0] if len(bases) == 1 else char).replace("\u03c2", "\u03c3") if bases else ""
        lone = category[0] == "L" and unicodedata.name(char, "").startswith(LONE_SCRIPTS)
        if lone or not (category[0] in "LM" or category == "Nd"):
            words += [word, folded] if lone else [word]
            word = ""
        else:
            word += folded
    return [w for w in [*words, word] if w]


def mix(state, item):
    state = (state ^ item) * 0x9E3779B97F4A7C15 % 2**64
    return state ^ state >> 32


def fmix64(x):
    x = (x ^ x >> 33) * 0xFF51AFD7ED558CCD % 2**64
    x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53 % 2**64
    return x ^ x >> 33


def expected_hashes(text, size):
    hashed = []
    for word in expected_words(text):
        state = 0x243F6A8885A308D3
        for char in word:
            state = mix(state, ord(char))
        hashed.append(fmix64(state))
    shingles = [hashed[i : i + size] for i in range(len(hashed) - size + 1)] or [hashed] * bool(hashed)
    result = []
    for shingle in shingles:
        state = mix(0x13198A2E03707345, len(shingle))
        for item in shingle:
            state = mix(state, item)
        result.append(fmix64(state))
    return result


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("The QUICK brown fox", "the quick brown fox"),
        ("it cost 3.14 today", "it cost 2 today"),
        ("1,234,567.89 people", "7 people"),
        ("٣\u066b٤ x", "0 x"),
        ("version v1.2.3-rc4", "version v0 rc0"),
        ("naïve Café Ångström", "naive cafe angstrom"),
        ("cafe\u0301", "café"),
        ("İstanbul", "istanbul"),
        ("ΟΔΟΣ Οδός", "οδος οδος"),
        ("well-known, isn't it?!", "well known isn t it"),
        ("漢字 かな", "漢 字 か な"),
        ("한글abc한", "한 글 abc 한"),
        ("กขค", "ก ข ค"),
        ("tab\tnewline\n\n  a\u3000b\x00c", "tab newline a b c"),
    ],
)
def test_texts_that_differ_only_in_form_have_the_same_shingles(text, same):
    left, right = hashes_of(text, same)
    np.testing.assert_array_equal(left, right)
    assert len(left) == 1


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("a b", "ab"),
        ("a b", "b a"),
        ("a", "a a"),
        ("x 1 2", "x 1.2"),
        ("漢字", "字漢"),
        ("한", "글"),
        ("ß", "ss"),
        ("a", "b"),
    ],
)
def test_texts_that_differ_in_words_differ_in_shingles(text, other):
    left, right = hashes_of(text, other)
    assert left[0] != right[0]


@pytest.mark.parametrize("text", ["", " ", ".,!?", "\n\t\x00", "😀😀", "½ ²", "\u0301", "--- … ***"])
def test_a_text_without_words_has_no_shingle_and_an_empty_signature(text):
    a, b = minhash.permutations(8, 1)
    minima, num_shingles = minhash.text_signatures(*packed(["some words", text]), a, b)
    assert [len(h) for h in hashes_of("some words", text)] == num_shingles.tolist() == [1, 0]
    assert (minima[1] == 2**64 - 1).all()


@given(TEXTS, st.integers(1, 7))
@settings(deadline=None)  # the first call compiles
def test_shingles_follow_the_declared_rule(texts, size):
    got = [hashes.tolist() for hashes in hashes_of(*texts, size=size)]
    assert got == [expected_hashes(text, size) for text in texts]


@pytest.mark.parametrize("num_words", [1, 4, 5, 6, 1023, 1024, 1025, 1028, 5000])
@pytest.mark.parametrize("size", [1, 5, MAX_SHINGLE_SIZE])
def test_long_texts_have_every_shingle(num_words, size):
    text = (
        " ".join(f"w{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}" + "漢" * (i % 7 == 0) for i in range(num_words))
        + " ..."
    )
    assert hashes_of(text, size=size)[0].tolist() == expected_hashes(text, size)


@given(st.lists(st.binary(max_size=60), max_size=5))
@settings(deadline=None)  # the first call compiles
def test_bytes_that_are_not_utf8_give_the_same_alone_as_in_a_batch(texts):
    for alone, together in zip(texts, hashes_of(*texts), strict=True):
        np.testing.assert_array_equal(hashes_of(alone)[0], together)


def test_hashes_are_those_of_this_version():
    text = "One of 3.5 shingles, naïvely: 漢字 und Straße ที่ हिन्दी"
    got = [hex(h) for h in hashes_of(text, size=5)[0][:2].tolist()]
    assert (minhash.VERSION, got) == (1, GOLDEN), "the hashes changed: bump minhash.VERSION, then this test"


def test_the_order_of_words_counts():
    texts = [" ".join(order) for order in orders("vwxyz")]
    assert len({h[0] for h in hashes_of(*texts)}) == len(texts)


def test_one_changed_letter_flips_half_of_the_bits():
    rng = np.random.default_rng(5)
    letters = rng.integers(97, 123, (4000, 29), dtype=np.uint8)
    letters[:, 5::6] = 32
    changed = letters.copy()
    place = rng.choice([i for i in range(29) if i % 6 != 5], 4000)
    changed[np.arange(4000), place] = (letters[np.arange(4000), place] - 97 + rng.integers(1, 26, 4000)) % 26 + 97
    offsets = np.arange(0, 4001 * 29, 29)
    left, right = (minhash.shingle_hashes(x.ravel(), offsets)[0] for x in (letters, changed))
    flipped = np.unpackbits((left ^ right).view(np.uint8).reshape(-1, 8), axis=1).mean(axis=0)
    assert len(left) == 4000
    assert (abs(flipped - 0.5) < 0.05).all()  # 6 standard deviations, the seed is fixed


@given(TEXTS, st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_signatures_equal_datasketch(texts, num_perm, seed):
    a, b = minhash.permutations(num_perm, seed)
    hashes, first = minhash.shingle_hashes(*packed(texts))
    minima = minhash.signatures(hashes, first, a, b)
    for row, items in zip(minima, split(hashes, first), strict=True):
        sketch = MinHash(num_perm, seed, scheme="affine64", hashfunc=int)
        for item in items:
            sketch.update(item)
        np.testing.assert_array_equal(row, sketch.hashvalues)


@given(TEXTS, st.integers(1, 7))
@settings(deadline=None)  # the first call compiles
def test_signatures_of_texts_are_those_of_their_shingles(texts, size):
    a, b = minhash.permutations(17, 3)
    hashes, first = minhash.shingle_hashes(*packed(texts), Shingles(size=size))
    minima, num_shingles = minhash.text_signatures(*packed(texts), a, b, Shingles(size=size))
    np.testing.assert_array_equal(minima, minhash.signatures(hashes, first, a, b))
    np.testing.assert_array_equal(num_shingles, np.diff(first))


def test_signatures_of_a_long_text_are_those_of_its_shingles():
    a, b = minhash.permutations(112, 1)
    text = " ".join(str(i) + chr(97 + i % 26) * (i % 11) for i in range(4099))
    hashes, first = minhash.shingle_hashes(*packed([text]))
    minima, _ = minhash.text_signatures(*packed([text]), a, b)
    np.testing.assert_array_equal(minima, minhash.signatures(hashes, first, a, b))


def test_a_slice_of_a_batch_is_read_in_place():
    data, offsets = packed(["first text here", "a second text", "the third one"])
    hashes, first = minhash.shingle_hashes(data, offsets[1:])
    assert [h.tolist() for h in split(hashes, first)] == [
        h.tolist() for h in hashes_of("a second text", "the third one")
    ]


@given(TEXTS)
@settings(deadline=None)  # the first call compiles
def test_sets_are_sorted_and_distinct(texts):
    sets = split(*minhash.shingle_sets(*packed(texts), Shingles(size=2)))
    assert [s.tolist() for s in sets] == [sorted(set(h.tolist())) for h in hashes_of(*texts, size=2)]


@given(st.lists(st.frozensets(st.integers(0, 30), max_size=20), min_size=1, max_size=6))
@settings(deadline=None)  # the first call compiles
def test_overlaps_are_those_of_sets(sets):
    hashes = np.array([item for s in sets for item in sorted(s)], np.uint64)
    first = np.cumsum([0, *map(len, sets)])
    pairs = np.array([(i, j) for i in range(len(sets)) for j in range(len(sets))], np.int64)
    overlap = minhash.overlaps(hashes, first, pairs)
    for (i, j), jaccard, containment in zip(pairs, overlap.jaccard, overlap.containment, strict=True):
        x, y = sets[i], sets[j]
        assert jaccard == len(x & y) / max(len(x | y), 1)
        assert containment == len(x & y) / max(min(len(x), len(y)), 1)
        assert jaccard == minhash.jaccard(*(hashes[first[n] : first[n + 1]] for n in (i, j)))


def test_band_keys_are_equal_where_the_band_is_and_nowhere_else():
    minima = np.random.default_rng(1).integers(0, 2**64, (2, 112), np.uint64)
    minima[1, 16:24] = minima[0, 16:24]
    keys = minhash.band_keys(minima, 14, 8)
    assert (keys[0] == keys[1]).tolist() == [band == 2 for band in range(14)]


def test_equal_minima_in_two_bands_give_two_keys():
    keys = minhash.band_keys(np.zeros((1, 112), np.uint64), 14, 8)
    assert len(set(keys[0].tolist())) == 14


def test_the_share_of_near_copies_found_follows_the_curve():
    rng = np.random.default_rng(7)
    vocabulary = np.array(["".join(map(chr, row)) for row in rng.integers(97, 123, (5000, 6))])
    texts = []
    for share in np.repeat([0.005, 0.02, 0.04, 0.07], 150):
        words = rng.choice(vocabulary, 300)
        edited = np.where(rng.random(300) < share, rng.choice(vocabulary, 300), words)
        texts += [" ".join(words), " ".join(edited)]
    minima, _ = minhash.text_signatures(*packed(texts), *minhash.permutations(112, 1))
    keys = minhash.band_keys(minima, 14, 8)
    pairs = np.arange(len(texts)).reshape(-1, 2)
    exact = minhash.overlaps(*minhash.shingle_sets(*packed(texts)), pairs).jaccard
    found = (keys[0::2] == keys[1::2]).any(axis=1).reshape(4, 150).mean(axis=1)
    expected = np.array([minhash.probability(s, 14, 8) for s in exact]).reshape(4, 150).mean(axis=1)
    assert expected[0] > 0.95 > 0.5 > expected[-1]
    np.testing.assert_allclose(found, expected, atol=0.16)  # 4 standard deviations of 150 coin tosses
    estimate = (minima[0::2] == minima[1::2]).mean(axis=1)
    assert abs((estimate - exact).mean()) < 0.01


@pytest.mark.parametrize(
    ("similarity", "expected"), [(0.0, 0.0), (0.5, 0.053), (0.7, 0.565), (0.75, 0.772), (0.8, 0.924), (1.0, 1.0)]
)
def test_probability_is_the_published_curve(similarity, expected):
    assert minhash.probability(similarity, 14, 8) == pytest.approx(expected, abs=5e-4)
    assert minhash.threshold(14, 8) == pytest.approx(0.72, abs=5e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Shingles(size=0), "shingle size: got 0 words, expected 1..64"),
        (lambda: minhash.permutations(0, 1), "num_perm: got 0, expected at least 1"),
        (lambda: minhash.band_keys(np.zeros((1, 8), np.uint64), 3, 3), "got 3 x 3, expected at most the 8 hashes"),
        (lambda: minhash.shingle_hashes(packed(["a"])[0], np.array([0, 2])), "ascending within 0..1"),
        (
            lambda: minhash.overlaps(*minhash.shingle_sets(*packed(["a", "b"])), np.array([[0, 2]])),
            "got document numbers 0..2, expected 0..1",
        ),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
