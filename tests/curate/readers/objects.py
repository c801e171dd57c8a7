"""Small input objects made in the tests, and short ways to read them."""

import gzip
import io
from collections.abc import Sequence
from typing import Any, Literal

from curate import readers
from curate.config import ExtractConfig, InputConfig
from curate.inputs import InputObject
from curate.plan import Split

Format = Literal["warc", "jsonl", "parquet"]


def http(body: bytes, status: int = 200, headers: str = "Content-Type: text/html; charset=utf-8\r\n") -> bytes:
    return f"HTTP/1.1 {status} X\r\n{headers}\r\n".encode() + body


def record(
    block: bytes, url: str = "http://a.example/", kind: str = "response", *, length: object = None, head: str = ""
) -> bytes:
    content_type = "application/http; msgtype=response" if kind == "response" else "text/plain"
    lines = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2026-01-02T03:04:05Z\r\n{head}"
        f"Content-Type: {content_type}\r\nContent-Length: {len(block) if length is None else length}\r\n\r\n"
    )
    return lines.encode() + block + b"\r\n\r\n"


def member(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


def split_of(
    data: bytes, format: Format, codec: Any = None, span: tuple[int, int] | None = None, **settings: Any
) -> Split:
    start, end = span or (0, len(data))
    source = InputConfig(source="test", uri="object", **settings)
    return Split(InputObject("object", len(data), 0, 0), "0" * 64, start, end, format, codec, source)


def read(data: bytes, format: Format, codec: Any = None, *, cap: int = 1_000_000, **settings: Any) -> list[Any]:
    """Everything in the object, read as one split."""
    count = 1 if format != "parquet" else 1_000
    span = (0, count) if format == "parquet" else None
    split = split_of(data, format, codec, span, **settings)
    return list(readers.read(io.BytesIO(data), split, ExtractConfig(max_document_bytes=cap)))


def read_split(data: bytes, format: Format, codec: Any, split_bytes: int, **settings: Any) -> list[Any]:
    """Everything in the object, read range by range."""
    found: list[Any] = []
    for span in readers.ranges(io.BytesIO(data), len(data), format, codec, split_bytes):
        split = split_of(data, format, codec, span, **settings)
        found += readers.read(io.BytesIO(data), split, ExtractConfig(max_document_bytes=1_000_000))
    return found


def kinds(items: Sequence[Any]) -> list[str]:
    """`R` a record, else its reason or skipped type."""
    return ["R" if isinstance(i, readers.Record) else getattr(i, "reason", None) or f"skipped.{i.type}" for i in items]
