"""Words of Unicode (UAX 29): the table against that of the `regex` module, the words against the rules one by one.

`regex` itself parts "a\u0301.b" before the b, where WB4 and WB6 do not: only its table is used.
"""

import os
from itertools import pairwise

import numpy as np
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters import TextBatch
from filters import segments as rules
from filters.segments import CLASSES, DATA, words
from filters.unicode import CODE_POINTS

CHARACTERS = list("aB1_.,:;'\"-\u2019 \n\r\t\u05d0\u05d1\u30ab\u30e9\u3042\u65e5\u0e44\u0301\u00ad\u200d\u2764\u24c2")
CHARACTERS += [
    "\u00b2",
    "\u2168",
    "\u0661",
    "\u066c",
    "\U0001f1e6",
    "\u200b",
    "\u2028",
    "\u00a0",
    "\U0001f44d",
    "\u3000",
]
TEXT = st.lists(st.one_of(st.sampled_from(CHARACTERS), st.characters(exclude_categories=["Cs", "Cn"])), max_size=30)


NEWLINES, IGNORED = {"CR", "LF", "Newline"}, {"Extend", "Format", "ZWJ"}
LETTERS, MID_QUOTE = {"ALetter", "Hebrew_Letter"}, {"MidNumLet", "Single_Quote"}
NAMES = ["CR", "LF", "Newline", "Extend", "Format", "ZWJ", "ALetter", "Hebrew_Letter", "Numeric", "Katakana"]
NAMES += ["ExtendNumLet", "MidLetter", "MidNum", "MidNumLet", "Single_Quote", "Double_Quote", "WSegSpace"]
PATTERN = regex.compile("|".join(rf"(?P<{name}>\p{{Word_Break={name}}})" for name in NAMES))


def kind_of(char: str) -> str:
    match = PATTERN.match(char)
    return match.lastgroup if match and match.lastgroup else "Other"


def is_boundary(text: str, i: int) -> bool:
    """Whether text[i - 1] and text[i] are parted."""
    kinds = [kind_of(char) for char in text]
    before, after = kinds[i - 1], kinds[i]
    if before == "CR" and after == "LF":
        return False  # WB3
    if before in NEWLINES or after in NEWLINES:
        return True  # WB3a, WB3b
    if (before == "ZWJ" and regex.match(r"\p{Extended_Pictographic}", text[i])) or before == after == "WSegSpace":
        return False  # WB3c, WB3d
    if after in IGNORED:
        return False  # WB4
    seen = [k for j, k in enumerate(kinds) if not (k in IGNORED and j and kinds[j - 1] not in NEWLINES)]
    at = len([k for j, k in enumerate(kinds[:i]) if not (k in IGNORED and j and kinds[j - 1] not in NEWLINES)])
    before, behind = seen[at - 1], seen[at + 1] if at + 1 < len(seen) else ""
    first = seen[at - 2] if at > 1 else ""
    word = {*LETTERS, "Numeric", "Katakana"}
    joined = (
        (before in {*LETTERS, "Numeric"} and after in {*LETTERS, "Numeric"})  # WB5, 8, 9, 10
        or (before in LETTERS and after in {"MidLetter", *MID_QUOTE} and behind in LETTERS)  # WB6
        or (first in LETTERS and before in {"MidLetter", *MID_QUOTE} and after in LETTERS)  # WB7
        or (before == "Hebrew_Letter" and after == "Single_Quote")  # WB7a
        or (before == behind == "Hebrew_Letter" and after == "Double_Quote")  # WB7b
        or (first == after == "Hebrew_Letter" and before == "Double_Quote")  # WB7c
        or (first == after == "Numeric" and before in {"MidNum", *MID_QUOTE})  # WB11
        or (before == behind == "Numeric" and after in {"MidNum", *MID_QUOTE})  # WB12
        or before == after == "Katakana"  # WB13
        or (before in {*word, "ExtendNumLet"} and after == "ExtendNumLet")  # WB13a
        or (before == "ExtendNumLet" and after in word)  # WB13b
    )
    return not joined  # WB15 and WB16 join flags, with which no word begins


def expected(text: str) -> list[str]:
    cuts = [0, *(i for i in range(1, len(text)) if is_boundary(text, i)), len(text)]
    return [text[a:b] for a, b in pairwise(cuts) if text[a:b][:1].isalnum()]


@settings(deadline=None, max_examples=500)
@given(TEXT.map("".join))
@example("can't 3.14 a.b 1,000 _a a_b \u05d0\"\u05d1 \u05d0' a\u0301.b \u0301b a\u200d\u2764 \u30ab\u30e9")
@example("a." + "\u0301" * 50 + "1'a:b:1:2;3;a")
def test_words_are_those_of_the_unicode_rules(text: str) -> None:
    batch = TextBatch.of([text])
    assert batch.text_of(words(batch), 0) == expected(text)


CLASS_OF = {
    "CR": rules.NEWLINE, "LF": rules.NEWLINE, "Newline": rules.NEWLINE, "Extend": rules.EXTEND, "Format": rules.EXTEND,
    "ZWJ": rules.ZWJ, "ALetter": rules.LETTER, "Hebrew_Letter": rules.HEBREW, "Numeric": rules.NUMERIC,
    "Katakana": rules.KATAKANA, "ExtendNumLet": rules.UNDERSCORE, "MidLetter": rules.MID_LETTER,
    "MidNum": rules.MID_NUMBER, "MidNumLet": rules.MID_BOTH, "Single_Quote": rules.SINGLE_QUOTE,
    "Double_Quote": rules.DOUBLE_QUOTE,
}  # fmt: skip


def table() -> np.ndarray:
    """The classes and PICTOGRAPH by code point, as `regex` has them."""
    found = np.zeros(CODE_POINTS, np.uint8)
    text = "".join(map(chr, [*range(0xD800), *range(0xE000, CODE_POINTS)]))
    for name, kind in CLASS_OF.items():
        found[[ord(c) for c in regex.findall(rf"\p{{Word_Break={name}}}", text)]] = kind
    found[[ord(c) for c in regex.findall(r"\p{Extended_Pictographic}", text)]] |= rules.PICTOGRAPH
    return found


def test_the_table_is_that_of_unicode() -> None:
    """`CURATE_GOLDEN=write` writes it anew; raise the versions of the filters that count these words then."""
    found = table()
    if os.environ.get("CURATE_GOLDEN") == "write":
        run_start = np.flatnonzero(np.diff(found, prepend=found[0] + np.uint8(1))).astype(np.uint32)
        np.savez_compressed(DATA, allow_pickle=False, run_start=run_start, run_class=found[run_start])
    with np.load(DATA) as stored:
        lengths = np.diff(stored["run_start"], append=np.uint32(CODE_POINTS))
        assert np.array_equal(np.repeat(stored["run_class"], lengths), found)
    assert np.array_equal(CLASSES & ~np.uint8(rules.BEGINS), found)


def test_a_word_begins_with_what_is_alphanumeric() -> None:
    wrong = [c for c in range(CODE_POINTS) if bool(CLASSES[c] & rules.BEGINS) != chr(c).isalnum()]
    assert not wrong
