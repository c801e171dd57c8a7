import io
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import readers
from curate.config import ExtractConfig
from curate.errors import InputError
from curate.readers import Quarantined
from tests.curate.readers.objects import kinds, read, read_split, split_of


def parquet(table: pa.Table, rows: int = 3, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=rows, **options)
    return sink.getvalue()


TEXTS = pa.table({"text": [f"text {i}" for i in range(10)]})
NESTED = pa.field("e", pa.int64(), metadata={"ARROW:extension:name": "x"})
MAPPING = {"text": "text", "url": "link", "id": "key", "date": "when"}


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_string_type_is_read(kind: pa.DataType) -> None:
    found = read(parquet(TEXTS.cast(pa.schema([("text", kind)]))), "parquet")
    assert [(f.payload.decode(), f.offset, f.end) for f in found] == [(f"text {i}", i, i + 1) for i in range(10)]


def test_mapped_fields_and_extras() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 900_000, UTC)
    for when in (pa.array([moment, None]), pa.array([moment.date(), None]), pa.array(["2026-01-02T03:04:05Z", None])):
        table = pa.table({"text": ["a", "b"], "link": ["http://a/", None], "key": [1, 2], "when": when,
                          "n": pa.array([1, None], pa.uint8()), "f": pa.array([1, 2])})  # fmt: skip
        a, b = read(parquet(table), "parquet", fields=MAPPING, extra={"n": "int64", "f": "float64"})
        midnight = isinstance(when[0].as_py(), date) and not isinstance(when[0].as_py(), datetime)
        assert a.date == (1767312000 if midnight else 1767323045)
        assert (a.url, a.record_key, a.extra) == ("http://a/", "http://a/", {"n": 1, "f": 1.0})
        assert (b.url, b.record_key, b.date, b.extra) == (None, "2", None, {"n": None, "f": 2.0})


@pytest.mark.parametrize(
    ("when", "seconds"),
    [
        (pa.array([1_767_225_600]), None),
        (pa.array([1.5]), None),
        (pa.array([[2026, 1, 1]]), None),
        (pa.array([b"2026-01-01"]), None),
        (pa.array(["2026-01-01"]), 1_767_225_600),
        (pa.array([2**50], pa.timestamp("ms")), None),
        (pa.array([-(2**60)], pa.timestamp("us")), None),
        (pa.array([1_767_225_600_000_000_000], pa.timestamp("ns", "Europe/Berlin")), 1_767_225_600),
    ],
)
def test_dates_are_read_or_null_and_lose_no_document(when: pa.Array, seconds: int | None) -> None:
    [found] = read(parquet(pa.table({"text": ["x"], "when": when})), "parquet", fields={"date": "when"})
    assert found.date == seconds


def test_legacy_times_do_not_wrap_around() -> None:
    moment = datetime(3000, 1, 1, tzinfo=UTC)
    data = parquet(pa.table({"text": ["x"], "when": [moment]}), use_deprecated_int96_timestamps=True)
    assert read(data, "parquet", fields={"date": "when"})[0].date == moment.timestamp()


def test_rows_without_text_are_rejected_and_rows_that_are_no_utf8_quarantined() -> None:
    raw = pa.array([b"good", b"\xff\xfe", b"", None, b" "]).cast(pa.binary())
    text = pa.Array.from_buffers(pa.string(), 5, raw.buffers(), raw.null_count)
    found = read(parquet(pa.table({"text": text})), "parquet")
    assert kinds(found) == ["R", "parquet.invalid_utf8", "extract.no_text", "extract.no_text", "extract.no_text"]
    assert (found[1].offset, found[1].end) == (1, 2)


def test_a_text_over_the_cap_is_quarantined() -> None:
    found = read(parquet(pa.table({"text": ["x" * 2000, "y"]})), "parquet", cap=1000)
    assert kinds(found) == ["parquet.too_large", "R"]


@pytest.mark.parametrize(
    ("table", "settings", "said"),
    [
        (pa.table({"txet": ["a"], "b": [1]}), {}, "no column 'text', which the source maps to text; did you"),
        (pa.table({"txet": ["a"], "b": [1]}), {}, "did you mean 'txet'?"),
        (pa.table({"txet": ["a"], "b": [1]}), {}, "It has: txet, b"),
        (pa.table({"text": [1]}), {}, "column 'text' is int64; expected string for text"),
        (pa.table({"text": [b"a"]}), {}, "column 'text' is binary"),
        (pa.table({"text": ["a"]}), {"extra": {"n": "int64"}}, "no column 'n'"),
        (pa.table({"text": ["a"], "n": [1.5]}), {"extra": {"n": "int64"}}, "'n' is double; expected int64 for extra"),
        (pa.table({"text": ["a"], "u": pa.array([b"0" * 16], pa.uuid())}), {}, "a column has an extension type"),
        (
            pa.table([["a"], pa.array([[1]])], schema=pa.schema([("text", pa.string()), ("l", pa.list_(NESTED))])),
            {},
            "a column has an extension type",
        ),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_are_named(table: pa.Table, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        read(parquet(table), "parquet", **settings)
    assert said in str(error.value)
    assert "object" not in str(error.value), "who reads the object names it"


@pytest.mark.parametrize("data", [b"PAR1", b"PAR1" + bytes(100) + b"PAR1", parquet(TEXTS)[:-6], b"x" * 1000])
def test_a_footer_that_cannot_be_read_is_a_named_error(data: bytes) -> None:
    with pytest.raises(InputError, match="footer"):
        readers.ranges(io.BytesIO(data), len(data), "parquet", None, 1000)
    with pytest.raises(InputError, match="footer"):
        read(data, "parquet")


def test_empty_objects_have_no_rows() -> None:
    assert read_split(b"", "parquet", None, 10) == []
    assert read_split(parquet(TEXTS.slice(0, 0)), "parquet", None, 10) == []


@given(rows=st.integers(1, 12), split_bytes=st.integers(1, 3000))
@settings(max_examples=30, deadline=None)
def test_any_split_size_gives_the_same_items(rows: int, split_bytes: int) -> None:
    data = parquet(TEXTS, rows)
    found = read_split(data, "parquet", None, split_bytes)
    assert found == read(data, "parquet")
    assert [f.offset for f in found] == list(range(10))


def test_bit_rot_costs_its_row_group_only() -> None:
    table = pa.table({"text": [f"{i} " + "abc " * 50 for i in range(30)]})
    data = bytearray(parquet(table, 10, write_page_checksum=True, compression="none", use_dictionary=False))
    with pq.ParquetFile(io.BytesIO(data)) as file:
        column = file.metadata.row_group(1).column(0)
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    found = read(bytes(data), "parquet")
    assert kinds(found) == ["R"] * 10 + ["parquet.damaged"] + ["R"] * 10
    assert isinstance(found[10], Quarantined)
    assert (found[10].offset, found[10].end) == (10, 20)
    assert found[11].offset == 20


def test_a_split_reads_its_row_groups_only() -> None:
    data = parquet(TEXTS, 4)
    split = split_of(data, "parquet", None, (1, 2))
    found = list(readers.read(io.BytesIO(data), split, ExtractConfig()))
    assert [(f.payload, f.offset) for f in found] == [(f"text {i}".encode(), i) for i in range(4, 8)]
