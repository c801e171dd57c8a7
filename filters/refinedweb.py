"""Line rules of RefinedWeb (Penedo et al. 2023, arXiv:2306.01116, G.2) with the maths of DCLM, arXiv:2406.11794.

A line (between LF) goes by the first rule that holds; of a short line with a call only the call goes:
    uppercase   more than half of its characters are capitals
    numeric     it is one number (`str.isdigit`)
    counter     a number, perhaps with K, M or B, and `likes`, `shares`, `views` or the like: "3 likes", not "1 like"
    one_word    fewer than two words by `str.split`
    call        up to 10 words: "items in cart" anywhere, "Read more" and any three characters at its end, "Sign-in" in
                front. DCLM writes "Read more..." as a regular expression, so its dots are any character: kept as it is
A word is what ASCII spaces part, if its first character is a letter or digit.

DIFFERS from the paper, whose lists of calls and counters are not public: these are DCLM's; and where a call is cut out,
its words are counted, not those of the line. DIFFERS from DCLM: rules but `uppercase` see a line without the spaces at
its ends (DCLM strips the document only, so its first and last line), and no space is part of a line's first word; a
call is whole words, and is looked for in the line as it was; capitals are matched in ASCII.
NOT IMPLEMENTED: what DCLM does to the text before these rules (addresses removed, newlines limited to two).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from filters.batch import TextBatch
from filters.ratio import ratio
from filters.refinedweb_lines import KINDS, RULES, walk_lines
from filters.registry import Bounds, register, register_transform
from filters.rewrite import Texts, without
from filters.spans import Spans
from filters.unicode import CLASS

SOURCE = "RefinedWeb, arXiv:2306.01116 G.2"

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Removed:
    """What the rules take out of each document: drop the bytes of all spans, then strip the document."""

    spans: Spans
    """Whole lines with the LF behind them, and calls within a line; in order, without overlaps."""

    rule: npt.NDArray[np.uint8]
    """Of each span, an index of RULES."""


def removed(batch: TextBatch) -> Removed:
    """The stretches of text that the rules take out."""
    return batch.once(_walk).removed


@register_transform("refinedweb.clean", source=SOURCE, semantics="dclm", version=1)
def clean(batch: TextBatch) -> Texts:
    """The text without the lines that the rules name, and without calls such as "Read more..." in short lines."""
    return without(batch, removed(batch).spans)


@register(
    "refinedweb.removed_word_ratio",
    unit="share of words, 0..1",
    source=SOURCE,
    semantics="dclm",
    version=2,
    high=1.0,
    default=Bounds(max=0.05),
)
def removed_word_ratio(batch: TextBatch) -> Floats:
    """Share of words that the line rules take out, 0..1; 1.0 for a document without words."""
    found = batch.once(_walk)
    return ratio(found.gone.sum(axis=1), found.words, empty=1.0)


def _register_rule(rule: int, what: str) -> None:
    def measure(batch: TextBatch) -> Floats:
        found = batch.once(_walk)
        return ratio(found.gone[:, rule], found.words)

    measure.__doc__ = f"Share of words that go {what}, 0..1; 0.0 without words. The shares of the five rules add up."
    register(
        f"refinedweb.removed_{RULES[rule]}",
        unit="share of words, 0..1",
        source=SOURCE,
        semantics="dclm",
        version=2,
        high=1.0,
    )(measure)


for _rule, _what in enumerate(
    (
        "with lines of more than half capitals",
        "with lines that are one number",
        'with lines such as "3 likes"',
        "with lines of fewer than two words",
        'with calls such as "Read more..." in lines of up to 10 words',
    )
):
    _register_rule(_rule, _what)


@dataclass(frozen=True, slots=True)
class _Walked:
    words: Counts
    gone: Counts
    """int64[documents, rules]: words that each rule takes out."""

    removed: Removed


def _walk(batch: TextBatch) -> _Walked:
    words, gone, start, end, first, rule = walk_lines(batch.data, batch.offsets, KINDS, CLASS)
    return _Walked(words, gone, Removed(Spans(start, end, first), rule))
