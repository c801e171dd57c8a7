"""A tokenizer.json: loaded, and texts as the ids that it gives them."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.errors import ConfigError
from curate.storage import content_hash

_DOCUMENTS = 64
"""Texts that are encoded at a time: what the library returns for a token takes some 100 bytes."""


@dataclass(frozen=True, slots=True)
class TokenizerFile:
    """A tokenizer.json, and what it held when it was named."""

    path: Path
    sha256: str


def json_of(place: Path) -> Path:
    """The tokenizer.json of a folder; a file itself."""
    return place / "tokenizer.json" if place.is_dir() else place


def tokenizer_file(place: Path) -> TokenizerFile:
    """What `place`, a tokenizer.json or its folder, holds. Raises OSError."""
    return TokenizerFile(json_of(place), content_hash(json_of(place)))


def load_tokenizer(place: Path, field: str) -> Any:
    """The tokenizer in `place`. Raises ConfigError, with the name of the field that said so, where it is none."""
    from tokenizers import Tokenizer  # 0.2 s and 100 MB that a run without tokens does not pay

    file = json_of(place)
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
        raise ConfigError(f"{field}: {file}: {error}; expected a tokenizer.json or its folder") from None
    # Many files bring the truncation and padding of the model that they were made for.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@lru_cache(maxsize=1)
def _loaded(named: TokenizerFile) -> Any:
    """Once a process: a worker has thousands of batches."""
    tokenizer = load_tokenizer(named.path, "tokenizer")
    if (found := content_hash(named.path)) != named.sha256:
        raise ConfigError(f"{named.path}: sha256 {found}, {named.sha256} when the run began; run it again")
    return tokenizer


def token_ids(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], named: TokenizerFile
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Ids of each document's tokens, without special ones, and where each document's begin; uint64[total], int64[n+1].

    `data` is UTF-8, document i is `data[offsets[i]:offsets[i+1]]`. Raises ConfigError where the file changed.
    """
    tokenizer = _loaded(named)
    ids, counts = [np.empty(0, np.uint64)], [0]
    for start in range(0, len(offsets) - 1, _DOCUMENTS):
        bounds = pairwise(offsets[start : start + _DOCUMENTS + 1].tolist())
        texts = [data[low:high].tobytes().decode("utf-8", "replace") for low, high in bounds]
        for encoded in tokenizer.encode_batch_fast(texts, add_special_tokens=False):
            ids.append(np.array(encoded.ids, np.uint64))
            counts.append(len(encoded.ids))
    return np.concatenate(ids), np.cumsum(counts, dtype=np.int64)
