"""A trained fastText classifier: texts -> probability of a label. Language identification has its own, language.py."""

from collections.abc import Sequence
from pathlib import Path

import fasttext_pybind  # type: ignore[import-not-found]  # compiled; load_model of its wrapper prints to stderr
import numpy as np
import numpy.typing as npt

from curate.errors import ModelError
from curate.text.fasttext_file import describe


class FastTextClassifier:
    """The `filters.fasttext.Classifier` of one file, in memory as a whole: DCLM's takes 2.4 GB in each worker."""

    def __init__(self, path: Path) -> None:
        """Raises ModelError for a file that is no classifier or cannot be loaded, OSError for one that is not there."""
        about = describe(path)
        self.labels = about.labels
        self._two_share = about.shares and len(about.labels) == 2
        self._model = fasttext_pybind.fasttext()
        try:
            self._model.loadModel(str(path))
        except (ValueError, RuntimeError, MemoryError) as error:
            raise ModelError(f"{path}: fastText cannot load it ({str(error)[:200]})") from error

    def shares(self, lines: Sequence[str], labels: Sequence[str]) -> npt.NDArray[np.float64]:
        """float64[lines, labels], 0..1: how likely each line has each label; they need not add up to 1."""
        found = np.zeros((len(lines), len(labels)), np.float64)
        place = {label: n for n, label in enumerate(labels)}
        for i, line in enumerate(lines):
            for share, name in self._model.predict(line.encode() + b"\n", len(self.labels), 0.0, "strict"):
                found[i, place[name]] = share
        return found.clip(0.0, 1.0)

    def probabilities(self, lines: Sequence[str], label: str, /) -> npt.NDArray[np.float64]:
        """float64[lines], 0..1; see filters/fasttext.py for what the number of the less likely of two labels is."""
        # The last guess is only taken where no other can be worked out from.
        wanted = 1 if self._two_share else len(self.labels)
        predict = self._model.predict
        found = np.zeros(len(lines), np.float64)
        for i, line in enumerate(lines):
            guesses = {name: p for p, name in predict(line.encode() + b"\n", wanted, 0.0, "strict")}
            if label in guesses:
                found[i] = guesses[label]
            elif self._two_share and guesses:
                found[i] = 1.0 - next(iter(guesses.values()))
        # fastText adds 1e-5 before the logarithm, so that a probability can come out above 1.
        return found.clip(0.0, 1.0)
