import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from curate.text.html_limits import OK, TOO_DEEP, TOO_MANY_ATTRIBUTES, TOO_MANY_NODES, shape_of

MANY = 50
PAGES = {
    "div": "<div>" * MANY, "bold": "<p>x" + "<b>" * MANY, "fonts": "".join(f"<font color={i}>x" for i in range(MANY)),
    "tables": "<table><tr><td>" * MANY, "links": "<a href=x><div>" * MANY, "wrong end tags": "<div></b>" * MANY,
    "items": "<ul>" + "<li>x" * MANY, "paragraphs": "<p>x" * MANY, "definitions": "<dl>" + "<dt>a<dd>b" * MANY,
    "options": "<select>" + "<option>x" * MANY, "headings": "<h1>x" * MANY, "void": "<br>" * MANY,
    "formatting reopened": "".join(f"<div><font color={i}>x</div>" for i in range(MANY)),
    "the same reopened": "<div><font color=1>x</div>" * MANY,
    "unclosed in cells": "<table>" + "<tr><td><font size=1>x<td><b>y" * MANY, "unclosed in p": "<p><b>x</p>" * MANY,
    "span in div": "<div><span>x</div>" * MANY, "self-closed": "<span/>" * MANY,
    "svg": "<svg>" + "<path d=1 />" * MANY + "</svg>",
    "html in svg": "<svg><foreignObject>" * MANY, "breakout": "<svg>" + "<span/>" * MANY,
    "script": "<script>" + "'<div>'" * MANY + "</script>",
    "comment": "<!--" + "<div>" * MANY + "-->", "quoted": '<a href="' + "<div>" * MANY,
    "crossed": ("<div>" * 20 + "<i>" + "</div>" * 20) * 5, "textarea": "<textarea>" + "<div>" * MANY,
}  # fmt: skip


def check(page: bytes, max_depth: int, max_nodes: int) -> int:
    return shape_of(page, max_depth, max_nodes).verdict


def tree_of(page: str) -> tuple[int, int]:
    """(depth, elements) of the tree that the extractor's parser builds."""
    deepest = elements = 0
    waiting: list[tuple[Any, int]] = [(HTMLTree.parse(page).document, 0)]
    while waiting:
        node, depth = waiting.pop()
        if node.type == 1:
            elements, deepest = elements + 1, max(deepest, depth)
        child = node.first_child
        while child is not None:
            waiting.append((child, depth + 1))
            child = child.next
    return deepest, elements


def least(page: str, broken: int) -> int:
    """The smallest limit that `page` keeps."""
    low, high = 0, 4_000
    while low < high:
        middle = (low + high) // 2
        found = check(page.encode(), middle, 10**7) if broken == TOO_DEEP else check(page.encode(), 4_000, middle)
        low, high = (middle + 1, high) if found == broken else (low, middle)
    return low


@pytest.mark.parametrize("name", PAGES)
def test_depth_and_number_are_those_of_the_parser(name: str) -> None:
    depth, elements = tree_of(PAGES[name])
    # html, head, body and the rows of a table do not count for depth.
    assert least(PAGES[name], TOO_DEEP) * (2 if name == "tables" else 1) + 5 >= depth
    assert least(PAGES[name], TOO_DEEP) <= depth
    assert 0.5 * (elements - 8) <= least(PAGES[name], TOO_MANY_NODES) <= 4 * elements


@given(st.lists(st.sampled_from([
    "<div>", "</div>", "<p>", "</p>", "<b>", "</b>", "<i id=1>", "</i>", "<a href=x>", "</a>", "<table>", "</table>",
    "<tr>", "<td>", "</td>",
    "<li>", "<ul>", "</ul>", "<span>", "</span>", "x", "<svg>", "</svg>", "<g/>", "<br>", "<h2>",
    "</h2>",
]), max_size=60), st.integers(0, 10))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_the_parser_never_goes_far_beyond_what_was_found(tags: list[str], seed: int) -> None:
    random.Random(seed).shuffle(tags)
    depth, elements = tree_of("".join(tags))
    assert depth <= 3 * least("".join(tags), TOO_DEEP) + 8
    assert elements <= 3 * least("".join(tags), TOO_MANY_NODES) + 8


@given(st.binary(max_size=200))
def test_any_bytes_are_checked(page: bytes) -> None:
    assert check(page, 2_000, 1_000_000) == OK
    assert check(b"<" + page.replace(b"<", b"</<!-<"), 2_000, 1_000_000) == OK


@pytest.mark.parametrize("cut", range(60))
def test_a_page_may_end_anywhere(cut: int) -> None:
    page = b"<!DOCTYPE html><!-- c --><script a='b' c>x</script><p a=b/>"
    assert check(page[:cut], 2_000, 1_000_000) == OK


def test_limits_are_inclusive() -> None:
    assert check(b"<div>" * 10, 10, 10) == OK
    assert check(b"<div>" * 11, 10, 100) == TOO_DEEP
    assert check(b"<div>" * 11, 100, 10) == TOO_MANY_NODES
    assert check(b"<div " + b"a " * 501 + b">", 100, 10) == TOO_MANY_ATTRIBUTES


def test_old_pages_with_unclosed_tags_everywhere_pass() -> None:
    page = (
        "<table>"
        + "<tr><td><font face=a><p>text<td><b>more<a name=x>" * 5_000
        + "</table>"
        + "<li>x<p>y<font size=2>" * 5_000
    )
    page = re.sub("\n", "", page)
    assert check(page.encode(), 2_000, 1_000_000) == OK
