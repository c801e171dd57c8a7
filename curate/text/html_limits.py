"""How deep and how large the tree of an HTML page will be, and how much work, found in one pass before it is parsed.

Parsers recurse, copy and search: 20,000 nested `div` cost the extractor 11 s, and 2,000 times `<div><font color=N>`
in 47 KB became 766 MB, because an unclosed formatting element is opened again in every later block. The extractor walks
from every node up to the body, and the parser through all options of a `select` for each new one: 1 MB of `<br>` below
2,000 `div` took 59 s, 300 KB of options 92 s. So the pass follows the rules of the HTML standard (13.2.6) that decide
depth and number: void elements, end tags that may be left out, tables, SVG, MathML and the list of active formatting
elements.

DIFFERS from the standard: `html`, `head` and `body` do not count for depth, misplaced table content stays where it is,
`select` takes any content, `annotation-xml` never holds HTML, closing a formatting element around a block counts 8
nodes (what the adoption agency may copy) and moves nothing. What is closed by our reckoning and perhaps not by the
parser's is counted as doubt, and the parsed tree's depth is looked at before text is taken from it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from resiliparse.parse.html import HTMLTree

from curate.text.html_stack import (
    ACTIVE,
    COPIES,
    DEEPEST,
    DEPTH,
    DOUBT,
    FLAG,
    FRAMESETS,
    IS_FOREIGN,
    MISPLACED,
    NODES,
    NUMBERS,
    TEXT,
    WORK,
    count,
    reopen,
)
from curate.text.html_tags import (
    CAPTION,
    CELL,
    FLAGS,
    FORM,
    FORMATTING,
    IGNORED,
    KEYS,
    OFFSET_BASIS,
    PRIME,
    RAW,
    ROW,
    SECTION,
    SELECT,
    SLOTS,
    TABLE,
)
from curate.text.html_tokens import attributes, is_space, lower, markup_end, raw_end
from curate.text.html_tree import end, start

OK, TOO_DEEP, TOO_MANY_NODES, TOO_MANY_ATTRIBUTES, TOO_MUCH_WORK = range(5)

MAX_ATTRIBUTES = 500
"""Attributes of one tag; their check for repeats is quadratic: 20,000 take over a second."""

MAX_WORK = 50_000_000
"""Steps from nodes up to the body, and from options to those before them, at up to 80 ns each: 4 s. A page of 1,000,000
nodes that are 50 deep needs as many."""

NODE_BYTES = 200
"""What a node takes in a tree: 150 to 250."""

MAY_BE_IGNORED = IGNORED | CELL | ROW | SECTION | CAPTION | FORM | SELECT
"""Start tags that may leave no element behind."""


class Shape(NamedTuple):
    """What the pass found, up to the first limit that the page breaks."""

    page_bytes: int
    verdict: int
    """OK, TOO_DEEP, TOO_MANY_NODES, TOO_MANY_ATTRIBUTES or TOO_MUCH_WORK."""

    nodes: int
    """Elements, texts, comments and attributes, and NODE_BYTES of what else the parser keeps."""

    depth: int
    doubt: int
    """Elements that are closed by our reckoning, but perhaps not by the parser's."""


def shape_of(page: bytes, max_depth: int, max_nodes: int) -> Shape:
    """The tree that a page will be; `page` is UTF-8."""
    limits = np.array([max_depth, max_nodes, MAX_ATTRIBUTES, MAX_WORK])
    verdict, n = _scan(np.frombuffer(page, np.uint8), limits, KEYS, FLAGS)
    return Shape(len(page), int(verdict), int(n[NODES]), int(n[DEEPEST]), int(n[DOUBT]))


def is_deeper(tree: HTMLTree, shape: Shape) -> bool:
    """Whether the parsed tree is so much deeper than thought that the extractor might take more than MAX_WORK steps."""
    most_nodes = shape.page_bytes // 4 + 1
    deepest = max(MAX_WORK // most_nodes, 2 * shape.depth + 64)
    if tree.document is None or deepest >= most_nodes:
        return False
    return tree.document.query_selector("*" + ">*" * deepest) is not None


@njit(cache=True, nogil=True)
def _add_text(n, stack, size):  # type: ignore[no-untyped-def]
    """A text that stands behind another with only ignored tags between them becomes one node with it, and a copy of
    both where these have attributes: 1 MB of `<td a=''>text` outside of a table took 2.3 GB. So does all text that is
    misplaced in a table."""
    in_table = n[DEPTH] > 0 and stack[n[DEPTH] - 1, FLAG] & (TABLE | SECTION | ROW)
    if n[COPIES]:
        n[NODES] += (n[MISPLACED] if in_table else n[TEXT]) // NODE_BYTES
        n[COPIES] = 0
    n[MISPLACED if in_table else TEXT] += size


@njit(cache=True, nogil=True)
def _verdict(n, limits):  # type: ignore[no-untyped-def]
    max_depth, max_nodes, _, max_work = limits
    n[DEEPEST] = max(n[DEEPEST], n[DEPTH] + n[FRAMESETS])
    if n[DEEPEST] > max_depth or n[ACTIVE] > max_depth:
        return TOO_DEEP
    if n[NODES] > max_nodes:
        return TOO_MANY_NODES
    return TOO_MUCH_WORK if n[WORK] > max_work else OK


@njit(cache=True, nogil=True)
def _flags_of(name, keys, flags):  # type: ignore[no-untyped-def]  # numba infers the types
    slot = name % np.uint64(SLOTS)
    while keys[slot] != 0:
        if keys[slot] == name:
            return flags[slot]
        slot = (slot + np.uint64(1)) % np.uint64(SLOTS)
    return np.int64(0)


@njit(cache=True, nogil=True)
def _scan(page, limits, keys, flags_of):  # type: ignore[no-untyped-def]
    max_depth, _, max_attributes, _ = limits
    n = np.zeros(NUMBERS, np.int64)
    stack = np.zeros((max_depth + 1, 4), np.uint64).view(np.int64)
    active = np.zeros((max_depth + 1, 4), np.uint64).view(np.int64)
    at, size, verdict = 0, len(page), OK
    while at + 1 < size and verdict == OK:
        text, begin = False, at
        while at < size and page[at] != 0x3C:
            text = text or page[at] > 0x20
            at += 1
        if text:
            reopen(n, stack, active)
        if at > begin:
            count(n, 1)
            _add_text(n, stack, (at - begin) if text else 0)
        if at + 1 >= size:
            break
        is_foreign = n[DEPTH] > 0 and stack[n[DEPTH] - 1, IS_FOREIGN] > 0
        is_end = page[at + 1] == 0x2F
        first = at + 1 + is_end
        letter = lower(page[first]) if first < size else np.uint8(0)
        if not 0x61 <= letter <= 0x7A:
            count(n, 1)
            is_markup = page[at + 1] == 0x21 or page[at + 1] == 0x3F or is_end
            at = markup_end(page, at, is_foreign) if is_markup else at + 1
            verdict = _verdict(n, limits)
            continue
        last, name = first, np.uint64(OFFSET_BASIS)
        while last < size and not (is_space(page[last]) or page[last] == 0x2F or page[last] == 0x3E):
            name = (name ^ np.uint64(lower(page[last]))) * np.uint64(PRIME)
            last += 1
        flags, depth = _flags_of(name, keys, flags_of), n[DEPTH]
        at, number, self_closing = attributes(page, last)
        if number > max_attributes:
            return TOO_MANY_ATTRIBUTES, n
        if is_end:
            end(n, stack, active, np.int64(name), flags)
        else:
            tag = name
            if flags & FORMATTING:
                for i in range(last, at):
                    tag = (tag ^ np.uint64(page[i])) * np.uint64(PRIME)
            start(n, stack, active, np.int64(name), flags, np.int64(tag), self_closing)
            n[NODES] += number
            if flags & RAW and not is_foreign and not n[FRAMESETS]:  # Below framesets nothing else is read.
                at = raw_end(page, at, first, last)
        n[COPIES] |= number
        if n[DEPTH] != depth or not (is_end or flags & MAY_BE_IGNORED):
            n[TEXT] = 0
        verdict = _verdict(n, limits)
    return verdict, n
