"""A judge's scores, learned by a fastText model that reads a thousand times as many texts a second.

The judged scores are cut into bins of about equal size, the classes that the model learns; a text's value is the mean
score of the bins by their probabilities, so it is on the judge's scale, and a sum over what the model is unsure of.
As FineWeb-Edu's and DCLM's classifiers (Penedo et al., 2024; Li et al., 2024); DIFFERS: no threshold is learned.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import fasttext
import numpy as np
import numpy.typing as npt

from curate.judging.metrics import Interval, auc, interval, spearman
from curate.lineage import uniform
from curate.text.classifier import FastTextClassifier

VERSION = 2

BINS = 8
"""Classes, about; fewer where there are fewer different scores."""

MAX_CHARS = 5_000
"""Of a text that the model reads."""

LABEL = "__label__"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """How far the model says what the judge says, on texts that it did not learn from."""

    documents: int
    spearman: Interval
    auc: Interval
    """Of telling the texts that the judge puts above its mean from the others; a median may be the highest score."""

    def to_json(self) -> dict[str, object]:
        """Every field by name."""
        return asdict(self)


@dataclass(frozen=True)
class Learned:
    """What training left."""

    model: bytes
    """The fastText file."""

    values: tuple[float, ...]
    """Score that each class stands for, in the order of `__label__0`, `__label__1` ..."""

    agreement: Agreement


class Distilled:
    """A trained model over texts."""

    def __init__(self, path: Path, values: Sequence[float]) -> None:
        """Loads the file; `values` as in Learned."""
        self._classifier = FastTextClassifier(path)
        self._values = np.array(values)

    def scores(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Values on the judge's scale, and the entropy of the classes in bits; float64[texts] each."""
        labels = [f"{LABEL}{n}" for n in range(len(self._values))]
        shares = self._classifier.shares([line_of(text) for text in texts], labels)
        shares /= shares.sum(axis=1, keepdims=True)
        logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
        return shares @ self._values, -(shares * logs).sum(axis=1)


def line_of(text: str) -> str:
    """What of a text the model reads: its head, case folded, as one line. What fastText takes for a label or for the
    end of a line is broken up.
    """
    return " ".join(text[:MAX_CHARS].lower().replace(LABEL, "label").replace("</s>", "< /s>").split())


def learn(texts: Sequence[str], scores: Floats, ids: Sequence[bytes], seed: int, held_out: float) -> Learned:
    """Train on all texts but the share `held_out`, drawn by hash(seed, id), and compare on these. The same bytes come
    of the same texts, in whatever order they are. Raises ValueError where there is nothing to learn from.
    """
    order = sorted(range(len(ids)), key=lambda n: ids[n])
    ranks = np.array([uniform(seed, ids[n], "distil") / 2**64 for n in order])
    lines = [line_of(texts[n]) for n in order]
    judged = scores[order]
    train, test = np.flatnonzero(ranks >= held_out), np.flatnonzero(ranks < held_out)
    bins, values = _bins(judged[train])
    if len(values) < 2 or len(test) < 2:
        raise ValueError(f"{len(train)} texts to learn from with {len(values)} different scores, {len(test)} held out")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.bin")
        _train([lines[n] for n in train], bins, path)
        model = path.read_bytes()
        said, _ = Distilled(path, values).scores([lines[n] for n in test])
    above = (judged[test] > np.mean(judged[test])).astype(np.float64)
    each = list(range(len(test)))
    ordered, told_apart = (interval(m, said, t, each, seed=seed) for m, t in ((spearman, judged[test]), (auc, above)))
    agreement = Agreement(len(test), ordered, told_apart)
    return Learned(model, values, agreement)


def _bins(scores: Floats) -> tuple[npt.NDArray[np.int64], tuple[float, ...]]:
    """The bin of each score, and the mean score of each bin."""
    different, number = np.unique(scores, return_counts=True)
    edges = different[1:]
    if len(different) > BINS:
        # A score that is common enough to fill a bin has one of its own: beside it what is rare would vanish.
        common = np.flatnonzero(number * BINS >= len(scores))
        own = different[np.union1d(common, np.minimum(common + 1, len(different) - 1))]
        edges = np.union1d(np.quantile(scores, np.arange(1, BINS) / BINS), own)
    bins = np.searchsorted(edges, scores, side="right")
    present, bins = np.unique(bins, return_inverse=True)
    values = np.bincount(bins, scores, len(present)) / np.maximum(1, np.bincount(bins, minlength=len(present)))
    return bins.astype(np.int64), tuple(values.tolist())


def _train(lines: Sequence[str], bins: npt.NDArray[np.int64], path: Path) -> None:
    """One thread, so that the same lines give the same model."""
    data = path.with_suffix(".txt")
    data.write_text("".join(f"{LABEL}{n} {line}\n" for n, line in zip(bins.tolist(), lines, strict=True)), "utf-8")
    model = fasttext.train_supervised(
        str(data), dim=32, epoch=25, lr=0.3, wordNgrams=2, minCount=2, bucket=200_000, thread=1, verbose=0
    )
    model.save_model(str(path))
