"""How much of a Parquet row group can be decoded at a time, from the headers of its pages.

A page is decompressed whole, and the footer's sizes are a claim that nobody checks: 4 KB of zstd can hold a value of
2 GB. The page headers say what Arrow is about to allocate; they are read here just before Arrow reads the same pages.
Where the columns begin is read here too: pyarrow 26 ends the process when it is asked for a column whose entry in the
footer contradicts itself. Field numbers are those of parquet.thrift in parquet-format.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from curate.readers.codecs import Damage, fill
from curate.readers.thrift import I32, I64, LIST, STRUCT, Thrift

BATCH_BYTES = 16 << 20
"""Bytes of a column that are decoded at a time, as far as the page headers tell."""

BATCH_ROWS = 1024

HEADER_BYTES = 1 << 20
"""Largest page header: statistics of long texts stand in it."""

IDLE_PAGES = 1000
"""Pages without a row that a column may have."""

HINT = "are used: write the file again with fewer rows a row group, or raise extract.max_document_bytes"

_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3  # page types
_OF_DICTIONARY = (2, 8)  # encodings
_DELTA_BYTE_ARRAY = 7
_HEADER_OF = {_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}  # field of PageHeader by page type
_ENCODING_OF = {_DATA: 2, _DATA_V2: 4}  # field of that header


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column in a row group, as the footer has it."""

    start: int
    """First byte: of its dictionary page, else of its first data page."""

    values: int
    stored: int
    """Bytes of all its pages."""


def chunks(footer: bytes, groups: range, leaves: Sequence[int]) -> list[list[Chunk]]:
    """The columns `leaves` of each of the row groups. Raises ValueError, or IndexError where the footer ends early."""
    thrift = Thrift(footer)
    found: list[list[Chunk]] = []
    for number, kind in thrift.fields():
        if (number, kind) != (4, LIST):
            thrift.skip(kind)
            continue
        found = []
        for group in thrift.items(STRUCT):
            if group in groups:
                found.append(_group(thrift, leaves))
            else:
                thrift.skip(STRUCT)
    if len(found) != len(groups) or any(len(group) != len(leaves) for group in found):
        raise ValueError("its row groups do not have the columns of the schema")
    return found


def _group(thrift: Thrift, leaves: Sequence[int]) -> list[Chunk]:
    found: list[Chunk] = []
    for number, kind in thrift.fields():
        if (number, kind) != (1, LIST):
            thrift.skip(kind)
            continue
        found = []
        for leaf in thrift.items(STRUCT):
            if leaf in leaves:
                found.append(_chunk(thrift))
            else:
                thrift.skip(STRUCT)
    return found


def _chunk(thrift: Thrift) -> Chunk:
    about: dict[int, int] = {}
    for number, kind in thrift.fields():
        if (number, kind) == (3, STRUCT):
            about = thrift.numbers(I64)
        else:
            thrift.skip(kind)
    first, dictionary = about.get(9, 0), about.get(11, 0)
    return Chunk(dictionary if 0 < dictionary < first else first, about.get(5, -1), about.get(7, 0))


def steps(stream: BinaryIO, rows: int, columns: Sequence[Chunk], limit: int) -> Iterator[int]:
    """Numbers of rows to decode, one after the other: each lies in one page of every column.

    Raises Damage before the first of the `rows` whose pages cannot be read, or need more than `limit` bytes of memory.
    """
    if any(column.values != rows for column in columns):
        raise Damage("parquet.damaged", f"columns do not have the row group's {rows} rows")
    cursors = [_Cursor(stream, column.start, rows) for column in columns]
    done = 0
    while done < rows:
        for cursor in cursors:
            while not cursor.left:
                cursor.advance()
                if (held := sum(cursor.held for cursor in cursors)) > limit:
                    raise Damage("parquet.too_large", f"pages that need {held} bytes of memory, at most {limit} {HINT}")
        step = min(min(cursor.left, cursor.at_once) for cursor in cursors)
        yield step
        for cursor in cursors:
            cursor.left -= step
        done += step


@dataclass
class _Cursor:
    """A page of a column; at first the place before its first one."""

    stream: BinaryIO
    at: int
    """Where the next page begins."""

    rows: int
    """Rows of the column that are in later pages."""

    idle: int = 0
    """Pages without a row so far."""

    left: int = 0
    """Rows of the page that are not decoded yet."""

    at_once: int = BATCH_ROWS
    page: int = 0
    """Bytes of the page, stored and decompressed."""

    dictionary: int = 0
    """Bytes of the dictionary in memory: its values, and 20 for each."""

    @property
    def held(self) -> int:
        """Memory in bytes while the page is decoded. Measured: up to 2.4 times its stored and decompressed bytes, with
        16 MB of values, and the dictionary once."""
        return 2 * self.page + self.dictionary

    def advance(self) -> None:
        """Go to the next page. Raises Damage."""
        header, about, length = self._header()
        kind, size, stored = (header.get(number, -1) for number in (1, 2, 3))
        rows = about.get(1, -1)
        if min(rows, size, stored) < 0:
            raise Damage("parquet.damaged", f"page header at byte {self.at}: not of a data or dictionary page")
        self.at += length + stored
        self.page = stored + size
        self.idle += kind == _DICTIONARY or rows == 0
        if self.idle > IDLE_PAGES:
            raise Damage("parquet.damaged", f"over {IDLE_PAGES} pages of a column without a row")
        if kind == _DICTIONARY:
            if rows > size:
                raise Damage("parquet.damaged", f"a dictionary page of {size} bytes for {rows} values")
            self.dictionary = size + 20 * rows
            return
        self.left = rows
        self.rows -= rows
        if self.rows < 0:
            raise Damage("parquet.damaged", f"{-self.rows} rows more than the row group has")
        encoding = about.get(_ENCODING_OF[kind])
        if encoding in _OF_DICTIONARY:
            self.at_once = BATCH_BYTES // max(1, self.dictionary)
        elif encoding == _DELTA_BYTE_ARRAY:  # A value repeats the start of the one before, which may be the whole page.
            self.at_once = BATCH_BYTES // max(1, size)
        else:
            self.at_once = BATCH_BYTES * rows // max(1, size)
        self.at_once = max(1, min(BATCH_ROWS, self.at_once))

    def _header(self) -> tuple[dict[int, int], dict[int, int], int]:
        """Whole numbers of the page header, those of the header of its kind, and its length in bytes."""
        for count in (1 << 10, HEADER_BYTES):
            self.stream.seek(max(0, self.at))
            thrift = Thrift(fill(self.stream, count))
            try:
                found, inner = _page_header(thrift)
                return found, inner.get(_HEADER_OF.get(found.get(1, -1), -1), {}), thrift.at
            except IndexError:
                continue  # The header is longer than what was read, or cut.
            except ValueError:
                break
        raise Damage("parquet.damaged", f"no page header at byte {self.at}")


def _page_header(thrift: Thrift) -> tuple[dict[int, int], dict[int, dict[int, int]]]:
    """Whole numbers by field; and those of each struct in it."""
    found: dict[int, int] = {}
    inner: dict[int, dict[int, int]] = {}
    for number, kind in thrift.fields():
        if kind == I32:
            found[number] = thrift.whole(I32)
        elif kind == STRUCT:
            inner[number] = thrift.numbers(I32)
        else:
            thrift.skip(kind)
    return found, inner
