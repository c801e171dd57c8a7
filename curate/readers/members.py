"""A .warc.gz by its gzip members: where each one starts and ends, and where a split may begin."""

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from curate.readers.codecs import CHUNK, Damage, refuse_bomb, until_damage
from curate.readers.window import FileWindow

MARK = b"WARC/1."
"""How every WARC record begins."""

AFTER_BLOCK = b"\r\n\r\n"
"""What follows the block of every WARC record, and ends its headers."""

GZIP = b"\x1f\x8b\x08"

CHAIN_BYTES = 256 << 10
"""A split starts at a gzip member only if the members from there on lead cleanly over this many stored bytes. A WARC.gz
that was archived as a page sits in stored deflate blocks of at most 64 KiB, so it never does."""

FIRST_MEMBER_BYTES = 64 << 20
"""How far (inflated) the first member is searched for a second record."""


class Members:
    """A gzip object by its members; positions are stored bytes."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.size = size
        self._window = FileWindow(stream, size)

    def inflate(self, start: int, limit: int) -> tuple[bytes | None, int]:
        """(bytes, end) of the member at `start`; bytes are None when they are more than `limit`. Raises Damage."""
        parts: list[bytes] = []
        total = 0
        after = start
        for part, end in self._pieces(start, limit):
            after = end
            total += len(part)
            if total <= limit:
                parts.append(part)
        return (b"".join(parts) if total <= limit else None), after

    def _pieces(self, start: int, limit: int = 0) -> Iterator[tuple[bytes, int]]:
        """(bytes, end of the member as far as known) of the member at `start`. Raises Damage after the last good byte.

        A piece is as large as may be kept of `limit`, so that a page is mostly one.
        """
        inflater = zlib.decompressobj(wbits=31)
        total = 0
        at, step = start, 16 << 10  # a typical page's member is 4 KiB; what is read beyond it is copied back
        while not inflater.eof:
            piece = inflater.unconsumed_tail
            if not piece:
                piece = self._window.get(at, step)
                at += len(piece)
                step = 128 << 10
            before = inflater.copy()
            try:
                part = inflater.decompress(piece, max(CHUNK, limit + 1 - total))
            except zlib.error as error:
                yield b"".join(until_damage(before, piece)), at
                raise Damage("gzip.damaged", str(error)[:120]) from error
            if not piece and not part and not inflater.eof:
                raise Damage("gzip.truncated", f"the object ends at byte {self.size}, inside a gzip member")
            total += len(part)
            refuse_bomb("gzip", at - start, total)
            yield part, at - len(inflater.unused_data)

    def next_start(self, at: int) -> int:
        """The first member at or after `at` that holds a WARC record; the size where there is none."""
        while (found := self._window.find(GZIP, at)) is not None:
            if self.begins_record(found):
                return found
            at = found + 1
        return self.size

    def sync(self, at: int) -> int:
        """Where reading begins for a split that starts at `at`: a function of the object's bytes alone."""
        if at <= 0:
            return 0
        dead_ends: set[int] = set()
        while at < self.size:
            at = self.next_start(at)
            if at == self.size or (at not in dead_ends and self._leads_on(at, dead_ends)):
                return at
            at += 1
        return self.size

    def _leads_on(self, start: int, dead_ends: set[int]) -> bool:
        """Whether the members from `start` on lead cleanly over CHAIN_BYTES; if not, each of them is a dead end."""
        at: int | None = start
        passed = set()
        while at is not None and at < self.size and at - start < CHAIN_BYTES:
            passed.add(at)
            at = None if at in dead_ends else self._after_record(at)
        if at is None:
            dead_ends |= passed
        return at is not None

    def _after_record(self, at: int) -> int | None:
        """One past the member at `at`; None where no whole one begins there that begins a WARC record."""
        try:
            return self.inflate(at, 0)[1] if self.begins_record(at) else None
        except Damage:
            return None

    def begins_record(self, at: int) -> bool:
        """Whether the bytes at `at` inflate to the start of a WARC record."""
        return self._prefix(at).startswith(MARK)

    def _prefix(self, at: int) -> bytes:
        try:
            return zlib.decompressobj(wbits=31).decompress(self._window.get(at, 1024), len(MARK))
        except zlib.error:
            return b""

    def one_per_record(self) -> bool:
        """Whether to read by members: not when the first member holds a second record, or ends within the first.

        Where one of the first two is damaged and does not tell, that some later one begins a record decides.
        """
        total, tail, after, unknown = 0, b"", 0, 1
        try:
            for part, end in self._pieces(0):
                after = end
                tail = tail[-len(AFTER_BLOCK + MARK) :] + part
                if AFTER_BLOCK + MARK in tail:
                    return False
                total += len(part)
                if total >= FIRST_MEMBER_BYTES:
                    return True
            unknown = after + 1
            if after >= self.size or self.begins_record(after):
                return True
            content, _ = self.inflate(after, 0)
            return content == b""
        except Damage:
            ends_a_record = unknown > 1 and tail.endswith(AFTER_BLOCK)
            return ends_a_record or self.next_start(unknown) < self.size
