"""Where the tags, comments and raw texts of an HTML page begin and end, by bytes, for compiled code."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def lower(byte):  # type: ignore[no-untyped-def]  # numba infers the types
    """ASCII only."""
    return byte | 0x20 if 0x41 <= byte <= 0x5A else byte


@njit(cache=True, nogil=True)
def is_space(byte):  # type: ignore[no-untyped-def]
    """HTML's white space, and VT."""
    return byte == 0x20 or 0x09 <= byte <= 0x0D


_CDATA = np.frombuffer(b"<![CDATA[", np.uint8)


@njit(cache=True, nogil=True)
def _begins_cdata(page, at):  # type: ignore[no-untyped-def]
    if at + len(_CDATA) > len(page):
        return False
    same = True
    for i in range(len(_CDATA)):
        same = same and page[at + i] == _CDATA[i]
    return same


@njit(cache=True, nogil=True)
def markup_end(page, at, foreign):  # type: ignore[no-untyped-def]
    """One past the comment, declaration or instruction that begins with the `<` at `at`, or the page's end."""
    size = len(page)
    if at + 3 < size and page[at + 1] == 0x21 and page[at + 2] == 0x2D and page[at + 3] == 0x2D:
        for i in range(at + 4, size):
            if page[i] == 0x3E and page[i - 1] == 0x2D and page[i - 2] == 0x2D:  # <!--> and <!---> are whole comments.
                return i + 1
            if page[i] == 0x3E and page[i - 1] == 0x21 and page[i - 2] == 0x2D and page[i - 3] == 0x2D and i > at + 6:
                return i + 1
        return size
    if foreign and _begins_cdata(page, at):
        for i in range(at + 11, size):
            if page[i] == 0x3E and page[i - 1] == 0x5D and page[i - 2] == 0x5D:
                return i + 1
        return size
    for i in range(at + 2, size):
        if page[i] == 0x3E:
            return i + 1
    return size


@njit(cache=True, nogil=True)
def raw_end(page, at, first, last):  # type: ignore[no-untyped-def]
    """Where the end tag named like page[first:last] begins, at or after `at`, or the page's end."""
    size = last - first
    for i in range(at, len(page) - size - 1):
        if page[i] == 0x3C and page[i + 1] == 0x2F:
            same = True
            for j in range(size):
                if lower(page[i + 2 + j]) != lower(page[first + j]):
                    same = False
                    break
            behind = page[i + 2 + size] if i + 2 + size < len(page) else 0x3E
            if same and (is_space(behind) or behind == 0x2F or behind == 0x3E):
                return i
    return len(page)


@njit(cache=True, nogil=True)
def attributes(page, at):  # type: ignore[no-untyped-def]
    """(one past the tag's `>`, number of attributes, whether it ends in `/>`), from behind the tag's name."""
    size, count, slash = len(page), 0, False
    while at < size:
        byte = page[at]
        if byte == 0x3E:
            return at + 1, count, slash
        if byte == 0x2F or is_space(byte):
            slash = byte == 0x2F
            at += 1
            continue
        count, slash = count + 1, False
        at += 1
        while at < size and not (is_space(page[at]) or page[at] == 0x2F or page[at] == 0x3E or page[at] == 0x3D):
            at += 1
        while at < size and is_space(page[at]):
            at += 1
        if at < size and page[at] == 0x3D:
            at += 1
            while at < size and is_space(page[at]):
                at += 1
            if at < size and (page[at] == 0x22 or page[at] == 0x27):
                quote = page[at]
                at += 1
                while at < size and page[at] != quote:
                    at += 1
                at += 1
            else:
                while at < size and not (is_space(page[at]) or page[at] == 0x3E):
                    at += 1
    return size, count, slash
