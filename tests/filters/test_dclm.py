"""The `dclm` semantics against their rules written out in plain Python: equality is exact."""

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters import FILTERS, TextBatch, get, segments
from filters.repetition import DUP_SIZES, TOP_SIZES

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}
WORDS = [
    "the",
    "THE",
    "To",
    "with",
    "wi\u0307th",
    "word",
    "don't",
    "été",
    "日",
    "a",
    "b",
    "1",
    "11",
    "\u00b2",
    "_",
    "_a",
    "#",
]
WORDS += ["...", "....", ". . .", ". . . .", "\u2026", "-", "*", "\u25cf", "\u2022", ",", "🙂", "x" * 70]
SPACES = [" ", " ", " ", " ", "\n", "\n", "\n\n", "\n\n\n", "\n \n", "\r\n", "\x85", "\xa0", "\t", "\x1c", "\0"]
TEXT = st.lists(st.one_of(st.sampled_from(WORDS), st.sampled_from(SPACES)), max_size=60).map("".join)
REPEATED = st.tuples(TEXT, TEXT, st.integers(1, 4)).map(lambda parts: parts[0] + parts[1] * parts[2] + parts[0])
PLAIN = st.lists(st.sampled_from(["a", "bb", "the", "日"]), max_size=50).map(" ".join)
TEXTS = st.lists(st.one_of(TEXT, REPEATED, PLAIN, st.text(max_size=30)), max_size=4)


def share(part: float, whole: float, empty: float) -> float:
    return part / whole if whole else empty


def quality(text: str) -> dict[str, float]:
    words, lines = text.split(), [line.strip() for line in text.split("\n") if line.strip()]
    tokens = text
    for space in " \t\r\n\v\f\0":
        tokens = tokens.replace(space, " ")
    symbols = sum(text.count(symbol) for symbol in ("#", "...", ". . .", "\u2026"))
    return {
        "gopher.word_count": sum(token[:1].isalnum() for token in tokens.split(" ")),
        "gopher.mean_word_length": share(sum(map(len, words)), len(words), 0.0),
        "gopher.symbol_ratio": share(symbols, len(words), 1.0),
        "gopher.bullet_line_ratio": share(sum(line[0] in "\u25cf\u2022*-" for line in lines), len(lines), 0.0),
        "gopher.ellipsis_line_ratio": share(
            sum(line.endswith(("...", ". . .", "\u2026")) for line in lines), len(lines), 0.0
        ),
        "gopher.alpha_word_ratio": share(sum(any(map(str.isalpha, word)) for word in words), len(words), 0.0),
        "gopher.stop_words": sum(word.lower() in STOP_WORDS for word in words),
    }


def repeated(pieces: list[str]) -> tuple[float, float]:
    pieces = [piece.strip() for piece in pieces if piece.strip()]
    copies = [piece for piece in pieces if pieces.count(piece) > 1]
    return share(len(copies), len(pieces), 1.0), share(len("".join(copies)), len("".join(pieces)), 1.0)


def top(words: list[str], n: int) -> float:
    counts = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    most = max(counts.values(), default=0)
    longest = max((len("".join(gram)) for gram, count in counts.items() if count == most), default=0)
    return longest * most / len("".join(words)) if most > 1 else 0.0


def covered(words: list[str], n: int) -> float:
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    positions = {i + k for i, gram in enumerate(grams) if grams.count(gram) > 1 for k in range(n)}
    return share(sum(len(words[i]) for i in positions), len("".join(words)), 0.0)


def repetition(text: str, words: list[str]) -> dict[str, float]:
    lines, paragraphs = repeated(text.split("\n")), repeated(text.split("\n\n"))
    values = {
        "repetition.dup_line_ratio": lines[0],
        "repetition.dup_line_char_ratio": lines[1],
        "repetition.dup_paragraph_ratio": paragraphs[0],
        "repetition.dup_paragraph_char_ratio": paragraphs[1],
    }
    values |= {f"repetition.top_{n}_gram_char_ratio": top(words, n) if text else 1.0 for n in TOP_SIZES}
    return values | {f"repetition.dup_{n}_gram_char_ratio": covered(words, n) if text else 1.0 for n in DUP_SIZES}


@settings(deadline=None, max_examples=400)
@given(TEXTS)
@example(["THE\x00", "the\0\0"])
def test_values_are_those_of_the_rules(texts: list[str]) -> None:
    batch = TextBatch.of(texts)
    words = batch.once(segments.words)
    wanted = [quality(text) | repetition(text, batch.text_of(words, i)) for i, text in enumerate(texts)]
    for rule in {**quality(""), **repetition("", [])}:
        assert FILTERS[f"{rule}@dclm"].measure(batch).tolist() == [values[rule] for values in wanted], rule


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("Hello, World.\nHello, World.\n\nHello", "repetition.dup_line_ratio", 1 / 3),
        ("Hello, World.\nHello, World.\n\nHello", "repetition.dup_line_ratio@dclm", 2 / 3),
        ("Hello, World.\nHello, World.\n\nHello", "repetition.dup_line_char_ratio@dclm", 26 / 31),
        ("one\n\n two \n\n\none", "repetition.dup_paragraph_ratio@dclm", 2 / 3),
        ("a b, a b; cc dd - cc dd", "repetition.top_2_gram_char_ratio@dclm", 8 / 12),
        ("a b c", "repetition.top_2_gram_char_ratio@dclm", 0.0),
        ("a a a a a a", "repetition.dup_5_gram_char_ratio@dclm", 1.0),
        ("1 2 3 4 5 6 x 1 2 3 4 5", "repetition.dup_5_gram_char_ratio@dclm", 10 / 12),
        ("The the THE of", "gopher.stop_words", 2),
        ("The the THE of", "gopher.stop_words@dclm", 4),
        ("#one ... . . . \u2026", "gopher.symbol_ratio@dclm", 4 / 6),
    ],
)
def test_by_hand(text: str, name: str, value: float) -> None:
    assert FILTERS[name].measure(TextBatch.of([text])).tolist() == [value]


def test_both_semantics_of_a_rule_have_their_own_column() -> None:
    plain, other = get("gopher.word_count"), get("gopher.word_count@dclm")
    assert (plain.rule, plain.column) == ("gopher.word_count", "gopher.word_count@datatrove.1")
    assert (other.rule, other.column) == ("gopher.word_count", "gopher.word_count@dclm.1")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("gopher.symbol_ratio", "gopher.symbol_ratio@dclm"),
        ("gopher.word_count@datatrove", "gopher.word_count, gopher.word_count@dclm"),
        ("gopher.word_count@dlcm", "gopher.word_count, gopher.word_count@dclm"),
        ("gopher.word_cuont@dclm", "gopher.word_count@dclm"),
        ("repetition.dup_line_ration@dclm", "repetition.dup_line_ratio@dclm"),
    ],
)
def test_a_wrong_semantics_is_told_the_forms_there_are(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean {near}"):
        get(name)
