"""Gold sets: texts whose quality is known, by which a judge is measured. One ships with the package.

A file is JSONL, plain or .zst, a text a line with the fields of GoldText. Where people gave grades by name, its first
line declares what each is worth, as {"labels": {"poor": 0, "fair": 0.5, "good": 1}}, and `label` holds such a name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import zstandard
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curate import lineage
from curate.errors import ConfigError

SHIPPED = Path(__file__).parent / "gold" / "gold.jsonl.zst"
"""What it holds, how it was made and what it cannot show: README.md beside it."""

MAX_BYTES = 256_000_000
"""Of a file as it is unpacked: a gold set is small, and a file that unpacks to more is no gold set."""

Part = Literal["choose", "held_out"]
"""`choose`: prompts are chosen and scores calibrated on it. `held_out`: what came out is measured on it, once."""

PARTS: tuple[Part, ...] = ("choose", "held_out")


class GoldText(BaseModel):
    """A text and its worth."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    id: str = Field(min_length=1)
    text: str = Field(min_length=1, repr=False)
    label: float = Field(ge=0.0, le=1.0)
    """0 (worthless) to 1; from 0.5 on a text counts as good where only good and bad are told apart."""

    lang: str = "und"
    kind: str = "text"
    """What sort of good or bad text; the bad ones are reported by it."""

    group: str = ""
    """Texts of one origin, such as a page and what was made of it: they are in one part, and intervals draw groups, not
    texts. Absent: the text is alone."""

    part: Part = "held_out"

    @property
    def is_good(self) -> bool:
        """Which side of AUC it is on."""
        return self.label >= 0.5


@dataclass(frozen=True)
class Gold:
    """A gold set."""

    texts: Sequence[GoldText]

    @cached_property
    def hash(self) -> str:
        """32 hex digits of its content, in whatever order the lines stand."""
        return content_hash(self.texts)

    def part(self, part: Part) -> list[GoldText]:
        """The texts of one part, in the file's order."""
        return [text for text in self.texts if text.part == part]


def content_hash(texts: Sequence[GoldText]) -> str:
    """32 hex digits of the texts with all their fields, whatever their order."""
    return lineage.key("gold", sorted(lineage.key(text.model_dump(mode="json")) for text in texts))


def load(path: Path | None = None) -> Gold:
    """The set at `path`, or the shipped one. Raises ConfigError with the line of a text that cannot be one."""
    path = path or SHIPPED
    lines = _lines(path)
    worth = _labels(lines, path)
    texts: list[GoldText] = []
    seen: dict[str, int] = {}
    parts: dict[str, Part] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or (worth and number == 1):
            continue
        text = _text(line, worth, f"{path}:{number}")
        if seen.setdefault(text.id, number) != number:
            raise ConfigError(
                f"{path}:{number}: id {text.id!r} stands in line {seen[text.id]} already; give each its own"
            )
        if text.group and parts.setdefault(text.group, text.part) != text.part:
            raise ConfigError(
                f"{path}:{number}: group {text.group!r} is in part {parts[text.group]} above and in {text.part} here; "
                "texts of one origin belong on one side"
            )
        texts.append(text)
    if len({text.is_good for text in texts}) < 2:
        raise ConfigError(f"{path}: {len(texts)} texts, all on one side of label 0.5; expected good and bad ones")
    return Gold(texts)


def _lines(path: Path) -> list[str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"gold set {path}: {error.strerror}; expected JSONL, plain or .zst") from None
    try:
        if path.name.endswith(".zst"):
            with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as stream:
                data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError(f"gold set {path}: more than {MAX_BYTES:,} bytes unpacked")
        return data.decode().split("\n")
    except zstandard.ZstdError as error:
        raise ConfigError(f"gold set {path}: no whole zstd file: {error}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def _labels(lines: Sequence[str], path: Path) -> Mapping[str, float]:
    """Name -> worth as the first line declares it; empty where it declares nothing."""
    first = _parsed(lines[0], f"{path}:1")
    if set(first) != {"labels"}:
        return {}
    worth = first["labels"]
    if not isinstance(worth, dict) or not all(_is_share(value) for value in worth.values()) or len(worth) < 2:
        raise ConfigError(f'{path}:1: expected {{"labels": {{NAME: WORTH, ...}}}} with two worths or more, each 0..1')
    return {name: float(value) for name, value in worth.items()}


def _text(line: str, worth: Mapping[str, float], where: str) -> GoldText:
    values = _parsed(line, where)
    if worth and isinstance(named := values.get("label"), str):
        if named not in worth:
            raise ConfigError(f"{where}: label {named!r} is not declared in line 1; expected one of {', '.join(worth)}")
        values["label"] = worth[named]
    try:
        return GoldText.model_validate(values, strict=True)
    except ValidationError as error:
        [first, *_] = error.errors()
        raise ConfigError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError:
        raise ConfigError(f"{where}: no JSON; expected an object a line") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: {type(values).__name__}; expected an object a line")
    return values


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0
