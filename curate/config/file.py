"""From a YAML file, and what the command line says instead, to a RunConfig whose paths are absolute."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import filters
from curate.config import PACKAGED_LANGUAGE_MODEL, InputConfig, RunConfig, yaml_source
from curate.config.lists import located
from curate.config.measures import FilterConfig, MeasureStep
from curate.config.settings import with_settings
from curate.config.values import enough_for_a_worker, local_path, size, unknown
from curate.credentials import redacted
from curate.errors import ConfigError


def load(path: Path) -> RunConfig:
    """Read and check `path`; relative paths in it are relative to its folder. Raises ConfigError."""
    values, lines = yaml_source.read(path)
    try:
        # As JSON: there strict means that "5" and true are no numbers, and yet a list is a tuple.
        config = RunConfig.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise ConfigError(yaml_source.explain(error, path, lines, RunConfig, values)) from None
    config = _with_lists(rebase(config, path.parent), path, lines, values)
    try:
        return _placed(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _with_lists(
    config: RunConfig, path: Path, lines: Mapping[yaml_source.KeyPath, int], values: Mapping[str, Any]
) -> RunConfig:
    """`config` with the content of every list noted. Raises ConfigError with the line of one that cannot serve."""

    def where(step: int, at: yaml_source.KeyPath) -> str:
        at = ("measure", step, "params", *at)
        return f"{path}:{yaml_source.line_of(at, lines)}: {yaml_source.dotted(at, values)}"

    steps: list[MeasureStep] = []
    for i, step in enumerate(config.measure):
        if isinstance(step, FilterConfig):
            params = located(filters.get(step.filter).measure, step.params, path.parent, partial(where, i))
            steps.append(step.model_copy(update={"params": params}))
        else:
            steps.append(step)
    return config.model_copy(update={"measure": tuple(steps)})


def with_overrides(
    config: RunConfig,
    *,
    settings: Sequence[str] = (),
    inputs: Sequence[str] = (),
    output: Path | None = None,
    work: Path | None = None,
    workers: int | None = None,
    memory: str | None = None,
    no_llm: bool = False,
) -> RunConfig:
    """`config` with what the command line says instead; its relative paths are relative to the current folder.

    `settings` are `KEY=VALUE`, see curate/config/settings.py. Each of `inputs` is `URI` or `NAME=URI`; together they
    replace all inputs. NAME is a source of the config and keeps its format, fields, extra columns and licence. Raises
    ConfigError.
    """
    config = _with_settings(config, settings)
    updates: dict[str, object] = {}
    execution: dict[str, object] = {}
    if inputs:
        updates["inputs"] = _replaced(config.inputs, inputs)
    for name, folder in (("output", output), ("work", work)):
        if folder is not None:
            if ADDRESS.match(str(folder)):
                raise ConfigError(f"--{name} {redacted(str(folder))}: an address; only local folders so far")
            updates[name] = Path(_absolute(folder, Path.cwd()))
    if workers is not None:
        if workers < 1:
            raise ConfigError(f"workers: got {workers}, expected at least 1")
        execution["workers"] = workers
    if memory is not None:
        try:
            execution["memory"] = enough_for_a_worker(size(memory))
        except ValueError as error:
            raise ConfigError(f"--memory: {error}") from None
    updates["execution"] = config.execution.model_copy(update=execution)
    changed = _placed(config.model_copy(update=updates))
    return changed.without_llm() if no_llm else changed


def _with_settings(config: RunConfig, settings: Sequence[str]) -> RunConfig:
    if not settings:
        return config
    changed = with_settings(config.model_dump(mode="json"), settings)
    both = zip(changed.measure, config.measure, strict=True)
    steps = tuple(new.model_copy(update={"params": step.params}) for new, step in both)
    return changed.model_copy(update={"measure": steps})


ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
"""What pathlib leaves of s3://; a folder with such a name is written from the root on."""

NAMED_INPUT = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,99})=(.*)", re.DOTALL)
"""NAME=URI; a path with `=` in its first part is written ./a=b."""


def _replaced(inputs: Sequence[InputConfig], arguments: Sequence[str]) -> tuple[InputConfig, ...]:
    """The inputs that `arguments` name, in the config's order, each with its new URIs."""
    uris: dict[str, list[str]] = {}
    sources = [i.source for i in inputs]
    listed = ", ".join(dict.fromkeys(sources))
    for given in arguments:
        named = NAMED_INPUT.fullmatch(given)
        source, uri = named.groups() if named else (None, given)
        argument = redacted(given)
        if source is None and len(sources) != 1:
            raise ConfigError(
                f"--input {argument}: the config has {len(sources)} inputs; say which: NAME=URI of {listed}"
            )
        if source is not None and source not in sources:
            hint = f"a path with = in it is written ./{argument}"
            raise ConfigError(f"--input {argument}: {unknown('source', source, sources)}; {hint}")
        source = source or sources[0]
        if sources.count(source) > 1:
            raise ConfigError(
                f"--input {argument}: source {source} stands in several inputs; change the YAML file instead"
            )
        try:
            uris.setdefault(source, []).append(_absolute(str(local_path(uri)), Path.cwd()))
        except ValueError as error:
            raise ConfigError(f"--input {argument}: {error}") from None
    return tuple(i.model_copy(update={"uri": tuple(uris[i.source])}) for i in inputs if i.source in uris)


def _placed(config: RunConfig) -> RunConfig:
    """`config`, if its folders can serve together. Raises ConfigError."""
    if config.output == config.work:
        raise ConfigError(f"output and work are both {config.output}; give each its own folder")
    for name, folder in (("output", config.output), ("work", config.work)):
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{name}: {folder} is a file; expected a folder, or nothing there yet")
        for uri in (uri for i in config.inputs for uri in i.uris):
            if folder.is_relative_to(uri):
                raise ConfigError(
                    f"{name}: {folder} lies in the input {uri}: the next run would read what this one wrote"
                )
    language_model = config.extract.language.model
    if language_model != PACKAGED_LANGUAGE_MODEL and not Path(language_model).is_file():
        raise ConfigError(
            f"extract.language.model: {language_model} is not there; expected a fastText model file or "
            f"{PACKAGED_LANGUAGE_MODEL}"
        )
    shingle = config.dedup.minhash.shingle if config.dedup and config.dedup.minhash else None
    tokenizers = {"publish": config.publish.tokenizer, "dedup.minhash.shingle": shingle and shingle.tokenizer}
    for section, tokenizer in tokenizers.items():
        if tokenizer and not tokenizer.exists():
            raise ConfigError(f"{section}.tokenizer: {tokenizer} is not there; expected a tokenizer.json or its folder")
    return config


def _absolute(value: str | Path, folder: Path) -> str:
    return os.path.normpath(folder.absolute() / Path(value).expanduser())


def rebase(config: RunConfig, folder: Path) -> RunConfig:
    """`config` with every relative path made absolute from `folder`."""

    def absolute(value: str | Path) -> str:
        return _absolute(value, folder)

    def local_model(name: str) -> str:
        # The name of a model on a hub has a / too: what is not there is left for the server to find.
        return absolute(name) if "/" in name and (folder / Path(name).expanduser()).exists() else name

    def prompt(name: str) -> str:
        return absolute(name) if "/" in name or name.endswith(".md") else name

    language = config.extract.language
    if language.model != PACKAGED_LANGUAGE_MODEL:
        language = language.model_copy(update={"model": absolute(language.model)})
    updates: dict[str, object] = {
        "output": Path(absolute(config.output)),
        "work": Path(absolute(config.work)),
        "inputs": tuple(i.model_copy(update={"uri": tuple(absolute(u) for u in i.uris)}) for i in config.inputs),
        "extract": config.extract.model_copy(update={"language": language}),
    }
    if config.llm:
        cache = config.llm.cache and Path(absolute(config.llm.cache))
        updates["llm"] = config.llm.model_copy(update={"model": local_model(config.llm.model), "cache": cache})
    if config.judge:
        files = {name: getattr(config.judge, name) for name in ("evaluation", "gold")}
        updates["judge"] = config.judge.model_copy(update={
            "rubric": prompt(config.judge.rubric),
            "further": {name: prompt(rubric) for name, rubric in config.judge.further.items()},
            **{name: path and Path(absolute(path)) for name, path in files.items()},
        })  # fmt: skip
    if config.synthesize:
        updates["synthesize"] = config.synthesize.model_copy(update={"prompt": prompt(config.synthesize.prompt)})
    if config.publish.tokenizer:
        updates["publish"] = config.publish.model_copy(update={"tokenizer": Path(absolute(config.publish.tokenizer))})
    if config.dedup and (near := config.dedup.minhash):
        place = config.dedup.index and Path(absolute(config.dedup.index))
        if tokenizer := near.shingle.tokenizer:
            shingle = near.shingle.model_copy(update={"tokenizer": Path(absolute(tokenizer))})
            near = near.model_copy(update={"shingle": shingle})
        updates["dedup"] = config.dedup.model_copy(update={"minhash": near, "index": place})
    return config.model_copy(update=updates)
