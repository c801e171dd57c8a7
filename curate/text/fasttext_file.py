"""What a fastText file says of itself, read without loading it: the library takes a cut file and dies at its first
prediction, and a model of gigabytes need not be in memory to see its labels.

The format is that of fastText's `saveModel`, version 12: little-endian, of four parts: options, dictionary, input and
output matrix. A quantized (.ftz) matrix is codes and their centroids.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.errors import ModelError

MAGIC = (793712314).to_bytes(4, "little")

OPTIONS = "<12id"
"""dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate, t"""

HIERARCHICAL_SOFTMAX, SOFTMAX, SUPERVISED = 1, 3, 3
"""Of fastText's enumerations of losses and of kinds of model."""

CENTROIDS = 256
"""Of each part of a quantized vector."""


@dataclass(frozen=True, slots=True)
class Description:
    """What can be known of a classifier before it is loaded."""

    labels: tuple[str, ...]
    """With their prefix, as the file has them."""

    shares: bool
    """Whether the probabilities of all labels add up to 1 (softmax); otherwise each is on its own."""


def describe(path: Path) -> Description:
    """Labels and kind of a classifier. Raises ModelError for a file that is none, or cut; OSError for one not there."""
    with path.open("rb") as file:
        if (magic := file.read(4)) != MAGIC:
            raise ModelError(f"{path}: begins with {magic.hex() or 'nothing'}, a fastText file with {MAGIC.hex()}")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _described(_Cursor(data, 8), len(data), path)
            except (struct.error, ValueError):
                raise ModelError(f"{path}: cut, or damaged; a fastText file goes on here. Copy it again") from None


class _Cursor:
    """A place in the file that moves on with what is read."""

    def __init__(self, data: mmap.mmap, at: int) -> None:
        self.data, self.at = data, at

    def take(self, form: str) -> tuple[Any, ...]:
        """The next values. Raises struct.error behind the end."""
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def skip(self, size: int) -> None:
        """Go on by `size` bytes, which need not be there. Raises ValueError for less than none."""
        if size < 0:
            raise ValueError(size)
        self.at += size


def _described(file: _Cursor, size: int, path: Path) -> Description:
    options = file.take(OPTIONS)
    loss, kind = options[6], options[7]
    if kind != SUPERVISED:
        raise ModelError(f"{path}: word vectors, no classifier; train one with `fasttext supervised`")
    labels = _labels(file)
    if not labels:
        raise ModelError(f"{path}: no labels; train a classifier with `fasttext supervised`")
    (quantized,) = file.take("<?")
    _skip_matrix(file, quantized=quantized)
    (output_too,) = file.take("<?")
    _skip_matrix(file, quantized=quantized and output_too)
    if file.at > size:
        raise ValueError(size)
    return Description(labels, loss in (SOFTMAX, HIERARCHICAL_SOFTMAX))


def _labels(file: _Cursor) -> tuple[str, ...]:
    """The labels of the dictionary, which come last in it, each entry: name, NUL, int64 count, int8 type."""
    _, words, labels, _, pruned = file.take("<3i2q")
    names, find, at = [], file.data.find, file.at
    for number in range(words + labels):
        end = find(b"\0", at)
        if end < 0:
            raise ValueError(number)
        if number >= words:
            names.append(file.data[at:end].decode(errors="replace"))
        at = end + 10
    file.at = at
    file.skip(8 * max(pruned, 0))
    return tuple(names)


def _skip_matrix(file: _Cursor, *, quantized: bool) -> None:
    if not quantized:
        rows, columns = file.take("<2q")
        file.skip(4 * rows * columns)
        return
    with_norms, rows, _, codes = file.take("<?2qi")
    file.skip(codes)
    _skip_centroids(file)
    if with_norms:
        file.skip(rows)
        _skip_centroids(file)


def _skip_centroids(file: _Cursor) -> None:
    dim, _, _, _ = file.take("<4i")
    file.skip(4 * dim * CENTROIDS)
