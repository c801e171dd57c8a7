"""How deep and how large the tree of an HTML page will be, and how much work, found in one pass before it is parsed.

Parsers recurse, copy and search: 20,000 nested `div` cost the extractor 11 s, and 2,000 times `<div><font color=N>`
in 47 KB became 766 MB, because an unclosed formatting element is opened again in every later block. The extractor walks
from every node up to the body, and the parser through all options of a `select` for each new one: 1 MB of `<br>` below
2,000 `div` took 59 s, 300 KB of options 92 s. So the pass follows the rules of the HTML standard (13.2.6) that decide
depth and number: void elements, end tags that may be left out, tables, SVG, MathML and the list of active formatting
elements. DIFFERS from the standard: `html`, `head`, `body`, rows and row groups do not count for depth, misplaced table
content stays where it is, `select` takes any content, `annotation-xml` never holds HTML, closing a formatting element
around a block counts 8 nodes (what the adoption agency may copy) and moves nothing.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from resiliparse.parse.html import HTMLTree

from curate.text.html_tags import (
    ANCHOR,
    BREAKOUT,
    BUTTON,
    CAPTION,
    CELL,
    CLEAR,
    CLOSES_P,
    DD,
    FLAGS,
    FORM,
    FORMATTING,
    FRAMESET,
    HEADING,
    IGNORED,
    IMPLIED,
    KEYS,
    LI,
    LIST,
    MARKER,
    MATH,
    MATH_TEXT,
    OFFSET_BASIS,
    ONCE,
    OPTGROUP,
    OPTION,
    PRIME,
    RAW,
    ROW,
    RUBY,
    RUBY_ROOT,
    SCOPE,
    SECTION,
    SELECT,
    SLOTS,
    SPECIAL,
    SVG,
    SVG_TEXT,
    TABLE,
    TBODY,
    TEMPLATE,
    TR,
    VOID,
    P,
)
from curate.text.html_tokens import attributes, is_space, lower, markup_end, raw_end

OK, TOO_DEEP, TOO_MANY_NODES, TOO_MANY_ATTRIBUTES, TOO_MUCH_WORK = range(5)

MAX_ATTRIBUTES = 500
"""Attributes of one tag; their check for repeats is quadratic: 20,000 take over a second."""

MAX_WORK = 50_000_000
"""Steps from nodes up to the body, and from options to those before them, at up to 80 ns each: 4 s. A page of 1,000,000
nodes that are 50 deep needs as many."""

HOLDS_HTML = -1
"""Instead of SVG or MATH: an element of these whose content is HTML again."""

# State of the pass. `n`: sizes and counters. Stack and list: one row an entry.
_DEPTH, _ACTIVE, _NODES, _IDS, _CLOSED, _WORK, _OPTIONS, _FRAMESETS, _DOUBT, _DEEPEST, _FORMS = range(11)
_NAME, _FLAG, _ID, _IS_FOREIGN = range(4)  # columns of the stack
_A_NAME, _A_TAG, _A_ID, _A_OPEN = range(4)  # columns of the list of active formatting elements; a marker's id is 0


class Shape(NamedTuple):
    """What the pass found, up to the first limit that the page breaks."""

    page_bytes: int
    verdict: int
    """OK, TOO_DEEP, TOO_MANY_NODES, TOO_MANY_ATTRIBUTES or TOO_MUCH_WORK."""

    nodes: int
    """Elements, texts, comments and attributes: each takes 150 to 250 bytes in a tree."""

    depth: int
    doubt: int
    """Elements that are closed by our reckoning, but perhaps not by the parser's."""


def shape_of(page: bytes, max_depth: int, max_nodes: int) -> Shape:
    """The tree that a page will be; `page` is UTF-8."""
    limits = np.array([max_depth, max_nodes, MAX_ATTRIBUTES, MAX_WORK])
    verdict, n = _scan(np.frombuffer(page, np.uint8), limits, KEYS, FLAGS)
    return Shape(len(page), int(verdict), int(n[_NODES]), int(n[_DEEPEST]), int(n[_DOUBT]))


def is_deeper(tree: HTMLTree, shape: Shape) -> bool:
    """Whether the parsed tree is so much deeper than thought that the extractor might take more than MAX_WORK steps."""
    most_nodes = shape.page_bytes // 4 + 1
    deepest = max(MAX_WORK // most_nodes, 2 * shape.depth + 64)
    if tree.document is None or deepest >= most_nodes:
        return False
    return tree.document.query_selector("*" + ">*" * deepest) is not None


@njit(cache=True, nogil=True)
def _flags_of(name, keys, flags):  # type: ignore[no-untyped-def]  # numba infers the types
    slot = name % np.uint64(SLOTS)
    while keys[slot] != 0:
        if keys[slot] == name:
            return flags[slot]
        slot = (slot + np.uint64(1)) % np.uint64(SLOTS)
    return np.int64(0)


@njit(cache=True, nogil=True)
def _count(n, nodes):  # type: ignore[no-untyped-def]
    """Count nodes at the present depth."""
    n[_NODES] += nodes
    n[_WORK] += nodes * (n[_DEPTH] + (n[_DOUBT] >> 6))


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
    for i in range(depth + 1, n[_DEPTH]):
        if not stack[i, _FLAG] & IMPLIED:
            n[_DOUBT] += n[_DEPTH] - depth
            break
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
            _count(n, 1)
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
def _take_out(n, stack, at):  # type: ignore[no-untyped-def]
    for i in range(at, n[_DEPTH] - 1):
        stack[i] = stack[i + 1]
    n[_DEPTH] -= 1


@njit(cache=True, nogil=True)
def _end_formatting(n, stack, active, name, out_of_scope):  # type: ignore[no-untyped-def]
    """Close the innermost active formatting element of this name; False where there is none.

    One that a table, cell or `select` hides stays as it is, unless `out_of_scope`.
    """
    entry = n[_ACTIVE] - 1
    while entry >= 0 and active[entry, _A_ID] and active[entry, _A_NAME] != name:
        entry -= 1
    if entry < 0 or not active[entry, _A_ID]:
        return False
    if not active[entry, _A_OPEN]:
        _deactivate(n, active, entry)
        return True
    at, above = n[_DEPTH] - 1, 0
    while at > 0 and stack[at, _ID] != active[entry, _A_ID]:
        above |= stack[at, _FLAG]
        at -= 1
    if above & SCOPE and not out_of_scope:
        return True
    _deactivate(n, active, entry)
    if above & SPECIAL:
        _take_out(n, stack, at)
        n[_DOUBT] += 1
        _count(n, 8)
    else:
        n[_DOUBT] += n[_DEPTH] - 1 - at
        _pop_to(n, stack, active, at)
    return True


@njit(cache=True, nogil=True)
def _start_formatting(n, stack, active, name, flags, tag):  # type: ignore[no-untyped-def]
    if flags & ONCE:
        _reopen(n, stack, active)
        _end_formatting(n, stack, active, name, flags & ANCHOR)
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
def _start_in_foreign(n, stack, name, flags, self_closing):  # type: ignore[no-untyped-def]
    """Inside SVG or MathML; False where the tag ends that."""
    if flags & BREAKOUT:
        while n[_DEPTH] and stack[n[_DEPTH] - 1, _IS_FOREIGN] > 0:
            n[_DEPTH] -= 1
            n[_DOUBT] += 1
        return False
    inside = stack[n[_DEPTH] - 1, _IS_FOREIGN]
    if not self_closing:
        holds_html = flags & (SVG_TEXT if inside == SVG else MATH_TEXT) != 0
        _push(n, stack, ~name, SPECIAL | SCOPE if holds_html else 0, 0, HOLDS_HTML if holds_html else inside)
    return True


@njit(cache=True, nogil=True)
def _start_in_table(n, stack, active, name, flags):  # type: ignore[no-untyped-def]
    """A cell, row or section: closes what is open in the innermost table, and opens what was left out."""
    table = _find(n, stack, TABLE, 0, TEMPLATE)
    if table < 0:
        return
    below = table
    for i in range(n[_DEPTH] - 1, table, -1):
        if (flags & CELL and stack[i, _FLAG] & ROW) or (flags & (CELL | ROW) and stack[i, _FLAG] & SECTION):
            below = i
            break
    doubt = n[_DOUBT]
    _pop_to(n, stack, active, below + 1)
    n[_DOUBT] = doubt
    if flags & (CELL | ROW) and below == table:
        _push(n, stack, TBODY, SECTION, 0, 0)
    if flags & CELL and not stack[below, _FLAG] & ROW:
        _push(n, stack, TR, ROW, 0, 0)
    _push(n, stack, name, flags, 0, 0)
    if flags & MARKER:
        _activate(n, active, 0, 0, 0)


@njit(cache=True, nogil=True)
def _start_in_select(n, stack, active, flags):  # type: ignore[no-untyped-def]
    """A select, option or optgroup; False for a select that closes the open one and is none itself."""
    if flags & SELECT and _close(n, stack, active, SELECT, 0, SCOPE):
        n[_DOUBT] += 1
        return False
    in_select = _find(n, stack, SELECT, 0, 0) >= 0
    n[_OPTIONS] = n[_OPTIONS] + 1 if in_select else 0
    n[_WORK] += n[_OPTIONS]
    _close_top(n, stack, active, OPTION)
    if flags & OPTGROUP and in_select:
        _close_top(n, stack, active, OPTGROUP)
    return True


@njit(cache=True, nogil=True)
def _close_top(n, stack, active, flag):  # type: ignore[no-untyped-def]
    if n[_DEPTH] and stack[n[_DEPTH] - 1, _FLAG] & flag:
        _pop_to(n, stack, active, n[_DEPTH] - 1)
        n[_DOUBT] += not flag & OPTION


@njit(cache=True, nogil=True)
def _close_item(n, stack, active, flag):  # type: ignore[no-untyped-def]
    """The list item, or term and definition, that another one ends."""
    for i in range(n[_DEPTH] - 1, -1, -1):
        if stack[i, _FLAG] & flag:
            _pop_to(n, stack, active, i)
            return
        if stack[i, _FLAG] & SPECIAL and not stack[i, _FLAG] & CLEAR:
            return


@njit(cache=True, nogil=True)
def _start(n, stack, active, name, flags, tag, self_closing):  # type: ignore[no-untyped-def]
    _count(n, 1)
    n[_FRAMESETS] += flags & FRAMESET != 0
    if n[_DEPTH] and stack[n[_DEPTH] - 1, _IS_FOREIGN] > 0 and _start_in_foreign(n, stack, name, flags, self_closing):
        return
    if flags & FORM:
        n[_FORMS] += 1
    if flags & IGNORED or (flags & FORM and n[_FORMS] > 1 and _find(n, stack, TEMPLATE, 0, 0) < 0):
        return
    if flags & (CELL | ROW | SECTION | CAPTION):
        _start_in_table(n, stack, active, name, flags)
        return
    if flags & CLOSES_P:
        _close(n, stack, active, P, 0, SCOPE | BUTTON)
    if flags & TABLE:
        _close(n, stack, active, TABLE, 0, CELL | CAPTION | TEMPLATE)
    if flags & VOID:
        _reopen(n, stack, active)
        return
    if flags & FORMATTING:
        _start_formatting(n, stack, active, name, flags, tag)
        return
    if flags & (SELECT | OPTION | OPTGROUP) and not _start_in_select(n, stack, active, flags):
        return
    if flags & (LI | DD):
        _close_item(n, stack, active, flags & (LI | DD))
    if flags & BUTTON:
        _close(n, stack, active, BUTTON, 0, SCOPE)
    if flags & HEADING:
        _close_top(n, stack, active, HEADING)
    if flags & RUBY and _find(n, stack, RUBY_ROOT, 0, SCOPE) >= 0:
        while n[_DEPTH] and stack[n[_DEPTH] - 1, _FLAG] & IMPLIED:
            _close_top(n, stack, active, IMPLIED)
    if not flags & (SPECIAL | RUBY) or flags & (MARKER | BUTTON | SELECT):
        _reopen(n, stack, active)
    if flags & (SVG | MATH) and self_closing:
        return
    is_foreign = flags & (SVG | MATH)
    _push(n, stack, ~name if is_foreign else name, flags, 0, is_foreign)
    if flags & MARKER:
        _activate(n, active, 0, 0, 0)


@njit(cache=True, nogil=True)
def _end(n, stack, active, name, flags):  # type: ignore[no-untyped-def]
    # What it closes is searched for on the whole stack, at 3 ns a step.
    n[_WORK] += n[_DEPTH] >> 4
    top = n[_DEPTH] - 1
    while top >= 0 and stack[top, _IS_FOREIGN]:
        if stack[top, _NAME] == ~name:
            _pop_to(n, stack, active, top)
            return
        top -= 1
    if flags & VOID:
        _count(n, 1)  # </br> is an element; no other one of these is.
        return
    if flags & IGNORED:
        return
    if flags & FORMATTING and _end_formatting(n, stack, active, name, 0):
        return
    if flags & (ROW | SECTION | TABLE):
        at = _find(n, stack, 0, name, TABLE | TEMPLATE)
        if at >= 0:
            doubt = n[_DOUBT]
            _pop_to(n, stack, active, at)
            n[_DOUBT] = doubt
    elif flags & (CELL | CAPTION):
        _close(n, stack, active, 0, name, TABLE | TEMPLATE)
    elif flags & HEADING:
        _close(n, stack, active, HEADING, 0, SCOPE)
    elif flags & FORM:
        n[_FORMS] = 0
        at = _find(n, stack, FORM, 0, SCOPE)
        if at >= 0:  # What is open inside it stays open.
            _take_out(n, stack, at)
    elif flags & TEMPLATE:
        _close(n, stack, active, TEMPLATE, 0, 0)
    elif flags & SPECIAL:
        hidden_by = SCOPE | (BUTTON if flags & P else 0) | (LIST if flags & LI else 0)
        if not _close(n, stack, active, 0, name, hidden_by) and flags & P:
            _count(n, 1)
    else:
        _close(n, stack, active, 0, name, SPECIAL)


@njit(cache=True, nogil=True)
def _verdict(n, limits):  # type: ignore[no-untyped-def]
    max_depth, max_nodes, _, max_work = limits
    n[_DEEPEST] = max(n[_DEEPEST], n[_DEPTH] + n[_FRAMESETS])
    if n[_DEEPEST] > max_depth or n[_ACTIVE] > max_depth:
        return TOO_DEEP
    if n[_NODES] > max_nodes:
        return TOO_MANY_NODES
    return TOO_MUCH_WORK if n[_WORK] > max_work else OK


@njit(cache=True, nogil=True)
def _scan(page, limits, keys, flags_of):  # type: ignore[no-untyped-def]
    max_depth, _, max_attributes, _ = limits
    n = np.zeros(11, np.int64)
    stack = np.zeros((max_depth + 1, 4), np.uint64).view(np.int64)
    active = np.zeros((max_depth + 1, 4), np.uint64).view(np.int64)
    at, size, verdict = 0, len(page), OK
    while at + 1 < size and verdict == OK:
        text, begin = False, at
        while at < size and page[at] != 0x3C:
            text = text or page[at] > 0x20
            at += 1
        if text:
            _reopen(n, stack, active)
        if at > begin:
            _count(n, 1)
        if at + 1 >= size:
            break
        is_foreign = n[_DEPTH] > 0 and stack[n[_DEPTH] - 1, _IS_FOREIGN] > 0
        is_end = page[at + 1] == 0x2F
        first = at + 1 + is_end
        letter = lower(page[first]) if first < size else np.uint8(0)
        if not 0x61 <= letter <= 0x7A:
            _count(n, 1)
            is_markup = page[at + 1] == 0x21 or page[at + 1] == 0x3F or is_end
            at = markup_end(page, at, is_foreign) if is_markup else at + 1
            verdict = _verdict(n, limits)
            continue
        last, name = first, np.uint64(OFFSET_BASIS)
        while last < size and not (is_space(page[last]) or page[last] == 0x2F or page[last] == 0x3E):
            name = (name ^ np.uint64(lower(page[last]))) * np.uint64(PRIME)
            last += 1
        flags = _flags_of(name, keys, flags_of)
        at, count, self_closing = attributes(page, last)
        if count > max_attributes:
            return TOO_MANY_ATTRIBUTES, n
        if is_end:
            _end(n, stack, active, np.int64(name), flags)
        else:
            tag = name
            if flags & FORMATTING:
                for i in range(last, at):
                    tag = (tag ^ np.uint64(page[i])) * np.uint64(PRIME)
            _start(n, stack, active, np.int64(name), flags, np.int64(tag), self_closing)
            n[_NODES] += count
            if flags & RAW and not is_foreign and not n[_FRAMESETS]:  # Below framesets nothing else is read.
                at = raw_end(page, at, first, last)
        verdict = _verdict(n, limits)
    return verdict, n
