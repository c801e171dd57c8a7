"""Reads what is wanted of a Thrift struct in the compact protocol, and skips the rest.

Made for Parquet's footer and page headers, and as strict as Arrow's reader: a field of another type than it should have
is skipped, of repeated fields the last one counts, whole numbers are cut to their 32 or 64 bits.
"""

from collections.abc import Iterator

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)

MAX_DEPTH = 32


class Thrift:
    """A position in `data`. All raises IndexError where the data ends too early, and ValueError for what is no Thrift.

    `fields` and `items` give what comes next; the caller takes each value, or skips it, before going on.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self._depth = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """(number, type) of each field of the struct that begins here."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        number = 0
        while (head := self._byte()) != 0:
            delta = head >> 4
            number = (number + delta if delta else self.whole(I32)) & 0xFFFF
            yield number, head & 15
        self._depth -= 1

    def items(self, kind: int) -> Iterator[int]:
        """Numbers of the items of the list that begins here. Raises ValueError if they are of another type."""
        count, found = self._list()
        if count and found != kind:
            raise ValueError(f"a list of type {found}, expected {kind}")
        yield from range(count)

    def numbers(self, kind: int) -> dict[int, int]:
        """The whole numbers of type `kind` (I32 or I64) in the struct that begins here, by field."""
        found = {}
        for number, inner in self.fields():
            if inner == kind:
                found[number] = self.whole(kind)
            else:
                self.skip(inner)
        return found

    def whole(self, kind: int) -> int:
        """The I32 or I64 that comes next."""
        zigzag = self._varint() & (0xFFFFFFFF if kind == I32 else 0xFFFFFFFFFFFFFFFF)
        return zigzag >> 1 ^ -(zigzag & 1)

    def skip(self, kind: int) -> None:
        """Go behind a value."""
        if kind in (I16, I32, I64):
            self._varint()
        elif kind == BINARY:
            count = self._varint()
            self.at += count
        elif kind == STRUCT:
            for _, inner in self.fields():
                self.skip(inner)
        elif kind in (LIST, SET):
            count, inner = self._list()
            for _ in range(count):
                self._skip_item(inner)
        elif kind == MAP:
            count = self._count(self._varint())
            kinds = self._byte() if count else 0
            for _ in range(count):
                self._skip_item(kinds >> 4)
                self._skip_item(kinds & 15)
        elif kind in (BYTE, DOUBLE):
            self.at += 1 if kind == BYTE else 8
        elif kind not in (TRUE, FALSE):
            raise ValueError(f"type {kind}")

    def _skip_item(self, kind: int) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        self.skip(BYTE if kind in (TRUE, FALSE) else kind)
        self._depth -= 1

    def _list(self) -> tuple[int, int]:
        head = self._byte()
        count = head >> 4
        return self._count(self._varint() if count == 15 else count), head & 15

    def _count(self, claimed: int) -> int:
        """Of items, which take a byte each at least."""
        if claimed > len(self.data) - self.at:
            raise IndexError(claimed)
        return claimed

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number of more than ten bytes")
