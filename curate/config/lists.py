"""Lists that filters look texts up in: a config names files, a run depends on what they hold, and workers read them.

A file has one entry a line, in UTF-8; what follows a `#` at the front of a line or behind a space is a comment. Of the
files a key knows the sha256 alone: a list may be moved or renamed.
"""

import hashlib
import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BeforeValidator, Field, TypeAdapter

from curate.config.values import Language, LocalUri, Strict
from curate.config.yaml_source import KeyPath
from curate.errors import ConfigError, CurateError
from filters.badwords import BadWords
from filters.lists import Domains, Subwords, Words

COMMENT = re.compile(r"(?:^|\s)#.*")


class ListFile(Strict):
    """One file of a list."""

    path: LocalUri
    """*Placement.* Relative to the YAML file."""

    sha256: str = ""
    """Of its bytes, noted when the config is read; in a YAML file there is only the path."""


def _files(value: object) -> object:
    """One path, several, or what was noted of them."""
    several = value if isinstance(value, list | tuple) else [value]
    return tuple(ListFile(path=each) if isinstance(each, str) else each for each in several)


Files = Annotated[tuple[Annotated[ListFile, Field(strict=False)], ...], BeforeValidator(_files), Field(min_length=1)]

FORMS: Mapping[Any, Any] = {
    Domains: Files,
    Words: Files,
    Subwords: Files,
    Mapping[str, BadWords]: Annotated[Mapping[Language, Files], Field(min_length=1)],
}
"""Type of a filter's knob -> what a config says for it. Such a knob has to be there: an empty list never fires."""

Where = Callable[[KeyPath], str]
"""Key path within the params -> the file, line and key that a message begins with."""


def list_knobs(function: Callable[..., Any]) -> dict[str, Any]:
    """The knobs of a filter that are lists, with their types."""
    knobs = inspect.signature(function, eval_str=True).parameters.values()
    return {knob.name: knob.annotation for knob in knobs if knob.annotation in FORMS}


def located(function: Callable[..., Any], params: Mapping[str, Any], folder: Path, where: Where) -> dict[str, Any]:
    """`params` with the absolute path and the sha256 of every file. Raises ConfigError for a list that cannot serve."""
    found = dict(params)
    for name, kind in list_knobs(function).items():
        if isinstance(params[name], Mapping):
            by_language = TypeAdapter(FORMS[kind]).validate_python(params[name])
            if len(by_language) < len(params[name]):
                raise ConfigError(f"{where((name,))}: a language stands there twice; give it one list of all its files")
            found[name] = {
                lang: _located(files, kind, folder, where, (name, lang)) for lang, files in by_language.items()
            }
        else:
            found[name] = _located(TypeAdapter(Files).validate_python(params[name]), kind, folder, where, (name,))
    return found


def _located(files: Sequence[ListFile], kind: Any, folder: Path, where: Where, at: KeyPath) -> tuple[ListFile, ...]:
    found = []
    for number, file in enumerate(files):
        here = where((*at, number)) if len(files) > 1 else where(at)
        path = os.path.normpath(folder.absolute() / Path(file.path).expanduser())
        try:
            data = Path(path).read_bytes()
            if not entries(data, kind):
                raise ValueError("no entry; a rule without one never fires")
        except OSError as error:
            expected = "expected a text file, one entry a line"
            raise ConfigError(f"{here}: {path} cannot be read ({error.strerror}); {expected}") from None
        except ValueError as error:
            raise ConfigError(f"{here}: {path}: {error}") from None
        found.append(ListFile(path=path, sha256=hashlib.sha256(data).hexdigest()))
    return tuple(found)


def entries(data: bytes, kind: Any) -> list[str]:
    """The entries of one file as the list looks them up. Raises ValueError with the line of one that is none."""
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}; save it as UTF-8") from None
    found, of_one = [], _of_one(kind)
    for number, line in enumerate(lines, 1):
        if entry := COMMENT.sub("", line).strip():
            if (normal := of_one.normal(entry)) is None:
                raise ValueError(f"line {number}: never found; expected an entry such as {of_one.example}")
            found.append(normal)
    return found


def _of_one(kind: Any) -> Any:
    """The type of one list, where a knob has one a language."""
    return get_args(kind)[1] if get_origin(kind) is Mapping else kind


def without_places(params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` with the sha256 of each list, in an order that does not depend on the names: for keys and the card."""
    return {name: _hashes(value) for name, value in params.items()}


def _hashes(value: Any) -> Any:
    if isinstance(value, tuple) and all(isinstance(each, ListFile) for each in value):
        return sorted({f"sha256:{file.sha256}" for file in value})
    return {key: _hashes(each) for key, each in value.items()} if isinstance(value, Mapping) else value


def knobs(function: Callable[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` with the content of every list, as the filter takes them. Raises CurateError where one has changed."""
    kinds = list_knobs(function)
    return {name: _content(kinds[name], value) if name in kinds else value for name, value in params.items()}


def _content(kind: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {lang: _content(_of_one(kind), files) for lang, files in value.items()}
    return _read(kind, tuple((file.path, file.sha256) for file in value))


@lru_cache(maxsize=64)
def _read(kind: Any, files: tuple[tuple[str, str], ...]) -> Any:
    """Once a worker."""
    found: list[str] = []
    for path, sha256 in files:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise CurateError(f"{path}: cannot be read ({error.strerror}); put the list back and run again") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise CurateError(f"{path}: another content than when the run began; leave lists alone while it runs")
        found += entries(data, kind)
    return kind.of(found)
