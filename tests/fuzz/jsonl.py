"""JSONL objects: good rows, and lines that are wrong in every way a line can be."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, Literal

import zstandard

from tests.fuzz.case import DEFAULT_CAP, Case, damage, whole
from tests.fuzz.layouts import Laid, lay
from tests.fuzz.warc import HOSTILE_URLS, PACKERS, words, zeros

SAMPLE = Path(__file__).parents[1] / "data/sample/jsonl/docs.jsonl.zst"
FIELDS = {"text": "text", "url": "link", "id": "key", "date": "when", "license": "rights", "lang": "lang"}
EXTRA = {"n": "int64", "f": "float64", "b": "bool", "s": "string"}
SETTINGS: Mapping[str, Any] = {"fields": FIELDS, "extra": EXTRA}

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**53 + 1, 2**63 - 1, 2**63, 10**400, 1e308, "", " \u3000", "\0", "a\u2028b\x85c",
    [], {}, [[]], {"a": {"b": [1]}}, "\ufeff", "en", "deu_Latn", "2026-01-02T03:04:05Z", "\x1b[31m", "x" * 20_000,
)  # fmt: skip
RAW_VALUES = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"01", b".5", b"'x'", b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"',
    b'"\xff"', b'"\xed\xa0\x80"', b'"\xf5\x80\x80\x80"', b'"\xc0\x80"', b'"\t"', b'"\\x"', b"[" * 100_000,
    b"[" * 2_000 + b"]" * 2_000, b'{"a":' * 1_500 + b"1" + b"}" * 1_500, b"1" * 10_000, b"-", b"tru", b'"', b"",
    b"[" + b"{}," * 5_000 + b"{}]", b'"' + b"\\u00e9" * 3_000 + b'"', b'"\xe2\x80\xa8"', b'"\\ud83d\\ude00"', b"0x1",
)  # fmt: skip
LINES = (
    b"", b" ", b"\r", b"\t \r", b"\0", b"\xef\xbb\xbf", b"text", b"null", b"[]", b"1", b'"text"', b"{", b"}", b"{}",
    b"//", b'{"text": "x"} {"text": "y"}', b'{"text": "x"},', b"\x1f\x8b\x08", b"WARC/1.0", b'{"text"}',
    b'{"text": "x"\0}',    b"\xff\xfe{\0}\0", b"PAR1", b'\xef\xbb\xbf{"text": "after a mark"}',
)  # fmt: skip


def good(rng: Random, number: int) -> tuple[bytes, str, str]:
    """(line, key, text) of a row that must come out."""
    text = f"{number} {words(rng, 0, 60)}"
    row: dict[str, Any] = {"text": text}
    if rng.random() < 0.5:
        row |= {"link": f"http://j.example/{number}", "when": "2026-01-02", "n": number, "other": [1, {"a": None}]}
    if rng.random() < 0.05:
        row["link"] = rng.choice(HOSTILE_URLS) or "x"
    end = rng.choice(("\n", "\n", "\n", "\r\n"))
    line = json.dumps(row, ensure_ascii=rng.random() < 0.5).encode() + end.encode()
    return line, row.get("link", ""), text


def odd(rng: Random) -> bytes:
    """A line that costs itself at most."""
    kind = rng.choice(("line", "value", "raw", "raw", "repeated", "long", "cut", "sample"))
    name = rng.choice((*FIELDS.values(), *EXTRA, "other"))
    if kind == "line":
        return rng.choice(LINES) + b"\n"
    if kind == "value":
        return json.dumps({"text": "odd", name: rng.choice(VALUES)}).encode() + b"\n"
    if kind == "raw":
        return b'{"text": "odd", "%s": %s}\n' % (name.encode(), rng.choice(RAW_VALUES))
    if kind == "repeated":
        return b'{"text": 1, "text": "a", "text": %s, "\\u0074ext": %s}\n' % tuple(rng.choices(RAW_VALUES, k=2))
    if kind == "long":
        return json.dumps({name: rng.choice(("x", "\u0301", "日", "\0", " ", "\n", '"')) * 500_000}).encode() + b"\n"
    if kind == "sample":
        return rng.choice(sample()) + b"\n"
    line = good(rng, 0)[0]
    return line[: rng.randrange(len(line))].replace(b"\n", b"") + b"\n"


@cache
def sample() -> list[bytes]:
    """Lines of the shipped sample."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(SAMPLE.read_bytes()).splitlines()


def make(rng: Random) -> Case:
    """One object."""
    if rng.random() < 0.01:
        return _bomb(rng)
    pieces: list[bytes] = []
    expected: dict[int, tuple[str, str]] = {}
    has_odd = False
    for number in range(rng.randint(1, 12)):
        if rng.random() < 0.3:
            pieces.append(odd(rng))
            has_odd = True
        else:
            line, key, text = good(rng, number)
            expected[len(pieces)] = (key, text)
            pieces.append(line)
    if rng.random() < 0.3:
        pieces[-1] = pieces[-1].removesuffix(b"\n") or b" "
    laid = lay(rng, pieces)
    if laid.codec:  # Lines have no place of their own in members: they are found by their decompressed bytes.
        laid = replace(laid, ends=tuple(accumulate(map(len, pieces))), is_stored=False)
    wholes = tuple(whole(key, text.encode(), laid.place(i)) for i, (key, text) in expected.items())
    case = Case(
        f"{laid.name}, {'odd' if has_odd else 'good'}", laid.data, "jsonl", laid.codec, wholes, settings=SETTINGS,
        count=None if has_odd else len(pieces), cap=rng.choice((*([DEFAULT_CAP] * 9), 300)),
    )  # fmt: skip
    if case.cap < DEFAULT_CAP:
        case = replace(case, recipe=f"{case.recipe}, small cap", wholes=())
    if rng.random() < 0.3:
        return case
    return _damaged(rng, case, laid, [i in expected and pieces[i] for i in range(len(pieces))])


def _damaged(rng: Random, case: Case, laid: Laid, good: list[bytes | Literal[False]]) -> Case:
    """The object with some of its stored bytes wrong; `good`: its lines, False for odd ones."""
    kind, data, first = damage(rng, case.data)
    known = laid.known(first)
    wholes = tuple(w for w in case.wholes if w.end is not None and w.end <= known)
    if wholes and wholes[-1].end == laid.ends[-1] and not (good[-1] or b"").endswith(b"\n"):
        wholes = wholes[:-1]  # What is added to a line without a line end belongs to it.
    begun = laid.begun(first) if kind == "cut" else (0, b"")
    shows = begun is None
    if begun and (rest := begun[1].strip()):  # Of an odd line, what is left may be a good one.
        line = good[begun[0]]
        shows = line is not False and rest != line.strip()
    return replace(case, recipe=f"{case.recipe}, {kind}", data=data, wholes=wholes, count=None, cut=shows)


def _bomb(rng: Random) -> Case:
    """Good lines, one of a hundred megabytes or more, and good lines again; or a long value in line after line."""
    codec, pack = rng.choice(PACKERS)
    if rng.random() < 0.3:
        name = rng.choice((*FIELDS.values(), *EXTRA, "other"))
        line = json.dumps({"text": "x", name: "y" * 4_000_000}).encode() + b"\n"
        return Case(f"long {name}", pack(line * 30), "jsonl", codec, settings=SETTINGS, count=30)
    lines = [good(rng, number)[0] for number in range(3)]
    some = pack(b"".join(lines))
    data = some + zeros(codec, rng.choice((100, 300)) << 20) + pack(b"\n") + some
    return Case(f"bomb {codec}", data, "jsonl", codec, settings=SETTINGS, count=7)
