"""The band keys of texts: what `sign` writes for a run, and the index for what was published."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate import minhash
from curate.config import MinhashConfig
from curate.saturation import saturated
from curate.shingles import Shingles
from curate.text.buffers import text_buffers


class TextKeys(NamedTuple):
    """One entry a text, but for `keys`."""

    bytes: npt.NDArray[np.int64]
    shingles: npt.NDArray[np.int64]
    """Repeats included; 0 for a text without units."""

    saturated: npt.NDArray[np.bool_]
    compared: npt.NDArray[np.bool_]
    """Texts without units all look alike, and so do those that hold every shingle of their language: no key."""

    keys: npt.NDArray[np.uint64]
    """uint64[texts that are compared, bands]"""


def text_keys(texts: pa.ChunkedArray, config: MinhashConfig, shingles: Shingles) -> TextKeys:
    """The keys of a `large_string` column without nulls; `shingles` are the config's. Raises as
    `minhash.shingle_hashes` does.
    """
    data, offsets = text_buffers(texts)
    a, b = minhash.permutations(config.bands * config.rows, config.seed)
    minima, number = minhash.text_signatures(data, offsets, a, b, shingles)
    full = saturated(minima, number, shingles)
    compared = (number > 0) & ~full
    keys = minhash.band_keys(minima[compared], config.bands, config.rows)
    return TextKeys(np.diff(offsets), number, full, compared, keys)
