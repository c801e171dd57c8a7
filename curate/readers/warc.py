"""WARC objects -> documents. Damage costs the records it touches, never the ones after them.

Two layouts of a compressed WARC are told apart by their first bytes:
- *members*: one gzip member a record, as the standard advises. Splits by stored bytes; offsets are stored bytes.
- *stream*: anything else (one member for all, BGZF blocks, zstd). One split; offsets are in the decompressed bytes.

A record counts as whole when its Content-Length leads exactly to the CRLF CRLF that must follow it. Where it does not,
the record is quarantined and reading goes on at the next gzip member, or at the next `WARC/1.` after an empty line.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO, Literal

from curate.readers.codecs import Damage, chunks
from curate.readers.http import (
    DOCUMENT_TYPES,
    HEAD_BYTES,
    HTML_TYPES,
    Response,
    charset,
    media_type,
    opt_out,
    parse_headers,
    parse_response,
)
from curate.readers.members import AFTER_BLOCK, MARK, Members
from curate.readers.record import Item, Quarantined, Record, Rejected, Skipped, seconds
from curate.readers.window import FileWindow, ForwardWindow, Window

if TYPE_CHECKING:
    from curate.plan import Split

SLACK = 2 << 20
"""What the headers of a record may add to extract.max_document_bytes."""

TYPES = frozenset({"warcinfo", "response", "resource", "request", "metadata", "revisit", "conversion", "continuation"})


@dataclass(frozen=True, slots=True)
class Block:
    """A whole record: its headers, and where its block lies in the window."""

    start: int
    headers: dict[str, str]
    first: int
    last: int
    next: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch that is no whole record."""

    start: int
    reason: str
    detail: str
    next: int


def ranges(
    stream: BinaryIO, size: int, codec: Literal["gzip", "zstd"] | None, split_bytes: int
) -> list[tuple[int, int]]:
    """Where to cut a WARC: members by stored bytes, a plain one where records start, a compressed stream nowhere."""
    if codec:
        if codec != "gzip" or size <= split_bytes or not Members(stream, size).one_per_record():
            return [(0, size)]
        count = -(-size // split_bytes)
        cuts = [size * i // count for i in range(count + 1)]
    else:
        cuts = [0]
        for found in walk(FileWindow(stream, size), 0, size, cap=None):
            if found.start - cuts[-1] >= split_bytes:
                cuts.append(found.start)
        cuts.append(size)
    return list(pairwise(cuts))


def read(stream: BinaryIO, split: "Split", cap: int) -> Iterator[Item]:
    """Every record that starts in the split, and every damaged stretch."""
    if split.codec == "gzip":
        members = Members(stream, split.size)
        if members.one_per_record():
            yield from _read_members(members, split, cap)
            return
    stream.seek(0)
    window: Window
    if split.codec is None:
        window, end = FileWindow(stream, split.size), split.end
    else:
        window, end = ForwardWindow(chunks(stream, split.codec)), None
    at = 0 if split.codec else split.start
    for found in walk(window, at, end, cap):
        at = found.next
        if isinstance(found, Gap):
            yield Quarantined(found.reason, found.detail, found.start, found.next)
            continue
        # Nothing here holds the block while its document is worked on.
        yield document(found, window.get(found.first, found.last - found.first), cap, found.start, found.next)
    if window.damage:  # Found exactly behind a whole record: nothing of the next one was there.
        yield Quarantined(window.damage.reason, window.damage.detail, at, at)


def walk(window: Window, at: int, end: int | None, cap: int | None) -> Iterator[Block | Gap]:
    """Records and gaps, one after the other, that start in [at, end). `cap`: a longer block is a gap."""
    while True:
        at, is_end = _skip_line_ends(window, at)
        if is_end or (end is not None and at >= end):
            return
        window.release(at)
        found = _record_at(window, at, cap)
        if isinstance(found, Gap) and window.damage and found.next == window.end():
            # The codec knows better than we do why the record is cut.
            found = Gap(at, window.damage.reason, window.damage.detail, found.next)
            window.damage = None
        yield found
        at = found.next


def _skip_line_ends(window: Window, at: int) -> tuple[int, bool]:
    """(the first position from `at` on that is no CR or LF, whether the sequence ends there)."""
    while lead := window.get(at, 4096):
        at += len(lead) - len(rest := lead.lstrip(b"\r\n"))
        if rest:
            return at, False
        window.release(at)
    return at, True


def _record_at(window: Window, at: int, cap: int | None) -> Block | Gap:
    head = window.get(at, 4096)
    if not head.startswith(MARK):
        return _gap(window, at, at + 1, "warc.not_a_record", "expected WARC/1.")
    head_end = head.find(AFTER_BLOCK)
    if head_end < 0:
        head = window.get(at, HEAD_BYTES)
        head_end = head.find(AFTER_BLOCK)
        if head_end < 0:
            reason = "warc.malformed_header" if len(head) == HEAD_BYTES else "warc.truncated"
            return _gap(window, at, at + len(MARK), reason, f"no end of the headers in {len(head)} bytes")
    headers = parse_headers(head[:head_end].partition(b"\n")[2])
    first = at + head_end + 4
    length = headers.get("content-length", "")
    if not re.fullmatch("[0-9]{1,15}", length):
        detail = "Content-Length is missing, negative or no number"
        return _gap(window, at, first - 4, "warc.bad_content_length", detail)
    last = first + int(length)
    if cap is not None and last - first > cap + SLACK:
        return _large(window, at, first, last, cap)
    behind = window.get(last, 4)
    if behind == AFTER_BLOCK:
        return Block(at, headers, first, last, last + 4)
    detail = f"no record end after Content-Length {length}"
    return _gap(window, at, first - 4, "warc.bad_content_length", detail, cut=len(behind) < 4)


def _gap(window: Window, start: int, behind: int, reason: str, detail: str, *, cut: bool = False) -> Gap:
    """From `start` to the next record that begins after `behind`. `cut`: if there is none, the object was cut here."""
    mark = window.find(AFTER_BLOCK + MARK, behind)
    if mark is not None:
        return Gap(start, reason, detail, mark + 4)
    return Gap(start, "warc.truncated" if cut else reason, detail, window.end())


def _large(window: Window, start: int, first: int, last: int, cap: int) -> Gap:
    """A record whose block is over the cap: large, or with a wrong Content-Length. It is never held in memory.

    In a decompressed stream, which cannot be read twice, a record that begins inside the block proves the length wrong.
    """
    detail = f"a block of {last - first} bytes; extract.max_document_bytes is {cap}"
    if isinstance(window, FileWindow):
        behind = window.get(last, 4)
        if behind == AFTER_BLOCK:
            return Gap(start, "warc.too_large", detail, last + 4)
        return _gap(window, start, first - 4, "warc.bad_content_length", detail, cut=len(behind) < 4)
    mark = window.find(AFTER_BLOCK + MARK, first - 4)
    after = window.end() if mark is None else mark + 4
    if after == last + 4:
        return Gap(start, "warc.too_large", detail, after)
    return Gap(start, "warc.truncated" if mark is None else "warc.bad_content_length", detail, after)


def _read_members(members: Members, split: "Split", cap: int) -> Iterator[Item]:
    at, stop = members.sync(split.start), split.size
    if split.end < split.size:
        stop = members.sync(split.end)
    while at < stop:
        try:
            content, after = members.inflate(at, cap + SLACK)
        except Damage as damage:
            after = members.next_start(at + 1)
            if after < members.size and damage.reason == "gzip.truncated":
                damage = Damage("gzip.damaged", "a member without an end")
            yield Quarantined(damage.reason, damage.detail, at, after)
        else:
            if content is None:
                yield Quarantined("warc.too_large", f"a gzip member of more than {cap} bytes inflated", at, after)
            else:
                window = ForwardWindow(iter((content,)))
                del content
                yield from _member_records(window, cap, at, after)
        at = after


def _member_records(window: ForwardWindow, cap: int, start: int, end: int) -> Iterator[Item]:
    """The record of one member (seldom more): all have the member's place as theirs."""
    for found in walk(window, 0, None, cap=None):
        if isinstance(found, Gap):
            reason = "warc.bad_content_length" if found.reason == "warc.truncated" else found.reason
            yield Quarantined(reason, found.detail, start, end)
        else:
            yield document(found, window.get(found.first, found.last - found.first), cap, start, end)


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a document before its payload is looked at."""

    url: str
    date: int | None
    start: int
    end: int

    def rejected(self, reason: str, payload: bytes | None) -> Rejected:
        """The document, turned away."""
        return Rejected(reason, self.url or None, self.url, payload, self.date, self.start, self.end)

    def record(self, payload: bytes, kind: str, label: str | None, signals: str | None) -> Record:
        """The document; `kind` is its media type."""
        form: Literal["html", "text"] = "html" if kind in HTML_TYPES else "text"
        return Record(
            payload, self.url or None, self.url, self.date, None, None, form, label, signals, {}, self.start, self.end
        )


def document(record: Block, content: bytes, cap: int, start: int, end: int) -> Item:
    """What one whole record is: a document, one that is not wanted, or none at all."""
    kind = record.headers.get("warc-type", "").lower()
    if kind not in ("response", "conversion"):
        return Skipped(kind if kind in TYPES else "unknown")
    # wget writes <URL>: the brackets are WARC 1.0's, not the URL's.
    url = record.headers.get("warc-target-uri", "")
    url = url[1:-1] if url.startswith("<") and url.endswith(">") else url
    origin = Origin(url, seconds(record.headers.get("warc-date", "")), start, end)
    try:
        return (_conversion if kind == "conversion" else _response)(origin, record.headers, content, cap)
    except Damage as damage:
        return Quarantined(damage.reason, damage.detail, start, end)


def _response(origin: Origin, headers: Mapping[str, str], content: bytes, cap: int) -> Item:
    response = parse_response(content)
    if response is None:
        kind = media_type(headers.get("content-type"))
        if kind == "application/http":
            raise Damage("http.malformed", "no HTTP status line in a response record")
        return origin.rejected(f"extract.content_type={kind}", content)
    content_type = response.headers.get("content-type") or headers.get("warc-identified-payload-type")
    kind = media_type(content_type)
    if response.status != "200":
        return origin.rejected(f"extract.status={response.status}", _if_decodes(response, cap))
    if kind not in DOCUMENT_TYPES:
        return origin.rejected(f"extract.content_type={kind}", _if_decodes(response, cap))
    body = response.decoded(cap)
    return origin.record(body, kind, charset(content_type), opt_out(response.headers, body))


def _if_decodes(response: Response, cap: int) -> bytes | None:
    """The payload of a document that is rejected anyhow; None where it cannot be decoded."""
    try:
        return response.decoded(cap)
    except Damage:
        return None


def _conversion(origin: Origin, headers: Mapping[str, str], content: bytes, cap: int) -> Item:
    if len(content) > cap:
        raise Damage("warc.too_large", f"a block of {len(content)} bytes; extract.max_document_bytes is {cap}")
    kind = media_type(headers.get("content-type"))
    if kind not in DOCUMENT_TYPES:
        return origin.rejected(f"extract.content_type={kind}", content)
    return origin.record(content, kind, charset(headers.get("content-type")) or "utf-8", None)
