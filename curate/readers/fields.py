"""One row of JSONL or Parquet -> a document, by the config's field mapping."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curate.config import InputConfig
from curate.readers.record import DATES, Extra, Item, Quarantined, Record, Rejected, seconds

_INT64 = range(-(1 << 63), 1 << 63)


class WrongType(Exception):
    """A mapped or extra field does not hold what it must; `args` are the reason's last word and the detail."""


def document(row: Mapping[str, Any], source: InputConfig, prefix: str, offset: int, end: int) -> Item:
    """The document in `row`: rejected without text, quarantined where a field has the wrong type or is too large.
    `prefix` begins the reasons: jsonl or parquet."""
    fields = source.fields
    try:
        text, payload = _payload(row, fields.text)
        url = _text(row, fields.url)
        record_key = url or _key(row, fields.id)
        date = _date(row, fields.date)
        license_, lang = _text(row, fields.license), _text(row, fields.lang)
        extra = _extra(row, source.extra)
    except WrongType as wrong:
        reason, detail = wrong.args
        return Quarantined(f"{prefix}.{reason}", detail, offset, end)
    if payload is None or not text or text.isspace():
        return Rejected("extract.no_text", url, record_key, payload, date, offset, end)
    return Record(
        payload, url, record_key, date, license_, lang, "text", "utf-8", None, extra, offset, end,
    )  # fmt: skip


def _payload(row: Mapping[str, Any], name: str) -> tuple[str, bytes | None]:
    """The text, and its UTF-8: the bytes that Parquet gave, or those of the JSON string."""
    text, value = _text(row, name), row.get(name)
    if text is None:
        return "", None
    return text, value if isinstance(value, bytes) else text.encode()


def _text(row: Mapping[str, Any], name: str | None) -> str | None:
    value = None if name is None else row.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):  # Arrow does not check that its strings are UTF-8.
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise WrongType("invalid_utf8", f"field {name!r}, byte {error.start}") from error
    if isinstance(value, TooLarge):
        raise WrongType("too_large", f"field {name!r}: {value.bytes} bytes; extract.max_document_bytes is {value.cap}")
    raise WrongType("field_type", f"field {name!r}: got {type(value).__name__}, expected a string")


def _key(row: Mapping[str, Any], name: str | None) -> str:
    value = None if name is None else row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(row, name) or ""


def _date(row: Mapping[str, Any], name: str | None) -> int | None:
    """Seconds since 1970, of an ISO 8601 text or a time of Parquet's; null for anything else: no document is lost for
    its date, and a number might be seconds, milliseconds, days or a year."""
    value = None if name is None else row.get(name)
    if isinstance(value, Seconds):
        return value.value if value.value in DATES else None
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return seconds(value) if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Seconds:
    """A time that is already in seconds since 1970."""

    value: int


@dataclass(frozen=True, slots=True)
class TooLarge:
    """What stands for a string of more than extract.max_document_bytes."""

    bytes: int
    cap: int


def _extra(row: Mapping[str, Any], declared: Mapping[str, str]) -> Extra:
    return {name: _checked(name, row.get(name), kind) for name, kind in declared.items()}


def _checked(name: str, value: Any, kind: str) -> str | int | float | bool | None:
    if value is None:
        return None
    if kind == "string":
        return _text({name: value}, name)
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "int64" and isinstance(value, int) and not isinstance(value, bool) and value in _INT64:
        return value
    if kind == "float64" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise WrongType("extra_type", f"extra field {name!r}: got {type(value).__name__}, expected {kind}")
