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
from curate.readers import Quarantined, Record, Rejected
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
    ],
)
def test_dates(text: str, seconds: int | None) -> None:
    [found] = read(lines({"text": "x", "when": text}), "jsonl", fields=MAPPING)
    assert found.date == seconds


GOOD = {"text": "good"}
BAD = [
    (b'{"text": "\xff"}', "jsonl.invalid_utf8"),
    (b'{"text": "\\ud800 x"}', "jsonl.lone_surrogate"),
    (b'{"text": "x", "other": "\\udc00"}', "jsonl.lone_surrogate"),
    (b'{"text": "x"', "jsonl.not_json"),
    (b"text", "jsonl.not_json"),
    (b'{"text": NaN}', "jsonl.not_json"),
    (b"[" * 100_000, "jsonl.not_json"),
    (b"[" * 5_000 + b"]" * 5_000, "jsonl.not_json"),
    (b'["text"]', "jsonl.not_an_object"),
    (b'"text"', "jsonl.not_an_object"),
    (b"1", "jsonl.not_an_object"),
    (b'{"text": 5}', "jsonl.field_type"),
    (b'{"text": {"a": 1}}', "jsonl.field_type"),
    (b'{"text": "x", "link": 5}', "jsonl.field_type"),
    (b'{"text": "x", "key": 1.5}', "jsonl.field_type"),
    (b'{"text": "x", "key": true}', "jsonl.field_type"),
    (b'{"text": "x", "when": 1700000000}', "jsonl.field_type"),
    (b'{"text": "x", "n": "3"}', "jsonl.extra_type"),
    (b'{"text": "x", "n": 3.5}', "jsonl.extra_type"),
    (b'{"text": "x", "n": true}', "jsonl.extra_type"),
    (b'{"text": "x", "n": 9223372036854775808}', "jsonl.extra_type"),
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


def test_declared_rules_for_bom_crlf_blank_lines_repeated_keys_and_line_separators() -> None:
    data = (
        b'\xef\xbb\xbf{"text": "a\\r\\nb"}\r\n\r\n  \n{"text": 1, "text": "second"}\n'
        + '{"text": "u\u2028v\x85w"}'.encode()
    )
    found = read(data, "jsonl")
    assert kinds(found) == ["R", "skipped.blank_line", "skipped.blank_line", "R", "R"]
    assert [f.payload.decode() for f in found if isinstance(f, Record)] == ["a\r\nb", "second", "u\u2028v\x85w"]


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
