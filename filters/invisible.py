"""Characters that nobody sees and a model would learn to write: how many there are, and where.

What counts, of Unicode's Default_Ignorable_Code_Point and the controls, by kind:
    control     U+0000-001F but TAB, LF and CR; 007F-009F; FFF9-FFFB: broken charsets, binary data
    bidi        061C 200E-200F 202A-202E 2066-2069, the order of writing: can hide what code does ("Trojan Source");
                pages written from right to left carry a few for good reason
    variation   180B-180D 180F FE00-FE0F E0100-E01EF, a form of the character before: a run of them carries bytes, as a
                C2PA manifest does, thousands in a row behind U+FEFF
    tag         E0000-E007F, ASCII that nobody sees: smuggles prompts
    format      the others: soft hyphen 00AD, zero-width space 200B, joiners 200C-200D, word joiner 2060, invisible
                operators 2061-2064, byte order mark FEFF, fillers 115F 1160 3164 FFA0, and 034F 17B4-17B5 180E 2065
                206A-206F FFF0-FFF8 1BCA0-1BCA3 1D173-1D17A E0080-E00FF E01F0-E0FFF
What is where it belongs does not count: a byte order mark in front of all; a joiner behind a letter or mark of Arabic,
Indic or another script that joins, and ZWJ between emoji; one variation selector behind an emoji, a keycap's digit, a
symbol, or a Han, Mongolian, Myanmar or Phags-pa character; the tags of a flag; zero-width space beside a letter of
Thai, Lao, Tibetan, Myanmar or Khmer; Hangul fillers beside jamo.
Not counted, as they show or are spaces: U+2028, 2029, 2800, FFFC, FFFD, private use and unassigned code points.
"""
# mypy: disable-error-code="no-untyped-def"
# (numba infers the types of the compiled functions)

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from filters import unicode
from filters.batch import TextBatch
from filters.punctuation import code_points
from filters.ratio import ratio
from filters.registry import register, register_transform
from filters.rewrite import Texts, without
from filters.spans import Spans
from filters.unicode import CLASS, CODE_POINTS, decode, decode_before

SOURCE = "Unicode 15, Default_Ignorable_Code_Point"

KINDS = ("control", "bidi", "variation", "tag", "format")

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_CONTROL, _BIDI, _VARIATION, _TAG, _FORMAT = range(1, 6)
_RANGES = {
    _CONTROL: "0000-0008 000B-000C 000E-001F 007F-009F FFF9-FFFB",
    _BIDI: "061C 200E-200F 202A-202E 2066-2069",
    _VARIATION: "180B-180D 180F FE00-FE0F E0100-E01EF",
    _TAG: "E0000-E007F",
    _FORMAT: "00AD 034F 115F-1160 17B4-17B5 180E 200B-200D 2060-2065 206A-206F 3164 FEFF FFA0 FFF0-FFF8 1BCA0-1BCA3 "
    "1D173-1D17A E0080-E00FF E01F0-E0FFF",
}
_KIND = 7
"""The bits of a table entry that hold the kind, 0 for what shows. Above it, what may stand beside the character:"""

_JOINS, _EMOJI, _VARIES, _SPACELESS, _JAMO = 8, 16, 32, 64, 128
_JOINING = (
    "0600-08FF 0900-0DFF 0F00-109F 1780-18AF 1A20-1AAF 1B00-1C4F A840-A8FF A930-A9DF AA00-AA7F AAE0-AAFF ABC0-ABFF "
    "FB50-FDFF FE70-FEFC 10A00-10AFF 10D00-10D3F 10F00-11FFF 1E900-1E95F"
)
_SPACELESS_SCRIPTS = "0E00-109F 1780-17FF 1950-19FF 1A20-1AAF A9E0-A9FF AA60-AADF"
_JAMO_BLOCKS = "1100-115E 1161-11FF A960-A97F D7B0-D7FF"
_VARYING = (
    "2E80-2FDF 3001-3002 3005 3007 3400-4DBF 4E00-9FFF F900-FAFF FF01 FF0C FF0E FF1A-FF1B FF1F 20000-3FFFF 1000-109F "
    "1800-180A 1810-18AF A840-A87F AA60-AA7F"
)
_EMOJI_NOT_SYMBOLS_FROM_2000 = "00A9 00AE 203C 2049 2139 3030"


def _table() -> npt.NDArray[np.uint8]:
    table = np.zeros(CODE_POINTS, np.uint8)
    table[0x2000:][CLASS[0x2000:] & unicode.SYMBOL != 0] = _EMOJI | _VARIES
    table[code_points(_EMOJI_NOT_SYMBOLS_FROM_2000)] = _EMOJI | _VARIES
    table[code_points(_VARYING)] |= _VARIES
    letters = CLASS & (unicode.LETTER | unicode.MARK) != 0
    for flag, ranges in ((_JOINS, _JOINING), (_SPACELESS, _SPACELESS_SCRIPTS), (_JAMO, _JAMO_BLOCKS)):
        inside = np.zeros(CODE_POINTS, np.bool_)
        inside[code_points(ranges)] = True
        table[inside & letters] |= flag
    for kind, ranges in _RANGES.items():
        table[code_points(ranges)] = kind
    table.flags.writeable = False
    return table


_TABLE = _table()


def _leads() -> npt.NDArray[np.bool_]:
    """Which bytes begin a character that may count."""
    leads = np.zeros(256, np.bool_)
    leads[[chr(c).encode("utf-8", "surrogatepass")[0] for c in np.flatnonzero(_TABLE & _KIND)]] = True
    return leads


_LEADS = _leads()


@dataclass(frozen=True, slots=True)
class Found:
    """Characters that count: runs of one kind."""

    spans: Spans
    kind: npt.NDArray[np.uint8]
    """Of each run, an index of KINDS."""


def found(batch: TextBatch) -> Found:
    """Where the characters that count are."""
    runs = batch.once(_find)
    return Found(runs.spans, runs.kind)


@register_transform("invisible.strip", source=SOURCE, semantics="unicode", version=1)
def strip(batch: TextBatch) -> Texts:
    """The text without its invisible characters and controls, but for those that are where they belong."""
    return without(batch, batch.once(_find).spans)


@dataclass(frozen=True, slots=True)
class _Runs:
    spans: Spans
    kind: npt.NDArray[np.uint8]
    characters: Counts
    """Of each run."""

    longest: Counts
    """Most characters in a row, of any kinds, of each document."""


def _find(batch: TextBatch) -> _Runs:
    cap = 1024
    while True:
        start, end, size = np.empty(cap, np.int64), np.empty(cap, np.int64), np.empty(cap, np.int64)
        kind = np.empty(cap, np.uint8)
        n, first, longest = _walk(batch.data, batch.offsets, _TABLE, start, end, kind, size)
        if n <= cap:
            return _Runs(Spans(start[:n], end[:n], first), kind[:n], size[:n], longest)
        cap = n


def _register_share(name: str, kind: int | None, what: str) -> None:
    def measure(batch: TextBatch) -> Floats:
        runs = batch.once(_find)
        counted = runs.characters if kind is None else runs.characters * (runs.kind == kind)
        return 1000 * ratio(runs.spans.sums(counted), batch.characters)

    measure.__doc__ = f"{what} in 1,000 characters, 0..1000; 0.0 for an empty document."
    register(
        f"invisible.{name}",
        unit="characters in 1,000",
        source=SOURCE,
        semantics="unicode",
        version=1,
        high=1000.0,
    )(measure)


_register_share("per_thousand", None, "Invisible characters and controls that are not where they belong,")
for _kind, _name in enumerate(KINDS):
    _register_share(f"{_name}_per_thousand", _kind, f"Invisible characters of the kind `{_name}`")


@register(
    "invisible.longest_run",
    unit="characters",
    source=SOURCE,
    semantics="unicode",
    version=1,
)
def longest_run(batch: TextBatch) -> Floats:
    """Most invisible characters and controls in a row, 0 upwards; 0.0 without. Hidden messages are long runs."""
    return batch.once(_find).longest.astype(np.float64)


@njit(cache=True, nogil=True)
def _walk(data, offsets, table, start, end, kinds, size):
    """Write the runs as far as there is room; (number of runs, first of each document, longest of each)."""
    n = np.int64(0)
    first = np.zeros(len(offsets), np.int64)
    longest = np.zeros(len(offsets) - 1, np.int64)
    for i in range(len(longest)):
        begin, p, stop = offsets[i], offsets[i], offsets[i + 1]
        behind = row = np.int64(0)
        last = np.int64(0)
        while p < stop:
            if not _LEADS[data[p]]:
                p += 1
                continue
            c, length = decode(data, p, stop)
            kind = np.int64(table[c] & _KIND)
            if c == 0x1F3F4:
                length += _flag_tags(data, p + length, stop)
            elif kind and not _belongs(data, begin, p, length, stop, c, kind, table):
                row = row + 1 if behind == p else np.int64(1)
                longest[i] = max(longest[i], row)
                same = behind == p and last == kind
                n += not same
                if n <= len(start):
                    if not same:
                        start[n - 1], size[n - 1], kinds[n - 1] = p, 0, kind - 1
                    end[n - 1] = p + length
                    size[n - 1] += 1
                behind, last = p + length, kind
            p += length
        first[i + 1] = n
    return n, first, longest


@njit(cache=True, nogil=True)
def _belongs(data, begin, p, length, stop, c, kind, table):
    """Whether the invisible character c at p is where writing needs it."""
    if kind != _FORMAT and kind != _VARIATION:
        return False
    if p == begin:
        return c == 0xFEFF
    char = decode_before(data, begin, p)[0]
    before = table[char]
    behind = decode(data, p + length, stop)[0] if p + length < stop else 0
    after = table[behind]
    if kind == _VARIATION:
        keycap = behind == 0x20E3 and (char == 0x23 or char == 0x2A or 0x30 <= char <= 0x39)
        return before & _KIND == 0 and (before & _VARIES != 0 or keycap)
    if c == 0x200D and after & _EMOJI and (before & _EMOJI or before == _VARIATION):
        return True
    if c == 0x200C or c == 0x200D or c == 0x180E:
        return before & _JOINS != 0
    if c == 0x200B:
        return (before | after) & _SPACELESS != 0
    if c == 0x115F or c == 0x1160:
        return (before | after) & _JAMO != 0
    return False


@njit(cache=True, nogil=True)
def _flag_tags(data, p, stop):
    """Bytes of the tags at p that end a flag: up to 6 letters or digits, then U+E007F; 0 if none."""
    q = p
    for k in range(7):
        c, length = decode(data, q, stop) if q < stop else (np.int64(0), np.int64(1))
        q += length
        if c == 0xE007F and k > 0:
            return q - p
        if not (0xE0030 <= c <= 0xE0039 or 0xE0061 <= c <= 0xE007A):
            return 0
    return 0
