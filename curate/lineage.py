"""Identities: of documents, texts, and of everything a stage leaves behind.

A key is a hash of what a result depends on, and of nothing else: content, configuration and versions, but no name,
clock, host or order of work. Equal keys mean equal results.
"""

import json
import struct
from collections.abc import Mapping

from blake3 import blake3

Part = str | int | float | bool | None | Mapping[str, "Part"] | list["Part"] | tuple["Part", ...]
"""What may enter a key: JSON values."""


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes. Raises ValueError on NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def key(*parts: object) -> str:
    """32 hex digits that identify a result by all that it depends on (JSON values)."""
    return blake3(canonical(list(parts))).hexdigest(length=16)


def document_id(source: str, record_key: str, payload: bytes) -> bytes:
    """16 bytes: BLAKE3 over source name, record key and payload, each with its length before it.

    `record_key` is the URL exactly as stored, else the user's id, else empty. Text is the adversary's, so the hash must
    resist collisions; the lengths keep ("ab", "c") apart from ("a", "bc").
    """
    name, key_ = source.encode(), record_key.encode("utf-8", "surrogatepass")
    head = _length(len(name)) + name + _length(len(key_)) + key_ + _length(len(payload))
    return blake3(head).update(payload).digest(length=16)


_length = struct.Struct("<Q").pack
"""8 bytes, little endian."""


def text_hash(text: str) -> bytes:
    """16 bytes of BLAKE3 over the text's UTF-8: equal for equal stored texts only."""
    return utf8_hash(text.encode())


def utf8_hash(text: bytes) -> bytes:
    """`text_hash` of the text with this UTF-8."""
    return blake3(text).digest(length=16)


def uniform(seed: int, identity: bytes, purpose: str) -> int:
    """A 64-bit number that looks random, the same wherever and in whatever order a document is met.

    `purpose` keeps samples independent: the documents that are judged are not those that become validation data.
    """
    return int.from_bytes(blake3(f"{purpose}:{seed}:".encode() + identity).digest(length=8), "big")
