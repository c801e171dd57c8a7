"""How much of an evaluation item a document holds: n-gram containment, after GPT-3 (Brown et al. 2020, app. C).

GPT-3 looked for runs of 13 words (8 to 13, by the length of the set's items), without case and punctuation, and cut
out the place of every one that was found; runs in more than 10 training documents did not count. Later work asks how
much of the item is there: Tulu 3 (arXiv:2411.15124, 3.2) calls it seen where runs of 8 words cover more than half of
its tokens.

DIFFERS from both: the value is the share of the item's n-grams, whichever item has most, so that one bound can
say either: `max: 0` drops at the first shared run, `max: 0.5` where over half of some item is there. Runs that do not
count are those of more than `common` texts of one set, as a value must not hang on other documents. Each field
of an item is looked for on its own. No sets are shipped: the config names files.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from filters.batch import TextBatch
from filters.evaluation import EvaluationSets, Index, Settings, containment, places
from filters.folded_words import FoldedWords, folded_words
from filters.registry import Bounds, register

Floats = npt.NDArray[np.float64]

_NO_SETS = EvaluationSets.of({})

N, SHORTEST, COMMON = 13, 8, 10
"""Words of a gram, words of the shortest text that is looked for, texts of a set that may share a gram: GPT-3's."""


@register(
    "contamination.ngram",
    unit="share of an evaluation text's n-grams, 0..1",
    source="GPT-3, arXiv:2005.14165 C; Tulu 3, arXiv:2411.15124 3.2",
    semantics="curate",
    version=1,
    high=1.0,
    default=Bounds(max=0.5),
)
def ngram(
    batch: TextBatch, *, sets: EvaluationSets = _NO_SETS, n: int = N, shortest: int = SHORTEST, common: int = COMMON
) -> Floats:
    """Largest share, 0..1, of the n-grams of one text of the sets that stand in the document; 0.0 without words."""
    return containment(batch, sets.index(Settings(n, shortest, common)))


@dataclass(frozen=True, slots=True)
class Hit:
    """A text of an evaluation set that a document holds, as a whole or in part."""

    document: int
    """Its number in the batch."""

    text: int
    """The text's number among `EvaluationSets.first`."""

    matched: int
    grams: int
    """Of so many grams of the text that many are in the document."""

    start: int
    end: int
    """Code points of the document: the shortest part, from word to word, of the stretch with most grams of the text
    that has all of the grams there."""

    stretches: int
    """Stretches of the document with grams of it, more than n words apart."""

    @property
    def containment(self) -> float:
        """`matched` of `grams`, 0..1."""
        return self.matched / self.grams


def hits(batch: TextBatch, sets: EvaluationSets, settings: Settings, share: float) -> Iterator[Hit]:
    """Every text of which a document holds at least `share` of the grams, and one at least; by document and text."""
    index = sets.index(settings)
    words = batch.once(folded_words)
    values = containment(batch, index)
    for document in np.flatnonzero((values > 0) & (values >= share)).tolist():
        yield from _hits_of(batch, document, words, index, settings.n, share)


def _hits_of(
    batch: TextBatch, document: int, words: FoldedWords, index: Index, n: int, share: float
) -> Iterator[Hit]:  # fmt: skip
    base, stop = words.first[document], words.first[document + 1]
    at, size, key = places(words.hashes[base:stop], index)
    holders = np.diff(index.key_first)[key]
    which = np.repeat(np.arange(len(key)), holders)
    within = np.arange(len(which)) - np.repeat(np.cumsum(holders) - holders, holders)
    text = index.key_text[index.key_first[key[which]] + within]
    order = np.lexsort((at[which], text))
    which, text = which[order], text[order]
    for some in np.split(np.arange(len(text)), np.flatnonzero(np.diff(text)) + 1):
        t, found = int(text[some[0]]), which[some]
        matched, grams = len(np.unique(key[found])), int(index.num_grams[t])
        if matched / grams < share:
            continue
        # A text has grams of one size.
        cuts = np.flatnonzero(np.diff(at[found]) > size[found[0]] + n) + 1
        stretches = np.split(found, cuts)
        fullest = max(stretches, key=lambda stretch: len(np.unique(key[stretch])))
        one, other = _tightest(key[fullest].tolist(), at[fullest].tolist())
        first, last = base + at[fullest[one]], base + at[fullest[other]] + size[fullest[other]] - 1
        begin = int(batch.offsets[document])
        start = _characters(batch.data[begin : words.start[first]])
        length = _characters(batch.data[words.start[first] : words.end[last]])
        yield Hit(document, t, matched, grams, start, start + length, len(stretches))


def _tightest(keys: Sequence[int], at: Sequence[int]) -> tuple[int, int]:
    """First and last index of the run of fewest words, the first of several, that has every key; of two copies, one."""
    missing = len(set(keys))
    counts: Counter[int] = Counter()
    best = (0, len(keys) - 1)
    begin = 0
    for end, key in enumerate(keys):
        missing -= counts[key] == 0
        counts[key] += 1
        while counts[keys[begin]] > 1:
            counts[keys[begin]] -= 1
            begin += 1
        if missing == 0 and at[end] - at[begin] < at[best[1]] - at[best[0]]:
            best = begin, end
    return best


def _characters(data: npt.NDArray[np.uint8]) -> int:
    return int(np.count_nonzero((data & 0xC0) != 0x80))
