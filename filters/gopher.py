"""Quality measures of Gopher: Rae et al. 2021, arXiv:2112.11446, section A.1.1, with the maths of datatrove 0.10.1.

datatrove stops at the first rule that rejects and so never divides by zero words; here every value of a document
without words or lines is 0.0. Its words are those of a tokenizer for the language; ours of the batch's provider.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.batch import TextBatch
from filters.loads import ascii_letters, continuations, has_byte, load_8, load_part
from filters.pieces import skip_space, strip_end
from filters.punctuation import ALPHA, KINDS, SYMBOL
from filters.ratio import ratio
from filters.registry import Bounds, register
from filters.unicode import CLASS, decode

SOURCE = "Gopher, arXiv:2112.11446 A.1.1"
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
STOP_KEYS = tuple(int.from_bytes(word.encode(), "little") | len(word) << 32 for word in STOP_WORDS)

Floats = npt.NDArray[np.float64]

_HASH, _DOT = 0x23, 0x2E


@register(
    "gopher.word_count",
    unit="words",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    default=Bounds(min=50, max=100_000),
)
def word_count(batch: TextBatch) -> Floats:
    """Words that are not symbols only, 0 upwards; 0.0 for a document without words."""
    return batch.once(_word_facts).plain.astype(np.float64)


@register(
    "gopher.mean_word_length",
    unit="characters a word",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    default=Bounds(min=3, max=10),
)
def mean_word_length(batch: TextBatch) -> Floats:
    """Mean characters of the words that are not symbols only, 1 upwards; 0.0 without such words."""
    facts = batch.once(_word_facts)
    return ratio(facts.characters, facts.plain)


@register(
    "gopher.hash_ratio",
    unit="hash signs a word",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    default=Bounds(max=0.1),
)
def hash_ratio(batch: TextBatch) -> Floats:
    """Hash signs (`#`) over all words, 0 upwards (`C##` is one word with two signs); 0.0 without words."""
    return ratio(batch.once(symbols)[0], batch.words.counts())


@register(
    "gopher.ellipsis_ratio",
    unit="ellipses a word",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    default=Bounds(max=0.1),
)
def ellipsis_ratio(batch: TextBatch) -> Floats:
    """Ellipses (`...` without overlaps, and U+2026) over all words, 0 upwards; 0.0 without words."""
    return ratio(batch.once(symbols)[1], batch.words.counts())


@register(
    "gopher.bullet_line_ratio",
    unit="share of lines, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
    default=Bounds(max=0.9),
)
def bullet_line_ratio(batch: TextBatch) -> Floats:
    """Share of lines (`str.splitlines`) that begin with U+2022 or `-` after spaces, 0..1; 0.0 without lines."""
    return ratio(batch.once(_line_ends)[0], batch.lines.counts())


@register(
    "gopher.ellipsis_line_ratio",
    unit="share of lines, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
    default=Bounds(max=0.3),
)
def ellipsis_line_ratio(batch: TextBatch) -> Floats:
    """Share of lines (`str.splitlines`) that end with `...` or U+2026 before spaces, 0..1; 0.0 without lines."""
    return ratio(batch.once(_line_ends)[1], batch.lines.counts())


@register(
    "gopher.alpha_word_ratio",
    unit="share of words, 0..1",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=1.0,
    default=Bounds(min=0.8),
)
def alpha_word_ratio(batch: TextBatch) -> Floats:
    """Share of all words, symbols too, with at least one letter (`str.isalpha`), 0..1; 0.0 without words."""
    return ratio(batch.once(_word_facts).alpha, batch.words.counts())


@register(
    "gopher.stop_words",
    unit="different stop words, 0..8",
    source=SOURCE,
    semantics="datatrove",
    version=1,
    high=float(len(STOP_WORDS)),
    default=Bounds(min=2),
)
def stop_words(batch: TextBatch) -> Floats:
    """How many of `the be to of and that have with` are words of the document, as written here, 0..8; 0.0 for none.

    DIFFERS from the paper, which does not say whether a word counts twice; here, as in datatrove, it does not.
    """
    return batch.once(_word_facts).stop.astype(np.float64)


@dataclass(frozen=True, slots=True)
class _WordFacts:
    """Counts for each document, of one walk over its words."""

    plain: npt.NDArray[np.int64]
    """Words that are not symbols only."""

    characters: npt.NDArray[np.int64]
    """Characters of these."""

    alpha: npt.NDArray[np.int64]
    """Words with a letter."""

    stop: npt.NDArray[np.int64]
    """Different stop words."""


def _word_facts(batch: TextBatch) -> _WordFacts:
    words = batch.words
    return _WordFacts(*_count_words(batch.data, words.start, words.end, words.first, KINDS))


def symbols(batch: TextBatch) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(hash signs, ellipses) of each document; pass it to `batch.once`."""
    hashes, ellipses = _count_symbols(batch.data, batch.offsets)
    return hashes, ellipses


def _line_ends(batch: TextBatch) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    lines = batch.lines
    bullets, ellipses = _count_line_ends(batch.data, lines.start, lines.end, lines.first, CLASS)
    return bullets, ellipses


@njit(cache=True, nogil=True)
def _count_words(data, start, end, first, kinds):
    num_documents = len(first) - 1
    plain = np.zeros(num_documents, np.int64)
    characters = np.zeros(num_documents, np.int64)
    alpha = np.zeros(num_documents, np.int64)
    stop = np.zeros(num_documents, np.int64)
    for i in range(num_documents):
        num_plain = num_characters = num_alpha = stop_mask = np.int64(0)
        for j in range(first[i], first[i + 1]):
            p, size = start[j], end[j] - start[j]
            word = load_part(data, p, size)
            if ascii_letters(word):
                num_alpha += 1
                num_plain += 1
                num_characters += _characters(data, p, size, word)
                stop_mask |= _stop_bit(word, size)
            else:
                in_word, has_alpha, has_plain = _look_at_word(data, p, end[j], kinds)
                num_alpha += has_alpha
                num_plain += has_plain
                num_characters += in_word if has_plain else 0
        plain[i], characters[i], alpha[i] = num_plain, num_characters, num_alpha
        while stop_mask:
            stop[i] += stop_mask & 1
            stop_mask >>= 1
    return plain, characters, alpha, stop


@njit(cache=True, nogil=True)
def _characters(data, p, size, word):
    """Characters of the `size` bytes from p on, which begin with those of `word`."""
    num_characters = size - continuations(word)
    for d in range(8, size, 8):
        num_characters -= continuations(load_part(data, p + d, size - d))
    return num_characters


@njit(cache=True, nogil=True)
def _look_at_word(data, p, end, kinds):
    """(characters, whether one is a letter, whether one is not in the set of symbols)."""
    num_characters = 0
    any_of, all_of = np.uint8(0), np.uint8(255)
    while p < end:
        c, length = np.int64(data[p]), np.int64(1)
        if c >= 0x80:
            c, length = decode(data, p, end)
        any_of |= kinds[c]
        all_of &= kinds[c]
        num_characters += 1
        p += length
    return num_characters, any_of & ALPHA != 0, all_of & SYMBOL == 0


@njit(cache=True, nogil=True)
def _stop_bit(word, size):
    """1 << number of the stop word that is these bytes; 0 if none. A NUL behind a word makes it another."""
    key = word | np.uint64(size) << np.uint64(32)
    bits = 0
    for bit in range(len(STOP_KEYS)):
        bits |= (key == np.uint64(STOP_KEYS[bit])) << bit
    return bits if size <= 4 else 0


@njit(cache=True, nogil=True)
def _ellipsis(data, p, end):
    """Bytes of the ellipsis at p: three dots or U+2026; 0 if none."""
    if p + 2 >= end:
        return 0
    a, b, c = data[p], data[p + 1], data[p + 2]
    return 3 if (a == 0x2E and b == 0x2E and c == 0x2E) or (a == 0xE2 and b == 0x80 and c == 0xA6) else 0


@njit(cache=True, nogil=True)
def _may_be_symbol(word):
    """Not 0 if one of 8 bytes is `#` or a dot, or may begin U+2026."""
    return has_byte(word, _HASH) | has_byte(word, _DOT) | has_byte(word, 0xE2)


@njit(cache=True, nogil=True)
def _count_symbols(data, offsets):
    hashes = np.zeros(len(offsets) - 1, np.int64)
    ellipses = np.zeros(len(offsets) - 1, np.int64)
    for i in range(len(hashes)):
        p, end = offsets[i], offsets[i + 1]
        while p < end:
            while p + 8 <= end and not _may_be_symbol(load_8(data, p)):
                p += 8
            if p == end:
                break
            c = data[p]
            if c == _HASH:
                hashes[i] += 1
            elif (c == _DOT or c == 0xE2) and _ellipsis(data, p, end):
                ellipses[i] += 1
                p += 2
            p += 1
    return hashes, ellipses


@njit(cache=True, nogil=True)
def _count_line_ends(data, start, end, first, classes):
    bullets = np.zeros(len(first) - 1, np.int64)
    ellipses = np.zeros(len(first) - 1, np.int64)
    for i in range(len(bullets)):
        for j in range(first[i], first[i + 1]):
            p = skip_space(data, start[j], end[j], classes)
            if p < end[j]:
                bullets[i] += data[p] == 0x2D or decode(data, p, end[j])[0] == 0x2022
                stop = strip_end(data, p, end[j], classes)
                ellipses[i] += stop - p >= 3 and _ellipsis(data, stop - 3, stop) != 0
    return bullets, ellipses
