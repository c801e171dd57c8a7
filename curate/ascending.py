"""Sorted arrays: where each value begins, and which values are among them."""

from typing import Any

import numpy as np
import numpy.typing as npt


def begins(*columns: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a row is the first, or differs in a column from the one before; bool[n]."""
    first = np.ones(len(columns[0]), np.bool_)
    first[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return first


def look_up(
    ascending: npt.NDArray[np.integer[Any]], values: npt.NDArray[np.integer[Any]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Of each value the place of its equal among the ascending ones, and whether there is one; both shaped as `values`.
    The place of one that is not there says nothing.
    """
    if not len(ascending):
        return np.zeros(values.shape, np.int64), np.zeros(values.shape, np.bool_)
    place = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return place, ascending[place] == values
