"""How long a document is."""

import numpy as np
import numpy.typing as npt

from filters.batch import TextBatch
from filters.registry import register

Floats = npt.NDArray[np.float64]
SOURCE = "definition"


@register("length.characters", unit="code points", source=SOURCE, semantics="unicode", version=1)
def characters(batch: TextBatch) -> Floats:
    """Code points of the document, `len(text)`, 0 upwards; 0.0 for an empty one."""
    return batch.characters.astype(np.float64)


@register("length.bytes", unit="bytes of UTF-8", source=SOURCE, semantics="unicode", version=1)
def num_bytes(batch: TextBatch) -> Floats:
    """Bytes of the document in UTF-8, 0 upwards; 0.0 for an empty one."""
    return np.diff(batch.offsets).astype(np.float64)


@register("length.words", unit="words", source=SOURCE, semantics="provider", version=1)
def words(batch: TextBatch) -> Floats:
    """Words of the injected provider, symbols too, 0 upwards; 0.0 for a document without words."""
    return batch.words.counts().astype(np.float64)
