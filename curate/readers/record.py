"""What a reader yields: every input record becomes exactly one of these four."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

DATES = range(-62_135_596_800, 253_402_300_800)
"""Seconds since 1970 of the years 1 to 9999: Python has no others."""

Extra = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Record:
    """A document before its text was taken out."""

    payload: bytes
    """WARC: HTTP body after transfer and content decoding. JSONL, Parquet: UTF-8 of the text field."""

    url: str | None
    record_key: str
    """The URL as stored, else the user's id, else empty."""

    date: int | None
    """Seconds since 1970, UTC; None where absent or unreadable."""

    license: str | None
    lang: str | None
    """As the record gives it, unchecked."""

    kind: Literal["html", "text"]
    charset: str | None
    """As declared outside the payload (Content-Type); `utf-8` for JSONL and Parquet."""

    opt_out: str | None
    extra: Extra
    offset: int
    """First byte of the record in the object (Parquet: its row). In a compressed object that is no sequence of one
    gzip member a record, the offset is in the decompressed bytes."""

    end: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that is whole but is not wanted, such as a 404 or an image."""

    reason: str
    url: str | None
    record_key: str
    payload: bytes | None
    """None where there is nothing to hash."""

    date: int | None
    offset: int
    end: int


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record, or a damaged stretch of the object, that could not be read. Never holds text of a document."""

    reason: str
    detail: str
    offset: int
    end: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is no document and never will be, such as a `request` record; counted apart."""

    type: str


Item = Record | Rejected | Quarantined | Skipped


def seconds(text: str) -> int | None:
    """Seconds since 1970 of an ISO 8601 date or time, fractions cut; UTC where no zone is given; None if unreadable."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    found = int(moment.timestamp() // 1)
    return found if found in DATES else None
