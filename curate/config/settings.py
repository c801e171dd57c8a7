"""`KEY=VALUE` settings, as `--set` takes them: they change bounds, and sections that only decide what is kept.

gopher.word_count.min=60                    every entry of `measure` with this filter
by_language.de.gopher.word_count.min=40     one side of a language's row; a language without a row gets one
by_language.uk.like=ru                      languages=[en, de]                  judge.keep.min=2
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from curate.config import yaml_source
from curate.config.run import RunConfig
from curate.config.values import unknown
from curate.credentials import redacted
from curate.errors import ConfigError
from curate.text.language_codes import normalise_code

ROW_AND_FILTER = 3
"""Parts of the path of a filter in a language's row."""

BOUNDS = ("min", "max", "keep_fraction")
SETTABLE = (
    "languages",
    "judge.keep",
    "by_language",
    "dedup.prefer",
    "dedup.source_priority",
    "dedup.minhash.min_similarity",
)
"""Sections beside the bounds of measures that decide what is kept, and nothing that is computed before."""


def with_settings(dumped: Mapping[str, Any], settings: Sequence[str]) -> RunConfig:
    """A config with the settings, from what `RunConfig.model_dump(mode="json")` gave of it. Raises ConfigError.

    Parameters of filters come back as plain values: files of lists are to be noted again.
    """
    values: dict[str, Any] = json.loads(json.dumps(dumped))
    for setting in settings:
        name, equals, text = setting.partition("=")
        shown = redacted(name)
        if not equals:
            raise ConfigError(f"--set {shown}: expected KEY=VALUE, such as gopher.word_count.min=60")
        try:
            _set(values, name.strip(), yaml_source.value(text))
        except ConfigError as error:
            raise ConfigError(f"--set {shown}: {error}") from None
    try:
        return RunConfig.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise ConfigError(yaml_source.explain(error, Path("--set"), {}, RunConfig, values)) from None
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _set(values: dict[str, Any], name: str, value: Any) -> None:
    """Change one bound or one section in place. Raises ConfigError where `name` is neither."""
    rule, _, end = name.rpartition(".")
    entries = [entry for entry in values["measure"] if entry.get("filter") == rule]
    if end in BOUNDS and entries:
        for entry in entries:
            kept = {k: v for k, v in (entry["keep"] or {}).items() if v is not None} | {end: value}
            entry["keep"] = kept if any(v is not None for v in kept.values()) else None
        return
    _needs_side(values, name, value)
    if not any(name == section or name.startswith(f"{section}.") for section in SETTABLE):
        measured = sorted({entry["filter"] for entry in values["measure"] if "filter" in entry})
        what = unknown("filter", rule, measured) if end in BOUNDS else f"expected FILTER.min, {', '.join(SETTABLE)}"
        raise ConfigError(
            f"no bound of this config; {what}. What changes more than decisions belongs into the file: run that"
        )
    if name.startswith("by_language."):
        _set_at(values, target(name), value, may_begin=True)
    else:
        _set_at(values, name.split("."), value, may_begin=False)


def _needs_side(values: Mapping[str, Any], name: str, value: Any) -> None:
    """Raise ConfigError for a filter without a side; a language's row may give both as a mapping."""
    path = target(name)
    of_language = len(path) == ROW_AND_FILTER and "." in path[2] and not isinstance(value, Mapping)
    if of_language or any(entry.get("filter") == name for entry in values["measure"]):
        wanted = json.dumps(value) if isinstance(value, int | float) else "VALUE"
        raise ConfigError(f"a filter has two bounds; write {name}.min={wanted} or {name}.max={wanted}")


def target(name: str) -> list[str]:
    """What a setting changes: `by_language`, LANGUAGE, FILTER, SIDE as far as they are named, or else FILTER, SIDE."""
    if name.startswith("by_language."):
        return _of_language(name.removeprefix("by_language."))
    rule, _, end = name.rpartition(".")
    return [rule, end] if end in BOUNDS else [name]


def _of_language(name: str) -> list[str]:
    """The path of LANGUAGE, LANGUAGE.like, LANGUAGE.FILTER or LANGUAGE.FILTER.SIDE; a filter has dots itself."""
    code, _, rest = name.partition(".")
    # What is no code stays as it is: the check of the whole config says what is expected.
    path = ["by_language", normalise_code(code) or code]
    rule, dot, end = rest.rpartition(".")
    if dot and end in BOUNDS:
        return [*path, rule, end]
    return [*path, rest] if rest else path


def _set_at(values: dict[str, Any], path: Sequence[str], value: Any, *, may_begin: bool) -> None:
    """`may_begin`: mappings that are not there begin with this value."""
    *sections, last = path
    section: Any = values
    for part in sections:
        if may_begin and section.get(part) is None:
            section[part] = {}
        section = section.get(part)
        if not isinstance(section, dict):
            raise ConfigError(f"there is no section {part!r} to set this in; add it to the file and run that")
    section[last] = value
