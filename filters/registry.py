"""Name -> Filter or Transform. A filter measures documents and a transform rewrites them; neither drops one.

One rule has several maths in the field. Where two of them are here, one has the rule's plain name (`datatrove`) and the
other is called `rule@semantics`: a config, the reasons in the ledger and `get` all use that name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from filters.batch import TextBatch

Measure = Callable[..., npt.NDArray[np.float64]]
"""(batch: TextBatch, *, **knobs) -> float64[documents]; the keyword-only parameters are the knobs of the config."""

Rewrite = Callable[..., tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]
"""(batch: TextBatch, *, **knobs) -> (data, offsets) of the new texts, one a document; a text may become empty."""

T = TypeVar("T", bound="Filter | Transform")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Both ends belong to the range; None leaves an end open."""

    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """One registered measure and what its numbers mean."""

    name: str
    """As a config says it: the rule, or `rule@semantics` where another semantics has the plain name."""

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

    reads_urls: bool
    """Whether it looks at `batch.urls`, which are read for such measures alone."""

    default: Bounds
    """The bounds of the source, for who wants them; a measure itself applies none."""

    @property
    def rule(self) -> str:
        """What is measured, whoever defines it."""
        return self.name.partition("@")[0]

    @property
    def column(self) -> str:
        """Name of the stored column: it changes whenever the meaning of its values does."""
        return f"{self.rule}@{self.semantics}.{self.version}"

    @property
    def doc(self) -> str:
        """First line of the measure's docstring: what comes out, its range, the value of an empty document."""
        return _first_line(self.measure)


@dataclass(frozen=True, slots=True)
class Transform:
    """One registered way to rewrite texts: from where it stands in a config, measures see the new ones."""

    name: str
    rewrite: Rewrite
    source: str
    semantics: str
    version: int
    """Raised whenever a text could change."""

    @property
    def label(self) -> str:
        """What a document's list of transforms holds: `rule@semantics.version`."""
        return f"{self.name}@{self.semantics}.{self.version}"

    @property
    def doc(self) -> str:
        """First line of the docstring: what goes, and what stands in its place."""
        return _first_line(self.rewrite)

    def apply(self, batch: "TextBatch", **knobs: Any) -> "TextBatch":
        """A batch of the new texts, with the languages and words of the old one."""
        return batch.with_texts(*self.rewrite(batch, **knobs))


FILTERS: dict[str, Filter] = {}
TRANSFORMS: dict[str, Transform] = {}


def register(
    name: str,
    *,
    unit: str,
    source: str,
    semantics: str,
    version: int,
    low: float | None = 0.0,
    high: float | None = None,
    reads_urls: bool = False,
    default: Bounds | None = None,
) -> Callable[[Measure], Measure]:
    """Add the decorated function to FILTERS under `name`: a rule, or `rule@semantics` beside another semantics."""
    if "@" in name and not name.endswith(f"@{semantics}"):
        raise ValueError(f"{name!r}: its semantics is {semantics!r}; register it as rule@{semantics}")

    def add(measure: Measure) -> Measure:
        added = Filter(name, measure, unit, source, semantics, version, low, high, reads_urls, default or Bounds())
        _add(FILTERS, added)
        return measure

    return add


def register_transform(name: str, *, source: str, semantics: str, version: int) -> Callable[[Rewrite], Rewrite]:
    """Add the decorated function to TRANSFORMS under `name`."""

    def add(rewrite: Rewrite) -> Rewrite:
        _add(TRANSFORMS, Transform(name, rewrite, source, semantics, version))
        return rewrite

    return add


def get(name: str) -> Filter:
    """The filter called `name`. Raises ValueError with near misses."""
    return _named("filter", name, FILTERS)


def get_transform(name: str) -> Transform:
    """The transform called `name`. Raises ValueError with near misses."""
    return _named("transform", name, TRANSFORMS)


def _add(registry: dict[str, T], added: T) -> None:
    if added.name in registry:
        raise ValueError(f"{added.name!r} is already registered")
    registry[added.name] = added


def _named(what: str, name: str, registry: dict[str, T]) -> T:
    if name not in registry:
        near = _near(name, registry) or get_close_matches(name, registry) or sorted(registry)
        raise ValueError(f"unknown {what} {name!r}; did you mean {', '.join(near)}? {len(registry)} are registered")
    return registry[name]


def _near(name: str, registry: Mapping[str, object]) -> list[str]:
    """The forms of a rule that is known, under another semantics than the one asked for."""
    rule, at, _ = name.partition("@")
    return sorted(known for known in registry if known.startswith(f"{rule}@") or (at and known == rule))


def _first_line(function: Any) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]
