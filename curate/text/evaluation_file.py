"""Evaluation sets: JSONL (an object a line, a text each field) or text (a text a line), plain or gzip or zstd -> rows.

What a file holds is data and is only read; what is wrong with it is said with its line, never with its text.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import orjson

from filters.evaluation import Row

Format = Literal["jsonl", "text"]

EXPECTED = "expected JSONL (an object a line) or text (a text a line), plain or .gz or .zst"
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
OTHER_SUFFIXES = (".parquet", ".csv", ".tsv", ".zip", ".arrow")
MAX_LINE_BYTES = 16_000_000
"""An item of the longest sets, whole books, has a megabyte."""

MAX_FILE_BYTES = 1_000_000_000
"""Inflated. A set is held in memory as a whole, by each worker."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def format_of(path: Path) -> Format:
    """By the name, and that of a compressed file without its last part. Raises ValueError for what is neither."""
    name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    if name.endswith(OTHER_SUFFIXES):
        raise ValueError(f"{path}: {EXPECTED}; write it as JSONL, such as polars.read_parquet(...).write_ndjson(...)")
    return "jsonl" if name.endswith(JSON_SUFFIXES) else "text"


def read_rows(path: Path, form: Format, fields: Sequence[str] = ()) -> list[Row]:
    """Every text of the file: of JSONL each string of the named top-level fields, of all of them where none is named,
    at any depth. Raises ValueError with the line of what cannot serve, OSError for a file that cannot be read.
    """
    rows: list[Row] = []
    known: dict[str, None] = {}
    for number, line in _lines(path):
        if line.isspace() or not line:
            continue
        if form == "jsonl":
            item = _object(path, number, line)
            known |= dict.fromkeys(item)
            rows += [
                Row(number, name, _composed(text))
                for name in (fields or item)
                if name in item
                for text in _strings(item[name])
            ]
        else:
            rows.append(Row(number, "", _composed(_decoded(path, number, line))))
    if missing := [name for name in fields if name not in known]:
        near = get_close_matches(missing[0], known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{path}: no item has the field {missing[0]!r}{hint} There are: {', '.join(known) or 'none'}")
    if not rows:
        raise ValueError(f"{path}: no text in it; {EXPECTED}")
    return rows


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number from 1 on, line without its LF)."""
    from curate.readers.codecs import Damage, chunks  # Readers need the config, and the config reads evaluation sets.

    pending = bytearray()
    number, size = 1, 0
    with path.open("rb") as stream:
        magic = stream.read(4)
        stream.seek(0)
        codec: Literal["gzip", "zstd"] | None = (
            "gzip" if magic.startswith(_GZIP) else "zstd" if magic == _ZSTD else None
        )
        try:
            for piece in chunks(stream, codec):
                size += len(piece)
                if size > MAX_FILE_BYTES:
                    raise ValueError(f"{path}: line {number}: over {MAX_FILE_BYTES:,} bytes so far; {EXPECTED}")
                *whole, rest = piece.split(b"\n")
                for line in whole:
                    pending += line
                    yield number, _without_mark(path, number, pending)
                    pending.clear()
                    number += 1
                pending += rest
                if len(pending) > MAX_LINE_BYTES:
                    _without_mark(path, number, pending)
        except Damage as damage:
            raise ValueError(f"{path}: line {number}: damaged: {damage.reason}, {damage.detail}") from None
    if pending:
        yield number, _without_mark(path, number, pending)


def _without_mark(path: Path, number: int, line: bytearray) -> bytes:
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"{path}: line {number}: over {MAX_LINE_BYTES:,} bytes; {EXPECTED}")
    return bytes(line).removeprefix(b"\xef\xbb\xbf") if number == 1 else bytes(line)


def _decoded(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: line {number}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        item = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        _decoded(path, number, line)
        raise ValueError(f"{path}: line {number}: no JSON at character {error.pos}; {EXPECTED}") from None
    if not isinstance(item, dict):
        raise ValueError(f"{path}: line {number}: a JSON {type(item).__name__}; expected an object with fields")
    return item


def _strings(value: Any) -> Iterator[str]:
    """Every string in a value; the parser has bounded its depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def _composed(text: str) -> str:
    """As stored texts are: NFC."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
