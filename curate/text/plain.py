"""Bytes of a page -> text: charset, main content, normalisation. Each has a version; a changed result raises it."""

import codecs
import re
import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import HTMLTree

from curate.config import ExtractConfig
from curate.text import html_limits

TEXT_VERSION = 2
"""Of charset detection and main-content extraction (resiliparse 2.0)."""

NORMALISE_VERSION = 2
"""Of `normalise`."""

META_BYTES = 4096
"""Where a page's own charset declaration is looked for. The standard says 1,024; real pages put it later."""

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_META = re.compile(
    rb"<meta\s[^>]*?charset\s*+=[\s\"']*+([A-Za-z0-9_:.-]{2,40})"
    rb"|<\?xml\s[^>]*?encoding\s*+=\s*+[\"']([A-Za-z0-9_:.-]{2,40})",
    re.IGNORECASE,
)

_WIDER = {"gbk": "gb18030", "big5": "big5hkscs", "shift_jis": "cp932", "euc_kr": "cp949", "iso8859-11": "cp874"}
"""Python codecs for what browsers mean by these labels: the supersets that pages really use."""

_UNMAPPED = {"cp949": "cp949", "uhc": "cp949", "x-mac-cyrillic": "mac-cyrillic", "mac-cyrillic": "mac-cyrillic"}
"""Labels in use that resiliparse does not map."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a page gave no text: a quarantine reason and a detail without text of the page."""

    reason: str
    detail: str


def html_to_text(page: bytes, charset: str | None, limits: ExtractConfig) -> str | Problem:
    """Main content of an HTML page, paragraphs and list items as lines; empty for a page without any.

    Menus, headers, footers, scripts, forms, alternative texts of images and hidden elements are left out: resiliparse's
    main-content rules, which also take a `ul` that is not nested deeply for a menu. A page over extract.max_html_depth
    or max_html_nodes is a Problem, found before it is parsed.
    """
    html = decode(page, charset, is_html=True).replace("\0", "")  # Each takes the parser 21 bytes.
    shape = html_limits.shape_of(html.encode("utf-8", "replace"), limits.max_html_depth, limits.max_html_nodes)
    if shape.verdict != html_limits.OK:
        return _over_limit(shape.verdict, limits)
    tree = HTMLTree.parse(html)
    del html
    if html_limits.is_deeper(tree, shape):
        return _over_limit(html_limits.TOO_MUCH_WORK, limits)
    return extract_plain_text(tree, main_content=True, alt_texts=False)


def _over_limit(verdict: int, limits: ExtractConfig) -> Problem:
    if verdict == html_limits.TOO_DEEP:
        return Problem("html.too_deep", f"nested deeper than extract.max_html_depth {limits.max_html_depth}")
    if verdict == html_limits.TOO_MANY_NODES:
        return Problem("html.too_many_nodes", f"a tree of more than extract.max_html_nodes {limits.max_html_nodes}")
    if verdict == html_limits.TOO_MANY_ATTRIBUTES:
        return Problem("html.too_many_attributes", f"a tag with more than {html_limits.MAX_ATTRIBUTES} attributes")
    return Problem("html.too_much_work", f"over {html_limits.MAX_WORK} steps to extract: many nodes, deeply nested")


def decode(data: bytes, charset: str | None, *, is_html: bool) -> str:
    """`data` as text. What cannot be decoded becomes U+FFFD.

    The charset: a byte order mark, else the one declared outside (`charset`), else in the page, else UTF-8 where the
    bytes are valid, else detected. Bytes declared as Latin-1 that are valid UTF-8 are UTF-8: Latin-1 is the default
    that servers add to pages they know nothing of, and real Latin-1 text is practically never valid UTF-8.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    label = _codec(charset)
    if label is None and is_html:
        label = _codec(_declared(data))
        if label in ("utf-16-le", "utf-16-be"):
            label = "utf-8"  # A page that can be read far enough to say UTF-16 is not UTF-16.
    if label is None and b"\x1b$" in data:
        label = _detected(data)  # ISO-2022-JP is plain ASCII with escapes, so it would pass for UTF-8.
    if label in (None, "utf-8", "cp1252"):
        try:
            return data.decode()
        except UnicodeDecodeError:
            label = label or _detected(data)
    return data.decode(label or "cp1252", "replace")


def _declared(page: bytes) -> str | None:
    found = _META.search(page[:META_BYTES])
    return (found.group(1) or found.group(2)).decode("ascii") if found else None


def _detected(data: bytes) -> str | None:
    # With html5_compatible the detector says utf-8 for Korean, whose codec it knows by a name that browsers do not.
    found = detect_encoding(data, html5_compatible=False)
    return None if found and found.startswith("utf-16") else _codec(found)


def _codec(label: str | None) -> str | None:
    """The Python codec for what browsers take `label` to be (Latin-1 is cp1252); None for an unknown one."""
    if not label:
        return None
    known = map_encoding_to_html5(label, fallback_utf8=False) or _UNMAPPED.get(label.lower())
    if known is None:
        return None
    try:
        return codecs.lookup(_WIDER.get(known, known)).name
    except LookupError:
        return None


_BREAK = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_DROP = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
    + "]"
)
_MOST_MARKS = 30
"""Unicode's bound (UAX #15, stream-safe text). No writing needs half; ordering 80,000 in a row takes 6 s."""

_END_SPACE = re.compile(r"[^\S\n]\n")
_GAPS = re.compile(r"\n{3,}")


@njit(cache=True, nogil=True)
def _may_have_controls(data):  # type: ignore[no-untyped-def]  # numba infers the types
    """Whether UTF-8 `data` may hold what _BREAK or _DROP match: at 2 GB/s, where the expressions read 25 MB/s."""
    for i in range(len(data)):
        byte = data[i]
        if byte < 0x20:
            if byte != 0x0A and byte != 0x09:
                return True
        elif byte == 0x7F:
            return True
        elif byte >= 0xC2 and i + 1 < len(data):
            second = data[i + 1]
            third = data[i + 2] if i + 2 < len(data) else np.uint8(0)
            if byte == 0xC2 and second < 0xA0:
                return True
            if byte == 0xE2 and second == 0x80 and (third == 0xA8 or third == 0xA9):
                return True
            if byte == 0xED and second >= 0xA0:
                return True
            if byte == 0xEF and (
                (second == 0xBB and third == 0xBF) or second == 0xB7 or (second == 0xBF and third >= 0xBE)
            ):
                return True
            if byte >= 0xF0 and third == 0xBF and i + 3 < len(data) and data[i + 3] >= 0xBE:
                return True
    return False


@njit(cache=True, nogil=True)
def _longest_run(data, marks):  # type: ignore[no-untyped-def]
    """Length of the longest run of `marks` in UTF-8 `data`."""
    longest, run, code = 0, 0, 0
    for byte in data:
        if byte & 0xC0 == 0x80:
            code = code << 6 | (byte & 0x3F)
        else:  # A code point ends where the next one begins.
            run = run + 1 if code < len(marks) and marks[code] else 0
            longest = max(longest, run)
            code = byte & (0x1F if byte < 0xE0 else 0x0F if byte < 0xF0 else 0x07) if byte >= 0xC0 else byte
    run = run + 1 if code < len(marks) and marks[code] else 0
    return max(longest, run)


@cache
def _marks() -> npt.NDArray[np.bool_]:
    """Whether normalisation orders a code point among its neighbours; it orders none from U+20000 on."""
    first = (unicodedata.normalize("NFD", chr(code))[0] for code in range(0x20000))
    return np.array([unicodedata.combining(c) > 0 for c in first])


@cache
def _surplus_marks() -> re.Pattern[str]:
    marks = "".join(chr(c) for c in np.flatnonzero(_marks()))
    return re.compile(f"(?<=[{marks}]{{{_MOST_MARKS}}})[{marks}]+")


def _without_surplus_marks(text: str) -> str:
    if text.isascii() or _longest_run(_utf8(text), _marks()) <= _MOST_MARKS:
        return text
    return _surplus_marks().sub("", text)


def _utf8(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)


def normalise(text: str) -> str:
    """`text` as we store it. Version 2; the same again for its own result.

    - CR LF, CR, VT, FF, NEL, U+2028 and U+2029 become LF.
    - Dropped: other C0 and C1 controls but TAB, U+FEFF, noncharacters, lone surrogates.
    - NFC, never NFKC: ligatures, full-width forms and superscripts carry meaning.
    - Of a run of combining marks the first 30 stay.
    - White space at line ends goes, more than one empty line becomes one, and outer white space goes.
    """
    if _may_have_controls(_utf8(text)):
        text = _DROP.sub("", _BREAK.sub("\n", text))
    text = _without_surplus_marks(text)
    if not unicodedata.is_normalized("NFC", text):
        text = _without_surplus_marks(unicodedata.normalize("NFC", text))
    if _END_SPACE.search(text):
        text = "\n".join([line.rstrip() for line in text.split("\n")])
    if "\n\n\n" in text:
        text = _GAPS.sub("\n\n", text)
    return text.strip()
