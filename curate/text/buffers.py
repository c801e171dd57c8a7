"""Arrow's text column as what the compiled kernels take: one UTF-8 buffer and offsets."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit


def text_array(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> pa.Array:
    """The `large_string` array over these buffers, which hold valid UTF-8; nothing is copied."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)


def text_buffers(texts: pa.ChunkedArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Bytes and offsets, uint8[bytes] and int64[n + 1], of a `large_string` column without nulls.

    Nothing is copied where the column is one chunk; the offsets of a sliced column do not start at 0.
    """
    if texts.null_count:
        raise ValueError(f"text: {texts.null_count} of {len(texts)} are null; expected a text for each document")
    chunks = texts.chunks or [pa.array([], texts.type)]
    chunk = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
    _, offsets, data = chunk.buffers()
    if not len(chunk):
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    first = np.frombuffer(offsets, np.int64, len(chunk) + 1, chunk.offset * 8)
    return np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8), first


def gather_texts(texts: pa.ChunkedArray, order: npt.NDArray[np.int64]) -> pa.Array:
    """The texts in this order of places, copied once, chunk by chunk."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    buffers = [text_buffers(pa.chunked_array([chunk])) for chunk in texts.chunks if len(chunk)]
    sizes = np.concatenate([np.empty(0, np.int64), *(np.diff(offsets) for _, offsets in buffers)])
    ends = np.concatenate([[0], np.cumsum(sizes[order])])
    data = np.empty(ends[-1], np.uint8)
    start = 0
    for chunk, offsets in buffers:
        rows = len(offsets) - 1
        _copy(chunk, offsets, ends[place[start : start + rows]], data)
        start += rows
    return text_array(data, ends)


@njit(cache=True, nogil=True)
def _copy(data, offsets, starts, out):  # type: ignore[no-untyped-def]  # numba infers the types
    for i in range(len(offsets) - 1):
        begin, end = offsets[i], offsets[i + 1]
        out[starts[i] : starts[i] + end - begin] = data[begin:end]
