"""Evaluation sets, packed so that documents can be searched for their n-grams. The engine reads the files.

What is looked for is a *text*: one field of an item, or a line. Its *grams* are the distinct runs of `n` of its folded
words; a text of fewer words, `shortest` at least, is one gram by itself, and a shorter one is not looked for: "the
capital of France" stands in thousands of innocent pages. Grams in more than `common` different texts of a set are
its templates ("answer the following question ...") and do not count. Texts of equal words count as one, so a passage
that 20 questions share is none.

A gram is 64 bits of hash and is not compared word by word: 10^10 grams of documents against 10^6 of sets meet by chance
in 10^16 / 2^64 = 0.0005 pairs, and one such gram makes a share of 1 only where a text has no other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from filters import gram_look_up
from filters.batch import TextBatch
from filters.folded_words import folded_words

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]


class Row(NamedTuple):
    """A text of an evaluation set, and where it stands there."""

    item: int
    """The line of the file, from 1 on."""

    field: str
    """Empty for a line of text."""

    text: str


class Settings(NamedTuple):
    """What of a text is looked for; see the module."""

    n: int
    shortest: int
    common: int

    def checked(self) -> Self:
        """Raises ValueError for numbers that mean nothing."""
        if not 1 <= self.shortest <= self.n <= MAX_GRAM_WORDS or self.common < 1:
            raise ValueError(
                f"n {self.n}, shortest {self.shortest}, common {self.common}: expected 1 <= shortest <= n <= "
                f"{MAX_GRAM_WORDS} and common of 1 at least"
            )
        return self


MAX_GRAM_WORDS = 64
"""Longest gram, in words."""


class Index(NamedTuple):
    """The grams of all texts, ascending, and where to look for one."""

    sizes: Int64s
    """Words of a gram: every size that some text has."""

    keys: UInt64s
    key_first: Int64s
    """Key j is in texts key_text[key_first[j]:key_first[j + 1]]."""

    key_text: Int32s
    buckets: Int32s
    """int32[2^b + 1]: where the keys begin whose upper b bits are the bucket's number."""

    bloom: UInt64s
    """A part for each size: of the word that a key's upper bits name, three bits by its lower ones (a blocked Bloom
    filter, Putze et al. 2007). All but 5 to 8 look-ups in 1,000 end here, and the parts of short texts stay in the
    cache."""

    bloom_first: Int64s
    """Size s has the words bloom_first[s]:bloom_first[s + 1], a power of two of them."""

    num_grams: Int32s
    """Grams of each text that count; 0 where it is not looked for."""

    too_short: npt.NDArray[np.bool_]
    """bool[texts]: fewer words than `shortest`."""

    num_common: Int64s
    """int64[sets]: grams that do not count."""


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationSets:
    """Words of the texts of several sets: 8 bytes a word; an index takes 30 to 50 bytes a gram more."""

    names: tuple[str, ...]
    words: UInt64s
    first: Int64s
    """Text t has words first[t]:first[t + 1]."""

    text_set: Int32s
    """The set of each text."""

    row_text: Int32s
    """Which text each row is; rows of equal words in a set are one. Texts are in the order of their first rows."""

    row_item: Int64s
    row_field: Int32s
    fields: tuple[str, ...]
    """Names that `row_field` numbers."""

    _indexes: dict[Settings, Index] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, sets: Mapping[str, Sequence[Row]]) -> Self:
        """The texts of each set."""
        rows = [row for each in sets.values() for row in each]
        set_of_row = np.repeat(np.arange(len(sets), dtype=np.int32), [len(each) for each in sets.values()])
        found = folded_words(TextBatch.of([row.text for row in rows]))
        whole = gram_look_up.whole(found.hashes, found.first)
        order = np.lexsort((np.arange(len(rows)), whole, set_of_row))
        new = np.ones(len(rows), np.bool_)
        new[1:] = (np.diff(whole[order]) != 0) | (np.diff(set_of_row[order]) != 0)
        row_text = np.zeros(len(rows), np.int32)
        firsts = order[new]
        chosen = np.sort(firsts)
        row_text[order] = np.searchsorted(chosen, firsts)[np.cumsum(new) - 1]
        lengths = np.diff(found.first)[chosen]
        first = np.concatenate(([0], np.cumsum(lengths)))
        words = found.hashes[np.repeat(found.first[chosen] - first[:-1], lengths) + np.arange(first[-1])]
        fields = {name: number for number, name in enumerate(sorted({row.field for row in rows}))}
        return cls(
            tuple(sets), words, first, set_of_row[chosen], row_text,
            np.array([row.item for row in rows], np.int64),
            np.array([fields[row.field] for row in rows], np.int32), tuple(fields),
        )  # fmt: skip

    def index(self, settings: Settings) -> Index:
        """Made once for each settings. Raises ValueError for settings that mean nothing."""
        if settings not in self._indexes:
            self._indexes[settings] = _index(self, settings.checked())
        return self._indexes[settings]


def _index(sets: EvaluationSets, settings: Settings) -> Index:
    lengths = np.diff(sets.first)
    sizes = np.unique(np.minimum(lengths[lengths >= settings.shortest], settings.n))
    grams, texts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int32)]
    for size in sizes.tolist():
        chosen = np.flatnonzero(lengths >= size if size == settings.n else lengths == size)
        counts = lengths[chosen] - size + 1
        grams.append(gram_look_up.grams(sets.words, sets.first, chosen, size, int(counts.sum())))
        texts.append(np.repeat(chosen.astype(np.int32), counts))
    gram, text = np.concatenate(grams), np.concatenate(texts)
    order = np.lexsort((text, gram))
    gram, text = gram[order], text[order]
    once = np.ones(len(gram), np.bool_)
    once[1:] = (np.diff(gram) != 0) | (np.diff(text) != 0)
    gram, text = gram[once], text[once]
    counted, num_common = _uncommon(gram, sets.text_set[text], settings.common, len(sets.names))
    gram, text = gram[counted], text[counted]
    at = np.flatnonzero(np.diff(gram, prepend=~gram[:1]))
    keys = gram[at]
    bits = max(1, len(keys).bit_length())
    # The last bucket's end is no start of another one: 2^64 is no uint64.
    starts = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    buckets = np.append(np.searchsorted(keys, starts), len(keys)).astype(np.int32)
    sizes_of = np.searchsorted(sizes, np.minimum(lengths, settings.n)[text[at]])
    # 16 to 32 bits a gram.
    parts = [1 << max(0, int(count).bit_length() - 2) for count in np.bincount(sizes_of, minlength=len(sizes))]
    bloom_first = np.cumsum([0, *parts])
    bloom = np.zeros(bloom_first[-1], np.uint64)
    gram_look_up.fill(keys, sizes_of, bloom, bloom_first)
    num_grams = np.bincount(text, minlength=len(lengths)).astype(np.int32)
    short = lengths < settings.shortest
    return Index(
        sizes.astype(np.int64), keys, np.append(at, len(gram)), text, buckets, bloom, bloom_first, num_grams, short,
        num_common,
    )  # fmt: skip


def _uncommon(gram: UInt64s, set_of: Int32s, common: int, num_sets: int) -> tuple[npt.NDArray[np.bool_], Int64s]:
    """bool[postings] in at most `common` texts of their set; and the grams of each set that are in more."""
    starts = np.flatnonzero((np.diff(gram, prepend=~gram[:1]) != 0) | (np.diff(set_of, prepend=-1) != 0))
    counts = np.diff(np.append(starts, len(gram)))
    return np.repeat(counts <= common, counts), np.bincount(set_of[starts[counts > common]], minlength=num_sets)


def containment(batch: TextBatch, index: Index) -> npt.NDArray[np.float64]:
    """The largest share of a text's grams that each document holds: float64[documents], 0..1."""
    found = batch.once(folded_words)
    # Fresh zeros are pages that cost nothing until a gram is found.
    seen = np.zeros(len(index.keys), np.int32)
    counts = np.zeros((2, len(index.num_grams)), np.int32)
    best: npt.NDArray[np.float64] = gram_look_up.largest(
        found.hashes, found.first, index.sizes, index.keys, index.buckets, index.bloom, index.bloom_first,
        index.key_first, index.key_text, index.num_grams, seen, counts,
    )  # fmt: skip
    return best


def places(words: UInt64s, index: Index) -> Int64s:
    """Where grams stand in one document of these words: (first word, words, key) of each, int64[3, found]."""
    looked_up = words, index.sizes, index.keys, index.buckets, index.bloom, index.bloom_first
    # Counted first: a row for each word and size would be 400 MB for a page of 16 MB.
    out = np.empty((3, gram_look_up.places(*looked_up, np.empty((3, 0), np.int64))), np.int64)
    gram_look_up.places(*looked_up, out)
    return out
