"""How well scores agree with labels: AUC, Spearman, weighted kappa, calibration error; each with an interval.

Scores and labels are float arrays of equal length; NaN is what cannot be said, such as an AUC with no bad text.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Metric = Callable[[Floats, Floats], float]
"""(scores, labels) -> value."""

GOOD = 0.5
"""A label from here on is that of a good text, where only good and bad are told apart."""

BINS = 10
"""Of `calibration_error`, equal in width."""

DRAWS = 1_000
"""Bootstrap samples of an interval."""


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % bootstrap interval; each None where it cannot be said."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """`0.812 [0.770, 0.851]`."""
        if self.value is None:
            return "-"
        return f"{self.value:.3f}" + (f" [{self.low:.3f}, {self.high:.3f}]" if self.low is not None else "")


def ranks(values: Floats) -> Floats:
    """Ranks from 1 on; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2.0)[place], dtype=np.float64)


def auc(scores: Floats, labels: Floats) -> float:
    """Probability that a good text scores above a bad one, an equal score counting half; 0..1."""
    good = labels >= GOOD
    num_good, num_bad = int(good.sum()), int((~good).sum())
    if not num_good or not num_bad:
        return math.nan
    return (float(ranks(scores)[good].sum()) - num_good * (num_good + 1) / 2) / (num_good * num_bad)


def spearman(scores: Floats, labels: Floats) -> float:
    """Correlation of the ranks, -1..1; NaN where all scores or all labels are equal."""
    if len(scores) < 2 or np.ptp(scores) == 0 or np.ptp(labels) == 0:
        return math.nan
    return float(np.corrcoef(ranks(scores), ranks(labels))[0, 1])


def weighted_kappa(scores: Floats, labels: Floats, values: Sequence[float]) -> float:
    """Agreement beyond chance with quadratic weights (Cohen, 1968), at most 1.

    Scores and labels count as the nearest of `values`, the lower of two as near; NaN where one value is all there is.
    """
    levels = np.sort(np.unique(values))
    bounds = (levels[:-1] + levels[1:]) / 2
    given, true = (levels[np.searchsorted(bounds, each)] for each in (scores, labels))
    # Of all pairs of a score and a label, as many texts' as one pleases: that is chance.
    chance = float(np.mean(given**2) + np.mean(true**2) - 2 * np.mean(given) * np.mean(true)) if len(given) else 0.0
    return 1 - float(np.mean((given - true) ** 2)) / chance if chance > 1e-12 else math.nan


def calibration_error(scores: Floats, labels: Floats) -> float:
    """Expected calibration error over BINS of the score, 0..1: how far a bin's mean score is from its mean label, each
    bin by its share of the texts (Guo et al., 2017).
    """
    if not len(scores):
        return math.nan
    place = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(place, scores - labels, BINS)).sum() / len(scores))


def interval(
    metric: Metric, scores: Floats, labels: Floats, groups: Sequence[object], *, seed: int = 0, draws: int = DRAWS
) -> Interval:
    """`metric` with the 2.5 % and 97.5 % percentiles over `draws` samples of the groups, drawn with replacement.

    Texts of one group depend on each other, so they are drawn together. Draws of which the metric says nothing are left
    out; when that is most of them, or there is one group, there is no interval.
    """
    value = metric(scores, labels)
    if math.isnan(value):
        return Interval(None)
    places: dict[object, list[int]] = {}
    for n, group in enumerate(groups):
        places.setdefault(group, []).append(n)
    members = [np.array(each) for each in places.values()]
    if len(members) < 2:
        return Interval(value)
    drawn = np.random.default_rng(seed).integers(len(members), size=(draws, len(members)))
    samples = (np.concatenate([members[n] for n in row]) for row in drawn)
    found = np.array([metric(scores[sample], labels[sample]) for sample in samples])
    found = found[~np.isnan(found)]
    if len(found) * 2 < draws:
        return Interval(value)
    low, high = np.percentile(found, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def isotonic(scores: Floats, labels: Floats) -> tuple[Floats, Floats]:
    """Knots (score, label) of the non-decreasing function nearest to the labels in squares, scores rising.

    Pool adjacent violators (Ayer et al., 1955): the mean of each score's labels, then neighbours that fall are pooled.
    """
    at, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    blocks: list[tuple[float, int, int]] = []  # sum of labels, texts, scores
    for total, count in zip(np.bincount(place, labels), counts.tolist(), strict=True):
        block = (float(total), int(count), 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    ends = np.cumsum([0, *(size for *_, size in blocks)])
    # A block is flat: its first score and its last say all of it.
    knots: list[tuple[Any, float]] = []
    for (start, end), (total, count, _) in zip(pairwise(ends.tolist()), blocks, strict=True):
        knots += [(float(at[n]), total / count) for n in dict.fromkeys((start, end - 1))]
    return np.array([x for x, _ in knots]), np.array([y for _, y in knots])
