"""Pairs of texts at an exact shingle Jaccard, and what share of them the S-curve promises.

A text has WORDS words, no word twice in the whole corpus but for the first `shared + 4` of a pair's two texts: each has
SHINGLES shingles of 5 words, the two `shared` of them in common, and texts of different pairs none.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.minhash import probability

SIZE = 5
SHINGLES = 80
WORDS = SHINGLES + SIZE - 1
STEPS = np.linspace(0.5, 1.0, 11)
"""Bounds of the steps of similarity: [.5, .55), ..., [.95, 1]."""

_LETTERS = 5
_WORD_BYTES = _LETTERS + 1


class Planted(NamedTuple):
    """Pairs, ordered by step; pair i is the texts 2i and 2i + 1."""

    texts: npt.NDArray[np.uint8]
    """uint8[2 x pairs, bytes of a text]"""
    similarity: npt.NDArray[np.float64]
    """Exact Jaccard of each pair."""
    step: npt.NDArray[np.int64]
    """Number of its step, 0..9."""

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each text begins, as the kernels take it."""
        return np.arange(len(self.texts) + 1, dtype=np.int64) * self.texts.shape[1]


def planted(pairs_a_step: int) -> Planted:
    """Pairs of every similarity that SHINGLES allows, as many a step."""
    possible = np.arange(SHINGLES + 1)
    at = np.minimum(np.searchsorted(STEPS, possible / (2 * SHINGLES - possible) + 1e-12, side="right") - 1, 9)
    shared = np.concatenate([np.resize(possible[at == step], pairs_a_step) for step in range(len(STEPS) - 1)])
    numbers = np.arange(len(shared) * 2 * WORDS).reshape(-1, 2, WORDS)
    in_common = np.arange(WORDS) < shared[:, None] + SIZE - 1
    # Of no shingle in common there is no word in common either.
    numbers[:, 1][in_common] = numbers[:, 0][in_common]
    words = np.full((*numbers.shape, _WORD_BYTES), ord(" "), np.uint8)
    for letter in range(_LETTERS):
        words[..., letter] = ord("a") + numbers // 26**letter % 26
    # Other bytes, the same words: equal texts would never be compared.
    words[:, 1, -1, -1] = ord(".")
    step = np.repeat(np.arange(len(STEPS) - 1), pairs_a_step)
    return Planted(words.reshape(2 * len(shared), -1), shared / (2 * SHINGLES - shared), step)


def interval(similarity: npt.NDArray[np.float64], bands: int, rows: int, repeats: int, error: float) -> tuple[int, int]:
    """Least and greatest number found of pairs that are each found with P(s), independently, `repeats` times each; a
    number outside has at most the probability `error`. The Poisson binomial distribution, from its characteristic
    function (Hong 2013, doi 10.1016/j.csda.2012.10.006).
    """
    n = len(similarity) * repeats
    turn = np.exp(2j * np.pi * np.arange(n + 1) / (n + 1))
    characteristic = np.ones(n + 1, np.complex128)
    for s, count in zip(*np.unique(similarity, return_counts=True), strict=True):
        p = probability(float(s), bands, rows)
        characteristic *= (1 - p + p * turn) ** (int(count) * repeats)
    below = np.cumsum(np.fft.fft(characteristic).real / (n + 1))
    # The cumulated rounding errors are about 1e-13.
    return int(np.argmax(below > error / 2)), int(np.argmax(below >= 1 - error / 2 - 1e-12))
