"""C4's rules for one line, each looked at by itself: what it breaks, its text without citations, its sentences.

datatrove 0.10.1 asks in the order of the flags and stops at the first rule broken; `Judged.reasons` does the same.
Two rules drop the document, not the line, and only where no rule before them has dropped the line.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.batch import TextBatch
from filters.loads import copied, has_byte, load_8
from filters.phrases import Phrases
from filters.pieces import skip_space, strip_end
from filters.punctuation import KINDS, TERMINAL, code_points
from filters.spans import Spans
from filters.unicode import CLASS, CODE_POINTS, DIGIT, PUNCT, SPACE, all_of, decode

LONG_WORD, NO_TERMINAL, FEW_WORDS, LOREM_IPSUM, JAVASCRIPT, CURLY_BRACKET, POLICY, BLANK = (1 << i for i in range(8))
"""Rules in datatrove's order; BLANK (no words at all) is no rule and comes with FEW_WORDS."""

MAX_WORD = 1_000
"""Characters of the longest word that a line may have; words are what lies between spaces."""

MIN_WORDS = 3
PHRASES = Phrases.of(
    {
        "lorem ipsum": LOREM_IPSUM,
        "javascript": JAVASCRIPT,
        "{": CURLY_BRACKET,
        "terms of use": POLICY,
        "privacy policy": POLICY,
        "cookie policy": POLICY,
        "uses cookies": POLICY,
        "use of cookies": POLICY,
        "use cookies": POLICY,
    }
)
_TERMINALS = tuple(b".?!\"'")
_EDIT, _CITATION_NEEDED = tuple(b"edit]"), tuple(b"citation needed]")
_OPENS, _CLOSES, _DOT, _BLANK = 0x5B, 0x5D, 0x2E, 0x20

_STOP = 128
"""Ends a sentence when it is a word by itself: beside the flags of CLASS, where it stands for LONE."""

NO_STOP = (
    "061D-061E 0837 0839 083D-083E 17D4-17D6 17D9-17DA 1B7D-1B7E 2E53-2E54 10F55-10F59 10F86-10F89 11944 11946 "
    "11EF7-11EF8 11F43-11F44 16E98"
)
"""What spaCy 3.8 leaves out of TERMINAL, which is the list of a later Unicode."""


def _kinds() -> npt.NDArray[np.uint8]:
    kinds = np.zeros(CODE_POINTS, np.uint8)
    kinds[CLASS & PUNCT != 0] = PUNCT
    kinds[KINDS & TERMINAL != 0] |= _STOP
    kinds[code_points(NO_STOP)] &= ~np.uint8(_STOP)
    kinds.flags.writeable = False
    return kinds


_WORD_KINDS = _kinds()


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Every line of `batch.lines`, stripped of spaces."""

    lines: Spans
    """Where the stripped lines lie, citations and all."""

    broken: npt.NDArray[np.uint8]
    """Flags of the rules that the line breaks."""

    cited: npt.NDArray[np.int64]
    """Lines with citations, rising."""

    uncited: TextBatch
    """The text of these without the citations, a document each; its ends are not stripped again."""

    def reasons(self, *, terminal_punct: bool) -> npt.NDArray[np.uint8]:
        """Flag of the first rule that each line breaks, 0 for a line that C4 keeps: uint8[lines]."""
        rules = 0xFF if terminal_punct else 0xFF & ~NO_TERMINAL
        broken = self.broken & np.uint8(rules)
        return broken & (~broken + np.uint8(1))


def judge(batch: TextBatch) -> Judged:
    """All but the sentences, which alone need words; pass it to `batch.once`."""
    data, lines = batch.data, batch.lines
    start, end, broken = _look_at_words(data, lines.start, lines.end, CLASS)
    stripped = Spans(start, end, lines.first)
    cited = np.flatnonzero(_have_citations(data, stripped.start, stripped.end, CLASS))
    start, end = stripped.start[cited], stripped.end[cited]
    text, offsets = np.empty((end - start).sum(), np.uint8), np.zeros(len(cited) + 1, np.int64)
    _cut_citations(data, start, end, CLASS, text, offsets)
    document = np.searchsorted(lines.first, cited, side="right") - 1
    uncited = TextBatch(text, offsets, [batch.langs[i] for i in document], batch.provider)
    rest = _text_rules(data, stripped.start, stripped.end)
    rest[cited] = _text_rules(uncited.data, uncited.offsets[:-1], uncited.offsets[1:])
    return Judged(stripped, broken | rest, cited, uncited)


def sentences(batch: TextBatch) -> npt.NDArray[np.int64]:
    """Sentences of every line without its citations, whatever rules it breaks: int64[lines]; for `batch.once`.

    spaCy's sentencizer over the words of the batch's provider: behind a word that is one of 128 sentence ends, the next
    word begins a sentence if it is more than punctuation, or if anything but one blank stands before it.
    DIFFERS from datatrove by the words alone, and where it splits sentences by another library: Korean, Thai and what
    spaCy has no language for. Words of a line with citations are found anew, those of other lines are the document's.
    """
    judged = batch.once(judge)
    uncited = judged.uncited
    each = Spans(uncited.offsets[:-1], uncited.offsets[1:], np.arange(len(uncited) + 1))
    counts = _sentences_of(batch, judged.lines)
    counts[judged.cited] = _sentences_of(uncited, each)
    return counts


def _sentences_of(batch: TextBatch, lines: Spans) -> npt.NDArray[np.int64]:
    words = batch.words
    counts = _count_sentences(
        batch.data, lines.start, lines.end, lines.first, words.start, words.end, words.first, _WORD_KINDS
    )
    return np.asarray(counts)


def _text_rules(
    data: npt.NDArray[np.uint8], start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    flags: npt.NDArray[np.uint8] = _look_at_ends(data, start, end)
    return PHRASES.within(data, start, end) | flags


@njit(cache=True, nogil=True)
def _look_at_words(data, start, end, classes):
    """(start and end without the spaces around, flags of BLANK, FEW_WORDS and LONG_WORD) of every line."""
    starts, ends = np.empty(len(start), np.int64), np.empty(len(start), np.int64)
    flags = np.zeros(len(start), np.uint8)
    for j in range(len(start)):
        p = skip_space(data, start[j], end[j], classes)
        stop = strip_end(data, p, end[j], classes)
        starts[j], ends[j] = p, stop
        num_words = 0
        while p < stop and num_words < MIN_WORDS:
            p = skip_space(data, _after_word(data, p, stop, classes)[0], stop, classes)
            num_words += 1
        if _has_long_word(data, starts[j], stop, classes):
            flags[j] |= LONG_WORD
        if num_words < MIN_WORDS:
            flags[j] |= FEW_WORDS if num_words else FEW_WORDS | BLANK
    return starts, ends, flags


@njit(cache=True, nogil=True)
def _has_long_word(data, p, end, classes):
    """Whether a word of p:end, which begins with one, has more than MAX_WORD characters."""
    while end - p > MAX_WORD:
        stop = q = p + MAX_WORD
        while q > p and not (data[q] <= 0x20 and classes[data[q]] & SPACE):
            q -= 1
        if q > p:  # A space, and no word before it is too long: most of the bytes are never looked at.
            p = q + 1
            continue
        while p <= stop and p < end:
            p, characters = _after_word(data, p, end, classes)
            if characters > MAX_WORD:
                return True
            p = skip_space(data, p, end, classes)
    return False


@njit(cache=True, nogil=True)
def _after_word(data, p, end, classes):
    """(the first byte behind the word that begins at p, its characters)."""
    characters = 0
    while p < end:
        c, length = np.int64(data[p]), np.int64(1)
        if c >= 0x80:
            c, length = decode(data, p, end)
        if classes[c] & SPACE:
            break
        characters += 1
        p += length
    return p, characters


@njit(cache=True, nogil=True)
def _next_citation(data, p, end, classes):
    """(start, end) of the first `[12]`, `[]`, `[edit]` or `[citation needed]` from p on; (end, end) if none."""
    while p < end:
        while p + 8 <= end and not has_byte(load_8(data, p), _OPENS):
            p += 8
        while p < end and data[p] != _OPENS:
            p += 1
        if p == end:
            break
        q = p + 1
        while q < end:
            c, length = decode(data, q, end)
            if not classes[c] & DIGIT:
                break
            q += length
        if q < end and data[q] == _CLOSES:
            return p, q + 1
        if q == p + 1:
            if _begins_with(data, q, end, _EDIT):
                return p, q + len(_EDIT)
            if _begins_with(data, q, end, _CITATION_NEEDED):
                return p, q + len(_CITATION_NEEDED)
        p = q
    return end, end


@njit(cache=True, nogil=True)
def _begins_with(data, p, end, word):
    if p + len(word) > end:
        return False
    for d in range(len(word)):  # noqa: SIM110  (numba compiles no generator)
        if data[p + d] != word[d]:
            return False
    return True


@njit(cache=True, nogil=True)
def _have_citations(data, start, end, classes):
    cited = np.zeros(len(start), np.bool_)
    for j in range(len(start)):
        cited[j] = _next_citation(data, start[j], end[j], classes)[0] < end[j]
    return cited


@njit(cache=True, nogil=True)
def _cut_citations(data, start, end, classes, text, offsets):
    """Write the pieces without their citations to `text`, and where each ends; what remains is not looked at again."""
    n = np.int64(0)
    for j in range(len(start)):
        p = start[j]
        while p < end[j]:
            stop, after = _next_citation(data, p, end[j], classes)
            n = copied(data, p, stop, text, n)
            p = after
        offsets[j + 1] = n


@njit(cache=True, nogil=True)
def _look_at_ends(data, start, end):
    """NO_TERMINAL for every piece that does not end with one of `. ? ! " '`, or ends with `...`."""
    flags = np.zeros(len(start), np.uint8)
    for j in range(len(start)):
        s, e = start[j], end[j]
        ended = e > s and data[e - 1] in _TERMINALS
        ellipsis = e - s >= 3 and data[e - 1] == _DOT and data[e - 2] == _DOT and data[e - 3] == _DOT
        if ellipsis or not ended:
            flags[j] = NO_TERMINAL
    return flags


@njit(cache=True, nogil=True)
def _count_sentences(data, start, end, first, word_start, word_end, word_first, kinds):
    counts = np.zeros(len(start), np.int64)
    for i in range(len(first) - 1):
        w = word_first[i]
        for j in range(first[i], first[i + 1]):
            while w < word_first[i + 1] and word_start[w] < start[j]:
                w += 1
            n = 0
            ended = False
            while w < word_first[i + 1] and word_start[w] < end[j]:
                s, e = word_start[w], word_end[w]
                if n == 0:
                    n = 1
                elif ended and (_stands_apart(data, word_end[w - 1], s) or not all_of(data, s, e, kinds, PUNCT)):
                    n += 1
                    ended = False
                ended |= kinds[_only_character(data, s, e)] & _STOP != 0
                w += 1
            counts[j] = n + (n == 0 or (ended and _stands_apart(data, word_end[w - 1], end[j])))
    return counts


@njit(cache=True, nogil=True)
def _stands_apart(data, before, s):
    """Whether more than one blank, or another space, lies before s: it is a word of its own to spaCy."""
    return s - before > 1 or (s - before == 1 and data[before] != _BLANK)


@njit(cache=True, nogil=True)
def _only_character(data, s, e):
    """The one character of s:e; 0 if there are more."""
    c, length = np.int64(data[s]), np.int64(1)
    if c >= 0x80:
        c, length = decode(data, s, e)
    return c if length == e - s else np.int64(0)
