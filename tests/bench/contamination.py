"""How fast documents are searched for evaluation sets, on one core: 20 MB of made text against 100,000 items.

Words are drawn from 50,000 by Zipf's law. `long` has items of 46 words, so that all grams are of 13 words; `all_sizes`
has 20,000 texts of 8 to 12 words beside them, as sets with short answers do.
"""

import time

import numpy as np

from filters import TextBatch
from filters.contamination import COMMON, SHORTEST, N, ngram
from filters.evaluation import EvaluationSets, Row, Settings
from tests.bench.figure import Figure, emit

ITEMS, ITEM_WORDS, SHORT_ITEMS = 100_000, 46, 20_000
DOCUMENTS, DOCUMENT_WORDS, BATCH = 6_000, 500, 1_000
VOCABULARY = 50_000
RUNS = 5


def main() -> None:
    """Packing the sets, the index's bytes, and the two rates."""
    generator = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(generator.choice(letters, size)) for size in generator.integers(2, 10, VOCABULARY)])
    shares = np.cumsum(1 / np.arange(1, VOCABULARY + 1))

    def text(size: int) -> str:
        return " ".join(words[np.searchsorted(shares, generator.random(size) * shares[-1])])

    documents = [text(DOCUMENT_WORDS) for _ in range(DOCUMENTS)]
    sets = {"long": [Row(number, "question", text(ITEM_WORDS)) for number in range(1, ITEMS + 1)]}
    ngram(TextBatch.of(documents[:1]), sets=EvaluationSets.of({"few": sets["long"][:10]}))  # compiles
    start = time.process_time()
    packed = EvaluationSets.of(sets)
    index = packed.index(Settings(N, SHORTEST, COMMON))
    emit(Figure("contamination.pack", time.process_time() - start, "s for 100,000 items of 46 words"))
    held = sum(part.nbytes for part in index) + packed.words.nbytes
    emit(Figure("contamination.bytes", held / len(index.keys), "bytes a gram, words included"))
    emit(Figure("contamination.long", rate(documents, packed), "MB of text/s a core"))
    sets["short"] = [Row(number, "answer", text(8 + number % 5)) for number in range(1, SHORT_ITEMS + 1)]
    emit(Figure("contamination.all_sizes", rate(documents, EvaluationSets.of(sets)), "MB of text/s a core"))


def rate(documents: list[str], sets: EvaluationSets) -> float:
    """Megabytes a second of processor time, the best of some runs; words are found anew in each."""
    sets.index(Settings(N, SHORTEST, COMMON))
    batches = [TextBatch.of(documents[at : at + BATCH]) for at in range(0, len(documents), BATCH)]
    least = float("inf")
    for _ in range(RUNS):
        fresh = [TextBatch(batch.data, batch.offsets) for batch in batches]
        start = time.process_time()
        for batch in fresh:
            ngram(batch, sets=sets)
        least = min(least, time.process_time() - start)
    return sum(len(batch.data) for batch in batches) / 1e6 / least


if __name__ == "__main__":
    main()
