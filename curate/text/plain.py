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
from filters.unicode import CLASS, CODE_POINTS, SPACE

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

_GAPS = re.compile(r"\n{3,}")

_ORDER = 0xFF
"""Bits of a trait that hold the canonical combining class: normalisation sorts neighbours by it."""

_CONTROL, _MARK, _UNSTABLE, _SPACE, _FEED, _MALFORMED = 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000
"""Of a code point: _BREAK or _DROP match it; normalisation orders it among its neighbours; NFC changes it, or composes
it with what is before it; `str.isspace()`; a line feed. Of a text: it holds the first; has too many of the second in a
row; may be no NFC (UAX #15, quick check); has outer white space; has some before a line feed, or three of these in a
row; is no UTF-8."""


@cache
def _traits() -> npt.NDArray[np.uint16]:
    """Combining class and flags of each code point, from the Unicode data of this Python."""
    traits = np.zeros(CODE_POINTS, np.uint16)
    head = "".join(map(chr, range(0x30000)))  # Behind it, nothing has a class or a decomposition.
    traits[: len(head)] = list(map(unicodedata.combining, head))
    traits[traits > 0] |= _MARK
    for char, parts in zip(head, map(unicodedata.decomposition, head), strict=True):
        if parts and parts[0] != "<":
            traits[[int(part, 16) for part in parts.split()[1:]]] |= _UNSTABLE
            traits[ord(char)] |= _UNSTABLE * (unicodedata.normalize("NFC", char) != char)
            traits[ord(char)] |= _MARK * (unicodedata.combining(unicodedata.normalize("NFD", char)[0]) > 0)
    traits[0x1161:0x1176] |= _UNSTABLE  # Vowels and final consonants of Hangul compose without a decomposition.
    traits[0x11A8:0x11C3] |= _UNSTABLE
    traits[[ord(char) for char in _DROP.findall(head) + _BREAK.findall(head)]] |= _CONTROL
    traits[0xFFFE::0x10000] |= _CONTROL  # Noncharacters.
    traits[0xFFFF::0x10000] |= _CONTROL
    traits[CLASS & SPACE > 0] |= _SPACE
    traits[0x0A] |= _FEED
    return traits


@njit(cache=True, nogil=True)
def _found(data, traits, most_marks):  # type: ignore[no-untyped-def]  # numba infers the types
    """Flags of what UTF-8 `data` may hold that `normalise` changes, 0 for nothing; 0.7 to 1.1 GB/s in one pass, where
    the regular expressions read 25 to 100 MB/s each.
    """
    found = int(traits[_code_at(data, 0)[0]]) & _SPACE if len(data) else 0
    marks = feeds = last = p = 0  # of marks and line feeds: how many in a row; last: trait of the character before
    while p < len(data):
        code, size = _code_at(data, p)
        if not size:
            return _MALFORMED
        trait = int(traits[code])
        if trait & ~_SPACE:  # Blanks are too many and too irregular for a branch of theirs.
            found |= trait & (_CONTROL | _UNSTABLE)
            if trait & _MARK:
                marks = marks + 1 if last & _MARK else 1
                if marks > most_marks:
                    found |= _MARK
                if 0 < trait & _ORDER < last & _ORDER:
                    found |= _UNSTABLE
            elif trait & _FEED:
                feeds = feeds + 1 if last & _FEED else 1
                if feeds == 3 or last & (_SPACE | _FEED) == _SPACE:
                    found |= _FEED
        last = trait
        p += size
    return found | last & _SPACE


@njit(cache=True, nogil=True)
def _code_at(data, p):  # type: ignore[no-untyped-def]
    """Code point at byte `p`, also a surrogate, and its length in bytes: 0 where there is no UTF-8."""
    lead = np.int64(data[p])
    if lead < 0x80:
        return lead, 1
    second = np.int64(data[p + 1]) if p + 1 < len(data) else 0
    if second & 0xC0 != 0x80 or lead < 0xC2:
        return 0, 0
    code = (lead & 0x1F) << 6 | second & 0x3F
    if lead < 0xE0:
        return code, 2
    third = np.int64(data[p + 2]) if p + 2 < len(data) else 0
    code = (code << 6 | third & 0x3F) & 0xFFFF
    if third & 0xC0 != 0x80:
        return 0, 0
    if lead < 0xF0:
        return code, 3 * (code >= 0x800)
    fourth = np.int64(data[p + 3]) if p + 3 < len(data) else 0
    code = (lead & 0x07) << 18 | (second & 0x3F) << 12 | (third & 0x3F) << 6 | fourth & 0x3F
    if fourth & 0xC0 != 0x80 or lead > 0xF4 or not 0x10000 <= code < CODE_POINTS:
        return 0, 0
    return code, 4


@cache
def _surplus_marks() -> re.Pattern[str]:
    marks = "".join(chr(c) for c in np.flatnonzero(_traits() & _MARK))
    return re.compile(f"(?<=[{marks}]{{{_MOST_MARKS}}})[{marks}]+")


def is_normal(data: bytes) -> bool:
    """Whether `data` is UTF-8 of a text that `normalise` would give back. Seldom False where it is: for a composition
    that Unicode's quick check (UAX #15) leaves open.
    """
    return not _found(np.frombuffer(data, np.uint8), _traits(), _MOST_MARKS)


def _found_in(text: str) -> int:
    return int(_found(np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8), _traits(), _MOST_MARKS))


def normalise(text: str) -> str:
    """`text` as we store it. Version 2; the same again for its own result.

    - CR LF, CR, VT, FF, NEL, U+2028 and U+2029 become LF.
    - Dropped: other C0 and C1 controls but TAB, U+FEFF, noncharacters, lone surrogates.
    - NFC, never NFKC: ligatures, full-width forms and superscripts carry meaning.
    - Of a run of combining marks the first 30 stay.
    - White space at line ends goes, more than one empty line becomes one, and outer white space goes.
    """
    found = _found_in(text)
    if found & _CONTROL:
        text = _DROP.sub("", _BREAK.sub("\n", text))
        found = _found_in(text)
    if found & _MARK:
        text = _surplus_marks().sub("", text)
    if found & _UNSTABLE and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        if _found_in(text) & _MARK:  # A character may become several marks.
            text = _surplus_marks().sub("", text)
    if found & _FEED:
        text = _GAPS.sub("\n\n", "\n".join([line.rstrip() for line in text.split("\n")]))
    return text.strip()
