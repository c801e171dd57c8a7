"""Decompression that notices a cut or damaged end, and never holds more than a bounded piece of output."""

import zlib
from collections.abc import Iterator
from typing import BinaryIO, Literal

import brotli  # type: ignore[import-untyped]
import zstandard

CHUNK = 1 << 20
"""Bytes read or inflated at a time."""

ZSTD_PIECE = 1 << 10
"""Input bytes per call: one zstd block makes 128 KiB out of 4 bytes, so this piece can give 32 MiB at most."""

ZSTD_WINDOW = 1 << 27
"""Largest window (bytes) that a zstd frame may ask for: what `zstd` accepts without --long."""


class Damage(Exception):
    """Bytes that cannot be decoded; the reader turns it into a quarantined row with this `reason` and `detail`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def chunks(stream: BinaryIO, codec: Literal["gzip", "zstd"] | None) -> Iterator[bytes]:
    """Decompressed bytes from the stream's position on, piece by piece. Raises Damage after the last whole piece.

    A checksum is compared at the end of its gzip member or zstd frame, after the bytes were given out.
    """
    if codec == "gzip":
        yield from _gunzip(stream)
    elif codec == "zstd":
        yield from _unzstd(stream)
    else:
        while piece := stream.read(CHUNK):
            yield piece


def _gunzip(stream: BinaryIO) -> Iterator[bytes]:
    inflater = None
    stored = 0  # stored bytes read
    while data := stream.read(CHUNK):
        stored += len(data)
        while data:
            if inflater is None:
                if stored > len(data) and not data.strip(b"\0"):
                    break  # Tapes and block devices pad with zeros; gzip ignores them too.
                inflater = zlib.decompressobj(wbits=31)
            try:
                piece = inflater.decompress(data, CHUNK)
            except zlib.error as error:
                raise Damage("gzip.damaged", f"before stored byte {stored}: {_short(error)}") from error
            if piece:
                yield piece
            if inflater.eof:
                data, inflater = inflater.unused_data, None
            else:
                data = inflater.unconsumed_tail
    if inflater is not None:
        if rest := inflater.flush():
            yield rest
        if not inflater.eof:
            raise Damage("gzip.truncated", f"the object ends after {stored} stored bytes, inside a gzip member")


def _unzstd(stream: BinaryIO) -> Iterator[bytes]:
    inflater = None
    stored = 0
    while data := stream.read(ZSTD_PIECE):
        stored += len(data)
        while data:
            if inflater is None:
                inflater = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()
            try:
                piece = inflater.decompress(data)
            except zstandard.ZstdError as error:
                raise Damage("zstd.damaged", f"before stored byte {stored}: {_short(error)}") from error
            if piece:
                yield piece
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
        parts.append(body[at : at + size])
        at += size + 2


def _chunk_size(line: bytes) -> int | None:
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > 8 or digits.strip(b"0123456789abcdefABCDEF"):
        return None
    return int(digits, 16)


def decode_content(body: bytes, encodings: str, cap: int) -> bytes:
    """`body` after undoing HTTP `Content-Encoding`. Raises Damage, also for more than `cap` bytes."""
    for name in reversed([e.strip().lower() for e in encodings.split(",")]):
        if name in ("", "identity", "none", "utf-8"):
            continue
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
    total = 0
    while body:
        inflater = zlib.decompressobj(wbits)
        try:
            parts.append(inflater.decompress(body, cap + 1 - total))
        except zlib.error as error:
            raise Damage("http.bad_body", f"Content-Encoding: {_short(error)}") from error
        total += len(parts[-1])
        if total > cap:
            raise _too_large(cap)
        if not inflater.eof:
            raise Damage("http.truncated", f"compressed body of {len(body)} bytes ends too early")
        # Only gzip has further members; what else follows is padding, which browsers ignore.
        body = inflater.unused_data if wbits == 31 and inflater.unused_data[:2] == b"\x1f\x8b" else b""
    return b"".join(parts)


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
            if not part and decoder.can_accept_more_data():
                raise Damage("http.truncated", f"brotli body of {len(body)} bytes ends too early")
    except brotli.error as error:
        raise Damage("http.bad_body", f"Content-Encoding: brotli, {_short(error)}") from error
    return b"".join(parts)


def _unzstd_body(body: bytes, cap: int) -> bytes:
    inflater = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()
    parts: list[bytes] = []
    total = 0
    try:
        for at in range(0, len(body), ZSTD_PIECE):
            parts.append(inflater.decompress(body[at : at + ZSTD_PIECE]))
            total += len(parts[-1])
            if total > cap:
                raise _too_large(cap)
            if inflater.eof:
                return b"".join(parts)
    except zstandard.ZstdError as error:
        raise Damage("http.bad_body", f"Content-Encoding: zstd, {_short(error)}") from error
    raise Damage("http.truncated", f"zstd body of {len(body)} bytes ends too early")


def _too_large(cap: int) -> Damage:
    return Damage("http.too_large", f"more than {cap} bytes after decoding; extract.max_document_bytes is {cap}")
