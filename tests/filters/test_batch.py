import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import Spans, TextBatch
from filters.pieces import hashes, repeats

BREAKS = ["\n", "\n\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", " ", "\xa0"]
PIECES = st.one_of(
    st.sampled_from([*BREAKS, "\u3000", "a", "b", "line", "é", "日", "🙂", "\xc2\xa0", "\u2030", ".", "..", "-", "'"]),
    st.characters(exclude_categories=["Cs"]),
)
TEXTS = st.lists(st.lists(PIECES, max_size=30).map("".join), max_size=6)


def all_of(batch: TextBatch, spans: Spans) -> list[list[str]]:
    return [batch.text_of(spans, i) for i in range(len(batch))]


@settings(deadline=None, max_examples=300)
@given(TEXTS)
def test_pieces_are_those_of_python(texts: list[str]) -> None:
    batch = TextBatch.of(texts)
    assert all_of(batch, batch.lines) == [text.splitlines() for text in texts]
    assert all_of(batch, batch.newline_lines) == [[x for x in text.split("\n") if x.strip()] for text in texts]
    assert all_of(batch, batch.paragraphs) == [re.split("\n{2,}", text.strip()) for text in texts]
    assert batch.characters.tolist() == [len(text) for text in texts]


@settings(deadline=None, max_examples=300)
@given(TEXTS)
def test_words_are_all_that_is_not_space_in_order(texts: list[str]) -> None:
    batch = TextBatch.of(texts)
    words = all_of(batch, batch.words)
    assert ["".join(w) for w in words] == ["".join(text.split()) for text in texts]
    assert all(w and w == w.strip() and len(w.split()) == 1 for document in words for w in document)
    for first, last in pairwise(batch.words.first):
        start, end = batch.words.start[first:last], batch.words.end[first:last]
        assert (start < end).all()
        assert (end[:-1] <= start[1:]).all()


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(["a", "b", "ab", "", "é", "🙂", "c"]), max_size=40))
def test_repeats_are_the_copies_after_the_first(lines: list[str]) -> None:
    batch = TextBatch.of(lines)
    first = np.array([0, len(lines) // 2, len(lines)])
    spans = Spans(batch.offsets[:-1], batch.offsets[1:], first)
    found = repeats(batch.data, spans.start, spans.end, spans.first, hashes(batch.data, spans.start, spans.end))
    halves = [lines[: first[1]], lines[first[1] :]]
    assert found.tolist() == [line in half[:i] for half in halves for i, line in enumerate(half)]


def test_repeats_compares_the_text_where_hashes_are_equal() -> None:
    batch = TextBatch.of(["a", "b", "a"])
    spans = Spans(batch.offsets[:-1], batch.offsets[1:], np.array([0, 3]))
    found = repeats(batch.data, spans.start, spans.end, spans.first, np.zeros(3, np.uint64))
    assert found.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world!", "Hello , world !"),
        ("don't you're it's I'm we'll they've he'd", "do n't you 're it 's I 'm we 'll they 've he 'd"),
        ("don\u2019t couldn't've cannot", "do n\u2019t could n't 've can not"),
        ("'quoted' (in) [\u201cboth\u201d].", "' quoted ' ( in ) [ \u201c both \u201d ] ."),
        ("well-known a--b 1-2 -5 re-\n-x", "well - known a -- b 1 - 2 -5 re- -x"),
        ("wait... what.... a.. ...b \u2026c", "wait ... what .... a .. ... b \u2026 c"),
        ("End. NASA. U.S. J. e.g. 3.14 5. ok.Next", "End . NASA . U.S. J. e.g. 3.14 5 . ok . Next"),
        ("see https://a.org/x?y=1, www.b.com/z me@c.net.", "see https://a.org/x?y=1 , www.b.com/z me@c.net ."),
        ("and/so key=value a:b x<y 1:2 1/2 f(x)", "and / so key = value a : b x < y 1:2 1/2 f(x )"),
        ("$5 5$ 10% 3+4 +1 C# #tag @you 20\u20ac", "$ 5 5 $ 10 % 3 + 4 +1 C # # tag @you 20 \u20ac"),
        ("日本語。한국 กำลัง abc中文", "日 本 語 。 한 국 ก ำ ลั ง abc 中 文"),
        ("l'homme, «été»; Straße über", "l'homme , « été » ; Straße über"),
        ("नमस्ते दुनिया। مرحبا، بك", "नमस्ते दुनिया । مرحبا ، بك"),
        ("no🙂space 5°C ©2020", "no 🙂 space 5 ° C © 2020"),
        ("a\u3000b\xa0c\x85d\x1ce", "a b c d e"),
        ("", ""),
        (" \n\t", ""),
        (",;:", ", ; :"),
    ],
)
def test_compiled_words(text: str, words: str) -> None:
    batch = TextBatch.of([text])
    assert batch.text_of(batch.words, 0) == words.split()


def test_a_chunk_of_a_million_words_fits() -> None:
    batch = TextBatch.of(["," * 1_000_000 + "." * 3])
    assert batch.words.counts().tolist() == [1_000_001]


def test_words_come_from_the_injected_provider_and_are_asked_for_once() -> None:
    class Halves:
        name = "halves"
        version = 1
        asked = 0

        def words(self, batch: TextBatch, /) -> Spans:
            self.asked += 1
            middle = (batch.offsets[:-1] + batch.offsets[1:]) // 2
            start = np.stack([batch.offsets[:-1], middle], axis=1).ravel()
            end = np.stack([middle, batch.offsets[1:]], axis=1).ravel()
            return Spans(start, end, np.arange(len(batch) + 1) * 2)

    halves = Halves()
    batch = TextBatch.of(["abcd", "ef"], words=halves)
    assert [batch.text_of(batch.words, i) for i in (0, 1)] == [["ab", "cd"], ["e", "f"]]
    assert batch.words is batch.words
    assert halves.asked == 1


def test_a_provider_that_loses_a_document_is_refused() -> None:
    class Short:
        name = "short"
        version = 1

        def words(self, batch: TextBatch, /) -> Spans:
            return Spans(batch.offsets[:0], batch.offsets[:0], batch.offsets[:1])

    with pytest.raises(ValueError, match="'short': 0 documents, expected 2"):
        _ = TextBatch.of(["a", "b"], words=Short()).words


def test_langs_default_to_und() -> None:
    assert list(TextBatch.of(["a", "b"]).langs) == ["und", "und"]
    assert list(TextBatch.of(["a", "b"], langs=["eng_Latn", "deu_Latn"]).langs) == ["eng_Latn", "deu_Latn"]


DATA = np.frombuffer(b"hello", np.uint8)


@pytest.mark.parametrize(
    ("data", "offsets", "langs", "message"),
    [
        (DATA, np.array([0, 6]), (), r"0\.\.6, expected rising values within 0\.\.5"),
        (DATA, np.array([-1, 5]), (), "expected rising"),
        (DATA, np.array([0, 4, 2]), (), "expected rising"),
        (DATA, np.array([], np.int64), (), "0 entries"),
        (DATA, np.array([0, 5], np.int32), (), "int32 with 1 axes, expected contiguous int64"),
        (DATA.view(np.int8), np.array([0, 5]), (), "int8 with 1 axes, expected contiguous uint8"),
        (DATA[::2], np.array([0, 3]), (), "expected contiguous"),
        (DATA, np.array([0, 5]), ("eng_Latn", "deu_Latn"), "2 codes, expected one for each of 1 documents"),
    ],
)
def test_buffers_that_a_kernel_could_not_trust_are_refused(
    data: np.ndarray, offsets: np.ndarray, langs: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TextBatch(data, offsets, langs)


def test_nothing_is_copied() -> None:
    offsets = np.array([1, 3, 5])
    batch = TextBatch(DATA, offsets)
    assert np.shares_memory(batch.data, DATA)
    assert np.shares_memory(batch.offsets, offsets)
    assert offsets.flags.writeable


def test_addresses_stay_with_their_documents() -> None:
    batch = TextBatch.of(["a", "b"], urls=["", "https://example.org/"])
    assert list(batch.with_texts(batch.data, batch.offsets).urls) == ["", "https://example.org/"]
    assert list(TextBatch.of(["a", "b"]).urls) == ["", ""]
    with pytest.raises(ValueError, match="1 addresses, expected one for each of 2 documents"):
        TextBatch.of(["a", "b"], urls=[""])
