"""What the HTML standard says of each element, as bit flags by the hash of its name, for compiled code."""

import numpy as np
import numpy.typing as npt

VOID, SPECIAL, FORMATTING, RAW, MARKER, SCOPE, CLOSES_P, BREAKOUT, P, IMPLIED = (1 << i for i in range(10))
CELL, ROW, SECTION, TABLE, TEMPLATE, LI, DD, CLEAR, BUTTON, HEADING, ONCE, ANCHOR = (1 << i for i in range(10, 22))
SELECT, OPTION, OPTGROUP, RUBY, RUBY_ROOT, IGNORED, FRAMESET = (1 << i for i in range(22, 29))
SVG, SVG_TEXT, MATH, MATH_TEXT, FORM, LIST, CAPTION = (1 << i for i in range(29, 36))

_HEADINGS = "h1 h2 h3 h4 h5 h6"
_BLOCKS = (
    f"address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure footer form "
    f"{_HEADINGS} header hgroup hr li listing main menu nav ol p plaintext pre search section summary table ul xmp"
)
_NAMES = {
    VOID: "area base basefont bgsound br col embed frame hr image img input keygen link meta param source track wbr",
    SPECIAL: f"{_BLOCKS} applet area base basefont bgsound body br button caption col colgroup embed frame frameset "
    "head html iframe img input keygen link marquee meta noembed noframes noscript object param script select source "
    "style tbody td template textarea tfoot th thead title tr track wbr",
    FORMATTING: "a b big code em font i nobr s small strike strong tt u",
    RAW: "iframe noembed noframes plaintext script style textarea title xmp",
    MARKER: "applet caption marquee object td template th",
    SCOPE: "applet caption marquee object select table td template th",
    CLOSES_P: _BLOCKS,
    BREAKOUT: f"b big blockquote body br center code dd div dl dt em embed {_HEADINGS} head hr i img li listing menu "
    "meta nobr ol p pre ruby s small span strike strong sub sup table tt u ul var",
    SVG: "svg",
    SVG_TEXT: "desc foreignobject title",
    MATH: "math",
    MATH_TEXT: "mi mn mo ms mtext",
    CELL: "td th",
    CAPTION: "caption",
    ROW: "tr",
    SECTION: "tbody tfoot thead",
    TABLE: "table",
    TEMPLATE: "template",
    LI: "li",
    LIST: "ol ul",
    DD: "dd dt",
    OPTION: "option",
    OPTGROUP: "optgroup",
    IGNORED: "body col colgroup frameset head html",
    FRAMESET: "frameset",
    P: "p",
    IMPLIED: "dd dt li optgroup option p rb rp rt rtc",
    HEADING: _HEADINGS,
    RUBY: "rb rp rt rtc",
    RUBY_ROOT: "ruby",
    ONCE: "a nobr",
    ANCHOR: "a",
    CLEAR: "address div p",
    BUTTON: "button",
    FORM: "form",
    SELECT: "select",
}
"""VOID: no content. SPECIAL: stops the search of an unknown end tag. FORMATTING: is opened again in the next block.
RAW: content is no markup. MARKER: formatting does not cross it. SCOPE: most end tags do not reach behind it. CLOSES_P:
ends a paragraph. BREAKOUT: ends SVG, MathML. IMPLIED: its end tag may be left out. CLEAR: special, but a list item's
search goes through it. ONCE: not inside another of its name. SVG_TEXT, MATH_TEXT: HTML inside SVG and MathML."""

SLOTS = 1024
OFFSET_BASIS, PRIME = 0xCBF29CE484222325, 0x100000001B3
"""Of FNV-1a, 64 bits."""


def name_hash(name: str) -> int:
    """64-bit FNV-1a of an element's name in lower case."""
    value = OFFSET_BASIS
    for byte in name.encode():
        value = (value ^ byte) * PRIME & 0xFFFFFFFFFFFFFFFF
    return value


def _table() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    keys, flags = np.zeros(SLOTS, np.uint64), np.zeros(SLOTS, np.int64)
    for flag, names in _NAMES.items():
        for name in names.split():
            key = name_hash(name)
            slot = key % SLOTS
            while keys[slot] not in (0, key):
                slot = (slot + 1) % SLOTS
            keys[slot] = key
            flags[slot] |= flag
    return keys, flags


KEYS, FLAGS = _table()
"""Open addressing by the low bits of the hash: uint64[SLOTS] hashes (0: free), int64[SLOTS] flags."""

TBODY, TR = (int(np.uint64(name_hash(name)).astype(np.int64)) for name in ("tbody", "tr"))
"""Names of what tables have without saying so."""
