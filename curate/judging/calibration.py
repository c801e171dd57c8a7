"""From a judge's score to what texts with that score were worth on a gold set."""

from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np
from pydantic import model_validator

from curate import lineage
from curate.config.values import Strict
from curate.judging.metrics import Floats, isotonic


class Calibration(Strict):
    """A non-decreasing function by its knots, linear between them and flat beyond."""

    scores: tuple[float, ...]
    """Raw scores, rising."""

    worths: tuple[float, ...]
    """Of each: the mean label of such texts, on the rubric's scale."""

    data: str
    """Hash of the texts that it was fitted on, as `gold.content_hash` gives it."""

    @model_validator(mode="after")
    def rises(self) -> Self:
        """Refuses what no fit gives: a better score would be worth less."""
        if not self.scores or len(self.scores) != len(self.worths):
            raise ValueError("expected as many scores as worths, and one at least")
        if np.any(np.diff(self.scores) <= 0) or np.any(np.diff(self.worths) < 0):
            raise ValueError("scores must rise and worths must not fall")
        return self

    @cached_property
    def hash(self) -> str:
        """Of all of it."""
        return lineage.key("calibration", self.model_dump(mode="json"))

    def apply(self, value: float) -> float:
        """The calibrated score."""
        return float(np.interp(value, self.scores, self.worths))


def fit(scores: Floats, worths: Floats, data: str) -> Calibration:
    """Isotonic regression of one text or more."""
    at, worth = isotonic(scores, worths)
    return Calibration(scores=_plain(at), worths=_plain(np.maximum.accumulate(worth)), data=data)


def _plain(values: Floats) -> tuple[float, ...]:
    knots: Sequence[float] = values.tolist()
    return tuple(knots)
