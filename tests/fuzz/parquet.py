"""Parquet objects: types, encodings, codecs and row groups of all sorts, damaged in pages, footer and claims."""

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.case import DEFAULT_CAP, Case, damage, whole
from tests.fuzz.warc import HOSTILE_URLS, words

SAMPLE = Path(__file__).parents[1] / "data/sample/parquet/docs.parquet"
FIELDS = {"text": "text", "url": "link", "id": "key", "date": "when"}
EXTRA = {"n": "int64", "f": "float64", "s": "string"}
SETTINGS: Mapping[str, Any] = {"fields": FIELDS, "extra": EXTRA}

STRINGS = (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))
TIMES = (
    *(pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Europe/Berlin")),
    pa.date32(), pa.date64(),
)  # fmt: skip
NUMBERS = {
    "n": (pa.int8(), pa.int32(), pa.int64(), pa.uint64(), pa.uint8()),
    "f": (pa.float16(), pa.float32(), pa.float64(), pa.int64()),
}
ODD_TYPES = (
    pa.int64(), pa.binary(), pa.null(), pa.bool_(), pa.list_(pa.string()), pa.struct([("a", pa.string())]), pa.uuid(),
    pa.decimal128(9, 2), pa.time64("ns"), pa.duration("s"), pa.map_(pa.string(), pa.int64()), pa.binary(4),
    pa.list_(pa.field("e", pa.int64(), metadata={"ARROW:extension:name": "x"})), pa.month_day_nano_interval(),
)  # fmt: skip


def table(rng: Random, rows: int) -> pa.Table:
    """Good rows: each has a text; other columns may be null."""
    texts = [f"{i} {words(rng, 0, 40)}" for i in range(rows)]
    links = [rng.choice((None, f"http://p.example/{i}", f"http://p.example/{i}")) for i in range(rows)]
    if rng.random() < 0.1:
        links = [rng.choice(HOSTILE_URLS) for _ in range(rows)]
    moments = [rng.choice((None, -(2**40), 0, 1_767_312_000)) for _ in range(rows)]
    when = rng.choice(TIMES)
    columns = {
        "text": pa.array(texts).cast(rng.choice(STRINGS)),
        "link": pa.array(links, pa.string()),
        "key": pa.array([rng.choice((None, i)) for i in range(rows)], pa.int64()),
        "when": _times(moments, when),
        "s": pa.array([rng.choice((None, "", "x")) for _ in range(rows)], pa.string()),
        "other": pa.array([[i] * (i % 3) for i in range(rows)], pa.list_(pa.int64())),
    }
    for name, kinds in NUMBERS.items():
        columns[name] = pa.array([rng.choice((None, 0, 7)) for _ in range(rows)], pa.float64()).cast(rng.choice(kinds))
    names = sorted(columns, key=lambda _: rng.random())
    return pa.table({name: columns[name] for name in names})


def _times(moments: list[int | None], kind: pa.DataType) -> pa.Array:
    whole_days = [None if m is None else m - m % 86_400 for m in moments]
    limit = 2**33 if "ns" in str(kind) else 2**40  # 64 bits of nanoseconds end in 2262
    small = [None if m is None else max(-limit, min(limit, m)) for m in whole_days]
    if pa.types.is_date(kind):
        return pa.array([None if m is None else m // 86_400 for m in small], pa.int32()).cast(pa.date32()).cast(kind)
    return pa.array(small, pa.timestamp("s")).cast(kind)


def write(rng: Random, made: pa.Table, *, sums: bool | None = None) -> bytes:
    """The table in some of Parquet's many forms."""
    plain = rng.random() < 0.5
    text = made.schema.field("text").type if made.schema.names.count("text") == 1 else None
    options: dict[str, Any] = {
        "compression": rng.choice(("none", "snappy", "gzip", "brotli", "zstd", "lz4")),
        "version": rng.choice(("1.0", "2.4", "2.6")),
        "data_page_version": rng.choice(("1.0", "2.0")),
        "use_dictionary": not plain,
        "write_page_checksum": rng.random() < 0.5 if sums is None else sums,
        "write_statistics": rng.random() < 0.5,
        "write_page_index": rng.random() < 0.3,
        "store_schema": rng.random() < 0.7,
        "row_group_size": max(len(made) // 300, rng.choice((1, 3, 10, 1_000))),
        "data_page_size": rng.choice((64, 1_000, 1 << 20)),
        "dictionary_pagesize_limit": rng.choice((100, 1 << 20)),
    }  # fmt: skip
    if plain and text is not None and pa.types.is_large_string(text):
        options["column_encoding"] = {"text": rng.choice(("PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"))}
    if rng.random() < 0.2 and options["version"] != "2.6":
        options["use_deprecated_int96_timestamps"] = True
    sink = io.BytesIO()
    pq.write_table(made, sink, **options)
    return sink.getvalue()


def make(rng: Random) -> Case:
    """One object."""
    kind = rng.choice(("rows", "rows", "rows", "rows", "odd type", "odd text", "odd table", "claims", "shell"))
    if kind == "odd type":
        return _odd_type(rng)
    if kind == "odd text":
        return _odd_text(rng)
    if kind == "odd table":
        return _odd_table(rng)
    if kind == "shell":
        return Case("shell", _shell(rng), "parquet", may_refuse=True, settings=SETTINGS)
    rows = rng.choice((1, 2, 7, 30, 200))
    made = table(rng, rows)
    data = write(rng, made)
    keys, texts = _keys(made), made.column("text").to_pylist()
    wholes = tuple(whole(keys[i], texts[i].encode(), (i, i + 1)) for i in range(rows))
    case = Case("rows", data, "parquet", None, wholes, count=rows, settings=SETTINGS)
    if kind == "claims":
        return replace(_claims(rng, case), recipe="claims")
    return case if rng.random() < 0.2 else damaged(rng, case)


def _keys(made: pa.Table) -> list[str]:
    links, keys = made.column("link").to_pylist(), made.column("key").to_pylist()
    return [link or ("" if key is None else str(key)) for link, key in zip(links, keys, strict=True)]


def damaged(rng: Random, case: Case) -> Case:
    """The object with some of its bytes wrong: other row groups than the one that is hit stay as they are."""
    groups = _groups(case.data)
    footer = groups[-1][2] if groups else 0
    if not groups or rng.random() < 0.3:
        kind, data, _ = damage(rng, case.data)
        return replace(case, recipe=f"{case.recipe}, {kind}", data=data, wholes=(), count=None, may_refuse=True)
    first = rng.randrange(4, footer)
    length = rng.choice((1, 1, 4, rng.randint(1, 200)))
    kind = rng.choice(("page flip", "page bytes", "page zeros", "page of elsewhere"))
    changed = bytearray(case.data)
    other = rng.randrange(4, footer)
    new = {
        "page flip": bytes([changed[first] ^ 1 << rng.randrange(8)]),
        "page bytes": rng.randbytes(length), "page zeros": bytes(length),
        "page of elsewhere": bytes(changed[other : other + length]),
    }[kind][: footer - first]  # fmt: skip
    changed[first : first + len(new)] = new
    safe = [rows for rows, start, end in groups if first >= end or first + len(new) <= start]
    wholes = tuple(w for w in case.wholes if any(a <= (w.offset or 0) < b for a, b in safe))
    return replace(case, recipe=f"{case.recipe}, {kind}", data=bytes(changed), wholes=wholes, count=None)


def _groups(data: bytes) -> list[tuple[tuple[int, int], int, int]]:
    """((first row, one past the last), first byte, one past the last) of each row group."""
    found = []
    row = 0
    with pq.ParquetFile(io.BytesIO(data)) as file:
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            columns = [group.column(i) for i in range(group.num_columns)]
            starts = [c.dictionary_page_offset or c.data_page_offset for c in columns]
            ends = [start + c.total_compressed_size for start, c in zip(starts, columns, strict=True)]
            found.append(((row, row + group.num_rows), min(starts), max(ends)))
            row += group.num_rows
    return found


def _claims(rng: Random, case: Case) -> Case:
    """A footer, or page headers, with some numbers changed: they are varints, so bytes among small ones."""
    changed = bytearray(case.data)
    footer = len(changed) - 8 - int.from_bytes(changed[-8:-4], "little")
    low, high = (footer, len(changed) - 8) if rng.random() < 0.7 else (4, footer)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(low, max(low + 1, high))
        value = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        if rng.random() < 0.2:
            changed[at : at + 1] = b"\xff\xff\xff\xff\x0f"
        else:
            changed[at] = value
    if rng.random() < 0.2:
        changed[-8:-4] = rng.choice((0, 1, 2**31 - 1, 2**32 - 1, len(changed), len(changed) - 12)).to_bytes(4, "little")
    return replace(case, data=bytes(changed), wholes=(), count=None, may_refuse=True)


def _odd_type(rng: Random) -> Case:
    """A column of a type that nobody asked for."""
    name = rng.choice(("text", "link", "key", "when", "n", "f", "s", "other"))
    kind = rng.choice((*ODD_TYPES, *TIMES, *STRINGS))
    made = table(rng, 5)
    at = made.schema.get_field_index(name)
    made = made.set_column(at, pa.field(name, kind), pa.nulls(5, kind))
    return Case(f"odd type {name}", _written(rng, made), "parquet", may_refuse=True, settings=SETTINGS)


def _written(rng: Random, made: pa.Table) -> bytes:
    """The file; where Arrow cannot write such a table, one that is cut."""
    try:
        return write(rng, made)
    except (pa.ArrowException, OSError, ValueError):
        return write(rng, table(rng, 1))[:-5]


def _odd_text(rng: Random) -> Case:
    """Texts that are no UTF-8, empty, long, or one long text many times; times that no calendar has."""
    values = rng.choice((
        [b"\xff", b"good", None, b"", b" ", b"\0", b"\xed\xa0\x80"], [b"x" * 2_000_000, b"y"], [b"x" * 500_000] * 50,
        [b"\xe2\x80\xa8"] * 2_000, [], [None] * 50, ["a\u0301".encode() * 5_000], [b"z"] * 10_000,
    ))  # fmt: skip
    raw = pa.array(values, pa.large_binary())
    text = pa.Array.from_buffers(pa.large_string(), len(raw), raw.buffers(), raw.null_count)
    unit = rng.choice(("s", "ms", "us"))
    times = pa.array([rng.choice((2**63 - 1, -(2**63), 2**62, 0)) for _ in values], pa.int64()).cast(pa.timestamp(unit))
    made = pa.table({
        "text": text, "link": pa.nulls(len(raw), pa.string()), "key": pa.nulls(len(raw), pa.int64()), "when": times,
        "n": pa.nulls(len(raw), pa.uint64()), "f": pa.nulls(len(raw), pa.float64()), "s": text,
    })  # fmt: skip
    cap = rng.choice((DEFAULT_CAP, 1_000_000))
    return Case("odd text", _written(rng, made), "parquet", count=None, cap=cap, settings=SETTINGS, may_refuse=True)


def _odd_table(rng: Random) -> Case:
    """No column, no row, columns twice or under strange names."""
    made = table(rng, rng.choice((0, 3)))
    kind = rng.choice(("empty", "no columns", "twice", "names", "sample", "many"))
    if kind == "no columns":
        made = made.select([])
    elif kind == "twice":
        made = made.append_column("text", made.column("text"))
    elif kind == "names":
        made = made.rename_columns(
            [rng.choice((n, "", "..", "a\0b", "\x1b[31m", "x" * 50_000)) for n in made.schema.names]
        )
    elif kind == "sample":
        return damaged(rng, Case("sample", sample(), "parquet", settings={"fields": {"text": "content"}}))
    elif kind == "many":
        made = pa.table({"text": ["x"], **{f"c{i}": [i] for i in range(2_000)}})
    return Case(f"odd table {kind}", _written(rng, made), "parquet", may_refuse=True, settings=SETTINGS)


@cache
def sample() -> bytes:
    """The shipped sample."""
    return SAMPLE.read_bytes()


def _shell(rng: Random) -> bytes:
    """What begins and ends like Parquet."""
    inside = rng.choice((b"", bytes(100), rng.randbytes(rng.randint(0, 2_000)), str(datetime.min).encode() * 100))
    length = rng.choice((len(inside), 0, 2**32 - 1, 2**31, rng.randrange(1, 3_000))).to_bytes(4, "little")
    return b"PAR1" + inside + length + rng.choice((b"PAR1", b"PARE", b"PAR"))
