"""Measures of C4: Raffel et al. 2020, arXiv:1910.10683, section 2.2, with the maths of datatrove 0.10.1.

C4 rewrites a document line by line (`str.splitlines`) and then looks at what is left. Of each line, in this order:

1. a word of more than 1,000 characters removes the line; else citations (`[1] [] [edit] [citation needed]`) are cut out
2. no `. ? ! " '` at the end of the rest, or `...` there, removes the line (so does a blank left before a citation)
3. fewer than 3 words between spaces, citations counted, remove the line
4. `lorem ipsum` drops the document
5. `javascript` removes the line
6. `{` drops the document
7. `terms of use`, `privacy policy`, `cookie policy`, `uses cookies`, `use of cookies`, `use cookies` remove the line

A document stays with 5 sentences in its kept lines. `terminal_punct=False` leaves out rule 2, as FineWeb did. Bounds on
`c4.lorem_ipsum`, `c4.curly_bracket` and `c4.sentences`, all with the same knob, make datatrove's decisions.
DIFFERS from the paper, which names neither rule 1 nor the exception of `...`: both are in the code that made C4.
NOT IMPLEMENTED: the bound on English, and the removal of repeated spans of three sentences. The list of bad words is in
`badwords.per_1000_words`.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import c4_lines
from filters.batch import TextBatch
from filters.c4_lines import BLANK, CURLY_BRACKET, LOREM_IPSUM
from filters.loads import copied
from filters.pieces import skip_space, strip_end
from filters.ratio import ratio
from filters.registry import Bounds, register, register_transform
from filters.rewrite import Texts
from filters.unicode import CLASS

SOURCE = "C4, arXiv:1910.10683 2.2"

Floats = npt.NDArray[np.float64]


@register("c4.sentences", unit="sentences", source=SOURCE, semantics="datatrove", version=1, default=Bounds(min=5))
def sentences(batch: TextBatch, *, terminal_punct: bool = True) -> Floats:
    """Sentences in the lines that C4 keeps, 0 upwards; 0.0 without such lines.

    They are those of spaCy's sentencizer over the provider's words: behind `.`, `!`, `?` or another script's mark that
    is a word of its own, the next word begins a sentence unless it is punctuation with no more than a blank before it.
    DIFFERS from datatrove where the words do, and where its language does not have spaCy's sentencizer (Korean, Thai).
    """
    judged = batch.once(c4_lines.judge)
    kept = judged.reasons(terminal_punct=terminal_punct) == 0
    return judged.lines.sums(batch.once(c4_lines.sentences) * kept).astype(np.float64)


@register(
    "c4.lorem_ipsum",
    unit="share of lines, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
    default=Bounds(max=0.0),
)
def lorem_ipsum(batch: TextBatch, *, terminal_punct: bool = True) -> Floats:
    """Share of lines with words that hold `lorem ipsum` in any case, 0..1; 0.0 without lines.

    A line that an earlier rule removes does not count, so C4 keeps documents with the phrase in a heading.
    """
    return _share_of(batch, LOREM_IPSUM, terminal_punct=terminal_punct)


@register(
    "c4.curly_bracket",
    unit="share of lines, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
    default=Bounds(max=0.0),
)
def curly_bracket(batch: TextBatch, *, terminal_punct: bool = True) -> Floats:
    """Share of lines with words that hold `{`, 0..1; 0.0 without lines.

    A line that an earlier rule removes does not count, so C4 keeps documents with code whose lines end with `;` or `{`.
    """
    return _share_of(batch, CURLY_BRACKET, terminal_punct=terminal_punct)


@register(
    "c4.removed_line_share",
    unit="share of lines, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
)
def removed_line_share(batch: TextBatch, *, terminal_punct: bool = True) -> Floats:
    """Share of lines with words that `clean` removes, 0..1; 0.0 without lines. C4 sets no bound on it."""
    judged = batch.once(c4_lines.judge)
    has_words = judged.broken & BLANK == 0
    removed = judged.reasons(terminal_punct=terminal_punct) != 0
    return ratio(judged.lines.sums(removed & has_words), judged.lines.sums(has_words))


@register_transform("c4.clean", source=SOURCE, semantics="datatrove", version=1)
def clean(batch: TextBatch, *, terminal_punct: bool = True) -> Texts:
    """What C4 leaves: the lines that its rules keep, without citations, LF between them, white space stripped.

    A line that drops its document in C4 is removed here as well: the bounds decide about the document.
    """
    judged = batch.once(c4_lines.judge)
    lines, uncited = judged.lines, judged.uncited
    kept = judged.reasons(terminal_punct=terminal_punct) == 0
    place = np.full(len(kept), -1, np.int64)
    place[judged.cited] = np.arange(len(uncited))
    data, offsets = _joined(
        batch.data, lines.start, lines.end, lines.first, kept, uncited.data, uncited.offsets, place, CLASS
    )
    return data, offsets


def _share_of(batch: TextBatch, rule: int, *, terminal_punct: bool) -> Floats:
    judged = batch.once(c4_lines.judge)
    found = judged.reasons(terminal_punct=terminal_punct) == rule
    return ratio(judged.lines.sums(found), judged.lines.sums(judged.broken & BLANK == 0))


@njit(cache=True, nogil=True)
def _joined(data, start, end, first, kept, uncited, uncited_offsets, place, classes):
    text = np.empty((end - start + 1).sum(), np.uint8)
    offsets = np.zeros(len(first), np.int64)
    for i in range(len(first) - 1):
        begin = n = offsets[i]
        for j in range(first[i], first[i + 1]):
            if not kept[j]:
                continue
            if place[j] < 0:
                n = copied(data, start[j], end[j], text, n)
            else:
                n = copied(uncited, uncited_offsets[place[j]], uncited_offsets[place[j] + 1], text, n)
            text[n] = 10
            n += 1
        s = skip_space(text, begin, n, classes)
        e = strip_end(text, s, n, classes)
        for d in range(e - s):
            text[begin + d] = text[s + d]
        offsets[i + 1] = begin + e - s
    return text[: offsets[-1]].copy(), offsets
