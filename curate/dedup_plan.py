"""What a choice of bands and rows finds, misses and costs, before anything is spent: the S-curve, and how many pairs of
a sample's documents would be compared for nothing.

A pair at similarity s is proposed with P(s) = 1 - (1 - s^rows)^bands. The mean of P(s) over all pairs of a sample that
lie below the bound, exact Jaccard each, is the share of all pairs of the corpus that are false candidates; they grow
with the square of the documents. It is an estimate: near-copies and templates that the sample missed are not in it, and
documents that lie together in the inputs, which are sampled together, are more alike than others (it errs high).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curate import minhash
from curate.config import MinhashConfig
from curate.shingles import Shingles, shingles_of

SIMILARITIES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
_NORMAL_95 = 1.96
_NONE_SEEN_95 = 3.0
"""Of n pairs none was seen: with 95 % their share is below 3 / n."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FalseCandidates:
    """Expected candidate pairs below the bound among all documents."""

    documents: int
    """Distinct texts that the number is for."""

    expected: float
    standard_error: float
    """Of `expected`, from drawing other documents; it knows nothing of pairs that no sample shows."""

    at_most: float
    """Bound at 95 %: `expected`, 1.96 standard errors, and as many pairs just below the similarity bound as a sample of
    so many pairs can miss."""

    sampled: int
    """Distinct texts of the sample; all their pairs were compared."""

    alike: int
    """Pairs of the sample at or above the bound; each is a duplicate, not a false candidate."""


@dataclass(frozen=True)
class Plan:
    """What one choice of parameters means."""

    bands: int
    rows: int
    unit: str
    size: int
    min_similarity: float
    threshold: float
    """Similarity at which P(s) rises fastest, about (1 / bands)^(1 / rows)."""

    curve: Mapping[float, float]
    """P(s) at SIMILARITIES."""

    missed_at_bound: float
    """Share of pairs just at `min_similarity` that no band proposes."""

    key_bytes: int
    """Bytes of band keys a document."""

    false_candidates: FalseCandidates | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values; the similarities of the curve as text."""
        return asdict(self) | {"curve": {f"{s:g}": p for s, p in self.curve.items()}}


def plan(config: MinhashConfig, false: FalseCandidates | None = None) -> Plan:
    """The plan of a section; `false` of `false_candidates`."""
    bands, rows, bound = config.bands, config.rows, config.min_similarity
    curve = {s: minhash.probability(s, bands, rows) for s in SIMILARITIES}
    return Plan(
        bands, rows, config.shingle.unit, config.shingle.size, bound, minhash.threshold(bands, rows), curve,
        1.0 - minhash.probability(bound, bands, rows), 8 * bands, false,
    )  # fmt: skip


def plans(
    sections: Mapping[str, MinhashConfig],
    buffers: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]] | None = None,
    documents: int = 1_000_000,
) -> dict[str, Plan]:
    """A plan a name; with a sample's distinct texts (bytes and offsets), of false candidates among `documents` too.

    All pairs of the sample are compared once for each way to make shingles: 2,000 documents of 600 words take 4 s.
    """
    compared: dict[Shingles, Floats] = {}
    made = {}
    for name, section in sections.items():
        false = None
        if buffers is not None and len(buffers[1]) > 2:
            shingles = shingles_of(section)
            if shingles not in compared:
                compared[shingles] = similarities(*buffers, shingles)
            false = false_candidates(compared[shingles], section, documents)
        made[name] = plan(section, false)
    return made


def similarities(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], shingles: Shingles) -> Floats:
    """Exact Jaccard of every two texts; float64[n, n], symmetric, 0.0 on the diagonal. 32 MB for 2,000 texts."""
    hashes, first = minhash.shingle_sets(data, offsets, shingles)
    count = len(first) - 1
    found = np.zeros((count, count))
    for i in range(count - 1):
        others = np.arange(i + 1, count)
        found[i, i + 1 :] = minhash.overlaps(hashes, first, np.stack([np.full_like(others, i), others], axis=1)).jaccard
    return found + found.T


def false_candidates(jaccard: Floats, config: MinhashConfig, documents: int) -> FalseCandidates:
    """From the similarities of all pairs of a sample of 2 documents or more; `documents` distinct texts in all.

    Pairs that share a document are not independent: the standard error is that of a U-statistic (Hoeffding 1948).
    """
    count = len(jaccard)
    if count < 2:
        raise ValueError(f"sample: got {count} documents, expected 2 or more: there is no pair to compare")
    below = jaccard < config.min_similarity
    np.fill_diagonal(below, val=False)
    proposed = np.where(below, 1.0 - (1.0 - jaccard**config.rows) ** config.bands, 0.0)
    sampled_pairs = count * (count - 1) / 2
    share = proposed.sum() / 2 / sampled_pairs
    error = float(np.sqrt(_variance(proposed, share)))
    pairs = documents * (documents - 1) / 2
    unseen = _NONE_SEEN_95 / sampled_pairs * minhash.probability(config.min_similarity, config.bands, config.rows)
    alike = int(sampled_pairs - below.sum() / 2)
    return FalseCandidates(
        documents, float(share * pairs), error * pairs, float(share + _NORMAL_95 * error + unseen) * pairs, count, alike
    )


def _variance(values: Floats, mean: float) -> float:
    """Of the mean over all pairs of n documents: 2 / (n (n - 1)) x (2 (n - 2) z1 + z2).

    z2 is the variance of a pair, z1 that of a document's expected mean. What is seen of the documents' means has the
    noise of their pairs in it: (n - 1)^2 v = (n - 2) (z2 + (n - 4) z1).
    """
    n = len(values)
    of_pair = max(float((values**2).sum()) / (n * (n - 1)) - mean**2, 0.0)
    of_means = float((values.sum(axis=1) / (n - 1)).var(ddof=1))
    of_document = max(of_means * (n - 1) ** 2 / max(n - 2, 1) - of_pair, 0.0) / max(n - 4, 1)
    return 2 / (n * (n - 1)) * (2 * (n - 2) * of_document + of_pair)
