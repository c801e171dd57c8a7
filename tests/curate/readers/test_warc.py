import gzip
import random
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.readers import Quarantined, Record, Rejected
from tests.curate.readers.objects import http, kinds, member, read, read_split, record

PAGES = [f"<p>page {i} {random.Random(i).randbytes(300).hex()}</p>".encode() for i in range(8)]
RECORDS = [record(http(page), f"http://a.example/{i}") for i, page in enumerate(PAGES)]
WARCINFO = record(b"software: x", kind="warcinfo")


def payloads(items: list[object]) -> list[bytes]:
    return [i.payload for i in items if isinstance(i, Record)]


@pytest.mark.parametrize("codec", [None, "gzip", "zstd"])
def test_a_record_has_payload_url_date_and_charset(codec: str | None) -> None:
    whole = WARCINFO + record(http("<p>Zürich</p>".encode()), "http://b.example/ü?q=1")
    data = {None: whole, "gzip": member(whole), "zstd": zstandard.compress(whole)}[codec]
    info, found = read(data, "warc", codec)
    assert info.type == "warcinfo"
    assert isinstance(found, Record)
    assert (found.payload, found.kind, found.charset) == ("<p>Zürich</p>".encode(), "html", "utf-8")
    assert (found.url, found.record_key, found.date) == ("http://b.example/ü?q=1", found.url, 1767323045)


def test_members_have_their_stored_place_and_one_member_for_all_has_its_decompressed_place() -> None:
    parts = [member(r) for r in RECORDS]
    places = [(i.offset, i.end) for i in read(b"".join(parts), "warc", "gzip")]
    assert places[1] == (len(parts[0]), len(parts[0]) + len(parts[1]))
    places = [(i.offset, i.end) for i in read(member(b"".join(RECORDS)), "warc", "gzip")]
    assert places[1] == (len(RECORDS[0]), len(RECORDS[0]) + len(RECORDS[1]))


def test_wet_records_are_documents_and_the_other_types_are_skipped() -> None:
    types = ["warcinfo", "request", "metadata", "revisit", "resource", "continuation", "made-up"]
    data = b"".join(record(b"x", kind=k) for k in types) + record(b"plain text", kind="conversion")
    *rest, document = read(data, "warc")
    assert kinds(rest) == [f"skipped.{k}" for k in [*types[:-1], "unknown"]]
    assert (document.payload, document.kind, document.charset) == (b"plain text", "text", "utf-8")


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (http(b"gone", 404), "extract.status=404"),
        (http(b"moved", 301), "extract.status=301"),
        (http(b"x", headers="Content-Type: image/png\r\n"), "extract.content_type=image/png"),
        (http(b"x", headers="Content-Type: <script>\r\n"), "extract.content_type=malformed"),
        (http(b"x", headers=""), "extract.content_type=none"),
        (http(b"x", 404, "Content-Encoding: gzip\r\n"), "extract.status=404"),
        (b"HTTP/1.1 OK\r\n\r\nx", "extract.status=malformed"),
    ],
)
def test_what_is_no_page_is_rejected_with_the_reason(block: bytes, reason: str) -> None:
    [found] = read(record(block), "warc")
    assert isinstance(found, Rejected)
    assert (found.reason, found.url, found.payload is not None) == (reason, "http://a.example/", True)


def chunked(body: bytes) -> bytes:
    return (
        b"".join(b"%x\r\n%s\r\n" % (len(body[i : i + 7]), body[i : i + 7]) for i in range(0, len(body), 7))
        + b"0\r\n\r\n"
    )


PAGE = "<p>Ein Satz über Käse.</p>".encode()
RAW_DEFLATE = zlib.compressobj(wbits=-15)
ENCODED = {
    "gzip": gzip.compress(PAGE, mtime=0),
    "x-gzip": gzip.compress(PAGE[:5], mtime=0) + gzip.compress(PAGE[5:], mtime=0),
    "deflate": zlib.compress(PAGE),
    "Deflate": RAW_DEFLATE.compress(PAGE) + RAW_DEFLATE.flush(),
    "br": brotli.compress(PAGE),
    "zstd": zstandard.compress(PAGE),
    "deflate, gzip": gzip.compress(zlib.compress(PAGE), mtime=0),
    "identity": PAGE,
}  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("transfer", [False, True])
def test_bodies_are_decoded(encoding: str, transfer: bool) -> None:  # noqa: FBT001 - a parameter of the test
    headers = f"Content-Type: text/html\r\nContent-Encoding: {encoding}\r\n"
    body = ENCODED[encoding]
    if transfer:
        headers, body = headers + "Transfer-Encoding: chunked\r\n", chunked(body)
    assert payloads(read(record(http(body, headers=headers)), "warc")) == [PAGE]


def test_headers_kept_for_a_body_that_was_decoded_before_storing_do_no_harm() -> None:
    headers = "Content-Type: text/html\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"
    assert payloads(read(record(http(PAGE, headers=headers)), "warc")) == [PAGE]


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("gzip", ENCODED["gzip"][:-9], "http.truncated"),
        ("br", ENCODED["br"][:-3], "http.truncated"),
        ("zstd", ENCODED["zstd"][:-3], "http.truncated"),
        ("deflate", b"\x78\x9c" + b"\xff" * 20, "http.bad_body"),
        ("br", b"\xff" * 30, "http.bad_body"),
        ("sdch", PAGE, "http.content_encoding"),
    ],
)
def test_bodies_that_cannot_be_decoded_are_quarantined_alone(encoding: str, body: bytes, reason: str) -> None:
    bad = record(http(body, headers=f"Content-Type: text/html\r\nContent-Encoding: {encoding}\r\n"))
    found = read(bad + RECORDS[0], "warc")
    assert kinds(found) == [reason, "R"]
    assert (found[0].offset, found[0].end) == (0, len(bad))


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate"])
def test_a_bomb_in_a_body_stops_at_the_cap(encoding: str) -> None:
    zeros = bytes(50_000_000)
    body = {
        "gzip": lambda: gzip.compress(zeros),
        "br": lambda: brotli.compress(zeros, quality=3),
        "zstd": lambda: zstandard.compress(zeros),
        "deflate": lambda: zlib.compress(zeros),
    }[encoding]()
    headers = f"Content-Type: text/html\r\nContent-Encoding: {encoding}\r\n"
    found = read(record(http(body, headers=headers)) + RECORDS[0], "warc")
    assert kinds(found) == ["http.too_large", "R"]


@pytest.mark.parametrize("codec", [None, "gzip"])
@pytest.mark.parametrize(
    "length", [-5, "abc", "", 0, 1, 10**9, 10**14, "off by -1", "off by 1", "off by 2", "off by 4"]
)
def test_a_wrong_content_length_costs_its_record_only(codec: str | None, length: object) -> None:
    if isinstance(length, str) and length.startswith("off"):
        length = len(http(PAGES[1])) + int(length.split()[-1])
    bad = record(http(PAGES[1]), length=length)
    parts = [RECORDS[0], bad, RECORDS[2], RECORDS[3]]
    stored = [member(p) for p in parts] if codec else parts
    found = read(b"".join(stored), "warc", codec)
    assert kinds(found) == ["R", "warc.bad_content_length", "R", "R"]
    assert payloads(found) == [PAGES[0], PAGES[2], PAGES[3]]
    assert (found[1].offset, found[1].end) == (len(stored[0]), len(stored[0]) + len(stored[1]))


@pytest.mark.parametrize("layout", ["plain", "members", "one member", "zstd"])
@pytest.mark.parametrize("share", [0.001, 0.2, 0.49, 0.77, 0.999])
def test_of_a_cut_object_what_is_whole_is_read_and_the_tail_is_one_entry(layout: str, share: float) -> None:
    whole = b"".join(RECORDS)
    data, codec = {
        "plain": (whole, None),
        "members": (b"".join(map(member, RECORDS)), "gzip"),
        "one member": (member(whole), "gzip"),
        "zstd": (zstandard.ZstdCompressor(level=1).compress(whole), "zstd"),
    }[layout]
    found = read(data[: int(len(data) * share)], "warc", codec)
    *records, tail = found
    assert payloads(records) == PAGES[: len(records)]
    assert isinstance(tail, Quarantined)
    assert tail.reason.split(".")[1] == "truncated" or share == 0.001
    assert tail.end >= tail.offset >= (records[-1].end if records else 0)
    if layout == "plain" or (layout == "members" and records):  # Of less than a member nobody can tell the layout.
        assert tail.end == int(len(data) * share)


@pytest.mark.parametrize("damage", ["flip", "cut out", "zeros", "insert"])
def test_a_damaged_member_costs_itself_only(damage: str) -> None:
    parts = [member(r) for r in RECORDS]
    bad = bytearray(parts[3])
    middle = len(bad) // 2
    if damage == "flip":
        bad[middle] ^= 0x55
    elif damage == "cut out":
        del bad[middle : middle + 20]
    elif damage == "zeros":
        bad[middle : middle + 50] = bytes(50)
    else:
        bad[middle:middle] = b"\x1f\x8b\x08 is not a member"
    stored = [*parts[:3], bytes(bad), *parts[4:]]
    found = read(b"".join(stored), "warc", "gzip")
    assert kinds(found) == ["R"] * 3 + ["gzip.damaged"] + ["R"] * 4
    assert (found[3].offset, found[3].end) == (sum(map(len, stored[:3])), sum(map(len, stored[:4])))


def test_garbage_between_records_is_one_entry() -> None:
    found = read(RECORDS[0] + b"some bytes that are no record\r\n\r\n" + RECORDS[1], "warc")
    assert kinds(found) == ["R", "warc.not_a_record", "R"]


@pytest.mark.parametrize("codec", [None, "gzip", "zstd"])
def test_what_is_no_warc_at_all_is_one_entry(codec: str | None) -> None:
    data = random.Random(1).randbytes(5000)
    [found] = read(data, "warc", codec)
    assert isinstance(found, Quarantined)
    assert found.offset == 0


@pytest.mark.parametrize("codec", [None, "gzip"])
def test_an_empty_object_has_no_ranges_and_no_rows(codec: str | None) -> None:
    assert read(b"", "warc", codec) == []
    assert read_split(b"", "warc", codec, 100) == []


@pytest.mark.parametrize("layout", ["plain", "members", "one member"])
def test_a_record_over_the_cap_is_quarantined_and_the_next_one_read(layout: str) -> None:
    large = record(http(b"<p>" + random.Random(2).randbytes(4_000_000)))
    parts = [RECORDS[0], large, RECORDS[1]]
    data = {"plain": b"".join(parts), "members": b"".join(map(member, parts)), "one member": member(b"".join(parts))}
    found = read(data[layout], "warc", None if layout == "plain" else "gzip")
    assert kinds(found) == ["R", "warc.too_large", "R"]


@given(split_bytes=st.integers(200, 5000), order=st.permutations(range(len(RECORDS))), bad=st.integers(0, 20))
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("codec", [None, "gzip"])
def test_any_split_size_gives_the_same_items(codec: str | None, split_bytes: int, order: list[int], bad: int) -> None:
    parts = [WARCINFO, *(RECORDS[i] for i in order)]
    stored = [member(p) for p in parts] if codec else parts
    if bad < len(stored):
        stored[bad] = stored[bad][: len(stored[bad]) // 2]
    data = b"".join(stored)
    assert read_split(data, "warc", codec, split_bytes) == read(data, "warc", codec)


@pytest.mark.parametrize("split_bytes", [5_000, 40_000, 100_000])
def test_a_warc_archived_as_a_page_never_starts_a_split(split_bytes: int) -> None:
    inner = b"".join(
        member(record(http(random.Random(i).randbytes(2000)), "http://forged.example/")) for i in range(100)
    )
    outer = [
        *RECORDS,
        record(http(inner, headers="Content-Type: application/gzip\r\n"), "http://a.example/x"),
        *RECORDS,
    ]
    data = b"".join(gzip.compress(p, 0, mtime=0) for p in outer)
    found = read_split(data, "warc", "gzip", split_bytes)
    assert found == read(data, "warc", "gzip")
    assert "http://forged.example/" not in {i.url for i in found}


@pytest.mark.parametrize(
    ("headers", "page", "signal"),
    [
        ("", "<p>x", None),
        ("X-Robots-Tag: noindex, NoAI\r\n", "<p>x", "noai"),
        ("tdm-reservation: 1\r\n", '<meta name="robots" content="noimageai, noai">', "noai,noimageai,tdm-reservation"),
        ("Content-Usage: train-ai=n\r\n", "<p>x", "train-ai=n"),
        ("", "<p>the word noai in a text", None),
    ],
)
def test_signals_against_training_are_kept(headers: str, page: str, signal: str | None) -> None:
    [found] = read(record(http(page.encode(), headers=f"Content-Type: text/html\r\n{headers}")), "warc")
    assert found.opt_out == signal
