"""Parquet files that are small and make much, or that lie: bounded memory, and no code of theirs ever runs."""

import base64
import io
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import readers
from curate.errors import InputError
from tests.curate.readers.objects import kinds, read
from tests.curate.runs import ROOT

MEGABYTE = 1 << 20
SENTENCE = "All human beings are born free and equal in dignity and rights. "
PLAIN: dict[str, Any] = {"use_dictionary": False, "write_statistics": False, "compression": "zstd"}


def one_group(path: Path, size: int, page: int, pages: int, **options: Any) -> None:
    """One row group of pages that each hold the same `page` texts of `size` characters; they pack well."""
    texts = pa.array([f"{i} {SENTENCE * (size // len(SENTENCE))}" for i in range(page)])
    pq.write_table(
        pa.table({"text": pa.chunked_array([texts] * pages)}), path, row_group_size=page * pages, **PLAIN | options
    )


def repeated(path: Path, size: int, rows: int) -> None:
    """One text of `size` characters, which the dictionary holds, for every row; as Arrow's dictionary type."""
    indices = pa.array(np.zeros(rows, np.int32))
    column = pa.DictionaryArray.from_arrays(indices, pa.array([SENTENCE * (size // len(SENTENCE))]))
    pq.write_table(
        pa.table({"text": column}), path, row_group_size=rows, dictionary_pagesize_limit=1 << 30, compression="zstd"
    )


@pytest.mark.slow
def test_memory_stays_below_512_mb_whatever_a_row_group_holds(tmp_path: Path) -> None:
    one_group(tmp_path / "pages", 5_000, 1_000, 120)  # 600 MB of text in pages of 5 MB
    one_group(tmp_path / "large-pages", 100_000, 1_000, 6)  # 600 MB in pages of 100 MB
    one_group(tmp_path / "large-dictionary", 100_000, 1_000, 6, use_dictionary=True)  # of 100 MB
    one_group(tmp_path / "huge-pages", 2_000_000, 100, 3)  # 600 MB in pages of 200 MB
    one_group(tmp_path / "one-value", 150_000_000, 1, 1)
    repeated(tmp_path / "dictionary", 40_000_000, 100_000)  # 4 TB
    expected = {
        "pages": {"R": 120_000}, "large-pages": {"R": 6_000}, "large-dictionary": {"R": 6_000},
        "huge-pages": {"parquet.too_large": 1}, "one-value": {"parquet.too_large": 1},
        "dictionary": {"R": 26, "parquet.bomb": 1},
    }  # fmt: skip
    found = peaks(tmp_path)
    assert {name: about["counts"] for name, about in found.items()} == expected
    assert {name: about["peak"] for name, about in found.items() if about["peak"] > 512 * MEGABYTE} == {}


def test_a_bomb_is_given_up_in_bounded_memory(tmp_path: Path) -> None:
    one_group(tmp_path / "page", 2_000_000, 100, 1)
    repeated(tmp_path / "dictionary", 60_000_000, 1_000)
    found = peaks(tmp_path)
    assert found["page"]["counts"] == {"parquet.too_large": 1}
    assert found["dictionary"]["counts"] == {"R": 17, "parquet.bomb": 1}
    assert max(about["peak"] for about in found.values()) < 512 * MEGABYTE
    assert max((tmp_path / name).stat().st_size for name in found) < 100_000


def peaks(folder: Path) -> dict[str, Any]:
    """Peak memory (bytes above imports) and kinds of items of every file in the folder, by name."""
    arguments = [part for path in sorted(folder.iterdir()) for part in ("parquet", str(path), "64000000")]
    command = [sys.executable, "-m", "tests.curate.readers.peak", *arguments]
    out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {about["file"]: about for about in map(json.loads, out.splitlines())}


def test_sizes_that_the_footer_claims_change_nothing() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": [f"{i} {SENTENCE * 50}" for i in range(3_000)]}), sink, **PLAIN)
    data = sink.getvalue()
    claimed = pq.read_metadata(sink).row_group(0).total_byte_size
    written = varint(claimed)
    assert written in data
    lie = bytes([0x80] * (len(written) - 1)) + b"\0"  # 0, in as many bytes
    assert read(data.replace(written, lie), "parquet") == read(data, "parquet")


def varint(number: int) -> bytes:
    zigzag, out = number << 1, bytearray()
    while zigzag > 127:
        out.append(zigzag & 127 | 128)
        zigzag >>= 7
    return bytes([*out, zigzag])


def test_columns_that_are_not_mapped_are_never_read() -> None:
    table = pa.table({"l": [[i] for i in range(9)], "text": [f"text {i}" for i in range(9)], "s": [{"a": "x"}] * 9})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=3, write_page_checksum=True)
    data = bytearray(sink.getvalue())
    about = pq.read_metadata(io.BytesIO(data))
    for group in range(about.num_row_groups):
        for i in (0, 2):
            column = about.row_group(group).column(i)
            start = column.dictionary_page_offset or column.data_page_offset
            data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    assert [f.payload.decode() for f in read(bytes(data), "parquet")] == table["text"].to_pylist()


class Trap:
    """A pickle that leaves a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[bytes]:
    path = tmp_path / "sprung"
    planted = pickle.dumps(Trap(path))
    pickle.loads(planted)
    assert path.exists(), "the trap works"
    path.unlink()
    yield planted
    assert not path.exists()


@pytest.mark.parametrize("name", ["arrow.py_extension_type", "ray.data.arrow_tensor", "ray.data.arrow_pickled_object"])
@pytest.mark.parametrize("place", ["a column", "a list in a struct"])
def test_a_pickle_in_an_extension_type_is_refused_and_never_loaded(trap: bytes, name: str, place: str) -> None:
    metadata = {"ARROW:extension:name": name, "ARROW:extension:metadata": trap}
    field = pa.field("x", pa.binary(), metadata=metadata)
    inside = pa.field("x", pa.struct([pa.field("l", pa.list_(field))]))
    schema = pa.schema([pa.field("text", pa.string()), field if place == "a column" else inside])
    data = written(pa.table([pa.array(["a"]), pa.nulls(1, schema[1].type)], schema=schema))
    for attempt in (
        lambda: read(data, "parquet"),
        lambda: readers.ranges(io.BytesIO(data), len(data), "parquet", None, 9),
    ):
        with pytest.raises(InputError, match="extension type"):
            attempt()


def test_the_code_of_a_registered_extension_type_is_not_called(tmp_path: Path) -> None:
    class Registered(pa.ExtensionType):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(pa.int64(), "curate.test")

        def __arrow_ext_serialize__(self) -> bytes:
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> "Registered":
            (tmp_path / "sprung").touch()
            return cls()

    pa.register_extension_type(Registered())
    try:
        data = written(pa.table({"text": ["a"], "x": pa.ExtensionArray.from_storage(Registered(), pa.array([1]))}))
        pq.read_schema(io.BytesIO(data))
        assert (tmp_path / "sprung").exists(), "Arrow calls it"
        (tmp_path / "sprung").unlink()
        with pytest.raises(InputError, match="extension type"):
            read(data, "parquet")
    finally:
        pa.unregister_extension_type("curate.test")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("lead", range(6))
def test_the_mark_of_an_extension_type_is_found_wherever_it_stands(lead: int) -> None:
    metadata = {"x" * lead: "", "ARROW:extension:name": "x", "ARROW:extension:metadata": ""}
    schema = pa.schema([pa.field("t" * lead, pa.int8()), pa.field("text", pa.string(), metadata=metadata)])
    with pytest.raises(InputError, match="extension type"):
        read(written(pa.table([pa.array([1], pa.int8()), pa.array(["a"])], schema=schema)), "parquet")


def test_pickles_in_other_metadata_and_in_the_schema_are_never_loaded(trap: bytes) -> None:
    metadata = {"pickle": trap, "pandas": trap, "ray": base64.b64encode(trap)}
    schema = pa.schema([pa.field("text", pa.string(), metadata=metadata)], metadata)
    assert kinds(read(written(pa.table([pa.array(["a"])], schema=schema)), "parquet")) == ["R"]


def written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()
