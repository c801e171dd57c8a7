"""JSONL objects -> documents, one a line. A bad line costs itself and no other.

Lines end at LF only. Offsets are bytes of the object, in the *decompressed* bytes where it is compressed. Of duplicate
keys the last one counts. NaN and Infinity are not JSON. Integers beyond 64 bits are read as floats. A byte order mark
at the start is dropped. A wrong checksum is met at the end of its gzip member or zstd frame, after the lines were read.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import orjson

from curate.config import InputConfig
from curate.readers import fields
from curate.readers.codecs import Damage, chunks
from curate.readers.record import Item, Quarantined, Skipped

if TYPE_CHECKING:
    from curate.plan import Split

BOM = b"\xef\xbb\xbf"


def ranges(size: int, *, compressed: bool, split_bytes: int) -> list[tuple[int, int]]:
    """Even cuts by bytes; a compressed object is one range."""
    count = 1 if compressed else -(-size // split_bytes)
    cuts = [size * i // count for i in range(count + 1)]
    return [(cuts[i], cuts[i + 1]) for i in range(count)]


def read(stream: BinaryIO, split: "Split", cap: int) -> Iterator[Item]:
    """A document, rejection or quarantine for every line that starts in the split."""
    for line, offset, end in _lines(stream, split, cap):
        if isinstance(line, Damage):
            yield Quarantined(line.reason, line.detail, offset, end)
        elif not line or line.isspace():
            yield Skipped("blank_line")
        else:
            yield parse(line, split.input, cap, offset, end)


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
                line = bytes(pending) + piece[at:feed] if pending else piece[at:feed]
                yield _whole(line, start, dropped, cap), start, end
            start, at, skipping, dropped = end, feed + 1, False, 0
            pending.clear()
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
        yield _whole(bytes(pending), start, dropped, cap), start, end


def _whole(line: bytes, start: int, dropped: int, cap: int) -> bytes | Damage:
    if dropped or len(line) > cap:
        detail = f"a line of {dropped + len(line)} bytes; extract.max_document_bytes is {cap}"
        return Damage("jsonl.too_large", detail)
    return line[3:] if start == 0 and line.startswith(BOM) else line


def parse(line: bytes, source: InputConfig, cap: int, offset: int, end: int) -> Item:
    """The document in one line."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        reason, detail = _what_is_wrong(line, error)
        return Quarantined(reason, detail, offset, end)
    if not isinstance(row, dict):
        return Quarantined("jsonl.not_an_object", f"got {type(row).__name__}, expected an object", offset, end)
    return fields.document(row, source, "jsonl", cap, offset, end)


def _what_is_wrong(line: bytes, error: orjson.JSONDecodeError) -> tuple[str, str]:
    try:
        line.decode()
    except UnicodeDecodeError as wrong:
        return "jsonl.invalid_utf8", f"byte {wrong.start} of the line"
    try:
        row = json.loads(line, parse_constant=_refuse)
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "jsonl.lone_surrogate", f"near character {error.pos} of the line"
    except (ValueError, RecursionError):
        pass  # The standard library agrees that it is no JSON, or it is nested deeper than both can go.
    return "jsonl.not_json", f"at character {error.pos} of the line's {len(line)} bytes"


def _refuse(constant: str) -> None:
    raise ValueError(constant)
