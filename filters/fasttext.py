"""What a trained fastText classifier says of a document, as DCLM asks it (Li et al. 2024, arXiv:2406.11794, 4.4).

DCLM-Baseline is what `mlfoundations/fasttext-oh-eli5` (labels `__label__hq`, `__label__cc`) gives at least 0.018112:
the best tenth of DCLM's own pool. With another model or pool the bound is another; `curate preview` shows the values.
That model was not at hand here: values were held against fastText's own `predict` with models of ours.

The document is one line to fastText: its ends stripped, its lines (`str.splitlines`) joined by blanks. Words end at
ASCII white space and NUL, case and punctuation count, one that begins with `__label__` is left out, and a word `</s>`
ends the line: what stands behind it is not looked at. Of two labels that share one probability (softmax) the less
likely one has 1 minus the other's number, as in DCLM; fastText's own for it is 0.00002 higher, as it adds 0.00001 to
each.

DIFFERS from DCLM: a number above 1, which that makes, is 1; a line of which the model knows nothing, not even its
end, is 0.0 and no error.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from filters.batch import TextBatch
from filters.registry import Bounds, register

Floats = npt.NDArray[np.float64]


class Classifier(Protocol):
    """A trained model. The engine reads it from the file that the config names, and keys know its content."""

    def probabilities(self, lines: Sequence[str], label: str, /) -> Floats:
        """float64[lines], 0..1: how likely each text without line ends has `label`, one that the model knows."""
        ...


class NoClassifier:
    """Stands where no model was given: nothing is likely."""

    def probabilities(self, lines: Sequence[str], label: str, /) -> Floats:
        """0.0 for each line."""
        del label
        return np.zeros(len(lines), np.float64)


_NO_MODEL: Classifier = NoClassifier()


@register(
    "fasttext.probability",
    unit="probability, 0..1",
    source="DCLM, arXiv:2406.11794 4.4",
    semantics="dclm",
    version=1,
    high=1.0,
    default=Bounds(min=0.018112),
)
def probability(batch: TextBatch, *, model: Classifier = _NO_MODEL, label: str = "__label__hq") -> Floats:
    """Probability of the label, 0..1; an empty document has that of an empty line; 0.0 without a model."""
    texts = (batch.data[s:e].tobytes().decode(errors="replace") for s, e in pairwise(batch.offsets))
    return model.probabilities([" ".join(text.strip().splitlines()) for text in texts], label)
