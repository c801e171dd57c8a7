"""One input of the fuzz run: the bytes of an object, how it is read, and what must come out of it all the same."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from curate.config import ExtractConfig
from curate.lineage import document_id
from curate.plan import Codec, Format

SOURCE = "test"
DEFAULT_CAP = ExtractConfig().max_document_bytes


@dataclass(frozen=True)
class Whole:
    """A record that must come out with this id, and at this place unless what lies before it was moved."""

    id: str
    offset: int | None
    end: int | None


def whole(key: str, payload: bytes, place: tuple[int, int] | None) -> Whole:
    """The record with this key and payload."""
    offset, end = place or (None, None)
    return Whole(document_id(SOURCE, key, payload).hex(), offset, end)


@dataclass(frozen=True)
class Case:
    """An object that some generator made, and what is promised of it."""

    recipe: str
    """Layout and damage, for the counts of a run."""

    data: bytes = field(repr=False)
    format: Format
    codec: Codec | None = None
    wholes: tuple[Whole, ...] = ()
    """Records that come out in this order, whatever stands between them."""

    count: int | None = None
    """Records that count as `in`, where that is known."""

    cut: bool = False
    """Whether the object ends inside a record in a way that can be seen: at least one entry is quarantined."""

    split_alike: bool = True
    """Whether any splitting gives the same rows."""

    may_refuse: bool = False
    """Whether InputError is an answer (footers and columns of Parquet)."""

    cap: int = DEFAULT_CAP
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of InputConfig: fields and extra."""

    def save(self, path: Path) -> None:
        """Write what `load` reads: a line of JSON, then the object's bytes."""
        head = asdict(self) | {"data": None}
        path.write_bytes(json.dumps(head).encode() + b"\n" + self.data)


def load(path: Path) -> Case:
    """A saved case."""
    line, _, data = path.read_bytes().partition(b"\n")
    head = json.loads(line)
    return Case(**head | {"data": data, "wholes": tuple(Whole(**w) for w in head["wholes"])})


def damage(rng: Random, data: bytes) -> tuple[str, bytes, int]:
    """(what was done, the damaged bytes, the first byte that may differ)."""
    if not data:
        return "none", data, 0
    at = rng.randrange(len(data))
    length = min(len(data) - at, rng.choice((1, 2, rng.randint(1, 64), rng.randint(1, len(data)))))
    behind = data[at + length :]
    kind = rng.choice(("cut", "cut", "flip", "flip", "flips", "splice", "repeat", "delete", "insert", "zeros", "tail"))
    if kind == "cut":
        return kind, data[:at], at
    if kind == "flip":
        return kind, data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :], at
    if kind == "flips":
        places = [rng.randrange(len(data)) for _ in range(rng.randint(2, 20))]
        changed = bytearray(data)
        for place in places:
            changed[place] = rng.randrange(256)
        return kind, bytes(changed), min(places)
    if kind == "splice":
        other = rng.randrange(len(data))
        return kind, data[:at] + data[other : other + length] + behind, at
    if kind == "repeat":
        return kind, data[: at + length] + data[at : at + length] * rng.choice((1, 1, 2, 50)) + behind, at + length
    if kind == "delete":
        return kind, data[:at] + behind, at
    if kind == "insert":
        return kind, data[:at] + rng.randbytes(rng.randint(1, 200)) + data[at:], at
    if kind == "zeros":
        return kind, data[:at] + bytes(length) + behind, at
    return kind, data + rng.choice((bytes(512), b"\n", b"garbage", data[:at], rng.randbytes(50))), len(data)
