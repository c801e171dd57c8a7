"""Name -> Filter. A filter measures documents; it never drops one."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt

Measure = Callable[..., npt.NDArray[np.float64]]
"""(batch: TextBatch, *, **knobs) -> float64[documents]; the keyword-only parameters are the knobs of the config."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Both ends belong to the range; None leaves an end open."""

    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """One registered measure and what its numbers mean."""

    name: str
    measure: Measure
    unit: str
    source: str
    semantics: str
    """Whose definition of the rule this is: one name has several maths in the field."""

    version: int
    """Raised whenever a value could change: it is part of the key under which results are kept."""

    low: float | None
    """The smallest value that the measure can take; None: no limit. A bound outside low..high never fires."""

    high: float | None
    """The largest value that the measure can take; None: no limit."""

    default: Bounds
    """The bounds of the source, for who wants them; a measure itself applies none."""

    @property
    def column(self) -> str:
        """Name of the stored column: it changes whenever the meaning of its values does."""
        return f"{self.name}@{self.semantics}.{self.version}"

    @property
    def doc(self) -> str:
        """First line of the measure's docstring: what comes out, its range, the value of an empty document."""
        return (self.measure.__doc__ or "").strip().partition("\n")[0]


FILTERS: dict[str, Filter] = {}


def register(
    name: str,
    *,
    unit: str,
    source: str,
    semantics: str,
    version: int,
    low: float | None = 0.0,
    high: float | None = None,
    default: Bounds | None = None,
) -> Callable[[Measure], Measure]:
    """Add the decorated function to FILTERS under `name`."""

    def add(measure: Measure) -> Measure:
        if name in FILTERS:
            raise ValueError(f"filter {name!r} is already registered by {_module(FILTERS[name].measure)}")
        FILTERS[name] = Filter(name, measure, unit, source, semantics, version, low, high, default or Bounds())
        return measure

    return add


def get(name: str) -> Filter:
    """Return the filter called `name`; list near misses if there is none."""
    if name not in FILTERS:
        near = get_close_matches(name, FILTERS) or sorted(FILTERS)
        raise ValueError(f"unknown filter {name!r}; did you mean {', '.join(near)}? {len(FILTERS)} are registered")
    return FILTERS[name]


def _module(measure: Any) -> str:
    return str(getattr(measure, "__module__", "an unknown module"))
