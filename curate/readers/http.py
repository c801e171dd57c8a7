"""A crawled page as its server sent it: HTTP status, headers, body; and the signals against use as training data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from curate.readers.codecs import Damage, decode_content, decode_transfer

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
DOCUMENT_TYPES = HTML_TYPES | {"text/plain"}

HEAD_BYTES = 1 << 20
"""Most bytes that the headers of a record or a response may take."""

_CHARSET = re.compile(r"charset\s*+=[\s\"']*+([^\s\"';,]+)", re.IGNORECASE)
_TOKEN = re.compile(r"[a-z0-9.+_-]{1,60}/[a-z0-9.+_-]{1,60}")
_META = re.compile(rb"<meta\s[^>]{0,400}>", re.IGNORECASE)
_META_BYTES = 8_192
"""Signals in the page are looked for in its first bytes, where `head` is."""


@dataclass(frozen=True, slots=True)
class Response:
    """A parsed HTTP response."""

    status: str
    headers: Mapping[str, str]
    body: bytes

    def decoded(self, cap: int) -> bytes:
        """The body after transfer and content decoding. Raises Damage, also for more than `cap` bytes."""
        body = self.body
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            body = decode_transfer(body)
        if encodings := self.headers.get("content-encoding"):
            body = decode_content(body, encodings, cap)
        if len(body) > cap:
            raise Damage("http.too_large", f"{len(body)} bytes; extract.max_document_bytes is {cap}")
        return body


def parse_response(block: bytes) -> Response | None:
    """The HTTP response in a WARC block; None where it does not begin with an HTTP status line. Raises Damage."""
    if not block.startswith(b"HTTP/"):
        return None
    crlf, lf = block.find(b"\r\n\r\n", 0, HEAD_BYTES), block.find(b"\n\n", 0, HEAD_BYTES)
    if crlf >= 0 and (lf < 0 or crlf < lf):
        head, body = block[:crlf], block[crlf + 4 :]
    elif lf >= 0:
        head, body = block[:lf], block[lf + 2 :]
    elif len(block) > HEAD_BYTES:
        raise Damage("http.malformed", f"no end of the headers in {HEAD_BYTES} bytes")
    else:
        head, body = block, b""
    first, _, rest = head.partition(b"\n")
    parts = first.split(None, 2)
    status = parts[1].decode("latin-1") if len(parts) > 1 else ""
    return Response(status if re.fullmatch("[0-9]{3}", status) else "malformed", parse_headers(rest), body)


def parse_headers(head: bytes) -> dict[str, str]:
    """Header fields by lower-case name; of repeated ones the values joined by commas. UTF-8, else Latin-1."""
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    found: dict[str, list[str]] = {}  # What a value is made of: a megabyte may be one value in 300,000 lines.
    name = ""
    for line in text.split("\n"):
        if line[:1] in (" ", "\t") and name:  # obsolete folding
            found[name] += [" ", line.strip()]
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon:
            name = ""
        elif name in found:
            found[name] += [", ", value.strip()]
        else:
            found[name] = [value.strip()]
    return {name: "".join(parts) for name, parts in found.items()}


def media_type(content_type: str | None) -> str:
    """`text/html` of `Text/HTML; charset=x`; `none` where there is no header, `malformed` where it is no media type."""
    if content_type is None or not content_type.strip():
        return "none"
    kind = re.split("[;,]", content_type, maxsplit=1)[0].strip().lower()
    return kind if _TOKEN.fullmatch(kind) else "malformed"


def charset(content_type: str | None) -> str | None:
    """The declared charset, as written."""
    found = _CHARSET.search(content_type or "")
    return found.group(1) if found else None


def opt_out(headers: Mapping[str, str], body: bytes) -> str | None:
    """Signals against use for AI in headers and `meta` tags, sorted and joined by commas; None where none was seen.

    Looked for: `noai` and `noimageai` (X-Robots-Tag, robots), TDMRep's reservation 1, and `train-ai=n` of the IETF
    aipref draft (Content-Usage). They state a preference, not a licence; that none was seen says nothing.
    """
    signals = _robots(headers.get("x-robots-tag", ""))
    if headers.get("tdm-reservation", "").strip() == "1":
        signals.add("tdm-reservation")
    if "train-ai=n" in headers.get("content-usage", "").replace(" ", "").lower():
        signals.add("train-ai=n")
    start = body[:_META_BYTES].lower()
    if b"noai" in start or b"noimageai" in start or b"tdm-reservation" in start:
        for tag in _META.findall(start):
            if b"robots" in tag:
                signals |= _robots(tag.decode("latin-1"))
            if b"tdm-reservation" in tag and re.search(rb"content\s*=\s*[\"']?1\b", tag):
                signals.add("tdm-reservation")
    return ",".join(sorted(signals)) or None


def _robots(value: str) -> set[str]:
    return set(re.findall(r"\b(noai|noimageai)\b", value.lower()))
