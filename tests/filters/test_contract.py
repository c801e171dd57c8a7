"""What every filter promises, checked for each one in the registry."""

import inspect
import re
from collections.abc import Sequence

import numpy as np
import pytest

from filters import FILTERS, TextBatch, get, register
from filters.registry import Bounds

HOSTILE = [
    "",
    " \n\t ",
    "\n\n\n",
    "a",
    "...",
    "\u2026",
    "-",
    "#",
    "# \n" * 300,
    "the be to of and that have with",
    "🙂" * 50,
    "👩\u200d👩\u200d👧 🏳\ufe0f\u200d🌈",
    "x" * 100_000,
    "the same line\n" * 5_000,
    ", " * 20_000,
    ("b " * 3 + ". " + "c " * 4) * 3_000,
    "नमस्ते दुनिया।",
    "日本語の文章です。ไม่มีช่องว่าง 한국어",
    "שלום עולם مرحبا بالعالم",
    "a\u0000b",
    "\ufeffbyte order mark",
    "\u0301" * 40,
    "\x1c\x85\u2028\u2029\u3000\xa0",
    "line\rline\r\nline\x0bline\x0cline\x1eline\x85line\u2028line",
    "\U0010ffff\ufffe\ue000",
    "word " * 2_000 + "\n\n" + "word " * 2_000,
]


PROSE = [
    "The ship that they have is to sail with the tide, and it will not be here again.",
    "Der Hund und die Katze sind nicht mit dem Kind im Haus, das ist es, was sie sagt.",
    "Le chat est dans la maison et les enfants ne sont pas l\u00e0, mais il y a un chien.",
]
LANGUAGES = ["eng_Latn", "deu_Latn", "fra_Latn", "rus_Cyrl", "jpn_Jpan", "und"]
DOCUMENTS = [(text, "und") for text in HOSTILE] + [(text, lang) for lang in LANGUAGES for text in PROSE]
"""Texts, and their languages: what a value depends on, beside the address."""


def batch_of(documents: Sequence[tuple[str, str]], url: str = "") -> TextBatch:
    texts, langs = [text for text, _ in documents], [lang for _, lang in documents]
    return TextBatch.of(texts, langs=langs, urls=[url] * len(documents))


@pytest.fixture(scope="module")
def hostile() -> TextBatch:
    return batch_of(DOCUMENTS)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("texts", [HOSTILE, []], ids=["hostile", "no-rows"])
def test_one_finite_number_per_document(name: str, texts: list[str]) -> None:
    values = FILTERS[name].measure(TextBatch.of(texts))
    assert values.shape == (len(texts),)
    assert values.dtype == np.float64
    assert np.isfinite(values).all()


@pytest.mark.parametrize("name", FILTERS)
def test_value_does_not_depend_on_the_batch(name: str, hostile: TextBatch) -> None:
    measure = FILTERS[name].measure
    whole = measure(hostile).tolist()
    assert [measure(batch_of([document]))[0] for document in DOCUMENTS] == whole
    assert measure(batch_of(DOCUMENTS[::-1])).tolist() == whole[::-1]


@pytest.mark.parametrize("name", FILTERS)
def test_value_does_not_depend_on_what_lies_around_the_documents(name: str, hostile: TextBatch) -> None:
    """A slice of an Arrow column has offsets into a buffer that goes on before and after it."""
    measure = FILTERS[name].measure
    inner = TextBatch(hostile.data, hostile.offsets[3:-2], hostile.langs[3:-2])
    assert measure(inner).tolist() == measure(hostile).tolist()[3:-2]


@pytest.mark.parametrize("name", [name for name, chosen in FILTERS.items() if not chosen.reads_urls])
def test_a_filter_that_does_not_say_so_reads_no_url(name: str, hostile: TextBatch) -> None:
    found = FILTERS[name].measure(batch_of(DOCUMENTS, "https://www.example.org/a/b"))
    assert found.tolist() == FILTERS[name].measure(hostile).tolist()


@pytest.mark.parametrize("name", FILTERS)
def test_measuring_twice_gives_the_same_and_leaves_the_batch(name: str) -> None:
    batch = TextBatch.of(HOSTILE[:8])
    first = FILTERS[name].measure(batch).copy()
    FILTERS[name].measure(batch)[:] = np.nan  # a result belongs to its caller
    assert FILTERS[name].measure(batch).tolist() == first.tolist()


@pytest.mark.parametrize("name", FILTERS)
def test_values_stay_in_the_declared_range(name: str, hostile: TextBatch) -> None:
    chosen = FILTERS[name]
    values = chosen.measure(hostile)
    assert chosen.low is None or values.min() >= chosen.low
    assert chosen.high is None or values.max() <= chosen.high
    said = re.search(r"\b0\.\.(\d+(?:\.\d+)?)", f"{chosen.unit} {chosen.doc}")
    assert said is None or chosen.high == float(said[1]), "say it to `register` too, so that bounds beyond are refused"


@pytest.mark.parametrize("name", FILTERS)
def test_default_bounds_can_fire(name: str) -> None:
    chosen = FILTERS[name]
    for bound in (chosen.default.min, chosen.default.max):
        if bound is not None:
            assert chosen.low is None or bound >= chosen.low
            assert chosen.high is None or bound <= chosen.high
    if chosen.default.min is not None and chosen.default.max is not None:
        assert chosen.default.min <= chosen.default.max
    assert chosen.default.min is None or chosen.default.min != chosen.low, "keeps every document"
    assert chosen.default.max is None or chosen.default.max != chosen.high, "keeps every document"


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_says_what_it_is(name: str) -> None:
    chosen = FILTERS[name]
    assert chosen.name == name
    assert name in (chosen.rule, f"{chosen.rule}@{chosen.semantics}")
    assert chosen.column == f"{chosen.rule}@{chosen.semantics}.{chosen.version}"
    assert chosen.version >= 1
    for text in (chosen.doc, chosen.unit, chosen.source, chosen.semantics):
        assert text.strip()
    assert chosen.doc.endswith((".", ")"))


@pytest.mark.parametrize("name", FILTERS)
def test_knobs_are_keyword_only_typed_and_have_defaults(name: str) -> None:
    batch, *knobs = inspect.signature(FILTERS[name].measure, eval_str=True).parameters.values()
    assert batch.annotation is TextBatch
    for knob in knobs:
        assert knob.kind is knob.KEYWORD_ONLY
        assert knob.annotation is not knob.empty
        assert knob.default is not knob.empty


def test_an_unknown_name_lists_near_misses() -> None:
    with pytest.raises(ValueError, match=r"did you mean gopher\.alpha_word_ratio"):
        get("gopher.alpha_word_ration")
    with pytest.raises(ValueError, match=r"length\.bytes"):
        get("nothing like it")
    with pytest.raises(ValueError, match=r"did you mean gopher\.word_count"):
        get("gopher.word_count@dlcm")


def test_a_name_says_no_other_semantics_than_its_own() -> None:
    with pytest.raises(ValueError, match="register it as rule@y"):
        register("some.rule@x", unit="u", source="s", semantics="y", version=1)


def test_a_name_is_registered_once() -> None:
    taken = next(iter(FILTERS))
    with pytest.raises(ValueError, match="already registered"):
        register(taken, unit="u", source="s", semantics="x", version=1, default=Bounds(min=1))(FILTERS[taken].measure)
