"""How deep and how large the tree of an HTML page will be, found in one pass before any parser builds it.

Parsers recurse, copy and search: 20,000 nested `div` cost the extractor 11 s, and 2,000 times `<div><font color=N>`
in 47 KB became 766 MB, because an unclosed formatting element is opened again in every later block. So the pass follows
the rules of the HTML standard (13.2.6) that decide depth and number: void elements, end tags that may be left out,
tables, SVG and MathML, and the list of active formatting elements. DIFFERS from the standard: `html`, `head`, `body`,
rows and row groups do not count, misplaced table content stays where it is, `select` takes any content, closing a
formatting element around a block counts 8 nodes (what the adoption agency may copy) and moves nothing.
"""

import numpy as np
from numba import njit

from curate.text.html_tags import (
    ANCHOR,
    BREAKOUT,
    CELL,
    CLEAR,
    CLOSES_P,
    DD,
    FLAGS,
    FOREIGN,
    FORMATTING,
    HEADING,
    IGNORED,
    INTEGRATION,
    KEYS,
    LI,
    MARKER,
    OFFSET_BASIS,
    OPTION,
    PRIME,
    RAW,
    RUBY,
    SLOTS,
    SPECIAL,
    TABLE,
    TABLE_PART,
    VOID,
    P,
)

OK, TOO_DEEP, TOO_MANY_NODES, TOO_MANY_ATTRIBUTES = range(4)

MAX_ATTRIBUTES = 500
"""Attributes of one tag; their check for repeats is quadratic: 20,000 take over a second."""

# State of the pass. `n`: sizes and counters. Stack and list: one row an entry.
_DEPTH, _ACTIVE, _NODES, _IDS, _CLOSED = range(5)
_NAME, _FLAG, _ID, _IS_FOREIGN = range(4)  # columns of the stack
_A_NAME, _A_TAG, _A_ID, _A_OPEN = range(4)  # columns of the list of active formatting elements; a marker's id is 0


def check(page: bytes, max_depth: int, max_nodes: int) -> int:
    """OK, or the limit that the page breaks first: TOO_DEEP, TOO_MANY_NODES or TOO_MANY_ATTRIBUTES. `page` is UTF-8."""
    return int(_scan(np.frombuffer(page, np.uint8), max_depth, max_nodes, MAX_ATTRIBUTES, KEYS, FLAGS))


@njit(cache=True, nogil=True)
def _flags_of(name, keys, flags):  # type: ignore[no-untyped-def]  # numba infers the types
    slot = name % np.uint64(SLOTS)
    while keys[slot] != 0:
        if keys[slot] == name:
            return flags[slot]
        slot = (slot + np.uint64(1)) % np.uint64(SLOTS)
    return np.int64(0)


@njit(cache=True, nogil=True)
def _push(n, stack, name, flags, identity, foreign):  # type: ignore[no-untyped-def]
    if n[_DEPTH] < len(stack):  # The scan stops as soon as the stack is full.
        stack[n[_DEPTH], _NAME] = name
        stack[n[_DEPTH], _FLAG] = flags
        stack[n[_DEPTH], _ID] = identity
        stack[n[_DEPTH], _IS_FOREIGN] = foreign
        n[_DEPTH] += 1


@njit(cache=True, nogil=True)
def _activate(n, active, name, tag, identity):  # type: ignore[no-untyped-def]
    if n[_ACTIVE] < len(active):
        active[n[_ACTIVE], _A_NAME] = name
        active[n[_ACTIVE], _A_TAG] = tag
        active[n[_ACTIVE], _A_ID] = identity
        active[n[_ACTIVE], _A_OPEN] = 1
        n[_ACTIVE] += 1


@njit(cache=True, nogil=True)
def _deactivate(n, active, at):  # type: ignore[no-untyped-def]
    n[_CLOSED] -= 1 - active[at, _A_OPEN]
    for i in range(at, n[_ACTIVE] - 1):
        active[i] = active[i + 1]
    n[_ACTIVE] -= 1


@njit(cache=True, nogil=True)
def _pop_to(n, stack, active, depth):  # type: ignore[no-untyped-def]
    """Close elements until `depth` are open. Formatting elements closed so stay in the list, to be opened again."""
    while n[_DEPTH] > depth:
        n[_DEPTH] -= 1
        top = n[_DEPTH]
        if stack[top, _FLAG] & MARKER:
            while n[_ACTIVE] > 0:
                last = n[_ACTIVE] - 1
                is_marker = active[last, _A_ID] == 0
                _deactivate(n, active, last)
                if is_marker:
                    break
        elif stack[top, _ID]:
            for i in range(n[_ACTIVE] - 1, -1, -1):
                if active[i, _A_ID] == stack[top, _ID]:
                    n[_CLOSED] += active[i, _A_OPEN]
                    active[i, _A_OPEN] = 0
                    break


@njit(cache=True, nogil=True)
def _reopen(n, stack, active):  # type: ignore[no-untyped-def]
    """Open again what an end tag of a block closed: "reconstruct the active formatting elements"."""
    if n[_CLOSED] == 0:
        return
    first = n[_ACTIVE]
    while first > 0 and active[first - 1, _A_ID]:
        first -= 1
    for i in range(first, n[_ACTIVE]):
        if not active[i, _A_OPEN]:
            active[i, _A_OPEN] = 1
            n[_CLOSED] -= 1
            n[_NODES] += 1
            _push(n, stack, active[i, _A_NAME], FORMATTING, active[i, _A_ID], 0)


@njit(cache=True, nogil=True)
def _find(n, stack, flag, name, barrier):  # type: ignore[no-untyped-def]
    """Depth of the innermost element with `flag` (where that is 0: `name`) that no `barrier` hides; -1 is none."""
    for i in range(n[_DEPTH] - 1, -1, -1):
        if (flag and stack[i, _FLAG] & flag) or (not flag and stack[i, _NAME] == name):
            return i
        if stack[i, _FLAG] & barrier:
            return -1
    return -1


@njit(cache=True, nogil=True)
def _close(n, stack, active, flag, name, barrier):  # type: ignore[no-untyped-def]
    at = _find(n, stack, flag, name, barrier)
    if at >= 0:
        _pop_to(n, stack, active, at)
    return at >= 0


@njit(cache=True, nogil=True)
def _end_formatting(n, stack, active, name):  # type: ignore[no-untyped-def]
    """Close the innermost active formatting element of this name; False where there is none."""
    entry = n[_ACTIVE] - 1
    while entry >= 0 and active[entry, _A_ID] and active[entry, _A_NAME] != name:
        entry -= 1
    if entry < 0 or not active[entry, _A_ID]:
        return False
    identity, was_open = active[entry, _A_ID], active[entry, _A_OPEN]
    _deactivate(n, active, entry)
    if not was_open:
        return True
    block_above = False
    for i in range(n[_DEPTH] - 1, -1, -1):
        if stack[i, _ID] == identity:
            if block_above:
                for j in range(i, n[_DEPTH] - 1):
                    stack[j] = stack[j + 1]
                n[_DEPTH] -= 1
                n[_NODES] += 8
            else:
                _pop_to(n, stack, active, i)
            return True
        block_above = block_above or stack[i, _FLAG] & SPECIAL != 0
    return True


@njit(cache=True, nogil=True)
def _start_formatting(n, stack, active, name, flags, tag):  # type: ignore[no-untyped-def]
    if flags & ANCHOR:
        _end_formatting(n, stack, active, name)
    _reopen(n, stack, active)
    same, earliest = 0, -1
    for i in range(n[_ACTIVE] - 1, -1, -1):
        if active[i, _A_ID] == 0:
            break
        if active[i, _A_TAG] == tag:
            same, earliest = same + 1, i
    if same >= 3:  # "Noah's Ark": at most three of a kind are opened again
        _deactivate(n, active, earliest)
    n[_IDS] += 1
    _activate(n, active, name, tag, n[_IDS])
    _push(n, stack, name, flags, n[_IDS], 0)


@njit(cache=True, nogil=True)
def _start(n, stack, active, name, flags, tag, self_closing):  # type: ignore[no-untyped-def]
    n[_NODES] += 1
    if n[_DEPTH] and stack[n[_DEPTH] - 1, _IS_FOREIGN]:
        if not flags & BREAKOUT:
            if not self_closing:
                _push(n, stack, name, flags & (INTEGRATION | FOREIGN), 0, not flags & INTEGRATION)
            return
        while n[_DEPTH] and stack[n[_DEPTH] - 1, _IS_FOREIGN]:
            n[_DEPTH] -= 1
    if flags & IGNORED:
        return
    if flags & CLOSES_P:
        _close(n, stack, active, P, 0, MARKER | TABLE)
    if flags & (CELL | TABLE_PART):
        table = _find(n, stack, TABLE, 0, 0)
        if table >= 0:
            _pop_to(n, stack, active, table + 1)
            if flags & CELL:
                _push(n, stack, name, flags, 0, 0)
                _activate(n, active, 0, 0, 0)
        return
    if flags & VOID:
        _reopen(n, stack, active)
        return
    if flags & FORMATTING:
        _start_formatting(n, stack, active, name, flags, tag)
        return
    if flags & (LI | DD):
        for i in range(n[_DEPTH] - 1, -1, -1):
            if stack[i, _FLAG] & flags & (LI | DD):
                _pop_to(n, stack, active, i)
                break
            if stack[i, _FLAG] & SPECIAL and not stack[i, _FLAG] & CLEAR:
                break
    same = flags & (OPTION | RUBY | HEADING)
    if same and n[_DEPTH] and stack[n[_DEPTH] - 1, _FLAG] & same:
        _pop_to(n, stack, active, n[_DEPTH] - 1)
    if not flags & SPECIAL or flags & MARKER:
        _reopen(n, stack, active)
    if flags & FOREIGN and self_closing:
        return
    _push(n, stack, name, flags, 0, flags & FOREIGN != 0)
    if flags & MARKER:
        _activate(n, active, 0, 0, 0)


@njit(cache=True, nogil=True)
def _end(n, stack, active, name, flags):  # type: ignore[no-untyped-def]
    top = n[_DEPTH] - 1
    while top >= 0 and stack[top, _IS_FOREIGN]:
        if stack[top, _NAME] == name:
            _pop_to(n, stack, active, top)
            return
        top -= 1
    if flags & (IGNORED | VOID):
        return
    if flags & TABLE_PART:
        table = _find(n, stack, TABLE, 0, 0)
        if table >= 0:
            _pop_to(n, stack, active, table + 1)
    elif flags & FORMATTING and _end_formatting(n, stack, active, name):
        return
    elif flags & TABLE:
        _close(n, stack, active, TABLE, 0, 0)
    elif flags & CELL:
        _close(n, stack, active, 0, name, TABLE)
    elif flags & HEADING:
        _close(n, stack, active, HEADING, 0, MARKER | TABLE)
    elif flags & SPECIAL:
        if not _close(n, stack, active, 0, name, MARKER | TABLE) and flags & P:
            n[_NODES] += 1
    else:
        _close(n, stack, active, 0, name, SPECIAL)


@njit(cache=True, nogil=True)
def _lower(byte):  # type: ignore[no-untyped-def]
    return byte | 0x20 if 0x41 <= byte <= 0x5A else byte


@njit(cache=True, nogil=True)
def _is_space(byte):  # type: ignore[no-untyped-def]
    return byte == 0x20 or 0x09 <= byte <= 0x0D


@njit(cache=True, nogil=True)
def _after(page, at, a, b, c):  # type: ignore[no-untyped-def]
    """One past the next bytes `a b c` (0 stands for any byte) at or after `at`, or the page's end."""
    for i in range(at, len(page) - 2):
        if page[i + 2] == c and (b == 0 or page[i + 1] == b) and (a == 0 or page[i] == a):
            return i + 3
    return len(page)


@njit(cache=True, nogil=True)
def _raw_end(page, at, first, last):  # type: ignore[no-untyped-def]
    """Where the end tag named like page[first:last] begins, at or after `at`, or the page's end."""
    size = last - first
    for i in range(at, len(page) - size - 1):
        if page[i] == 0x3C and page[i + 1] == 0x2F:
            same = True
            for j in range(size):
                if _lower(page[i + 2 + j]) != _lower(page[first + j]):
                    same = False
                    break
            behind = page[i + 2 + size] if i + 2 + size < len(page) else 0x3E
            if same and (_is_space(behind) or behind == 0x2F or behind == 0x3E):
                return i
    return len(page)


@njit(cache=True, nogil=True)
def _attributes(page, at):  # type: ignore[no-untyped-def]
    """(one past the tag's `>`, number of attributes, whether it ends in `/>`), from behind the tag's name."""
    size, count, slash = len(page), 0, False
    while at < size:
        byte = page[at]
        if byte == 0x3E:
            return at + 1, count, slash
        if byte == 0x2F or _is_space(byte):
            slash = byte == 0x2F
            at += 1
            continue
        count, slash = count + 1, False
        at += 1
        while at < size and not (_is_space(page[at]) or page[at] == 0x2F or page[at] == 0x3E or page[at] == 0x3D):
            at += 1
        while at < size and _is_space(page[at]):
            at += 1
        if at < size and page[at] == 0x3D:
            at += 1
            while at < size and _is_space(page[at]):
                at += 1
            if at < size and (page[at] == 0x22 or page[at] == 0x27):
                quote = page[at]
                at += 1
                while at < size and page[at] != quote:
                    at += 1
                at += 1
            else:
                while at < size and not (_is_space(page[at]) or page[at] == 0x3E):
                    at += 1
    return size, count, slash


@njit(cache=True, nogil=True)
def _scan(page, max_depth, max_nodes, max_attributes, keys, flags_of):  # type: ignore[no-untyped-def]
    n = np.zeros(5, np.int64)
    stack = np.zeros((max_depth + 1, 4), np.uint64).view(np.int64)
    active = np.zeros((max_depth + 1, 4), np.uint64).view(np.int64)
    at, size = 0, len(page)
    while at < size:
        text = False
        while at < size and page[at] != 0x3C:
            text = text or page[at] > 0x20
            at += 1
        if text:
            _reopen(n, stack, active)
        if at + 1 >= size:
            break
        is_end = page[at + 1] == 0x2F
        first = at + 1 + is_end
        letter = _lower(page[first]) if first < size else np.uint8(0)
        if not 0x61 <= letter <= 0x7A:
            if page[at + 1] == 0x21 and at + 3 < size and page[at + 2] == 0x2D and page[at + 3] == 0x2D:
                at = _after(page, at + 2, 0x2D, 0x2D, 0x3E)
            elif page[at + 1] == 0x21 or page[at + 1] == 0x3F or is_end:
                at = _after(page, at - 1 if at else 0, 0, 0, 0x3E)
            else:
                at += 1
            continue
        last, name = first, np.uint64(OFFSET_BASIS)
        while last < size and not (_is_space(page[last]) or page[last] == 0x2F or page[last] == 0x3E):
            name = (name ^ np.uint64(_lower(page[last]))) * np.uint64(PRIME)
            last += 1
        flags = _flags_of(name, keys, flags_of)
        at, count, self_closing = _attributes(page, last)
        if count > max_attributes:
            return TOO_MANY_ATTRIBUTES
        if is_end:
            _end(n, stack, active, np.int64(name), flags)
        else:
            tag = name
            if flags & FORMATTING:
                for i in range(last, at):
                    tag = (tag ^ np.uint64(page[i])) * np.uint64(PRIME)
            foreign = n[_DEPTH] > 0 and stack[n[_DEPTH] - 1, _IS_FOREIGN] != 0
            _start(n, stack, active, np.int64(name), flags, np.int64(tag), self_closing)
            if flags & RAW and not foreign:
                at = _raw_end(page, at, first, last)
        if n[_DEPTH] > max_depth or n[_ACTIVE] > max_depth:
            return TOO_DEEP
        if n[_NODES] > max_nodes:
            return TOO_MANY_NODES
    return OK
