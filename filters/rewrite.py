"""New texts from old ones: spans that give way to something else, and which documents a rewrite changed."""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from filters.batch import TextBatch
from filters.pieces import skip_space, strip_end
from filters.spans import Spans
from filters.unicode import CLASS

Texts = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
"""(data, offsets), uint8[bytes] and int64[documents + 1]: as TextBatch takes them, offsets from 0 on."""


def without(batch: TextBatch, spans: Spans) -> Texts:
    """The texts without `spans`, which follow each other without overlaps; white space at the ends goes."""
    return replaced(batch, spans, np.zeros(len(spans.start), np.uint8), ("",))


def replaced(batch: TextBatch, spans: Spans, kind: npt.NDArray[np.uint8], by: Sequence[str]) -> Texts:
    """The texts with span j as `by[kind[j]]`; white space at the ends of a document that has a span goes."""
    pieces = [text.encode() for text in by]
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    grown = int(np.diff(ends, prepend=0)[kind].sum())
    data, offsets = _replaced(
        batch.data, batch.offsets, spans.start, spans.end, spans.first, kind,
        np.frombuffer(b"".join(pieces), np.uint8), ends, grown, CLASS,
    )  # fmt: skip
    return data, offsets


def changed(before: TextBatch, after: TextBatch) -> npt.NDArray[np.bool_]:
    """bool[documents]: whose text is another one."""
    found: npt.NDArray[np.bool_] = _changed(before.data, before.offsets, after.data, after.offsets)
    return found


@njit(cache=True, nogil=True)
def _replaced(data, offsets, start, end, first, kind, pieces, ends, grown, classes):
    text = np.empty(offsets[-1] - offsets[0] + grown, np.uint8)
    new = np.zeros(len(offsets), np.int64)
    for i in range(len(offsets) - 1):
        begin = n = new[i]
        p = offsets[i]
        for j in range(first[i], first[i + 1]):
            for q in range(p, start[j]):
                text[n] = data[q]
                n += 1
            k = kind[j]
            for q in range(ends[k - 1] if k else 0, ends[k]):
                text[n] = pieces[q]
                n += 1
            p = end[j]
        for q in range(p, offsets[i + 1]):
            text[n] = data[q]
            n += 1
        if first[i + 1] > first[i]:
            s = skip_space(text, begin, n, classes)
            n = strip_end(text, s, n, classes)
            for d in range(n - s):
                text[begin + d] = text[s + d]
            n -= s - begin
        new[i + 1] = n
    return text[: new[-1]].copy(), new


@njit(cache=True, nogil=True)
def _changed(old, old_offsets, new, new_offsets):
    found = np.zeros(len(old_offsets) - 1, np.bool_)
    for i in range(len(found)):
        p, q = old_offsets[i], new_offsets[i]
        length = old_offsets[i + 1] - p
        found[i] = length != new_offsets[i + 1] - q
        if not found[i]:
            for d in range(length):
                if old[p + d] != new[q + d]:
                    found[i] = True
                    break
    return found
