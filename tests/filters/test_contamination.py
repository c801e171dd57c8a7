"""Evaluation texts in documents, against the rule written out in plain Python: who is found, how much, and where."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import TextBatch
from filters.contamination import Hit, hits, ngram
from filters.evaluation import EvaluationSets, Row, Settings

SMALL = Settings(3, 2, 2)
"""Short grams, so that small texts have many."""

VOCABULARY = [f"w{i}" for i in range(12)] + ["Été", "ΣΟΦΟΣ", "12", "don't", "well-known", "日本", "नमस्ते"]
TEXTS = st.lists(st.sampled_from(VOCABULARY), max_size=12).map(" ".join)
SETS = st.dictionaries(st.sampled_from(["a", "b"]), st.lists(TEXTS, max_size=6), max_size=2)
WORDS = 26


def rows(texts: Sequence[str]) -> list[Row]:
    return [Row(number, "question", text) for number, text in enumerate(texts, 1)]


def sets_of(texts: Mapping[str, Sequence[str]]) -> EvaluationSets:
    return EvaluationSets.of({name: rows(each) for name, each in texts.items()})


def words_of(text: str) -> list[str]:
    decomposed = unicodedata.normalize("NFD", text.lower()).replace("\u03c2", "\u03c3")
    bare = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    return re.findall(r"[\u3400-\u9fff]|(?:(?![\u3400-\u9fff])(?:[^\W_]|[\u0900-\u097f]))+", bare)


def runs(words: Sequence[str], size: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def value(document: str, sets: Mapping[str, Sequence[str]], chosen: Settings) -> float:
    """The rule, from the words on."""
    best = 0.0
    held = words_of(document)
    for texts in sets.values():
        distinct = {tuple(words_of(text)) for text in texts}
        grams = {words: runs(words, min(len(words), chosen.n)) for words in distinct if len(words) >= chosen.shortest}
        often = Counter(gram for each in grams.values() for gram in each)
        for words, each in grams.items():
            counted = {gram for gram in each if often[gram] <= chosen.common}
            if counted:
                shared = len(counted & runs(held, min(len(words), chosen.n)))
                best = max(best, shared / len(counted))
    return best


@settings(deadline=None, max_examples=300)
@given(SETS, st.lists(st.one_of(TEXTS, st.text(max_size=30)), max_size=4))
def test_values_are_those_of_the_rule(sets: dict[str, list[str]], documents: list[str]) -> None:
    chosen = {"n": SMALL.n, "shortest": SMALL.shortest, "common": SMALL.common}
    found = ngram(TextBatch.of(documents), sets=sets_of(sets), **chosen)
    assert found.tolist() == [value(document, sets, SMALL) for document in documents]


def item(seed: int, length: int = WORDS) -> list[str]:
    return [f"term{seed}x{i}" for i in np.random.default_rng(seed).permutation(length)]


def edited(words: Sequence[str], draw: np.random.Generator) -> str:
    """The words in other case, with other punctuation and white space between them."""
    between = [" ", ", ", "  ", "\n", " - ", "... ", "\t", "\u3000", "\u00a0", "; (", "/"]
    cased = [str(draw.choice([word.upper(), word.title(), word])) for word in words]
    return "".join(word + str(draw.choice(between)) for word in cased[:-1]) + cased[-1]


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from(["", "“", "Ж🙂"]), st.integers(0, 10**6))
def test_a_planted_item_is_found_at_its_place_whatever_its_case_punctuation_and_spaces(
    before: int, behind: int, mark: str, seed: int
) -> None:
    sets = EvaluationSets.of({"one": rows([" ".join(item(k)) for k in range(20)])})
    planted = edited(item(7), np.random.default_rng(seed))
    lead = "größer слово " * before + mark + " "
    document = lead + planted + "? " + "filler " * behind
    found = list(hits(TextBatch.of(["nothing", document]), sets, Settings(13, 8, 10), 0.5))
    assert [(hit.document, hit.text) for hit in found] == [(1, 7)]
    assert found[0].containment == 1.0
    assert document[found[0].start : found[0].end] == planted


@given(st.integers(0, 10**6))
def test_the_same_words_in_another_order_are_not_found(seed: int) -> None:
    words = item(3)
    shuffled = [words[i] for i in np.random.default_rng(seed).permutation(len(words))]
    sets = sets_of({"one": [" ".join(words)]})
    if not runs(words, 13) & runs(shuffled, 13):
        assert ngram(TextBatch.of([" ".join(shuffled)]), sets=sets).tolist() == [0.0]


def test_other_numbers_make_another_question() -> None:
    asked = "Ann buys {} apples at {} cents each and pays with a note of {} euros how much is left"
    sets = sets_of({"sums": [asked.format(12, 30, 10)]})
    same, other = ngram(TextBatch.of([asked.format(12, 30, 10), asked.format(17, 45, 20)]), sets=sets, n=8)
    assert same == 1.0
    assert other < 0.1


def test_what_many_texts_of_a_set_share_does_not_count_and_what_two_sets_share_does() -> None:
    template = "answer the following question with one of the letters a b c or d please"
    own = [" ".join(item(k, 20)) for k in range(11)]
    sets = sets_of({"with": [f"{template} {text}" for text in own], "without": own[:2]})
    found = ngram(TextBatch.of([template, own[0], f"{template} {own[10]}"]), sets=sets)
    assert found.tolist() == [0.0, 1.0, 1.0]
    index = sets.index(Settings(13, 8, 10))
    assert index.num_common.tolist() == [3, 0]


def test_a_passage_that_many_items_share_is_one_text() -> None:
    passage = " ".join(item(1))
    sets = EvaluationSets.of({"reading": [Row(k, "passage", passage) for k in range(30)]})
    assert len(sets.first) == 2
    assert ngram(TextBatch.of([passage.upper()]), sets=sets).tolist() == [1.0]


@pytest.mark.parametrize(("length", "found"), [(7, 0.0), (8, 1.0), (12, 1.0), (13, 1.0)])
def test_a_short_text_counts_as_a_whole_from_the_least_length_on(length: int, found: float) -> None:
    text = " ".join(item(2, length))
    sets = sets_of({"s": [text]})
    part = " ".join(item(2, length)[:-1])
    assert ngram(TextBatch.of([f"so {text} it is", part]), sets=sets).tolist() == [found, 0.0]
    assert sets.index(Settings(13, 8, 10)).too_short.tolist() == [found == 0.0]


def test_stretches_far_apart_are_told_apart_and_the_fullest_is_shown() -> None:
    words = item(5, 40)
    part, most = " ".join(words[:15]), " ".join(words[12:])
    document = f"{part} {'filler ' * 50}{most} end"
    [hit] = hits(TextBatch.of([document]), sets_of({"s": [" ".join(words)]}), Settings(13, 8, 10), 0.1)
    assert hit.stretches == 2
    assert document[hit.start : hit.end] == most
    assert 0 < hit.containment < 1


@pytest.mark.parametrize("between", [" ", "; filler ", " filler" * 20])
def test_of_two_copies_the_first_is_shown(between: str) -> None:
    text = " ".join(item(6))
    document = f"filler {text.upper()}{between}{text} end"
    [hit] = hits(TextBatch.of([document]), sets_of({"s": [text]}), Settings(13, 8, 10), 0.5)
    assert document[hit.start : hit.end] == text.upper()


@settings(deadline=None, max_examples=50)
@given(st.lists(TEXTS, min_size=1, max_size=8), st.data())
def test_hits_do_not_depend_on_the_batch_and_agree_with_the_value(documents: list[str], data: st.DataObject) -> None:
    sets = sets_of({"a": documents[::2], "b": documents[1::2]})
    share = data.draw(st.sampled_from([0.0, 0.5, 1.0]))

    def found(texts: Sequence[str], base: int = 0) -> list[tuple[int, Hit]]:
        return [(base + h.document, h) for h in hits(TextBatch.of(texts), sets, SMALL, share)]

    cut = data.draw(st.integers(0, len(documents)))
    whole = found(documents)
    parts = found(documents[:cut]) + found(documents[cut:], cut)
    same = [(n, h.text, h.matched, h.grams, h.start, h.end, h.stretches) for n, h in whole]
    assert [(n, h.text, h.matched, h.grams, h.start, h.end, h.stretches) for n, h in parts] == same
    values = ngram(TextBatch.of(documents), sets=sets, n=SMALL.n, shortest=SMALL.shortest, common=SMALL.common)
    for number, each in enumerate(values):
        best = max((h.containment for n, h in whole if n == number), default=0.0)
        assert best == (each if each >= share else 0.0)


@pytest.mark.parametrize("wrong", [Settings(0, 0, 1), Settings(5, 8, 10), Settings(65, 8, 10), Settings(13, 8, 0)])
def test_settings_that_mean_nothing_are_refused(wrong: Settings) -> None:
    with pytest.raises(ValueError, match="expected 1 <= shortest <= n"):
        sets_of({"s": ["a b c"]}).index(wrong)
