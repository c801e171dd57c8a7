"""Where pieces of documents lie in the buffer of a batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Pieces of documents: piece j is data[start[j]:end[j]]; document i owns pieces first[i]:first[i + 1]."""

    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("start", "end", "first"):
            object.__setattr__(self, name, read_only(getattr(self, name), np.int64, f"Spans.{name}"))

    def counts(self) -> npt.NDArray[np.int64]:
        """Pieces in each document."""
        return np.diff(self.first)

    def sums(self, values: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Sum over the pieces of each document of one value a piece; 0 without pieces."""
        return np.diff(np.concatenate(([0], np.cumsum(values, dtype=np.int64)))[self.first])


def read_only(array: npt.NDArray[Any], dtype: Any, where: str) -> npt.NDArray[Any]:
    """A read-only view: numba compiles a kernel again for writable arrays, so all buffers are of the one kind."""
    if array.dtype != dtype or array.ndim != 1 or not array.flags.c_contiguous:
        raise ValueError(f"{where}: {array.dtype} with {array.ndim} axes, expected contiguous {np.dtype(dtype)}[n]")
    view = array.view()
    view.flags.writeable = False
    return view
