"""WARC objects: pages, texts and what is no document, broken in every layer; and records of the sample."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

import brotli  # type: ignore[import-untyped]
import zstandard

from curate.plan import Codec
from tests.curate.readers.objects import http, record
from tests.fuzz.case import DEFAULT_CAP, Case, Whole, damage, whole
from tests.fuzz.layouts import Laid, lay, unit_of

SAMPLE = Path(__file__).parents[1] / "data/sample/warc/docs-000.warc.gz"
HOSTILE_URLS = (
    "http://a.example/../../../etc/passwd", "/etc/passwd", "file:///dev/zero", "..", "", "<http://w.example/get>",
    "http://a.example/\x1b[31m\x07", "http://a.example/\0", "http://a.example/\u202e", "x" * 100_000, "${HOME} %s {0}",
    "http://ä.example/\u2028", "javascript:alert(1)",
)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A WARC record, or what stands in the place of one."""

    raw: bytes
    what: str
    expected: tuple[str, bytes] | None = None
    """Key and payload of the document that must come out of it; None where the damage decides."""

    counts: int | None = 1
    """Entries that count as `in`; None where the damage decides."""


def words(rng: Random, low: int = 0, high: int = 400) -> str:
    """Some text."""
    kinds = ("river", "two", "sides", "the", "of", "Käse", "日本語", "said", "🙂", "a", "&amp;", "x" * 30)
    return " ".join(rng.choices(kinds, k=rng.randint(low, high)))


def page(rng: Random) -> bytes:
    """A whole HTML page."""
    body = "".join(f"<p>{words(rng, 0, 60)}</p>" for _ in range(rng.randint(0, 8)))
    return f"<html><head><title>t</title></head><body><main>{body}</main></body></html>".encode()


def encode(name: str, body: bytes) -> bytes:
    """The body under a Content-Encoding."""
    raw = zlib.compressobj(wbits=-15)
    encoders: dict[str, Callable[[], bytes]] = {
        "gzip": lambda: gzip.compress(body, 1, mtime=0),
        "deflate": lambda: zlib.compress(body, 1),
        "raw deflate": lambda: raw.compress(body) + raw.flush(),
        "br": lambda: brotli.compress(body, quality=1),
        "zstd": lambda: zstandard.ZstdCompressor(level=1).compress(body),
        "identity": lambda: body,
    }
    return encoders[name]()


def chunked(rng: Random, body: bytes) -> bytes:
    """The body in HTTP/1.1 chunks."""
    size = rng.choice((7, 100, 4096, 10**6))
    extension = rng.choice(("", ";a=b", "  "))
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(f"{len(p):x}{extension}\r\n".encode() + p + b"\r\n" for p in parts) + b"0\r\n\r\n"


def good(rng: Random, number: int) -> Piece:
    """A record that any crawler could have written."""
    url = f"http://a.example/{number}"
    kind = rng.choice(("page", "page", "page", "text", "wet", "missing", "image", "warcinfo", "request", "sample"))
    body = page(rng)
    if kind == "page":
        encoding = rng.choice(("identity", "identity", "gzip", "deflate", "raw deflate", "br", "zstd"))
        headers = "Content-Type: text/html; charset=utf-8\r\n"
        if encoding != "identity":
            headers += f"Content-Encoding: {encoding.split()[-1]}\r\n"
        stored = encode(encoding, body)
        if rng.random() < 0.3:
            headers, stored = headers + "Transfer-Encoding: chunked\r\n", chunked(rng, stored)
        return Piece(record(http(stored, headers=headers), url), f"{kind} {encoding}", (url, body))
    if kind == "text":
        return Piece(record(http(body, headers="Content-Type: text/plain\r\n"), url), kind, (url, body))
    if kind == "wet":
        return Piece(record(body, url, "conversion"), kind, (url, body))
    if kind == "missing":
        return Piece(record(http(body, 404), url), kind, (url, body))
    if kind == "image":
        return Piece(record(http(body, headers="Content-Type: image/png\r\n"), url), kind, (url, body))
    if kind == "sample":
        return Piece(rng.choice(sample()), kind)
    return Piece(record(body, url, kind), kind, counts=0)


@cache
def sample() -> tuple[bytes, ...]:
    """The first records of the shipped sample."""
    stored = SAMPLE.read_bytes()[:400_000]
    found: list[bytes] = []
    while len(found) < 20:
        inflater = zlib.decompressobj(wbits=31)
        found.append(inflater.decompress(stored))
        stored = inflater.unused_data
    return tuple(r for r in found if b"WARC-Type: response" in r[:300])


def odd(rng: Random, number: int) -> Piece:
    """A record that is wrong in itself, in a way that must not touch its neighbours."""
    kind = rng.choice((_length, _length, _chunks, _body, _headers, _url, _dates, _garbage, _repeated, _http_head))
    return kind(rng, number)


def _length(rng: Random, number: int) -> Piece:
    block = http(page(rng))
    size = len(block)
    wrong = rng.choice((
        -1, -size, 0, size - 1, size + 1, size - 4, size + 2, size + 4, size * 2 + 7, 10**9, 2**31, 2**63, 10**30, "",
        "abc", f"+{size}", f"{size}.0", "0x10", "\u0661\u0662", f"{size}, {size}",
    ))  # fmt: skip
    # A longer block that ends in CR LF CR LF would make 0 to -4 right.
    return Piece(record(block, f"http://l.example/{number}", length=wrong), "length", counts=None)


def _chunks(rng: Random, number: int) -> Piece:
    body = chunked(rng, page(rng))
    wrong = rng.choice((
        damage(rng, body)[1], body.replace(b"0\r\n\r\n", b""), b"ffffffff\r\n" + body, b"-1\r\n" + body,
        b"1\r\nx\r\n" * rng.choice((10, 20_000)), b"5" * 2_000 + b"\r\n", body + body,
    ))  # fmt: skip
    headers = "Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n"
    return Piece(record(http(wrong, headers=headers), f"http://c.example/{number}"), "chunks")


def _body(rng: Random, number: int) -> Piece:
    encoding = rng.choice(("gzip", "deflate", "br", "zstd", "identity"))
    layers = rng.choice((1, 1, 2, 5, 1_000))
    wrong = rng.choice((
        lambda: damage(rng, encode(encoding, page(rng)))[1],
        lambda: bomb(encoding if encoding != "identity" else "gzip", rng.choice((1, 1, 4, 70)) << 20, b"\0"),
        lambda: bomb("gzip", 2 << 20, rng.choice((b"<br>", b"<b>", b"<p>x", b" ", b"\n", b"&lt;", b"<!>"))),
        lambda: encode("gzip", b"") * rng.choice((3, 20_000)) + encode("gzip", page(rng)),
        lambda: encode("zstd", b"") * 3_000,
        lambda: page(rng),
        lambda: b"",
    ))()  # fmt: skip
    name = rng.choice((encoding, encoding, encoding, "gzip", "unknown", ", ".join([encoding] * layers)))
    headers = f"Content-Type: text/html\r\nContent-Encoding: {name}\r\n"
    return Piece(record(http(wrong, headers=headers), f"http://b.example/{number}"), f"body {encoding}")


@cache
def bomb(encoding: str, size: int, unit: bytes) -> bytes:
    """`size` bytes of `unit`, compressed."""
    return encode(encoding, unit * (size // len(unit)))


def _headers(rng: Random, number: int) -> Piece:
    lines = rng.choice((
        "a: b\r\n" * 10_000, "a: b\r\n" + " x\r\n" * 10_000, "Content-Type: " + "charset= " * 1_000 + "\r\n",
        "Content-Type: text/html; charset=" + " " * 20_000 + ";\r\n", "\x00: \x01\r\n", ": no name\r\n", "no colon\r\n",
        " folded first\r\n", "X: " + "y" * 200_000 + "\r\n", "Ä: ö\u2028\r\n", "WARC-Type: \r\n", "\r", "x\n\ny: z\r\n",
    ))  # fmt: skip
    made = record(http(page(rng), headers=lines + "Content-Type: text/html\r\n"), f"http://h.example/{number}")
    if rng.random() < 0.5:
        made = record(http(page(rng)), f"http://h.example/{number}", head=lines)
    return Piece(made, "headers", counts=None)


def _url(rng: Random, number: int) -> Piece:
    url = rng.choice(HOSTILE_URLS)
    body = page(rng) + str(number).encode()
    stored = url.strip().removeprefix("<").removesuffix(">")
    return Piece(record(http(body), url), "url", (stored, body))


def _dates(rng: Random, number: int) -> Piece:
    date = rng.choice((
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30", "\u0662\u0660", "1e400", "x" * 5_000,
        "-0001-01-01", "2026-01-02T03:04:05+24:00", "20260102T030405", "2026-W01-1",
    ))  # fmt: skip
    url, body = f"http://d.example/{number}", page(rng)
    made = record(http(body), url).replace(b"2026-01-02T03:04:05Z", date.encode(), 1)
    return Piece(made, "date", (url, body))


def _garbage(rng: Random, _number: int) -> Piece:
    made = rng.choice((
        lambda: rng.randbytes(rng.randint(1, 3_000)), lambda: b"\r\n" * rng.choice((1, 30_000)), lambda: bytes(4_096),
        lambda: b"WARC/1.0\r\n\r\n" * rng.choice((1, 500)), lambda: b"WARC/1.1", lambda: b"\x1f\x8b\x08" * 500,
        lambda: b"WARC/1.0\r\n" + b"a: b\r\n" * 30_000,
    ))()  # fmt: skip
    return Piece(made + b"\r\n\r\n", "garbage", counts=None)


def _repeated(rng: Random, number: int) -> Piece:
    inner = b"".join(member_of(record(http(page(rng)), "http://forged.example/")) for _ in range(3))
    url = f"http://i.example/{number}"
    made = record(http(inner, headers="Content-Type: application/gzip\r\n"), url)
    return Piece(made, "archive in archive", (url, inner))


def member_of(data: bytes) -> bytes:
    """A gzip member."""
    return gzip.compress(data, 1, mtime=0)


PACKERS: tuple[tuple[Codec, Callable[[bytes], bytes]], ...] = (
    ("gzip", member_of), ("zstd", zstandard.ZstdCompressor(level=1).compress),
)  # fmt: skip


def _http_head(rng: Random, number: int) -> Piece:
    body = page(rng)
    block = rng.choice((
        body, b"", b"HTTP/1.1", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\n\n" + body,
        b"HTTP/1.1 \xff\xfe OK\r\n\r\n" + body, b"HTTP/1.1 200 OK\r\n" + b"x" * 1_100_000, b"HTTP/ 200 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a\n" * 200_000 + b"\r\n\r\n",
    ))  # fmt: skip
    return Piece(record(block, f"http://s.example/{number}"), "http head")


def make(rng: Random) -> Case:
    """One object."""
    pieces = [(odd if rng.random() < 0.2 else good)(rng, number) for number in range(rng.randint(1, 7))]
    # What the first member holds, and the second begins with, says whether there is a member a record.
    for number, piece in enumerate(pieces[:2]):
        if not piece.raw.startswith(b"WARC/1.") or b"\r\n\r\nWARC/1." in piece.raw:
            pieces[number] = good(rng, number)
    if rng.random() < 0.01:
        return _object_bomb(rng, pieces)
    laid = lay(rng, [p.raw for p in pieces])
    wholes = tuple(_expected(laid, pieces, i) for i, p in enumerate(pieces) if p.expected and _stands_alone(pieces, i))
    counts = [p.counts for p in pieces]
    sure = None not in counts
    kinds = "+".join(sorted({p.what.split()[0] for p in pieces if p.counts is None})) or "good"
    case = Case(
        f"{laid.name}, {kinds}", laid.data, "warc", laid.codec, wholes,
        count=sum(c or 0 for c in counts) if sure else None, cap=_cap(rng),
    )  # fmt: skip
    if case.cap < DEFAULT_CAP:
        case = replace(case, recipe=f"{case.recipe}, small cap", wholes=())
    if rng.random() < 0.3:
        return case
    return damaged(rng, case, laid)


def _stands_alone(pieces: list[Piece], i: int) -> bool:
    """Whether nothing before it can hide where the piece begins: only a piece that ends like a record shows that."""
    return all(p.raw.endswith(b"\r\n\r\n") for p in pieces[:i])


def _expected(laid: Laid, pieces: list[Piece], i: int) -> Whole:
    key, payload = pieces[i].expected or ("", b"")
    return whole(key, payload, laid.place(i))


def _cap(rng: Random) -> int:
    return rng.choice((*([DEFAULT_CAP] * 9), 3_000))


def damaged(rng: Random, case: Case, laid: Laid) -> Case:
    """The object with some of its stored bytes wrong."""
    kind, data, first = damage(rng, case.data)
    known = laid.known(first)
    kept = [w for w in case.wholes if w.end is not None and w.end <= known]
    if kind == "flip" and laid.name == "members":
        start = (0, *laid.units)[unit_of(laid, first)]
        kept = [w for w in case.wholes if w.offset != start]
    begun = laid.begun(first) if kind == "cut" else (0, b"")
    shows = begun is None or bool(begun[1].strip(b"\r\n"))  # Of line ends alone nothing is missing.
    return replace(
        case, recipe=f"{case.recipe}, {kind}", data=data, wholes=tuple(kept), count=None, cut=shows,
        split_alike=laid.name != "members",
    )  # fmt: skip


def _object_bomb(rng: Random, pieces: list[Piece]) -> Case:
    """Whole records, then one that inflates to a hundred megabytes or more."""
    size = rng.choice((100, 100, 300)) << 20
    codec, make_one = rng.choice(PACKERS)
    head = record(b"", "http://bomb.example/", length=size)[:-4]
    stored = make_one(head) + zeros(codec, size) + make_one(b"\r\n\r\n")
    if rng.random() < 0.5:
        stored = zeros(codec, size)
    before = [p for p in pieces if p.counts is not None]
    data = b"".join(make_one(p.raw) for p in before) + stored + b"".join(make_one(p.raw) for p in before)
    return Case(f"bomb {codec}", data, "warc", codec, split_alike=False)


@cache
def zeros(codec: str, size: int) -> bytes:
    """That many zero bytes, compressed."""
    unit = bytes(1 << 20)
    if codec == "gzip":
        deflater = zlib.compressobj(1, wbits=31)
        return b"".join(deflater.compress(unit) for _ in range(size >> 20)) + deflater.flush()
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    return b"".join(packer.compress(unit) for _ in range(size >> 20)) + packer.flush()
