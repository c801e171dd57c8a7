"""Records on disk: plain, in gzip members, in one member, in blocks that know nothing of records, in zstd frames."""

import gzip
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from random import Random
from typing import Any

import zstandard

from curate.plan import Codec
from curate.readers.codecs import ZSTD_PIECE

SKIPPABLE = b"\x50\x2a\x4d\x18\x04\0\0\0skip"
"""A zstd frame without content."""


@dataclass(frozen=True)
class Laid:
    """An object: pieces of plain bytes (records, lines), stored one way."""

    name: str
    codec: Codec | None
    data: bytes = field(repr=False)
    whole: bytes = field(repr=False)
    """The pieces, not compressed."""

    sizes: tuple[int, ...]
    ends: tuple[int, ...]
    """Where each piece ends, in the positions that the reader reports."""

    units: tuple[int, ...]
    """Where each gzip member or zstd frame ends, in stored bytes; of a plain object, the pieces' ends."""

    is_stored: bool
    """Whether positions are those of stored bytes, and not of decompressed ones."""

    def place(self, piece: int) -> tuple[int, int]:
        """(first byte, one past the last) of a piece."""
        return (0, *self.ends)[piece], self.ends[piece]

    def known(self, at: int) -> int:
        """Position up to which everything is there if the stored bytes from `at` on are lost."""
        if self.is_stored:
            return at
        return inflated(self.data[:at]) if self.codec == "gzip" else unpacked(self.data[: at - at % ZSTD_PIECE])

    def begun(self, at: int) -> tuple[int, bytes] | None:
        """(number of the piece, what is left of it) where the stored bytes from `at` on are gone and the codec does not
        show it; None where it does."""
        if self.codec and at not in (0, *self.units):
            return None
        before = self.data[:at]
        left = before if self.codec is None else self.whole[: (inflated if self.codec == "gzip" else unpacked)(before)]
        pieces = (0, *accumulate(self.sizes))
        number = bisect_right(pieces, len(left)) - 1
        return number, left[pieces[number] :]


def inflated(data: bytes) -> int:
    """Bytes that come out of the gzip members in `data`, up to where they are cut."""
    total = 0
    while data:
        inflater = zlib.decompressobj(wbits=31)
        total += len(inflater.decompress(data))
        data = inflater.unused_data
    return total


def unpacked(data: bytes) -> int:
    """Bytes that come out of the zstd frames in `data`, up to where they are cut."""
    total = 0
    while data:
        decoder = zstandard.ZstdDecompressor().decompressobj()
        total += len(decoder.decompress(data))
        data = decoder.unused_data
    return total


def member(rng: Random) -> Callable[[bytes], bytes]:
    """A way to make a gzip member: some level, some header."""
    level = rng.choice((0, 1, 6, 6, 6, 9))
    flags = rng.choice((0, 0, 0, 4, 8, 16, 28))
    extra = {4: b"\x03\0abc", 8: b"a name\0", 16: b"a comment\0"}
    header = b"".join(part for flag, part in extra.items() if flags & flag)

    def make(data: bytes) -> bytes:
        plain = gzip.compress(data, level, mtime=0)
        return plain[:3] + bytes([flags]) + plain[4:10] + header + plain[10:]

    return make


def frame(rng: Random) -> Callable[[bytes], bytes]:
    """A way to make a zstd frame."""
    parameters: dict[str, Any] = {
        "level": rng.choice((-5, 1, 3, 12)), "write_checksum": rng.random() < 0.5,
        "write_content_size": rng.random() < 0.5,
    }  # fmt: skip
    return zstandard.ZstdCompressor(**parameters).compress


def lay(rng: Random, pieces: Sequence[bytes]) -> Laid:
    """The pieces, stored in one of all ways."""
    name = rng.choice(("plain", "members", "members", "one member", "blocks", "frame", "frames", "zstd blocks"))
    whole = b"".join(pieces)
    sizes = tuple(map(len, pieces))
    ends = tuple(accumulate(sizes))
    if name == "plain":
        return Laid(name, None, whole, whole, sizes, ends, ends, is_stored=True)
    is_gzip = name in ("members", "one member", "blocks")
    make = member(rng) if is_gzip else frame(rng)
    if name in ("members", "frames"):
        parts = list(pieces)
    elif name in ("one member", "frame"):
        parts = [whole]
    else:
        parts = _blocks(rng, whole, ends)
    stored = [make(part) for part in parts]
    if not is_gzip and rng.random() < 0.2:
        stored.insert(rng.randint(0, len(stored)), SKIPPABLE)
    units = tuple(accumulate(map(len, stored)))
    is_stored = name == "members" or (is_gzip and len(stored) == len(pieces) == 1)  # one is as good as the other
    codec: Codec = "gzip" if is_gzip else "zstd"
    return Laid(name, codec, b"".join(stored), whole, sizes, units if is_stored else ends, units, is_stored=is_stored)


def _blocks(rng: Random, whole: bytes, ends: tuple[int, ...]) -> list[bytes]:
    """Pieces of about equal size, the first of which does not end with a record: it would look like members."""
    size = rng.choice((37, 500, 5_000, 65_280))
    cuts = [*range(0, len(whole), size), len(whole)]
    if len(cuts) > 2 and cuts[1] in ends:
        del cuts[1]
    return [whole[a:b] for a, b in pairwise(cuts)]


def unit_of(laid: Laid, at: int) -> int:
    """Number of the member or frame that stored byte `at` lies in."""
    return bisect_left(laid.units, at + 1)
