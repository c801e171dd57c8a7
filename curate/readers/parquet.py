"""Parquet objects -> documents, one a row. Ranges (of splits too) count row groups; offsets count rows.

Page checksums are verified where the file has them. A row group is quarantined from the first row on that cannot be
decoded, or not in bounded memory, and the next one is read. Columns that are not mapped are never read.
"""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.config import InputConfig
from curate.errors import InputError
from curate.readers import fields, pages
from curate.readers.codecs import BOMB_BYTES, BOMB_RATIO, Damage, fill
from curate.readers.pages import Chunk
from curate.readers.record import Item, Quarantined

if TYPE_CHECKING:
    from curate.plan import Split

FOOTER_BYTES = 16 << 20
"""Largest footer; in memory it takes several times that."""

MAX_COLUMNS = 10_000

PAGE_BYTES = 320 << 20
"""Memory for the pages that hold one row (see pages.py); five times extract.max_document_bytes where that is more."""

ROW_BYTES = 64
"""What a row counts for where all rows are held against the size of the file: a run of nulls takes nothing there."""

MAGIC = b"PAR1"

_NAME = b"ARROW:extension:name"
EXTENSION_MARKS = tuple(
    base64.b64encode(bytes(lead) + _NAME)[-(-lead * 8 // 6) : (lead + len(_NAME)) * 8 // 6] for lead in range(3)
)
"""The key of an extension type as it stands in a footer: Arrow's schema is base64, so there are three ways."""


def ranges(stream: BinaryIO, split_bytes: int) -> list[tuple[int, int]]:
    """Runs of row groups of about `split_bytes` stored bytes. Raises InputError when the footer cannot be read."""
    with _open(stream) as (file, footer):
        del footer
        count = file.metadata.num_row_groups
        claimed = [max(0, file.metadata.row_group(i).total_byte_size) for i in range(count)]
        scale = stream.seek(0, 2) / max(1, sum(claimed))
    found: list[tuple[int, int]] = []
    first, stored = 0, 0.0
    for group in range(count):
        stored += claimed[group] * scale
        if stored >= split_bytes or group == count - 1:
            found.append((first, group + 1))
            first, stored = group + 1, 0.0
    return found


def read(stream: BinaryIO, split: "Split", cap: int) -> Iterator[Item]:
    """What is in every row of the split's row groups. Raises InputError for a footer or columns that do not fit."""
    with _open(stream) as (file, footer):
        leaves = _leaves(file, split.input)
        groups = range(split.start, min(split.end, file.metadata.num_row_groups))
        try:
            columns = pages.chunks(footer, groups, leaves)
        except (ValueError, IndexError) as error:
            raise _no_footer(error) from error
        first = sum(file.metadata.row_group(i).num_rows for i in range(split.start))
        for group, chunks in zip(groups, columns, strict=True):
            at, after = first, first + file.metadata.row_group(group).num_rows
            try:
                for row in _rows(stream, file, group, leaves, chunks, cap):
                    yield fields.document(row, split.input, "parquet", at, at + 1)
                    at += 1
            except Damage as damage:
                yield Quarantined(damage.reason, f"row group {group} from row {at} on: {damage.detail}", at, after)
            first = after


@contextmanager
def _open(stream: BinaryIO) -> Iterator[tuple[pq.ParquetFile, bytes]]:
    """The file, and its footer."""
    try:
        footer = _footer(stream)
        about = pq.read_metadata(io.BytesIO(MAGIC + footer + len(footer).to_bytes(4, "little") + MAGIC))
        rows = [about.row_group(i).num_rows for i in range(about.num_row_groups)]
        if min(rows, default=0) < 0 or sum(rows) != about.num_rows or about.num_columns > MAX_COLUMNS:
            raise ValueError(f"{about.num_rows} rows, {sum(rows)} in its row groups; {about.num_columns} columns")
        if about.num_rows * ROW_BYTES > max(BOMB_BYTES, BOMB_RATIO * (size := stream.seek(0, 2))):
            raise InputError(f"{about.num_rows} rows in {size} bytes: no text packs like that; remove the file")
        # A buffer size makes Arrow read page by page; without, a whole column chunk is held as it is stored.
        file = pq.ParquetFile(
            stream, metadata=about, buffer_size=1 << 20, pre_buffer=False, page_checksum_verification=True,
            coerce_int96_timestamp_unit="ms",  # Nanoseconds would end in 2262, and wrap around.
            arrow_extensions_enabled=False,
        )  # fmt: skip
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _no_footer(error) from error
    with file:
        yield file, footer


def _no_footer(error: Exception) -> InputError:
    return InputError(
        f"the Parquet footer cannot be read ({str(error)[:200]}); "
        "the file is cut or no Parquet: fetch it again or remove it"
    )


def _footer(stream: BinaryIO) -> bytes:
    """The footer's bytes, without the schema that Arrow adds to it.

    While Arrow reads that schema it calls the code of registered extension types. Where it names dictionary columns,
    every batch holds a whole dictionary. Parquet's own types say all that is needed.
    """
    size = stream.seek(0, 2)
    stream.seek(max(0, size - 8))
    length, magic = int.from_bytes(stream.read(4), "little"), stream.read(4)
    if magic != MAGIC or length + 8 > size:
        raise ValueError(f"{size} bytes, and no footer at their end")
    if length > FOOTER_BYTES:
        raise ValueError(f"it takes {length} bytes, expected at most {FOOTER_BYTES}")
    stream.seek(size - 8 - length)
    footer = fill(stream, length)
    if any(mark in footer for mark in EXTENSION_MARKS):
        raise InputError(
            "a column has an extension type, and reading those can run code; only plain types are read: "
            "write the file again with the types that it stores them as"
        )
    return footer.replace(b"ARROW:schema", b"IGNORED:here")


def _leaves(file: pq.ParquetFile, source: InputConfig) -> list[int]:
    """Places of the mapped columns among all leaves of the schema. Raises InputError for one that does not fit."""
    mapped = source.fields
    roles = [(mapped.text, "text", "string"), (mapped.url, "url", "string"), (mapped.id, "id", "string or int64"),
             (mapped.date, "date", "string or time"), (mapped.license, "license", "string"),
             (mapped.lang, "lang", "string")]  # fmt: skip
    roles += [(name, "extra", kind) for name, kind in source.extra.items()]
    paths = [file.schema.column(i).path for i in range(len(file.schema))]
    leaves = []
    for name, role, expected in roles:
        if name is None:
            continue
        kind = _type(file.schema_arrow, paths, name, role)
        if _fits(kind, expected):
            leaves.append(paths.index(name))
        elif role != "date":  # As in JSONL: no document is lost for its date.
            raise InputError(f"column {name!r} is {kind}; expected {expected} for {role}")
    return sorted(set(leaves))


def _type(schema: pa.Schema, paths: list[str], name: str, role: str) -> pa.DataType:
    if name not in schema.names:
        near = get_close_matches(name, schema.names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"no column {name!r}, which the source maps to {role}; {hint}It has: {', '.join(schema.names)[:500]}"
        )
    if schema.names.count(name) > 1 or paths.count(name) > 1:
        raise InputError(f"several columns {name!r}, which the source maps to {role}; expected one")
    return schema.field(name).type


def _fits(kind: pa.DataType, expected: str) -> bool:
    fits = {
        "string": pa.types.is_string(kind),
        "int64": pa.types.is_integer(kind),
        "float64": pa.types.is_floating(kind) or pa.types.is_integer(kind),
        "bool": pa.types.is_boolean(kind),
        "time": pa.types.is_timestamp(kind) or pa.types.is_date(kind),
    }
    return pa.types.is_null(kind) or any(fits[one] for one in expected.split(" or "))


def _rows(
    stream: BinaryIO, file: pq.ParquetFile, group: int, leaves: list[int], chunks: list[Chunk], cap: int
) -> Iterator[dict[str, Any]]:
    """The row group's values by column name. Raises Damage where it cannot go on."""
    rows = file.metadata.row_group(group).num_rows
    stored = min(sum(chunk.stored for chunk in chunks), stream.seek(0, 2))
    left = max(BOMB_BYTES, BOMB_RATIO * stored)
    batches: Iterator[Any] | None = None
    for count in pages.steps(stream, rows, chunks, max(PAGE_BYTES, 5 * cap)):
        batches = batches or file.reader.iter_batches(count, [group], leaves, use_threads=False)
        file.reader.set_batch_size(count)
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise Damage("parquet.damaged", f"it cannot be decoded ({type(error).__name__})") from error
        if batch is None or batch.num_rows != count:
            raise Damage("parquet.damaged", f"fewer than the {rows} rows of the footer")
        columns = {name: _values(batch.column(i), cap) for i, name in enumerate(batch.schema.names)}
        del batch  # It may be large, and what is done with the rows needs memory too.
        left -= sum(size for _, size in columns.values())
        if left < 0:
            said = f"they decode to over {BOMB_BYTES} bytes, and {BOMB_RATIO} times the {stored} stored ones"
            raise Damage("parquet.bomb", said)
        for i in range(count):
            yield {name: values[i] for name, (values, _) in columns.items()}


def _values(column: Any, cap: int) -> tuple[list[Any], int]:
    """Python values, and how many bytes of strings they are. Strings come as bytes (Arrow does not check that they are
    UTF-8), times as seconds since 1970."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        seconds = column.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
        return [None if v is None else fields.Seconds(v) for v in seconds.to_pylist()], 0
    if not pa.types.is_string(kind):
        return column.to_pylist(), 0
    column = column.cast(pa.binary())
    sizes = [size or 0 for size in pc.binary_length(column).to_pylist()]
    if max(sizes) <= cap:
        return column.to_pylist(), sum(sizes)
    # A scalar holds a copy of its value, so none is made of one that is too large.
    values = [fields.TooLarge(size, cap) if size > cap else column[i].as_py() for i, size in enumerate(sizes)]
    return values, sum(sizes)
