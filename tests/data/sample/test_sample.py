"""The sample is what its README and its truth say."""

import json
import re
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

HERE = Path(__file__).parent
MAX_BYTES = 4_000_000


@pytest.fixture(scope="module")
def truth() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / "truth.jsonl").read_text(encoding="utf-8").splitlines()]


def members(path: Path) -> tuple[list[bytes], bytes]:
    """The whole gzip members of a file, decompressed, and the bytes of a cut one at its end."""
    data, out = path.read_bytes(), []
    while data:
        inflate = zlib.decompressobj(wbits=31)
        block = inflate.decompress(data)
        if not inflate.eof:
            return out, data
        out.append(block)
        data = inflate.unused_data
    return out, b""


def types(path: Path) -> Counter[str]:
    """How many records of each WARC type are whole."""
    return Counter(re.findall(rb"WARC-Type: (\w+)", block)[0].decode() for block in members(path)[0])


def test_every_record_of_the_warc_files_is_in_the_truth(truth: list[dict[str, Any]]) -> None:
    for path in sorted((HERE / "warc").iterdir()):
        rows = Counter(row["kind"] for row in truth if row["file"] == f"warc/{path.name}")
        found = types(path)
        assert found["response"] + found["conversion"] == rows.total() - rows["truncated"]
        assert found["warcinfo"] == 1
        assert bool(members(path)[1]) == bool(rows["truncated"])


def test_no_gzip_member_carries_a_time() -> None:
    for path in sorted((HERE / "warc").iterdir()):
        assert path.read_bytes()[4:8] == bytes(4)


def test_every_row_of_jsonl_and_parquet_is_in_the_truth(truth: list[dict[str, Any]]) -> None:
    urls = {name: [row["url"] for row in truth if row["file"] == name] for name in {row["file"] for row in truth}}
    data = zstandard.ZstdDecompressor().decompress((HERE / "jsonl/docs.jsonl.zst").read_bytes())
    assert [json.loads(line)["url"] for line in data.splitlines()] == urls["jsonl/docs.jsonl.zst"]
    table = pq.read_table(HERE / "parquet/docs.parquet", columns=["page_url"])
    assert table["page_url"].to_pylist() == urls["parquet/docs.parquet"]


def test_a_duplicate_names_a_page_of_the_sample(truth: list[dict[str, Any]]) -> None:
    pages = {row["url"] for row in truth if row["kind"] == "page"}
    assert {row["dup_of"] for row in truth} - {None} <= pages


def test_the_readme_counts_what_is_there(truth: list[dict[str, Any]]) -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    counted = {kind: int(n) for kind, n in re.findall(r"^\| `(\w+)` \| (\d+) \|", readme, re.M)}
    assert counted == Counter(row["kind"] for row in truth if row["file"].startswith("warc/"))


def test_the_sample_is_small() -> None:
    assert sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file()) < MAX_BYTES
