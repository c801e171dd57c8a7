"""Against the rules written out in plain Python, given the same words: equality is exact."""

import json
import re
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import FILTERS, Spans, TextBatch, c4
from filters.c4_lines import NO_STOP
from filters.punctuation import KINDS, TERMINAL, code_points

NAMES = [name for name in FILTERS if name.startswith("c4.")]
KNOBS = [{"terminal_punct": True}, {"terminal_punct": False}]
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
ENDS_SENTENCE = {chr(c) for c in np.flatnonzero(KINDS & TERMINAL)} - set(map(chr, code_points(NO_STOP)))

WORDS = [
    "the",
    "cat",
    "sat",
    "Mr.",
    "U.S.",
    "ok.Next",
    "été",
    "数据",
    "x" * 999,
    "y" * 1001,
    "\u00e9" * 1000,
    "a" * 990,
]
CITATIONS = ["[1]", "[]", "[edit]", "[citation needed]", "[٣]", "[1", "1]", "[[2]]", "[1[3]2]", "[Edit]", "[²]", "["]
PHRASED = ["lorem ipsum", "LOREM IPSUM", "Lorem  ipsum", "JavaScript", "java", "script", "{", "}", "\u0130psum"]
PHRASED += [*POLICIES, "Terms of Use", "use coo\u212aies", "coo\u212aie policy", "uses", "cookies", "privacy", "policy"]
MARKS = [".", ".", "!", "?", '"', "'", "...", "..", "\u2026", "\u201d", ")", "。", "।", "\u1b7d", "$", "—", "🙂"]
SPACES = [" ", " ", " ", " ", "  ", "\n", "\n", "\r\n", "\u2028", "\x1c", "\x1f", "\xa0", "\u3000", "\t", ""]
SENTENCES = ["A cat sat.", "A cat sat on it. ", "So it is! ", "He (it?) said: "]
FIXED = [*WORDS, *CITATIONS, *PHRASED, *MARKS, *SPACES, *3 * SPACES, *10 * SENTENCES]
LINE = st.lists(st.one_of(st.sampled_from(FIXED), st.characters(codec="utf-8")), max_size=12).map("".join)
TEXTS = st.lists(st.lists(LINE, max_size=6).map("\n".join), max_size=4)


def count_sentences(text: str, words: list[str]) -> int:
    """What spaCy's sentencizer makes of these words, where every space but a lone blank is a word as well."""
    tokens, at = [], 0
    for word in [*words, ""]:
        begin = text.index(word, at) if word else len(text)
        space = text[at:begin]
        tokens += [token for token in (space if at == 0 else re.sub("^ ", "", space), word) if token]
        at = begin + len(word)
    count, ended = 1, False
    for token in tokens:
        if ended and not all(unicodedata.category(c).startswith("P") for c in token):
            count, ended = count + 1, False
        ended = ended or token in ENDS_SENTENCE
    return count


def words_of(text: str) -> list[str]:
    batch = TextBatch.of([text])
    return batch.text_of(batch.words, 0)


def verdict(line: str, text: str, *, terminal_punct: bool) -> str:
    """The first rule that the stripped line breaks, `text` being the line without citations; "kept" if none."""
    lower = text.lower()
    rules = {
        "long word": any(len(word) > 1000 for word in line.split()),
        "no terminal": terminal_punct and (text[-1:] not in (*".?!\"'",) or text.endswith("...")),
        "few words": len(line.split()) < 3,
        "c4.lorem_ipsum": "lorem ipsum" in lower,
        "javascript": "javascript" in lower,
        "c4.curly_bracket": "{" in text,
        "policy": any(phrase in lower for phrase in POLICIES),
    }
    return next((rule for rule, broken in rules.items() if broken), "kept")


def expected(text: str, *, terminal_punct: bool) -> dict[str, Any]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    cited = [re.sub(r"\[(\d*|edit|citation needed)\]", "", line) for line in lines]
    verdicts = [verdict(line, rest, terminal_punct=terminal_punct) for line, rest in zip(lines, cited, strict=True)]
    kept = [rest for rest, found in zip(cited, verdicts, strict=True) if found == "kept"]
    shares = {name: verdicts.count(name) / max(len(lines), 1) for name in ("c4.lorem_ipsum", "c4.curly_bracket")}
    return shares | {
        "c4.sentences": sum(count_sentences(line, words_of(line)) for line in kept),
        "c4.removed_line_share": (len(lines) - len(kept)) / max(len(lines), 1),
        "clean": "\n".join(kept).strip(),
    }


def measured(texts: list[str], *, terminal_punct: bool) -> list[dict[str, Any]]:
    batch = TextBatch.of(texts)
    columns = {name: FILTERS[name].measure(batch, terminal_punct=terminal_punct).tolist() for name in NAMES}
    columns["clean"] = cleaned(batch, terminal_punct=terminal_punct)
    return [{name: values[i] for name, values in columns.items()} for i in range(len(texts))]


def cleaned(batch: TextBatch, *, terminal_punct: bool = True) -> list[str]:
    data, offsets = c4.clean(batch, terminal_punct=terminal_punct)
    assert len(data) == offsets[-1]
    return [data[offsets[i] : offsets[i + 1]].tobytes().decode() for i in range(len(batch))]


def sample() -> list[str]:
    packed = Path("tests/data/sample/jsonl/docs.jsonl.zst").read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(packed) as lines:
        return [json.loads(line)["text"] for line in lines.read().splitlines()]


@settings(deadline=None, max_examples=300)
@given(TEXTS)
def test_values_and_texts_are_those_of_the_rules(texts: list[str]) -> None:
    for knobs in KNOBS:
        assert measured(texts, **knobs) == [expected(text, **knobs) for text in texts]


@pytest.mark.parametrize("knobs", KNOBS)
def test_values_and_texts_of_the_sample_are_those_of_the_rules(knobs: dict[str, bool]) -> None:
    assert measured(sample(), **knobs) == [expected(text, **knobs) for text in sample()]


@pytest.mark.parametrize(
    ("line", "left", "left_unpunctuated"),
    [
        ("He said it.[1] So they left.[citation needed]", "He said it. So they left.", "He said it. So they left."),
        ("A citation leaves a space. [1]", "", "A citation leaves a space."),
        ("[2] A citation before it.", "A citation before it.", "A citation before it."),
        ("Two dots and..[3].", "", "Two dots and..."),
        ("So it goes...", "", "So it goes..."),
        ("So it goes\u2026", "", "So it goes\u2026"),
        ('He asked: "Is it so?"', 'He asked: "Is it so?"', 'He asked: "Is it so?"'),
        ("Is it \u201cso?\u201d", "", "Is it \u201cso?\u201d"),
        ("[1] [2] counted.", "counted.", "counted."),
        ("two words.", "", ""),
        ("\u3000one\xa0two\x1fthree.\u2003", "one\xa0two\x1fthree.", "one\xa0two\x1fthree."),
        ("one two " + "\u00e9" * 1000 + ".", "", ""),
        ("one two " + "\u00e9" * 999 + ".", "one two " + "\u00e9" * 999 + ".", "one two " + "\u00e9" * 999 + "."),
        ("Turn Java[1]Script on.", "", ""),
        ("This site uses COO\u212aIES here.", "", ""),
        ("[1] [2] [3]", "", ""),
    ],
)
def test_the_text_that_a_line_leaves(line: str, left: str, left_unpunctuated: str) -> None:
    batch = TextBatch.of([line, f"One line before.\r\n{line}\r\nOne line after."])
    for terminal_punct, text in ((True, left), (False, left_unpunctuated)):
        alone, between = cleaned(batch, terminal_punct=terminal_punct)
        assert alone == text
        assert between.split() == f"One line before. {text} One line after.".split()


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("Heading\nLorem Ipsum is text.\n\n", "c4.lorem_ipsum", 0.5),
        ("Lorem Ipsum\nIt is a text.", "c4.lorem_ipsum", 0.0),
        ("Use it {so} here.\nOne two three.\nOne two.\nOne", "c4.curly_bracket", 0.25),
        ("int main() {\n  return 0;\n}", "c4.curly_bracket", 0.0),
        ("With javascript {so} here.", "c4.curly_bracket", 0.0),
        ("Lorem ipsum {so} here.", "c4.curly_bracket", 0.0),
        ("One two three.\n\n\nOne\n \n", "c4.removed_line_share", 0.5),
        ("One two three. Four!\nFive (six?) seven. \u201cEight.\u201d Nine.", "c4.sentences", 6.0),
        ("1. One two three.", "c4.sentences", 2.0),
        ("Mr. Smith saw www.a.org at 3.14 p.m. today.", "c4.sentences", 1.0),
        ("Really?! Yes it is.) So?", "c4.sentences", 3.0),
        ("One two \u1b5a three.", "c4.sentences", 2.0),
        ("One two \u1b7d three.", "c4.sentences", 1.0),
    ],
)
def test_by_hand(text: str, name: str, value: float) -> None:
    assert FILTERS[name].measure(TextBatch.of([text])).tolist() == [value]


def test_a_line_of_citations_alone_is_kept_as_one_sentence_without_the_rule_of_terminal_punctuation() -> None:
    """As in datatrove, whose last sentence of a line may be spaces; it leaves nothing in the text."""
    batch = TextBatch.of(["[1] [2] [3]", "It is so.  [1]", "It is so. [1]"])
    assert c4.sentences(batch, terminal_punct=False).tolist() == [1, 2, 1]
    assert cleaned(batch, terminal_punct=False) == ["", "It is so.", "It is so."]


def test_sentences_are_those_of_the_providers_words() -> None:
    class Blanks:
        name = "blanks"
        version = 1

        def words(self, batch: TextBatch, /) -> Spans:
            texts = [batch.data[s:e].tobytes() for s, e in pairwise(batch.offsets)]
            found = [[m.span() for m in re.finditer(rb"[^ \n]+", text)] for text in texts]
            first = np.cumsum([0, *map(len, found)])
            spans = [(s + at, e + at) for at, words in zip(batch.offsets, found, strict=False) for s, e in words]
            start, end = np.array(spans, np.int64).reshape(-1, 2).T
            return Spans(start.copy(), end.copy(), first)

    texts = ["So it is. Or not.", "So it is . Or[1] not .\nSo it [2]. Or not!", "So it is . Or not ."]
    assert c4.sentences(TextBatch.of(texts, words=Blanks())).tolist() == [1, 3 + 1, 2]


@pytest.mark.parametrize("text", ["", "\n", " \n\t "])
def test_the_default_bounds_reject_a_document_without_words(text: str) -> None:
    default = FILTERS["c4.sentences"].default
    assert default.min is not None
    assert c4.sentences(TextBatch.of([text]))[0] < default.min
    assert cleaned(TextBatch.of([text])) == [""]


def test_cleaning_takes_documents_as_they_lie_in_a_column() -> None:
    whole = TextBatch.of(["One two three.", "[1] One {two} three.\nOne two [2] three.", "x", "One two three."])
    inner = TextBatch(whole.data, whole.offsets[1:-1])
    assert cleaned(inner) == ["One two  three.", ""]
    assert cleaned(TextBatch.of([])) == []
