"""A share per document, defined for documents that have nothing to share."""

import numpy as np
import numpy.typing as npt


def ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64], *, empty: float = 0.0) -> npt.NDArray[np.float64]:
    """part / whole, and `empty` where whole is 0: float64[documents]."""
    return np.where(whole > 0, part / np.maximum(whole, 1), empty)
