"""Against the rules written out in plain Python: equality is exact."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters import FILTERS, TextBatch, refinedweb
from filters.refinedweb import RULES

UPPERCASE, NUMERIC, COUNTER, ONE_WORD, CALL = RULES
SMALL = str.maketrans({chr(c): chr(c + 32) for c in range(65, 91)})
NOUNS = "likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes|downloads|views|followers"
IS_COUNTER = re.compile(rf"\W*\d[,.\d]*[kmb]?\s+(?:{NOUNS})\W*")
SIGN_IN = re.compile(r"sign-in(?!\w)\s?")
READ_MORE = re.compile(r"\s?(?<!\w)read more(?!\w).{3}$")
IN_CART = re.compile(r"\s?(?<!\w)items in cart(?!\w)")

PIECES = st.one_of(
    st.sampled_from(["\n", "\n", "\n", " ", " ", "\u3000", "\xa0", "\t", "\0"]),
    st.sampled_from(["a", "one two", "A", "ÀÉ", "BIG", "12", "٣", "²", "½", "_"]),
    st.sampled_from(["3 likes", "1.2k views", "7,000 Shares!", "• 5M\u3000followers", "3 like", "9 likesx", "½ likes"]),
    st.sampled_from(["Read more...", "read more", " READ MORE >>", "Sign-in", "sign-in ", "Sign-ing"]),
    st.sampled_from(["items in cart", "3 Items In Cart."]),
    st.characters(exclude_categories=["Cs"]),
)
TEXTS = st.lists(st.lists(PIECES, max_size=25).map("".join), max_size=4)


def words_of(text: str) -> int:
    return sum(word[:1].isalnum() for word in re.split("[ \t\n\r\v\f\0]+", text.lstrip()))


def rule_of(line: str) -> str | None:
    if 2 * sum(map(str.isupper, line)) > len(line):
        return UPPERCASE
    if line.strip().isdigit():
        return NUMERIC
    if IS_COUNTER.fullmatch(line.translate(SMALL)):
        return COUNTER
    return ONE_WORD if len(line.split()) < 2 else None


def without_calls(line: str) -> str:
    if len(line.split()) > 10:
        return line
    small = line.translate(SMALL)
    start, end = len(line) - len(line.lstrip()), len(line.rstrip())
    cuts = []
    if found := SIGN_IN.match(small, start, end):
        cuts.append(found.span())
        start = found.end()
    more = READ_MORE.search(small, start, end)
    carts = [cart.span() for cart in IN_CART.finditer(small, start, more.start() if more else end)]
    if more:
        cuts.append(more.span())
    for a, b in sorted([*cuts, *carts], reverse=True):
        line = line[:a] + line[b:]
    return line


def expected(text: str) -> tuple[str, dict[str, int]]:
    """(what the rules leave, words that each takes out)"""
    gone, left = dict.fromkeys(RULES, 0), []
    for line in text.split("\n"):
        if rule := rule_of(line) if line else None:
            gone[rule] += words_of(line)
            continue
        kept = without_calls(line)
        gone[CALL] += words_of(line) - words_of(kept)
        if kept.strip() or not line:
            left.append(kept)
    return "\n".join(left).strip(), gone


def left_by(batch: TextBatch, document: int) -> str:
    spans = refinedweb.removed(batch).spans
    text, p = bytearray(), int(batch.offsets[document])
    for j in range(spans.first[document], spans.first[document + 1]):
        text += batch.data[p : spans.start[j]].tobytes()
        p = int(spans.end[j])
    return (text + batch.data[p : batch.offsets[document + 1]].tobytes()).decode().strip()


@settings(deadline=None, max_examples=500)
@given(TEXTS)
@example(["Read more...items in cart\u3000a"])
@example(["(items in cart) a b", "Sign-in items in cart\nthe end is near", "x\n \ny z"])
@example(["a b c d e f g h read more...", "a b c d e f g h i read more..."])
def test_values_and_what_is_left_are_those_of_the_rules(texts: list[str]) -> None:
    batch = TextBatch.of(texts)
    wanted = [expected(text) for text in texts]
    words = [sum(map(words_of, text.split("\n"))) for text in texts]
    assert [left_by(batch, i) for i in range(len(texts))] == [left for left, _ in wanted]
    for rule in RULES:
        values = FILTERS[f"refinedweb.removed_{rule}"].measure(batch).tolist()
        assert values == [gone[rule] / n if n else 0.0 for (_, gone), n in zip(wanted, words, strict=True)], rule
    whole = FILTERS["refinedweb.removed_word_ratio"].measure(batch).tolist()
    assert whole == [sum(gone.values()) / n if n else 1.0 for (_, gone), n in zip(wanted, words, strict=True)]


@settings(deadline=None, max_examples=100)
@given(TEXTS)
def test_what_is_removed_is_in_order_within_its_document_and_without_overlaps(texts: list[str]) -> None:
    batch = TextBatch.of(texts)
    found = refinedweb.removed(batch)
    assert len(found.rule) == len(found.spans.start)
    for i in range(len(texts)):
        own = slice(found.spans.first[i], found.spans.first[i + 1])
        start, end = found.spans.start[own], found.spans.end[own]
        ends = [batch.offsets[i], *end.tolist()]
        assert all(a <= b for a, b in zip(ends, [*start.tolist(), batch.offsets[i + 1]], strict=True))
        assert (start < end).all()


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("BREAKING NEWs", UPPERCASE),
        ("ABcd", ONE_WORD),
        ("2024", NUMERIC),
        ("3 likes", COUNTER),
        ("• 1,234K Followers •", COUNTER),
        ("3 like", None),
        ("three likes", None),
        ("Home", ONE_WORD),
        ("About us", None),
    ],
)
def test_a_line_goes_by_the_first_rule_that_holds(line: str, rule: str | None) -> None:
    found = refinedweb.removed(TextBatch.of([line]))
    assert [RULES[k] for k in found.rule] == ([rule] if rule else [])


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("Story of the day Read more...", "Story of the day"),
        ("Story of the day read more >>", "Story of the day"),
        ("Story of the day read more", "Story of the day read more"),  # three characters must follow
        ("I would like to read more of", "I would like to"),  # any three characters, as in DCLM
        ("Sign-in to go on", "to go on"),
        ("Please Sign-in to go on", "Please Sign-in to go on"),
        ("You have 3 items in cart, look", "You have 3, look"),
        ("three items in cartons", "three items in cartons"),  # DIFFERS: whole words
        ("1 2 3 4 5 6 7 8 items in cart", "1 2 3 4 5 6 7 8 items in cart"),  # more than 10 words
        ("1 2 3 4 5 6 7 items in cart", "1 2 3 4 5 6 7"),
    ],
)
def test_of_a_short_line_only_the_call_goes(line: str, left: str) -> None:
    assert left_by(TextBatch.of([line]), 0) == left


@pytest.mark.parametrize("text", ["", " \n\t ", "... --- ..."])
def test_the_default_bound_rejects_a_document_without_words(text: str) -> None:
    assert refinedweb.removed_word_ratio(TextBatch.of([text])).tolist() == [1.0]
