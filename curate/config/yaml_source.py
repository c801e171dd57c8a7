"""YAML text -> plain values plus the line of every key; and pydantic's findings as sentences that name those lines."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from curate.credentials import HINT, is_secret_name, quoted, redacted
from curate.errors import ConfigError
from curate.text.language_codes import normalise_code

MAX_BYTES = 200_000
"""A config is a page or two; a larger file is some other file."""

SHOWN_CHARS = 80
"""How much of a wrong value a message quotes."""

KNOWN_TAG = re.compile(r"tag:yaml\.org,2002:(?:python/[a-z/]+|timestamp|binary|set|omap|pairs|merge|value)")
"""Tags that a message may quote; any other may be a password that begins with `!`."""

PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map"))

KEY = "[key]"
"""What pydantic adds to the path of a mapping's key that is wrong."""

UNION_TAG = "\0"
"""In front of the name that tells the kinds of an entry apart, in a key path of pydantic's: no key of YAML has it."""

NAME = re.compile(r"([a-z0-9_]+(?:\.[a-z0-9_]+)+)(@[a-z_]+)?")
"""What a filter or transform can be called; any other text is not repeated in a key path."""

KeyPath = tuple[str | int, ...]


class Findings(ValueError):
    """What a validator found in several places: each with its key path from where the validator stands."""

    def __init__(self, found: Sequence[tuple[KeyPath, str]]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, at))}: {sentence}" for at, sentence in found))
        self.found = tuple(found)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values: `no` is a string (Norwegian), 1e-3 a number, 010 and 2024-01-01 are strings."""


_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false|True|False", [*"tfTF"]),
    ("int", r"[-+]?(0|[1-9][0-9_]*)", [*"-+0123456789"]),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern})$"), _first)


def read(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The values of `path` and the line of each key path. Raises ConfigError with file, line and what was expected."""
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        expected = "expected a YAML file, such as configs/quickstart.yaml"
        raise ConfigError(f"{redacted(str(path))}: {reason}; {expected}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: {len(data):,} bytes; a config has at most {MAX_BYTES:,}. Is this the right file?")
    try:
        values, lines = _parse(data.decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        # Single characters and <kinds of token> are the parser's; a longer quotation is of the file.
        problem = re.sub(r"'(?!<)[^']{2,}'", "'...'", problem)
        raise ConfigError(f"{path}{line}: not valid YAML: {problem}") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: not a config: {error}") from None
    if not isinstance(values, dict):
        got = "nothing" if values is None else f"a {type(values).__name__}"
        raise ConfigError(f"{path}: got {got}, expected a mapping with name, inputs, output, work ...")
    return values, lines


def value(text: str) -> Any:
    """One plain value as a config writes it: `60`, `null`, `[en, de]`. Raises ConfigError."""
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise ConfigError("not a plain value; expected a number, a word, null or a list such as [en, de]") from None


def _parse(text: str, path: Path) -> tuple[Any, dict[KeyPath, int]]:
    if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
        raise ConfigError(f"{path}: YAML aliases (*name) are not allowed; write the value out")
    lines: dict[KeyPath, int] = {}
    _note_lines(yaml.compose(text, Loader=_Loader), (), lines, path)
    return yaml.load(text, Loader=_Loader), lines


def _note_lines(node: yaml.Node | None, at: KeyPath, lines: dict[KeyPath, int], path: Path) -> None:
    if node is not None and node.tag not in PLAIN_TAGS:
        where = f"{path}:{node.start_mark.line + 1}"
        known = KNOWN_TAG.match(node.tag)
        tag = f"the tag {known[0]}" if known else "a tag (a text that begins with ! stands in quotes)"
        raise ConfigError(f"{where}: not a plain value: {tag}; expected text, a number, a list or a mapping")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            where = f"{path}:{key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{where}: a list or mapping as a key; expected a word")
            here = (*at, key.value)
            if here in lines:
                raise ConfigError(f"{where}: {quoted(repr(key.value))} stands twice, first in line {lines[here]}")
            lines[here] = key.start_mark.line + 1
            _note_lines(key, here, lines, path)
            _note_lines(value, here, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            lines[(*at, i)] = value.start_mark.line + 1
            _note_lines(value, (*at, i), lines, path)


def dotted(at: KeyPath, values: Mapping[str, Any]) -> str:
    """A key path as messages show it; behind an entry of `measure`, its name: `measure.0 gopher.word_count keep.min`.

    `values`: the config as it was read, of which nothing is known yet.
    """
    parts = [str(part) for part in at]
    if len(at) < 2 or at[0] != "measure" or not (name := _name_of_step(values.get("measure"), at[1])):
        return quoted(".".join(parts))
    return " ".join(filter(None, [".".join(parts[:2]), name, quoted(".".join(parts[2:]))]))


def _name_of_step(steps: Any, number: str | int) -> str | None:
    if not isinstance(steps, Sequence) or not isinstance(number, int) or number >= len(steps):
        return None
    step = steps[number] if isinstance(steps[number], Mapping) else {}
    names = (NAME.fullmatch(str(step[kind])) for kind in ("filter", "transform") if kind in step)
    return next((quoted(name[1]) + (name[2] or "") for name in names if name), None)


def explain(
    error: ValidationError,
    path: Path,
    lines: Mapping[KeyPath, int],
    model: type[BaseModel],
    values: Mapping[str, Any],
) -> str:
    """One line a finding: file, line, key path, what was got, what is allowed, the near miss."""
    details = error.errors(include_url=False)
    # A list whose items are wrong is also said to be too short: that is no news.
    wrong = {tuple(d["loc"][:n]) for d in details for n in range(len(d["loc"]))}
    told = [d for d in details if d["type"] != "too_short" or tuple(d["loc"]) not in wrong]
    findings = [_finding(each, path, lines, model, values) for detail in told for each in _each_place(detail)]
    return "\n".join(dict.fromkeys(findings))


def _each_place(detail: Any) -> Iterator[Any]:
    """The detail once for each place that it is about."""
    error = detail.get("ctx", {}).get("error")
    if not isinstance(error, Findings):
        yield detail
        return
    for at, sentence in error.found:
        yield {**detail, "loc": (*detail["loc"], *at), "msg": sentence}


def line_of(at: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """The line of a key path, or of the nearest one around it; None where not even its first key is there.

    A language is found under any of its names: the file may say `ru` where the config has `rus_Cyrl`.
    """
    found: KeyPath = ()
    for part in at:
        near = (key for key in lines if len(key) == len(found) + 1 and key[:-1] == found)
        names = (*found, part) if (*found, part) in lines else None
        here = names or next((key for key in near if normalise_code(str(key[-1])) == part), None)
        if here is None:
            break
        found = here
    return lines.get(found)


def _finding(
    detail: Any, path: Path, lines: Mapping[KeyPath, int], model: type[BaseModel], values: Mapping[str, Any]
) -> str:
    at: KeyPath = tuple(part for part in detail["loc"] if not str(part).startswith(UNION_TAG) and part != KEY)
    line = line_of(at, lines)
    where = f"{path}:{line}" if line else str(path)
    allowed = _fields(model, detail["loc"][:-1])
    return f"{where}: {dotted(at, values) or 'the whole file'}: {_sentence(detail, allowed)}"


def _sentence(detail: Any, allowed: list[str]) -> str:
    """What was got, what is allowed, and the near miss."""
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(str(detail["loc"][-1]), allowed, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        hint += f"{HINT}; " if is_secret_name(str(detail["loc"][-1])) else ""
        return f"unknown key; {hint}allowed: {', '.join(allowed)}"
    if detail["type"] == "missing":
        return "required, but not there"
    message = str(detail["msg"]).removeprefix("Value error, ")
    got = detail.get("input")
    if detail["type"] == "value_error" or not isinstance(got, str | int | float | bool):
        return message
    shown = quoted(repr(got))
    return f"{message}, got {shown if len(shown) <= SHOWN_CHARS else shown[:SHOWN_CHARS] + '...'}"


def explain_parameters(error: ValidationError, allowed: list[str]) -> str:
    """The findings about a filter's parameters, in one line."""
    details = error.errors(include_url=False)
    return "; ".join(f"params.{'.'.join(map(str, d['loc']))}: {_sentence(d, allowed)}" for d in details)


def _fields(model: type[BaseModel], at: KeyPath) -> list[str]:
    """Keys that are allowed at a key path of `model`."""
    models, in_mapping = [model], False
    for part in at:
        if isinstance(part, str) and part.startswith(UNION_TAG):
            models = [m for m in models if part.removeprefix(UNION_TAG) in m.model_fields]
        elif part in models[0].model_fields:
            annotation = models[0].model_fields[str(part)].annotation
            models, in_mapping = _models_in(annotation) or models, get_origin(annotation) is Mapping
        elif isinstance(part, str) and not in_mapping and models[0].model_config.get("extra") == "allow":
            models = _models_in(models[0].__annotations__["__pydantic_extra__"])
        else:
            in_mapping = False
    return sorted(models[0].model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The pydantic models inside an annotation such as tuple[InputConfig, ...] or JudgeConfig | None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for arg in get_args(annotation) for found in _models_in(arg)]
