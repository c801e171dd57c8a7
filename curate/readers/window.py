"""A byte sequence by position: a seekable file, or what comes out of a decompressor, forward only."""

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from curate.readers.codecs import CHUNK, Damage, fill

FILE_CHUNK = 1 << 16
"""Bytes of a file that are kept at a time."""


class Window(Protocol):
    """Reads by position. What lies before a released position is not asked for again."""

    damage: Damage | None
    """Why the sequence ends where it ends; None for a proper end, or not there yet."""

    def get(self, position: int, count: int) -> bytes:
        """Up to `count` bytes; fewer only at the end."""

    def find(self, needle: bytes, position: int) -> int | None:
        """Where `needle` begins, at or after `position`; None if nowhere."""

    def release(self, position: int) -> None:
        """Forget what lies before `position`."""

    def end(self) -> int:
        """One past the last byte."""


class FileWindow:
    """A seekable file; keeps one chunk of it. The chunk is small: a wrong length makes a reader jump and come back."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.damage: Damage | None = None
        self._stream = stream
        self._size = size
        self._base = 0
        self._chunk = b""

    def get(self, position: int, count: int) -> bytes:
        """See Window."""
        count = min(count, self._size - position)
        if count <= 0:
            return b""
        if count > FILE_CHUNK:
            return self._read(position, count)
        first = self._load(position, count)
        return self._chunk[first : first + count]

    def find(self, needle: bytes, position: int) -> int | None:
        """See Window."""
        while position + len(needle) <= self._size:
            first = self._load(position, len(needle))
            at = self._chunk.find(needle, first)
            if at >= 0:
                return self._base + at
            position = max(position, self._base + len(self._chunk) - len(needle)) + 1
        return None

    def release(self, position: int) -> None:
        """Nothing to do: one chunk is all that is kept."""

    def end(self) -> int:
        """See Window."""
        return self._size

    def _load(self, position: int, count: int) -> int:
        """Have `count` bytes from `position` on in the chunk; return where they begin in it."""
        if not self._base <= position <= position + count <= self._base + len(self._chunk):
            self._base, self._chunk = position, self._read(position, FILE_CHUNK)
        return position - self._base

    def _read(self, position: int, count: int) -> bytes:
        self._stream.seek(position)
        return fill(self._stream, count)


class ForwardWindow:
    """The pieces of an iterator; keeps what was not released. Damage ends it, and is remembered."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.damage: Damage | None = None
        self._pieces = pieces
        self._base = 0
        self._buffer = bytearray()
        self._ended = False

    def get(self, position: int, count: int) -> bytes:
        """See Window."""
        while self._known() < position + count and self._pull():
            pass
        first = position - self._base
        return bytes(self._buffer[first : first + count])

    def find(self, needle: bytes, position: int) -> int | None:
        """See Window."""
        while True:
            at = self._buffer.find(needle, position - self._base)
            if at >= 0:
                return self._base + at
            position = max(position, self._known() - len(needle) + 1)
            self.release(position)
            if not self._pull():
                return None

    def release(self, position: int) -> None:
        """See Window."""
        drop = min(position - self._base, len(self._buffer))
        if drop > CHUNK or drop == len(self._buffer):
            del self._buffer[:drop]
            self._base += drop

    def end(self) -> int:
        """See Window."""
        while self._pull():
            self.release(self._known())
        return self._known()

    def _known(self) -> int:
        return self._base + len(self._buffer)

    def _pull(self) -> bool:
        if self._ended:
            return False
        try:
            self._buffer += next(self._pieces)
        except StopIteration:
            self._ended = True
        except Damage as damage:
            self._ended, self.damage = True, damage
        return not self._ended
