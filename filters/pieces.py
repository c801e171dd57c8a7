"""Kernels that cut documents into lines and paragraphs, and find the repeated ones.

Those that cut documents take (data: uint8[bytes], offsets: int64[documents + 1]) and return (start, end, first) as
`Spans` has them.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

import numpy as np
from numba import njit

from filters.loads import continuations, count_lf, find_lf, has_byte, load_8, load_part
from filters.unicode import SPACE, decode, decode_before

_LF = 10
_PRIME = 0x9E3779B97F4A7C15
"""Odd, its bits well mixed: 2^64 over the golden ratio."""


@njit(cache=True, nogil=True)
def characters(data, start, end):
    """Code points of every piece: int64[pieces]. Bytes that continue a character (10xxxxxx) are not counted."""
    counts = np.empty(len(start), np.int64)
    for j in range(len(start)):
        size = end[j] - start[j]
        n = size
        for d in range(0, size, 8):
            n -= continuations(load_part(data, start[j] + d, size - d))
        counts[j] = n
    return counts


@njit(cache=True, nogil=True)
def _line_break(data, p, end):
    """Bytes of the line break of `str.splitlines()` at p, 0 if there is none."""
    c = data[p]
    if c == 13:
        return 2 if p + 1 < end and data[p + 1] == _LF else 1
    if 10 <= c <= 12 or 0x1C <= c <= 0x1E:
        return 1
    if c == 0xC2 and p + 1 < end and data[p + 1] == 0x85:
        return 2
    if c == 0xE2 and p + 2 < end and data[p + 1] == 0x80 and 0xA8 <= data[p + 2] <= 0xA9:
        return 3
    return 0


@njit(cache=True, nogil=True)
def _may_break(c):
    return 10 <= c <= 13 or 0x1C <= c <= 0x1E or c == 0xC2 or c == 0xE2


@njit(cache=True, nogil=True)
def _may_hold_break(word):
    """Not 0 if one of 8 bytes may begin a line break: below U+001F, 0xC2 or 0xE2 (and sometimes for other bytes)."""
    controls = (word - np.uint64(0x1F1F1F1F1F1F1F1F)) & ~word & np.uint64(0x8080808080808080)
    return controls | has_byte(word, 0xC2) | has_byte(word, 0xE2)


@njit(cache=True, nogil=True)
def _possible_breaks(data, p, end):
    most = np.int64(0)
    while p < end:
        stop = min(p + 8, end)
        if stop - p < 8 or _may_hold_break(load_8(data, p)):
            for q in range(p, stop):
                most += _may_break(data[q])
        p = stop
    return most


@njit(cache=True, nogil=True)
def lines(data, offsets):
    """Lines of `str.splitlines()`, without their breaks."""
    most = len(offsets) + _possible_breaks(data, offsets[0], offsets[-1])
    start, end = np.empty(most, np.int64), np.empty(most, np.int64)
    first = np.zeros(len(offsets), np.int64)
    n = 0
    for i in range(len(offsets) - 1):
        p, stop = offsets[i], offsets[i + 1]
        line = p
        while p < stop:
            while p + 8 <= stop and not _may_hold_break(load_8(data, p)):
                p += 8
            if p == stop:
                break
            length = _line_break(data, p, stop) if _may_break(data[p]) else 0
            if length:
                start[n], end[n] = line, p
                n += 1
                p += length
                line = p
            else:
                p += 1
        if line < stop:
            start[n], end[n] = line, stop
            n += 1
        first[i + 1] = n
    return start[:n], end[:n], first


@njit(cache=True, nogil=True)
def skip_space(data, p, end, classes):
    """First byte from p that does not begin a space, or `end`."""
    while p < end:
        c, length = decode(data, p, end)
        if not classes[c] & SPACE:
            break
        p += length
    return p


@njit(cache=True, nogil=True)
def strip_end(data, start, end, classes):
    """`end` moved left over spaces, to `start` at most."""
    while end > start:
        c, p = decode_before(data, start, end)
        if not classes[c] & SPACE:
            break
        end = p
    return end


@njit(cache=True, nogil=True)
def newlines_of(data, offsets):
    """LF in every document: int64[documents]."""
    newlines = np.empty(len(offsets) - 1, np.int64)
    for i in range(len(newlines)):
        newlines[i] = count_lf(data, offsets[i], offsets[i + 1])
    return newlines


@njit(cache=True, nogil=True)
def newline_lines(data, offsets, newlines, classes):
    """Lines between LF that hold something other than spaces."""
    most = newlines.sum() + len(newlines)
    start, end = np.empty(most, np.int64), np.empty(most, np.int64)
    first = np.zeros(len(offsets), np.int64)
    n = 0
    for i in range(len(offsets) - 1):
        line, stop = offsets[i], offsets[i + 1]
        while line < stop:
            p = find_lf(data, line, stop)
            if skip_space(data, line, p, classes) < p:
                start[n], end[n] = line, p
                n += 1
            line = p + 1
        first[i + 1] = n
    return start[:n], end[:n], first


@njit(cache=True, nogil=True)
def split_at_newlines(data, begins, ends, newlines, shortest):
    """Pieces between runs of at least `shortest` LF, of one stretch a document, as `re.split` gives them."""
    most = newlines.sum() + len(begins)
    start, end = np.empty(most, np.int64), np.empty(most, np.int64)
    first = np.zeros(len(begins) + 1, np.int64)
    n = 0
    for i in range(len(begins)):
        p, piece = begins[i], begins[i]
        while p < ends[i]:
            run = find_lf(data, p, ends[i])
            p = run
            while p < ends[i] and data[p] == _LF:
                p += 1
            if p - run >= shortest:
                start[n], end[n] = piece, run
                n += 1
                piece = p
        start[n], end[n] = piece, ends[i]
        n += 1
        first[i + 1] = n
    return start[:n], end[:n], first


@njit(cache=True, nogil=True)
def stripped(data, begins, ends, classes):
    """(begins, ends) of the pieces without the spaces around them: a blank one is empty, at its end."""
    start, end = np.empty(len(begins), np.int64), np.empty(len(begins), np.int64)
    for i in range(len(begins)):
        start[i] = skip_space(data, begins[i], ends[i], classes)
        end[i] = strip_end(data, start[i], ends[i], classes)
    return start, end


@njit(cache=True, nogil=True)
def hashes(data, start, end):
    """A 64-bit hash of every piece: uint64[pieces]. Equal pieces have equal hashes; unequal ones may have, too."""
    out = np.empty(len(start), np.uint64)
    for j in range(len(start)):
        size = end[j] - start[j]
        h = np.uint64(size) * np.uint64(_PRIME)
        for d in range(0, size, 8):
            h = _mixed(h, load_part(data, start[j] + d, size - d))
        out[j] = h
    return out


@njit(cache=True, nogil=True)
def _mixed(h, word):
    h = (h ^ word) * np.uint64(_PRIME)
    return h ^ (h >> np.uint64(32))


@njit(cache=True, nogil=True)
def _same(data, start, end, j, k):
    if end[j] - start[j] != end[k] - start[k]:
        return False
    for d in range(end[j] - start[j]):  # noqa: SIM110  (numba compiles no generator)
        if data[start[j] + d] != data[start[k] + d]:
            return False
    return True


@njit(cache=True, nogil=True)
def repeats(data, start, end, first, piece_hashes):
    """1 for every piece that an earlier piece of its document equals byte for byte, else 0: uint8[pieces]."""
    out = np.zeros(len(start), np.uint8)
    most = 0
    for i in range(len(first) - 1):
        most = max(most, first[i + 1] - first[i])
    size = 16
    while size < 2 * most:
        size *= 2
    table = np.zeros(size, np.int64)
    for i in range(len(first) - 1):
        size = 16
        while size < 2 * (first[i + 1] - first[i]):
            size *= 2
        table[:size] = 0
        for j in range(first[i], first[i + 1]):
            slot = np.int64(piece_hashes[j] & np.uint64(size - 1))
            while table[slot] > 0:
                k = table[slot] - 1
                if piece_hashes[k] == piece_hashes[j] and _same(data, start, end, j, k):
                    out[j] = 1
                    break
                slot = (slot + 1) & (size - 1)
            if not out[j]:
                table[slot] = j + 1
    return out
