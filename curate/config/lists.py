"""Lists that filters look texts up in, evaluation sets that they look for, and models that they ask: a config names
files, a run depends on what they hold, and workers read them.

A list has one entry a line, in UTF-8; what follows a `#` at the front of a line or behind a space is a comment. Of the
files a key knows the sha256 alone: a list or a model may be moved or renamed.
"""

import hashlib
import inspect
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BeforeValidator, Field, TypeAdapter

from curate.config.values import Language, LocalUri, Strict, one_or_many
from curate.config.yaml_source import KeyPath
from curate.errors import ConfigError, CurateError, ModelError
from curate.text.classifier import FastTextClassifier
from curate.text.evaluation_file import EXPECTED as EXPECTED_SET
from curate.text.evaluation_file import Format, format_of, read_rows
from curate.text.fasttext_file import describe
from filters.badwords import BadWords
from filters.evaluation import EvaluationSets, Row, Settings
from filters.fasttext import Classifier
from filters.lists import Domains, Subwords, Words

COMMENT = re.compile(r"(?:^|\s)#.*")


class ListFile(Strict):
    """One file of a list, or a model."""

    path: LocalUri
    """*Placement.* Relative to the YAML file."""

    sha256: str = ""
    """Of its bytes, noted when the config is read; in a YAML file there is only the path."""


def _files(value: object) -> object:
    """One path, several, or what was noted of them."""
    several = value if isinstance(value, list | tuple) else [value]
    return tuple({"path": each} if isinstance(each, str) else each for each in several)


Files = Annotated[tuple[Annotated[ListFile, Field(strict=False)], ...], BeforeValidator(_files), Field(min_length=1)]
OneFile = Annotated[Files, Field(max_length=1)]


class EvaluationFile(ListFile):
    """One file of an evaluation set."""

    format: Format = "text"
    """By its name, noted with the sha256: the same bytes are other texts as JSONL than as lines."""


class EvaluationSet(Strict):
    """The files of one evaluation set."""

    files: Annotated[
        tuple[Annotated[EvaluationFile, Field(strict=False)], ...], BeforeValidator(_files), Field(min_length=1)
    ]
    """A path, or a list of them, relative to the YAML file."""

    fields: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    """Of JSONL: what is looked for, such as `[question, answer]`, each on its own; absent: every field with text."""


def _set(value: object) -> object:
    """One path, several, or `files` with `fields`."""
    return {"files": value} if isinstance(value, str | list | tuple) else value


Sets = Mapping[
    Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")],
    Annotated[EvaluationSet, BeforeValidator(_set)],
]

FORMS: Mapping[Any, Any] = {
    Domains: Files,
    Words: Files,
    Subwords: Files,
    Mapping[str, BadWords]: Annotated[Mapping[Language, Files], Field(min_length=1)],
    Classifier: OneFile,
    EvaluationSets: Annotated[Sets, Field(min_length=1)],
}
"""Type of a filter's knob -> what a config says for it. Such a knob has to be there: an empty list never fires."""

EXPECTED = "expected a text file, one entry a line"
EXPECTED_MODEL = (
    "expected a fastText classifier, .bin or .ftz. Put DCLM's there (2.4 GB): "
    "openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train.bin of mlfoundations/fasttext-oh-eli5 on the Hugging Face hub; "
    "or train one: `fasttext supervised -input LABELLED.txt -output MODEL`, in Python fasttext.train_supervised"
)

Where = Callable[[KeyPath], str]
"""Key path within the params -> the file, line and key that a message begins with."""


def list_knobs(function: Callable[..., Any]) -> dict[str, Any]:
    """The knobs of a filter that are lists or models, with their types."""
    knobs = inspect.signature(function, eval_str=True).parameters.values()
    return {knob.name: knob.annotation for knob in knobs if knob.annotation in FORMS}


def located(function: Callable[..., Any], params: Mapping[str, Any], folder: Path, where: Where) -> dict[str, Any]:
    """`params` with the absolute path and the sha256 of every file. Raises ConfigError for one that cannot serve."""
    found = dict(params)
    for name, kind in list_knobs(function).items():
        check = (
            partial(_check_model, label=_label(function, params)) if kind is Classifier else partial(_check, kind=kind)
        )
        if kind is EvaluationSets:
            _check_settings(function, params, where)
            sets = TypeAdapter(FORMS[kind]).validate_python(params[name])
            found[name] = {each: _located_set(chosen, folder, where, (name, each)) for each, chosen in sets.items()}
        elif isinstance(params[name], Mapping):
            by_language = TypeAdapter(FORMS[kind]).validate_python(params[name])
            if len(by_language) < len(params[name]):
                raise ConfigError(f"{where((name,))}: a language stands there twice; give it one list of all its files")
            found[name] = {
                lang: _located(files, check, folder, where, (name, lang)) for lang, files in by_language.items()
            }
        else:
            files = TypeAdapter(FORMS[kind]).validate_python(params[name])
            found[name] = _located(files, check, folder, where, (name,))
    return found


def _label(function: Callable[..., Any], params: Mapping[str, Any]) -> str:
    """The label that is asked of a filter's model, by its knob of this name."""
    return str(_given("label", function, params))


def _check_settings(function: Callable[..., Any], params: Mapping[str, Any], where: Where) -> None:
    """Raise ConfigError where the numbers beside evaluation sets mean nothing."""
    try:
        Settings(*(_given(name, function, params) for name in Settings._fields)).checked()
    except ValueError as error:
        raise ConfigError(f"{where(())}: {error}") from None


def _given(name: str, function: Callable[..., Any], params: Mapping[str, Any]) -> Any:
    return params.get(name, inspect.signature(function).parameters[name].default)


def _located(
    files: Sequence[ListFile], check: Callable[[Path], str], folder: Path, where: Where, at: KeyPath
) -> tuple[ListFile, ...]:
    found = []
    for number, file in enumerate(files):
        here = where((*at, number)) if len(files) > 1 else where(at)
        path = Path(os.path.normpath(folder.absolute() / Path(file.path).expanduser()))
        try:
            found.append(ListFile(path=str(path), sha256=check(path)))
        except (ValueError, ModelError) as error:
            raise ConfigError(f"{here}: {error}") from None
    return tuple(found)


def _located_set(chosen: EvaluationSet, folder: Path, where: Where, at: KeyPath) -> EvaluationSet:
    files = []
    for file in _located(chosen.files, partial(_check_set, fields=chosen.fields), folder, where, at):
        files.append(EvaluationFile(path=file.path, sha256=file.sha256, format=format_of(Path(file.path))))
    return EvaluationSet(files=tuple(files), fields=chosen.fields)


def _check_set(path: Path, fields: Sequence[str]) -> str:
    """The sha256 of a file of an evaluation set, which is read. Raises ValueError for one that cannot serve."""
    try:
        read_rows(path, format_of(path), fields)
        return _sha256(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); {EXPECTED_SET}") from None


def _check(path: Path, kind: Any) -> str:
    """The sha256 of a list's file. Raises ValueError for one that cannot serve."""
    try:
        data = path.read_bytes()
        if not entries(data, kind):
            raise ValueError("no entry; a rule without one never fires")
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); {EXPECTED}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return hashlib.sha256(data).hexdigest()


def _check_model(path: Path, label: str) -> str:
    """The sha256 of a classifier that knows `label`; it is not loaded. Raises ValueError or ModelError."""
    try:
        labels = describe(path).labels
        if label not in labels:
            shown = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
            raise ValueError(f"{path}: no label {label!r}; it has {shown}: give one of them as params: {{label: ...}}")
        return _sha256(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); {EXPECTED_MODEL}") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    if isinstance(value, EvaluationSet):
        files = sorted({f"{file.format} sha256:{file.sha256}" for file in value.files})
        return {"files": files, "fields": sorted(set(value.fields))}
    return {key: _hashes(each) for key, each in value.items()} if isinstance(value, Mapping) else value


def knobs(function: Callable[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` with the content of every list, as the filter takes them. Raises CurateError where one has changed."""
    kinds = list_knobs(function)
    return {name: _content(kinds[name], value) if name in kinds else value for name, value in params.items()}


def _content(kind: Any, value: Any) -> Any:
    if kind is EvaluationSets:
        return _read_sets(tuple((name, each) for name, each in value.items()))
    if isinstance(value, Mapping):
        return {lang: _content(_of_one(kind), files) for lang, files in value.items()}
    return _read(kind, tuple((file.path, file.sha256) for file in value))


@lru_cache(maxsize=64)
def _read(kind: Any, files: tuple[tuple[str, str], ...]) -> Any:
    """Once a worker."""
    found: list[str] = []
    for path, sha256 in files:
        try:
            if kind is Classifier:
                _expect(path, _sha256(Path(path)), sha256)
                return FastTextClassifier(Path(path))
            data = Path(path).read_bytes()
        except OSError as error:
            raise CurateError(f"{path}: cannot be read ({error.strerror}); put the file back and run again") from None
        _expect(path, hashlib.sha256(data).hexdigest(), sha256)
        found += entries(data, kind)
    return kind.of(found)


@lru_cache(maxsize=4)
def _read_sets(sets: tuple[tuple[str, EvaluationSet], ...]) -> EvaluationSets:
    """Once a worker."""
    for file in (file for _, each in sets for file in each.files):
        try:
            _expect(file.path, _sha256(Path(file.path)), file.sha256)
        except OSError as error:
            raise CurateError(f"{file.path}: cannot be read ({error.strerror}); put it back and run again") from None
    return packed(sets)


def packed(sets: Iterable[tuple[str, EvaluationSet]]) -> EvaluationSets:
    """The texts of the sets by their names. Raises ValueError or OSError as `read_rows` does."""
    return EvaluationSets.of({name: _rows(each) for name, each in sets})


def _rows(chosen: EvaluationSet) -> list[Row]:
    """Of all files of a set; the lines of a later one are numbered after those of the one before."""
    rows: list[Row] = []
    for file in chosen.files:
        before = rows[-1].item if rows else 0
        found = read_rows(Path(file.path), file.format, chosen.fields)
        rows += [row._replace(item=row.item + before) for row in found] if before else found
    return rows


def _expect(path: str, found: str, expected: str) -> None:
    if found != expected:
        raise CurateError(
            f"{path}: another content than when the run began; leave lists and models alone while it runs"
        )
