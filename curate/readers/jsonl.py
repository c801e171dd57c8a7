"""JSONL objects -> documents, one a line. A bad line costs itself and no other; docs/INPUT.md says what each costs.

Lines end at LF only. Offsets are bytes of the object, in the *decompressed* bytes where it is compressed. A wrong
checksum is met at the end of its gzip member or zstd frame, after the lines were read.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import orjson
from numba import njit

from curate.config import InputConfig
from curate.readers import fields
from curate.readers.codecs import Damage, chunks
from curate.readers.record import Item, Quarantined, Skipped

if TYPE_CHECKING:
    from curate.plan import Split

MAX_VALUES = 1_000_000
"""Values in one line. 60 MB of `{},` are 20 million, and 1.9 GB once parsed."""

BOM = b"\xef\xbb\xbf"


def ranges(size: int, *, compressed: bool, split_bytes: int) -> list[tuple[int, int]]:
    """Even cuts by bytes; a compressed object is one range."""
    count = 1 if compressed else -(-size // split_bytes)
    cuts = [size * i // count for i in range(count + 1)]
    return [(cuts[i], cuts[i + 1]) for i in range(count)]


def read(stream: BinaryIO, split: "Split", cap: int) -> Iterator[Item]:
    """A document, rejection or quarantine for every line that starts in the split."""
    for line, offset, end in _lines(stream, split, cap):
        item: Item
        if isinstance(line, Damage):
            item = Quarantined(line.reason, line.detail, offset, end)
        elif not line or line.isspace():
            item = Skipped("blank_line")
        else:
            item = parse(line, split.input, offset, end)
        del line  # It may be large, and what is done with the item needs memory too.
        yield item


def _lines(stream: BinaryIO, split: "Split", cap: int) -> Iterator[tuple[bytes | Damage, int, int]]:
    """(line without its LF, first byte, one past the last). Damage stands for a line over the cap, or for a cut end."""
    plain = split.codec is None
    skipping = plain and split.start > 0  # The byte before the split tells whether a line starts with it.
    start = split.start - 1 if skipping else 0
    stream.seek(start)
    pending = bytearray()  # of the line that begins at `start`
    dropped = 0  # bytes of that line which were over the cap, or belong to the split before
    pieces = chunks(stream, split.codec)
    damage: Damage | None = None
    while damage is None:
        try:
            piece = next(pieces, b"")
        except Damage as found:
            damage, piece = found, b""
        if not piece:
            break
        at = 0
        while (feed := piece.find(b"\n", at)) >= 0:
            end = start + dropped + len(pending) + feed + 1 - at
            if not skipping:
                yield _whole(_taken(pending, piece[at:feed]), dropped, cap), start, end
            pending.clear()
            start, at, skipping, dropped = end, feed + 1, False, 0
            if plain and start >= split.end:
                return
        pending += piece[at:]
        if skipping or len(pending) > cap:
            dropped += len(pending)
            pending.clear()
    end = start + dropped + len(pending)
    if damage:
        yield damage, start, end
    elif end > start and not skipping:
        yield _whole(_taken(pending, b""), dropped, cap), start, end


def _taken(pending: bytearray, last: bytes) -> bytes:
    """`pending`, which is emptied, and `last` behind it. Most lines lie in one piece and are copied once."""
    if not pending:
        return last
    pending += last
    line = bytes(pending)
    pending.clear()
    return line


def _whole(line: bytes, dropped: int, cap: int) -> bytes | Damage:
    if dropped or len(line) > cap:
        return Damage("jsonl.too_large", f"a line of {dropped + len(line)} bytes; extract.max_document_bytes is {cap}")
    return line.removeprefix(BOM)  # Also of a file that was put behind another one.


def parse(line: bytes, source: InputConfig, offset: int, end: int) -> Item:
    """The document in one line."""
    if _may_have_too_many_values(line) and (found := int(_values(np.frombuffer(line, np.uint8)))) > MAX_VALUES:
        return Quarantined("jsonl.too_many_values", f"{found} values; at most {MAX_VALUES} are parsed", offset, end)
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Quarantined(*_what_is_wrong(line, error), offset, end)
    if not isinstance(row, dict):
        return Quarantined("jsonl.not_an_object", f"got {type(row).__name__}, expected an object", offset, end)
    return fields.document(row, source, "jsonl", offset, end)


def _may_have_too_many_values(line: bytes) -> bool:
    return len(line) > 2 * MAX_VALUES and line.count(b",") + line.count(b"[") + line.count(b"{") >= MAX_VALUES


@njit(cache=True, nogil=True)
def _values(line):  # type: ignore[no-untyped-def]  # numba infers the types
    """Values in a line, or a few more: commas and opening brackets outside of strings, and one."""
    count = 1
    inside = False
    i = 0
    while i < len(line):
        byte = line[i]
        if inside:
            if byte == 0x5C:
                i += 1
            elif byte == 0x22:
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte == 0x2C or byte == 0x5B or byte == 0x7B:
            count += 1
        i += 1
    return count


_REASONS = {
    "surrogate": "jsonl.lone_surrogate",
    "depth limit": "jsonl.too_deep",
    "number is infinity": "jsonl.number",
}
"""What orjson says, and our reason for it."""


def _what_is_wrong(line: bytes, error: orjson.JSONDecodeError) -> tuple[str, str]:
    if "not valid UTF-8" in error.msg:
        try:
            line.decode()
        except UnicodeDecodeError as wrong:
            return "jsonl.invalid_utf8", f"byte {wrong.start} of the line's {len(line)}"
    reason = next((reason for said, reason in _REASONS.items() if said in error.msg), "jsonl.not_json")
    if error.doc.startswith(("NaN", "Infinity", "-Infinity"), error.pos):
        reason = "jsonl.number"
    return reason, f"at character {error.pos} of the line's {len(line)} bytes"
