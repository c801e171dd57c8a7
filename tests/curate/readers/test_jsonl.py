import gzip
import io
import json
import resource
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import readers
from curate.config import ExtractConfig
from curate.readers import Quarantined, Rejected
from tests.curate.readers.objects import kinds, read, read_split, split_of

ENCODE = {None: bytes, "gzip": lambda d: gzip.compress(d, 6, mtime=0), "zstd": zstandard.compress}
MAPPING = {"text": "text", "url": "link", "id": "key", "date": "when", "license": "rights", "lang": "lang"}
TEXTS = st.lists(st.text(min_size=1, max_size=40).filter(lambda t: t.strip() and t.isprintable()), max_size=12)


def lines(*rows: Any) -> bytes:
    return b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in rows)


@given(
    texts=TEXTS, codec=st.sampled_from([None, "gzip", "zstd"]), options=st.sets(st.sampled_from(["ascii", "last LF"]))
)
@settings(max_examples=60, deadline=None)
def test_texts_come_back_with_their_places(texts: list[str], codec: str | None, options: set[str]) -> None:
    data = b"".join(json.dumps({"text": t}, ensure_ascii="ascii" in options).encode() + b"\n" for t in texts)
    data = data if "last LF" in options else data.removesuffix(b"\n")
    found = read(ENCODE[codec](data), "jsonl", codec)
    assert [f.payload.decode() for f in found] == texts
    assert [orjson.loads(data[f.offset : f.end])["text"] for f in found] == texts


def test_mapped_fields_and_extras() -> None:
    row = {"text": "é", "link": "http://a/ü", "key": 7, "when": "2026-01-02T03:04:05+01:00", "rights": "MIT",
           "lang": "de", "n": 3, "f": 2, "b": True, "s": None, "other": [1]}  # fmt: skip
    extra = {"n": "int64", "f": "float64", "b": "bool", "s": "string", "absent": "string"}
    [found] = read(lines(row), "jsonl", fields=MAPPING, extra=extra)
    assert (found.payload, found.url, found.record_key, found.date) == (
        "é".encode(),
        "http://a/ü",
        "http://a/ü",
        1767319445,
    )
    assert (found.license, found.lang, found.kind, found.charset) == ("MIT", "de", "text", "utf-8")
    assert found.extra == {"n": 3, "f": 2.0, "b": True, "s": None, "absent": None}
    del row["link"]
    [found] = read(lines(row), "jsonl", fields=MAPPING)
    assert (found.url, found.record_key) == (None, "7")
    assert read(lines({"text": "x"}), "jsonl", fields=MAPPING)[0].record_key == ""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-02", 1767312000),
        ("2026-01-02 00:00:00.9", 1767312000),
        ("1969-12-31T23:59:59Z", -1),
        ("yesterday", None),
        (1767312000, None),
        ([2026, 1, 2], None),
        ("9999-12-31T23:59:59-12:00", None),
    ],
)
def test_dates_are_read_or_null_and_lose_no_document(text: Any, seconds: int | None) -> None:
    [found] = read(lines({"text": "x", "when": text}), "jsonl", fields=MAPPING)
    assert found.date == seconds


GOOD = {"text": "good"}
BAD = [
    (b'{"text": "\xff"}', "jsonl.invalid_utf8"),
    (b'{"text": "\\ud800 x"}', "jsonl.lone_surrogate"),
    (b'{"text": "x", "other": "\\udc00"}', "jsonl.lone_surrogate"),
    (b'{"text": "x"', "jsonl.not_json"),
    (b"text", "jsonl.not_json"),
    (b'{"text": NaN}', "jsonl.number"),
    (b'{"text": "x", "a": [-Infinity]}', "jsonl.number"),
    (b'{"text": "x", "a": 1e999}', "jsonl.number"),
    (b"[" * 100_000, "jsonl.too_deep"),
    (b"[" * 5_000 + b"]" * 5_000, "jsonl.too_deep"),
    (b'["text"]', "jsonl.not_an_object"),
    (b'"text"', "jsonl.not_an_object"),
    (b"1", "jsonl.not_an_object"),
    (b'{"text": 5}', "jsonl.field_type"),
    (b'{"text": {"a": 1}}', "jsonl.field_type"),
    (b'{"text": "x", "link": 5}', "jsonl.field_type"),
    (b'{"text": "x", "key": 1.5}', "jsonl.field_type"),
    (b'{"text": "x", "key": true}', "jsonl.field_type"),
    (b'{"text": "x", "n": "3"}', "jsonl.extra_type"),
    (b'{"text": "x", "n": 3.5}', "jsonl.extra_type"),
    (b'{"text": "x", "n": true}', "jsonl.extra_type"),
    (b'{"text": "x", "n": 9223372036854775808}', "jsonl.extra_type"),
    (b'{"text": "x", "n": 18446744073709551616}', "jsonl.extra_type"),
    (b'{"text": "%s"}' % (b"x" * 200_000), "jsonl.too_large"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
@pytest.mark.parametrize("codec", [None, "gzip", "zstd"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_line_costs_itself_only(line: bytes, reason: str, codec: str | None, place: int) -> None:
    rows: list[Any] = [GOOD, GOOD]
    rows.insert(place, line)
    data = lines(*rows)
    found = read(ENCODE[codec](data), "jsonl", codec, cap=150_000, fields=MAPPING, extra={"n": "int64"})
    expected = ["R", "R"]
    expected.insert(place, reason)
    assert kinds(found) == expected
    bad = found[place]
    assert isinstance(bad, Quarantined)
    assert data[bad.offset : bad.end] == line + b"\n"
    assert "x x" not in bad.detail


@pytest.mark.parametrize("row", [{}, {"text": None}, {"text": ""}, {"text": " \n\t\u3000"}, {"body": "x"}])
def test_a_record_without_text_is_rejected(row: dict[str, Any]) -> None:
    found = read(lines(row, GOOD), "jsonl")
    assert kinds(found) == ["extract.no_text", "R"]
    assert isinstance(found[0], Rejected)
    assert found[0].payload == (row["text"].encode() if row.get("text") is not None else None)


@given(
    texts=st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8), max_size=8),
    end=st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n\xef\xbb\xbf"]),
)
def test_lines_end_at_lf_only_and_what_is_in_a_string_stays(texts: list[str], end: bytes) -> None:
    data = b"".join(orjson.dumps({"text": "." + t}) + end for t in texts)
    found = [f for f in read(data, "jsonl") if not isinstance(f, readers.Skipped)]
    assert [f.payload.decode() for f in found] == ["." + t for t in texts]


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize("cut", [1, 5, 9, 100, 1000, 2500])
def test_of_a_cut_object_the_whole_lines_are_read_and_the_tail_is_one_entry(codec: str, cut: int) -> None:
    data = lines(*({"text": f"line {i} {i * 7919 % 65_537 * 104_729}"} for i in range(500)))
    stored = ENCODE[codec](data)
    found = read(stored[:-cut], "jsonl", codec)
    *records, tail = found
    assert isinstance(tail, Quarantined)
    assert tail.reason == f"{codec}.truncated"
    assert data[: tail.offset] == lines(*({"text": r.payload.decode()} for r in records))
    assert tail.offset <= tail.end <= len(data)


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_damage_inside_and_garbage_behind_are_noticed_and_further_members_read(codec: str) -> None:
    data = ENCODE[codec](lines(GOOD))
    assert kinds(read(data + data, "jsonl", codec)) == ["R", "R"]
    assert kinds(read(data + b"garbage at the end", "jsonl", codec)) == ["R", f"{codec}.damaged"]
    assert kinds(read(b"no such codec", "jsonl", codec)) == [f"{codec}.damaged"]
    assert kinds(read(gzip.compress(lines(GOOD)) + bytes(512), "jsonl", "gzip")) == ["R"]


@pytest.mark.parametrize("codec", [None, "gzip", "zstd"])
def test_an_empty_object_has_no_rows(codec: str | None) -> None:
    assert read(b"", "jsonl", codec) == read_split(b"", "jsonl", codec, 10) == []
    assert read(ENCODE[codec](b""), "jsonl", codec) == []


@given(
    rows=st.lists(st.sampled_from([b'{"text": "a"}', b"", b"bad", b'{"text": "%s"}' % (b"x" * 300)]), max_size=30),
    split_bytes=st.integers(1, 400),
    last=st.sampled_from([b"", b"\n"]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_any_split_size_gives_the_same_items(rows: list[bytes], split_bytes: int, last: bytes) -> None:
    data = b"\n".join(rows) + last
    assert read_split(data, "jsonl", None, split_bytes) == read(data, "jsonl")


class Endless(io.RawIOBase):
    """One line of `size` bytes that are never all in memory, then a good one."""

    def __init__(self, size: int) -> None:
        self.size, self.at, self.tail = size, 0, b'"}\n{"text": "good"}\n'

    def seek(self, position: int, whence: int = 0) -> int:
        assert whence == 0
        self.at = position
        return position

    def read(self, count: int = -1) -> bytes:
        if self.at < self.size:
            count = min(count, self.size - self.at)
            self.at += count
            return b"x" * count
        tail, self.tail = self.tail, b""
        return tail


def test_a_line_of_a_gigabyte_is_quarantined_in_bounded_memory() -> None:
    stream = Endless(1_000_000_000)
    split = split_of(b"x", "jsonl", None, (0, stream.size + 30))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = list(readers.read(stream, split, ExtractConfig(max_document_bytes=10_000_000)))
    assert kinds(found) == ["jsonl.too_large", "R"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_bomb_is_one_large_line_in_bounded_memory(codec: str) -> None:
    data = ENCODE[codec](bytes(200_000_000) + b"\n" + lines(GOOD))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert kinds(read(data, "jsonl", codec)) == ["jsonl.too_large", "R"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


@pytest.mark.parametrize("value", ["{}", "1.5", '"a"', "[]"])
def test_a_line_of_millions_of_values_is_quarantined_in_bounded_memory(value: str) -> None:
    data = lines(f'{{"text": "x", "a": [{value}{f",{value}" * 1_500_000}]}}'.encode(), GOOD)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert kinds(read(data, "jsonl", cap=10_000_000)) == ["jsonl.too_many_values", "R"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_commas_and_brackets_of_a_text_are_no_values() -> None:
    text = '[{,\\"' * 500_000
    [found] = read(lines({"text": text}), "jsonl", cap=10_000_000)
    assert found.payload.decode() == text
