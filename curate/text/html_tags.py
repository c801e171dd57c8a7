"""What the HTML standard says of each element, as bit flags by the hash of its name, for compiled code."""

import numpy as np
import numpy.typing as npt

VOID, SPECIAL, FORMATTING, RAW, MARKER, CLOSES_P, BREAKOUT, INTEGRATION = (1 << i for i in range(8))
FOREIGN, CELL, TABLE_PART, TABLE, LI, DD, OPTION = (1 << i for i in range(8, 15))
IGNORED, P, HEADING, RUBY, ANCHOR, CLEAR = (1 << i for i in range(15, 21))

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
    CLOSES_P: _BLOCKS,
    BREAKOUT: f"b big blockquote body br center code dd div dl dt em embed {_HEADINGS} head hr i img li listing menu "
    "meta nobr ol p pre ruby s small span strike strong sub sup table tt u ul var",
    INTEGRATION: "annotation-xml desc foreignobject mi mn mo ms mtext title",
    FOREIGN: "math svg",
    CELL: "caption td th",
    TABLE_PART: "col colgroup tbody tfoot thead tr",
    TABLE: "table",
    LI: "li",
    DD: "dd dt",
    OPTION: "optgroup option",
    IGNORED: "body frameset head html",
    P: "p",
    HEADING: _HEADINGS,
    RUBY: "rb rp rt rtc",
    ANCHOR: "a nobr",
    CLEAR: "address div p",
}
"""VOID: no content. SPECIAL: stops the search of an unknown end tag. FORMATTING: is opened again in the next block.
RAW: content is no markup. MARKER: formatting does not cross it. CLOSES_P: ends a paragraph. BREAKOUT: ends SVG, MathML.
INTEGRATION: HTML inside SVG and MathML. CLEAR: special, but a list item's search goes through it."""

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
