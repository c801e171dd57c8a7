"""Decompression that notices a cut or damaged end, and never holds more than a bounded piece of output.

Bounded in time too: what inflates beyond all measure is given up, and so are bodies of countless tiny pieces.
"""

import zlib
from collections.abc import Iterator
from typing import BinaryIO, Literal

import brotli  # type: ignore[import-untyped]
import zstandard

CHUNK = 1 << 20
"""Bytes read or inflated at a time."""

GZIP_PIECE = 1 << 14
"""Input bytes per call. What a member leaves of its last piece is copied, so this bounds the cost of a small member."""

ZSTD_PIECE = 1 << 10
"""Input bytes per call: one zstd block makes 128 KiB out of 4 bytes, so this piece can give 32 MiB at most."""

ZSTD_WINDOW = 1 << 27
"""Largest window (bytes) that a zstd frame may ask for: what `zstd` accepts without --long."""


BOMB_BYTES, BOMB_RATIO = 1 << 30, 250
"""An object that has inflated to more than this many bytes, and more than this many times its stored bytes so far, is
a bomb. Repeated lines of text reach 100; gzip can reach 1,032 and zstd 32,768, which is 2 TB out of 64 MB."""

MAX_BODY_ENCODINGS = 4
MAX_BODY_MEMBERS = 10_000
"""Gzip members or zstd frames of one HTTP body. Blocks of 64 KB, the smallest in use, make 1,000 of 64 MB."""

MAX_BODY_CHUNKS = 1_000_000
"""HTTP/1.1 chunks of one body. Each costs a microsecond, whatever its size."""


class Damage(Exception):
    """Bytes that cannot be decoded; the reader turns it into a quarantined row with this `reason` and `detail`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def fill(stream: BinaryIO, count: int) -> bytes:
    """`count` bytes, fewer only at the end: a stream may give fewer than it was asked for anywhere."""
    data = stream.read(count)
    if not data or len(data) == count:
        return data
    parts, missing = [data], count - len(data)
    while missing > 0 and (data := stream.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def chunks(stream: BinaryIO, codec: Literal["gzip", "zstd"] | None) -> Iterator[bytes]:
    """Decompressed bytes from the stream's position on, piece by piece. Raises Damage after the last whole piece.

    A checksum is compared at the end of its gzip member or zstd frame, after the bytes were given out.
    """
    if codec == "gzip":
        yield from _gunzip(stream)
    elif codec == "zstd":
        yield from _unzstd(stream)
    else:
        while piece := fill(stream, CHUNK):
            yield piece


def refuse_bomb(codec: Literal["gzip", "zstd"], stored: int, inflated: int) -> None:
    """Raise Damage where `inflated` bytes are too many for `stored` ones."""
    if inflated > BOMB_BYTES and inflated > BOMB_RATIO * stored:
        raise Damage(f"{codec}.bomb", f"{inflated} bytes came out of {stored}; over {BOMB_RATIO} times is no text")


def _gunzip(stream: BinaryIO) -> Iterator[bytes]:
    inflater = None
    stored = inflated = 0  # bytes read, bytes given out
    while data := fill(stream, GZIP_PIECE):
        stored += len(data)
        while data:
            if inflater is None:
                # Tapes and block devices pad with zeros; gzip ignores them too.
                data = data.lstrip(b"\0") if stored > len(data) else data
                if not data:
                    break
                inflater = zlib.decompressobj(wbits=31)
            before = inflater.copy()
            try:
                piece = inflater.decompress(data, CHUNK)
            except zlib.error as error:
                yield from until_damage(before, data)
                raise Damage("gzip.damaged", f"before stored byte {stored}: {_short(error)}") from error
            if piece:
                yield piece
                inflated += len(piece)
                refuse_bomb("gzip", stored, inflated)
            if inflater.eof:
                data, inflater = inflater.unused_data, None
            else:
                data = inflater.unconsumed_tail
    if inflater is not None:
        if rest := inflater.flush():
            yield rest
        if not inflater.eof:
            raise Damage("gzip.truncated", f"the object ends after {stored} stored bytes, inside a gzip member")


def until_damage(inflater: "zlib._Decompress", data: bytes) -> Iterator[bytes]:
    """What `data` gives before it breaks: a call that fails keeps its output for itself."""
    for i in range(len(data)):
        try:
            piece = inflater.decompress(data[i : i + 1])
        except zlib.error:
            return
        if piece:
            yield piece


def _unzstd(stream: BinaryIO) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    inflater = None
    stored = inflated = 0
    while data := fill(stream, ZSTD_PIECE):
        stored += len(data)
        while data:
            inflater = inflater or decompressor.decompressobj()
            try:
                piece = inflater.decompress(data)
            except zstandard.ZstdError as error:
                raise Damage("zstd.damaged", f"before stored byte {stored}: {_short(error)}") from error
            if piece:
                yield piece
                inflated += len(piece)
                refuse_bomb("zstd", stored, inflated)
            data = inflater.unused_data if inflater.eof else b""
            if inflater.eof:
                inflater = None
    if inflater is not None:
        raise Damage("zstd.truncated", f"the object ends after {stored} stored bytes, inside a zstd frame")


def _short(error: Exception) -> str:
    return str(error)[:120]


def decode_transfer(body: bytes) -> bytes:
    """`body` without HTTP/1.1 chunk framing; as it is where it does not begin with a chunk (many archives store the
    header but the joined body). Raises Damage when the framing breaks off later."""
    parts: list[bytes] = []
    at = 0
    while True:
        line_end = body.find(b"\r\n", at, at + 1024)
        size = _chunk_size(body[at:line_end]) if line_end >= 0 else None
        if size is None:
            if not parts:
                return body
            raise Damage("http.bad_chunk", f"no chunk size at byte {at} of the body's {len(body)}")
        at = line_end + 2
        if size == 0:
            return b"".join(parts)
        if at + size > len(body):
            raise Damage("http.truncated", f"a chunk of {size} bytes at byte {at} of the body's {len(body)}")
        if len(parts) == MAX_BODY_CHUNKS:
            raise Damage("http.bad_chunk", f"more than {MAX_BODY_CHUNKS} chunks in a body of {len(body)} bytes")
        parts.append(body[at : at + size])
        at += size + 2


def _chunk_size(line: bytes) -> int | None:
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > 8 or digits.strip(b"0123456789abcdefABCDEF"):
        return None
    return int(digits, 16)


def decode_content(body: bytes, encodings: str, cap: int) -> bytes:
    """`body` after undoing HTTP `Content-Encoding`. Raises Damage, also for more than `cap` bytes."""
    names = [name for e in encodings.split(",") if (name := e.strip().lower()) not in ("", "identity", "none", "utf-8")]
    if len(names) > MAX_BODY_ENCODINGS:
        raise Damage("http.content_encoding", f"{len(names)} encodings on top of each other; expected one")
    for name in reversed(names):
        if name in ("gzip", "x-gzip"):
            # Crawlers that store the decoded body but the original header are common.
            body = _inflate(body, 31, cap) if body[:2] == b"\x1f\x8b" else body
        elif name == "deflate":
            # RFC 9110 says zlib format; servers that send raw deflate are as old as the header.
            wrapped = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
            body = _inflate(body, 15 if wrapped else -15, cap)
        elif name == "br":
            body = _unbrotli(body, cap)
        elif name == "zstd":
            body = _unzstd_body(body, cap)
        else:
            raise Damage("http.content_encoding", "unknown Content-Encoding; expected gzip, deflate, br or zstd")
    return body


def _inflate(body: bytes, wbits: int, cap: int) -> bytes:
    parts: list[bytes] = []
    total = at = members = 0
    piece = b""
    inflater = zlib.decompressobj(wbits)
    while True:
        if not piece:
            piece = body[at : at + GZIP_PIECE]
            at += len(piece)
        try:
            part = inflater.decompress(piece, cap + 1 - total)
        except zlib.error as error:
            raise Damage("http.bad_body", f"Content-Encoding: {_short(error)}") from error
        parts.append(part)
        total += len(part)
        if total > cap:
            raise _too_large(cap)
        if inflater.eof:
            at -= len(inflater.unused_data)
            # Only gzip has further members; what else follows is padding, which browsers ignore.
            if wbits != 31 or body[at : at + 2] != b"\x1f\x8b":
                return b"".join(parts)
            members = _one_more(members)
            inflater, piece = zlib.decompressobj(wbits), b""
        elif not piece and not part:
            raise Damage("http.truncated", f"compressed body of {len(body)} bytes ends too early")
        else:
            piece = inflater.unconsumed_tail


def _one_more(members: int) -> int:
    if members == MAX_BODY_MEMBERS:
        raise Damage("http.bad_body", f"more than {MAX_BODY_MEMBERS} gzip members or zstd frames in one body")
    return members + 1


def _unbrotli(body: bytes, cap: int) -> bytes:
    decoder = brotli.Decompressor()
    parts: list[bytes] = []
    total = 0
    piece = body
    try:
        while not decoder.is_finished():
            part = decoder.process(piece, output_buffer_limit=min(CHUNK, cap + 1))
            piece = b""
            parts.append(part)
            total += len(part)
            if total > cap:
                raise _too_large(cap)
            if not part and not decoder.is_finished():
                raise Damage("http.truncated", f"brotli body of {len(body)} bytes ends too early")
    except brotli.error as error:
        raise Damage("http.bad_body", f"Content-Encoding: brotli, {_short(error)}") from error
    return b"".join(parts)


def _unzstd_body(body: bytes, cap: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    inflater = decompressor.decompressobj()
    parts: list[bytes] = []
    total = at = frames = 0
    try:
        while at < len(body):
            piece = body[at : at + ZSTD_PIECE]
            parts.append(inflater.decompress(piece))
            total += len(parts[-1])
            at += len(piece)
            if total > cap:
                raise _too_large(cap)
            if inflater.eof:
                at -= len(inflater.unused_data)
                if body[at : at + 4] != zstandard.FRAME_HEADER:
                    return b"".join(parts)
                frames = _one_more(frames)
                inflater = decompressor.decompressobj()
    except zstandard.ZstdError as error:
        raise Damage("http.bad_body", f"Content-Encoding: zstd, {_short(error)}") from error
    raise Damage("http.truncated", f"zstd body of {len(body)} bytes ends too early")


def _too_large(cap: int) -> Damage:
    return Damage("http.too_large", f"more than {cap} bytes after decoding; extract.max_document_bytes is {cap}")
