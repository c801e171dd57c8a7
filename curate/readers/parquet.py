"""Parquet objects -> documents, one a row. Ranges (of splits too) count row groups; offsets count rows.

Page checksums are verified where the file has them. A row group that cannot be decoded is quarantined from its first
unread row on, and the next one is read.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from curate.config import InputConfig
from curate.errors import InputError
from curate.readers import fields
from curate.readers.record import Item, Quarantined

if TYPE_CHECKING:
    from curate.plan import Split

BATCH_BYTES = 16 << 20
"""Uncompressed bytes of the row group's columns that are decoded at a time."""

BATCH_ROWS = 1024
UTC_SECONDS = pa.timestamp("s", "UTC")


def ranges(stream: BinaryIO, split_bytes: int) -> list[tuple[int, int]]:
    """Runs of row groups of about `split_bytes` stored bytes. Raises InputError when the footer cannot be read."""
    found: list[tuple[int, int]] = []
    with _open(stream) as file:
        first, stored = 0, 0
        for group in range(file.metadata.num_row_groups):
            columns = file.metadata.row_group(group)
            stored += sum(columns.column(i).total_compressed_size for i in range(columns.num_columns))
            if stored >= split_bytes:
                found.append((first, group + 1))
                first, stored = group + 1, 0
        if first < file.metadata.num_row_groups:
            found.append((first, file.metadata.num_row_groups))
    return found


def read(stream: BinaryIO, split: "Split", cap: int) -> Iterator[Item]:
    """What is in every row of the split's row groups. Raises InputError for a footer or columns that do not fit."""
    try:
        with _open(stream) as file:
            wanted = _columns(file.schema_arrow, split.input)
            first = sum(file.metadata.row_group(i).num_rows for i in range(split.start))
            for group in range(split.start, min(split.end, file.metadata.num_row_groups)):
                yield from _read_group(file, group, wanted, split.input, cap, first)
                first += file.metadata.row_group(group).num_rows
    except InputError as error:
        raise InputError(f"{split.name}: {error}") from error


def _open(stream: BinaryIO) -> pq.ParquetFile:
    stream.seek(0)
    try:
        return pq.ParquetFile(stream, page_checksum_verification=True, pre_buffer=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"the Parquet footer cannot be read ({str(error)[:200]}); "
            "the file is cut or no Parquet: fetch it again or remove it"
        ) from error


def _read_group(
    file: pq.ParquetFile, group: int, wanted: list[str], source: InputConfig, cap: int, first: int
) -> Iterator[Item]:
    about = file.metadata.row_group(group)
    rows_at_a_time = max(1, min(BATCH_ROWS, BATCH_BYTES * about.num_rows // max(1, about.total_byte_size)))
    at = first
    batches = file.iter_batches(rows_at_a_time, row_groups=[group], columns=wanted, use_threads=False)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            detail = f"row group {group} cannot be decoded from row {at} on: {type(error).__name__}"
            yield Quarantined("parquet.damaged", detail, at, first + about.num_rows)
            return
        if batch is None:
            return
        for row in _rows(batch):
            yield fields.document(row, source, "parquet", cap, at, at + 1)
            at += 1


def _columns(schema: pa.Schema, source: InputConfig) -> list[str]:
    """Names of the columns to read, each checked against what the config says it is."""
    for field in schema:
        _refuse_extension(field, field.name)
    mapped = source.fields
    roles = {"text": mapped.text, "url": mapped.url, "id": mapped.id, "date": mapped.date, "license": mapped.license,
             "lang": mapped.lang}  # fmt: skip
    allowed: dict[str, str] = {}
    for role, name in roles.items():
        if name is not None:
            _check(schema, name, {"id": "string or int64", "date": "string or time"}.get(role, "string"), role)
            allowed[name] = role
    for name, kind in source.extra.items():
        _check(schema, name, kind, "extra")
        allowed[name] = kind
    return list(allowed)


def _check(schema: pa.Schema, name: str, expected: str, role: str) -> None:
    if name not in schema.names:
        near = get_close_matches(name, schema.names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"no column {name!r}, which the source maps to {role}; {hint}It has: {', '.join(schema.names)}"
        )
    kind = schema.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    fits = {
        "string": pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind),
        "int64": pa.types.is_integer(kind),
        "float64": pa.types.is_floating(kind) or pa.types.is_integer(kind),
        "bool": pa.types.is_boolean(kind),
        "time": pa.types.is_timestamp(kind) or pa.types.is_date(kind),
    }
    if not pa.types.is_null(kind) and not any(fits[e] for e in expected.split(" or ")):
        raise InputError(f"column {name!r} is {kind}; expected {expected} for {role}")


def _refuse_extension(field: pa.Field, path: str) -> None:
    metadata = field.metadata or {}
    if isinstance(field.type, pa.BaseExtensionType) or b"ARROW:extension:name" in metadata:
        raise InputError(
            f"column {path!r} has an extension type; only plain types are read: reading others can run code"
        )
    for i in range(field.type.num_fields):
        child = field.type.field(i)
        _refuse_extension(child, f"{path}.{child.name}")


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    columns = [_values(batch.column(i)) for i in range(batch.num_columns)]
    for values in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def _values(column: Any) -> list[Any]:
    """Python values: strings as bytes (Arrow does not check that they are UTF-8), times as seconds since 1970."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        column = column.cast(pa.large_binary())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        if pa.types.is_date(kind):
            column = column.cast(pa.timestamp("ms"))
        whole = column.cast(pa.timestamp("s"), safe=False) if kind != UTC_SECONDS else column
        return [None if v is None else fields.Seconds(v) for v in whole.cast(pa.int64()).to_pylist()]
    values: list[Any] = column.to_pylist()
    return values
