"""One executable example for each row of docs/INPUT.md: what `test_input_policy.py` holds the table to.

An example is one odd record, or an odd place, among good ones: as many objects as there are ways to meet it.
"""

import gzip
import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tests.curate.readers.objects import Format, http, member, record

FIRST = "All human beings are born free and equal in dignity and rights, endowed with reason and conscience."
LAST = "Alle Menschen sind frei und gleich an Würde und Rechten geboren, mit Vernunft und Gewissen begabt."
TEXT = "before after"

ENCODE = {None: bytes, "gzip": lambda data: gzip.compress(data, 6, mtime=0), "zstd": zstandard.compress}


Says = str | Mapping[str, Any] | None


@dataclass(frozen=True)
class Example:
    """Objects of one case. `says`: what the odd record holds; `stored`: what comes of it, where something else does."""

    objects: tuple[tuple[bytes, str | None], ...]
    """(bytes, codec)"""

    format: Format
    says: Mapping[str, Any] = field(default_factory=lambda: {"text": TEXT})
    stored: Mapping[str, Any] | None = None
    good: int = 2
    """Of FIRST and LAST, how many are in each object, and come out of it."""

    source: Mapping[str, Any] = field(default_factory=dict)
    """Of the input's config: fields, extra."""

    max_document_bytes: int = 16_000_000


def line(text: str = json.dumps(TEXT), **more: str) -> bytes:
    """A JSON object; the values are JSON already."""
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in {"text": text, **more}.items()) + "}").encode()


def jsonl(odd: bytes, says: Says = None, stored: Says = None, **more: Any) -> Example:
    """The odd line as the first, a middle and the last one, plain and compressed."""
    good = [line(json.dumps(text)) for text in (FIRST, LAST)]
    objects = []
    for place in range(3):
        lines = good.copy()
        lines.insert(place, odd)
        objects += [(ENCODE[codec](b"\n".join(lines) + b"\n"), codec) for codec in ENCODE]
    return Example(tuple(objects), "jsonl", **texts(says, stored), **more)


def texts(says: Says, stored: Says) -> dict[str, Any]:
    """A text stands for the column `text`."""
    told = {"says": says, "stored": stored}
    return {name: {"text": v} if isinstance(v, str) else v for name, v in told.items() if v is not None}


def whole(data: bytes, format: Format = "jsonl", codec: str | None = None, **more: Any) -> Example:
    """One object as it stands."""
    return Example(((data, codec),), format, **more)


def write(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def parquet(odd: Any = TEXT, kind: pa.DataType | None = None, says: Says = None, stored: Says = None,
            **more: Any) -> Example:  # fmt: skip
    """The odd text between two good ones, in the ways that Parquet stores a column."""
    column = pa.array([FIRST, odd, LAST], kind)
    ways: list[dict[str, Any]] = [{}, {"use_dictionary": False, "compression": "zstd"}, {"data_page_version": "2.0"},
                                  {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"},
                                  {"row_group_size": 1, "compression": "none"}]  # fmt: skip
    objects = [(write(pa.table({"text": column}), **way), None) for way in ways]
    return Example(tuple(objects), "parquet", **texts(says, stored), **more)


def columns(settings: Mapping[str, Any] | None = None, says: Mapping[str, Any] | None = None, stored: Any = None,
            schema: pa.Schema | None = None, **odd: Any) -> Example:  # fmt: skip
    """Three rows of which all columns are given but `text`; the one between the good ones is looked at."""
    names = {"text": [FIRST, TEXT, LAST]} | odd
    table = pa.table(names, schema=schema) if schema else pa.table(names)
    return Example(((write(table), None),), "parquet", says or {"text": TEXT}, stored, source=settings or {})


def raw_strings(*values: bytes) -> pa.Array:
    """Arrow does not look whether its strings are UTF-8."""
    raw = pa.array(values).cast(pa.binary())
    return pa.Array.from_buffers(pa.string(), len(values), raw.buffers())


def page(body: bytes | str, charset: str = "; charset=utf-8", head: bytes = b"", **more: Any) -> Example:
    """An HTML page between two others, in a plain and in a compressed WARC."""
    inside = body if isinstance(body, bytes) else body.encode()
    odd = head + b"<html><head><title>t</title></head><body><p>" + inside + b"</p></body></html>"
    return warc(record(http(odd, headers=f"Content-Type: text/html{charset}\r\n"), "http://a/odd"), **more)


def warc(odd: bytes, says: Says = None, stored: Says = None, **more: Any) -> Example:
    good = [
        record(http(f"<html><body><p>{text}</p></body></html>".encode()), f"http://a/{text[:3]}")
        for text in (FIRST, LAST)
    ]
    parts = [good[0], odd, good[1]]
    objects = ((b"".join(parts), None), (b"".join(member(part) for part in parts), "gzip"))
    return Example(objects, "warc", **texts(says, stored), **more)


def wet(odd: bytes, says: Says = None, stored: Says = None) -> Example:
    """A text record, as in WET files."""
    return warc(record(odd, "http://a/odd", kind="conversion"), says, stored)


DATE = {"fields": {"text": "text", "date": "date"}}
ID = {"fields": {"text": "text", "id": "id"}}
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)

JSONL = {
    "jsonl-invalid-utf8": jsonl(b'{"text": "before \xff after"}'),
    "jsonl-no-utf8-at-all": jsonl(b"\xff\xfe\xfd\x80"),
    "jsonl-encoded-surrogate": jsonl(b'{"text": "before \xed\xa0\x80 after"}'),
    "jsonl-lone-surrogate": jsonl(line(r'"before \ud800 after"')),
    "jsonl-lone-surrogate-elsewhere": jsonl(line(other=r'"\udc00\ud800"')),
    "jsonl-surrogate-pair": jsonl(line(r'"smile \ud83d\ude00"'), "smile 😀"),
    "jsonl-escaped-nul": jsonl(line(r'"before\u0000 after"'), "before\0 after", TEXT),
    "jsonl-raw-control": jsonl(b'{"text": "before\0 after"}'),
    "jsonl-bom-at-the-start": Example(
        tuple((ENCODE[c](b"\xef\xbb\xbf" + line(json.dumps(FIRST)) + b"\n" + line()), c) for c in ENCODE), "jsonl",
        {"text": TEXT}, good=1,
    ),
    "jsonl-bom-of-a-line": jsonl(b"\xef\xbb\xbf" + line()),
    "jsonl-crlf": whole(b"\r\n".join([line(json.dumps(FIRST)), line(), line(json.dumps(LAST)), b""])),
    "jsonl-lone-cr": jsonl(line() + b"\r" + line()),
    "jsonl-line-separator": jsonl(line(json.dumps("before\u2028after\u2029\x85end", ensure_ascii=False)),
                                  "before\u2028after\u2029\x85end", "before\nafter\n\nend"),
    "jsonl-nan": jsonl(line(score="NaN")),
    "jsonl-infinity": jsonl(line(score="[-Infinity]")),
    "jsonl-float-too-large": jsonl(line(score="1e999")),
    "jsonl-integer-too-large": jsonl(line(n="9" * 400)),
    "jsonl-integer-of-65-bits": jsonl(line(n=str(2**64))),
    "jsonl-integer-of-65-bits-as-int64": jsonl(line(n=str(2**64)), source={"extra": {"n": "int64"}}),
    "jsonl-integer-of-65-bits-as-float64": jsonl(line(n=str(2**64 + 1)), says={"n": 2**64 + 1}, stored={"n": 2.0**64},
                                                 source={"extra": {"n": "float64"}}),
    "jsonl-duplicate-key": jsonl(line('"first", "text": "before after"'), "first", TEXT),
    "jsonl-deep": jsonl(line(a="[" * 1025 + "]" * 1025)),
    "jsonl-deeper": jsonl(b'{"text": "before after", "a": ' + b'{"a": ' * 100_000),
    "jsonl-many-values": whole(
        b"\n".join([line(json.dumps(FIRST)), line(a="[" + "{}," * 1_000_000 + "0]"), line(json.dumps(LAST))])
    ),
    "jsonl-not-an-object": jsonl(b'["before after"]'),
    "jsonl-not-json": jsonl(b"{'text': 'before after'}"),
    "jsonl-cut-line": jsonl(b'{"text": "before af'),
    "jsonl-blank-line": jsonl(b" \t"),
    "jsonl-no-text-field": jsonl(b'{"body": "before after"}'),
    "jsonl-null-text": jsonl(line("null")),
    "jsonl-empty-text": jsonl(line('""')),
    "jsonl-blank-text": jsonl(line(r'" \n\u3000"')),
    "jsonl-text-of-another-type": jsonl(line("5")),
    "jsonl-line-too-long": jsonl(line(json.dumps("x" * 2000)), max_document_bytes=2000),
    "jsonl-no-last-lf": whole(b"\n".join([line(json.dumps(FIRST)), line(json.dumps(LAST)), line()])),
    "jsonl-date-number": jsonl(line(date="1767225600"), says={"date": NEW_YEAR}, stored={"date": None}, source=DATE),
    "jsonl-date-unreadable": jsonl(line(date='"yesterday"'), says={"date": "yesterday"}, stored={"date": None},
                                   source=DATE),
    "jsonl-date-beyond-years": jsonl(line(date='"0001-01-01T00:00:00+12:00"'), says={"date": "0001-01-01"},
                                     stored={"date": None}, source=DATE),
    "jsonl-id-fraction": jsonl(line(id="1.5"), source=ID),
    "jsonl-empty": whole(b"", good=0),
    "jsonl-cut-gzip": whole(member(line(json.dumps(FIRST)) + b"\n") + member(line())[:-12], codec="gzip", good=1),
    "jsonl-cut-zstd": whole(zstandard.compress(line(json.dumps(FIRST)) + b"\n") + zstandard.compress(line())[:-12],
                            codec="zstd", good=1),
}  # fmt: skip


def three(odd: pa.Array, **options: Any) -> bytes:
    """Three row groups, the odd one in the middle."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, pa.schema([("text", pa.string())]), **options) as writer:
        for column in ([FIRST], odd, [LAST]):
            writer.write_table(pa.table({"text": pa.array(column, pa.string())}), row_group_size=len(column))
    return sink.getvalue()


def rotten(found: bytes, instead: bytes, **options: Any) -> bytes:
    """Three pages, the middle one changed after it was written."""
    data = three([TEXT], compression="none", use_dictionary=False, write_statistics=False, **options)
    assert data.count(found) == 1
    return data.replace(found, instead)


PICKLE = {"p": pickle.dumps(print)}
STRING_TYPES = (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))
NUMBER = {"extra": {"n": "int64"}}
REAL = {"extra": {"n": "float64"}}

PARQUET = {
    "parquet-empty": whole(b"", "parquet", good=0),
    "parquet-no-footer": Example(
        tuple((data, None) for data in (b"PAR1", b"x" * 1000, three([TEXT])[:-6], b"PAR1" + bytes(100) + b"PAR1")),
        "parquet", good=0,
    ),
    "parquet-damaged-page": Example(
        (
            (rotten(b"before", b"cefore", write_page_checksum=True), None),
            (rotten(b"\x0c\0\0\0before", b"\xff\xff\xff\x7fbefore"), None),
        ),
        "parquet",
    ),
    "parquet-bit-rot-without-checksum": whole(rotten(b"before", b"cefore"), "parquet", says={"text": "cefore after"}),
    "parquet-extension-type": columns(u=pa.array([b"0" * 16] * 3, pa.uuid())),
    "parquet-pickle-in-metadata": columns(
        schema=pa.schema([pa.field("text", pa.string(), metadata=PICKLE)], PICKLE)
    ),
    "parquet-string-types": Example(
        tuple((write(pa.table({"text": pa.array([FIRST, TEXT, LAST]).cast(kind)})), None) for kind in STRING_TYPES),
        "parquet",
    ),
    "parquet-binary-text": parquet(TEXT.encode(), pa.binary()),
    "parquet-text-of-another-type": whole(write(pa.table({"text": [1, 2, 3]})), "parquet"),
    "parquet-missing-column": columns({"fields": {"text": "text", "url": "url"}}),
    "parquet-renamed-column": whole(write(pa.table({"Text": [FIRST, TEXT, LAST]})), "parquet"),
    "parquet-two-columns-of-a-name": whole(
        write(pa.Table.from_arrays([[FIRST, TEXT, LAST], [LAST, TEXT, FIRST]], names=["text", "text"])), "parquet"
    ),
    "parquet-more-columns": columns(l=[[1], [2], [3]], s=[{"a": 1}] * 3, when=[NEW_YEAR] * 3),
    "parquet-float-for-int": columns(NUMBER, n=[1.0, 2.0, 3.0]),
    "parquet-int-for-float": columns(REAL, says={"n": 2}, stored={"n": 2.0}, n=[1, 2, 3]),
    "parquet-uint64-beyond-int64": columns(NUMBER, n=pa.array([1, 2**63, 3], pa.uint64())),
    "parquet-nan": columns(REAL, says={"n": float("nan")}, n=[1.0, float("nan"), 3.0]),
    "parquet-invalid-utf8": whole(
        write(pa.table({"text": raw_strings(FIRST.encode(), b"before \xff after", LAST.encode())})), "parquet"
    ),
    "parquet-encoded-surrogate": whole(
        write(pa.table({"text": raw_strings(FIRST.encode(), b"\xed\xa0\x80", LAST.encode())})), "parquet"
    ),
    "parquet-nul": parquet("before\0 after", None, "before\0 after", TEXT),
    "parquet-null-text": parquet(None, pa.string()),
    "parquet-empty-text": parquet(""),
    "parquet-value-too-large": parquet("x" * 3000, max_document_bytes=2000),
    "parquet-page-too-large": whole(
        three(["x" * 170_000_000], compression="zstd", use_dictionary=False, write_statistics=False), "parquet"
    ),
    "parquet-rows-of-nothing": whole(three(pa.nulls(17_000_000, pa.string())), "parquet"),
    "parquet-date-number": columns(DATE, {"date": NEW_YEAR}, {"date": None}, date=[1767225600] * 3),
    "parquet-date-beyond-years": columns(DATE, {"date": 2**50}, {"date": None},
                                           date=pa.array([0, 2**50, 0], pa.timestamp("ms"))),
    "parquet-date-types": columns(DATE, {"date": NEW_YEAR}, date=[NEW_YEAR.date()] * 3),
}  # fmt: skip

WARC = {
    "warc-empty": whole(b"", "warc", good=0),
    "warc-cut-gzip": whole(
        member(record(http(FIRST.encode()), "http://a/1")) + member(record(http(b"x"), "http://a/2"))[:-12],
        "warc", "gzip", good=1,
    ),
    "warc-bad-length": warc(record(http(b"<p>before after</p>"), length=-1)),
    "warc-date-unreadable": warc(
        record(http(b"<p>before after</p>")).replace(b"2026-01-02T03:04:05Z", b"yesterday"),
        {"date": "yesterday"}, {"date": None},
    ),
    "warc-url-latin1": warc(
        record(http(b"<p>before after</p>"), "http://a/ODD").replace(b"ODD", b"\xfc"), {"url": b"http://a/\xfc"},
        {"url": "http://a/ü"},
    ),
    "html-too-large": page("x" * 3000, max_document_bytes=2000),
    "html-deep": page("<div>" * 100_000),
    "html-no-text": page(" "),
    "html-invalid-utf8": page(b"before \xff after", says={"text": b"\xff"}, stored="before \ufffd after"),
    "html-latin1-called-utf8": page("Würde".encode("latin-1"), says="Würde", stored="W\ufffdrde"),
    "html-utf8-called-latin1": page("Würde", "; charset=iso-8859-1", says="Würde"),
    "html-utf8-called-koi8": page("Würde", "; charset=koi8-r", says="Würde", stored="Wц╪rde"),
    "html-unknown-charset": page("Würde", "; charset=klingon", says="Würde"),
    "html-no-charset": page("Würde und Rechte für alle Menschen, schön".encode("latin-1"), "",
                            says="Würde und Rechte für alle Menschen, schön"),
    "html-bom": page("Würde", "; charset=koi8-r", b"\xef\xbb\xbf", says="Würde"),
    "html-nul": page("before\0 after", says="before\0 after", stored=TEXT),
    "html-nul-entity": page("before&#0; after", says="before\0 after", stored="before\ufffd after"),
    "html-surrogate-entity": page("before&#xD800; after", says={"text": "\ud800"}, stored="before\ufffd after"),
    "html-entity-beyond-unicode": page("before&#x110000; after", says="&#x110000;", stored="before\ufffd after"),
    "html-encoded-surrogate": page(b"before\xed\xa0\x80 after", says={"text": b"\xed\xa0\x80"},
                                   stored="before\ufffd\ufffd\ufffd after"),
    "text-invalid-utf8": wet(b"before \xff after", {"text": b"before \xff after"}, "before \ufffd after"),
    "text-controls": wet(b"be\0fore\x1b after\x7f", "be\0fore\x1b after\x7f", TEXT),
    "text-bom-inside": wet("\ufeffbefore\ufeff after".encode(), "\ufeffbefore\ufeff after", TEXT),
    "text-noncharacter": wet("before\ufffe after\U0010ffff".encode(), "before\ufffe after\U0010ffff", TEXT),
    "text-line-ends": wet("a\r\nb\rc\u2028d\u2029e\x85f\vg\fh".encode(), "a\r\nb...", "a\nb\nc\nd\ne\nf\ng\nh"),
    "text-not-nfc": wet("e\u0301tude".encode(), "e\u0301tude", "étude"),
}  # fmt: skip

EXAMPLES = JSONL | PARQUET | WARC
