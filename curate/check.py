"""What can be said about a config without running it: its inputs, models and prompts exist and fit. Starts nothing."""

import os
import stat
from pathlib import Path

import numba

from curate.config import RunConfig
from curate.errors import ConfigError
from curate.index import manifest
from curate.inputs import find_inputs
from curate.judging import evaluation
from curate.judging.judge import rubrics
from curate.llm import prompts, session
from curate.plan import check_place, format_of
from curate.text.tokens import load_tokenizer


def check(config: RunConfig) -> dict[str, tuple[int, int]]:
    """Source -> input objects and their stored bytes. Raises ConfigError or ModelError, naming what is not there."""
    found: dict[str, tuple[int, int]] = {}
    for source in config.inputs:
        objects = [o for uri in source.uris for o in find_inputs(uri)]
        if not objects:
            raise ConfigError(f"input {', '.join(source.uris)}: no files there; expected at least one")
        for each in objects:
            check_place(each.uri, config)
            format_of(each.uri, source)
        number, size = found.get(source.source, (0, 0))
        found[source.source] = (number + len(objects), size + sum(o.size for o in objects))
    check_compile_cache(config)
    check_models(config)
    return found


def check_compile_cache(config: RunConfig) -> None:
    """Raise ConfigError unless NUMBA_CACHE_DIR is a folder that only this user can write.

    numba unpickles what it finds there: whoever can write it runs code here. Without that variable its cache lies
    beside the source, or in the user's own cache folder.
    """
    if not numba.config.CACHE_DIR:
        return
    place = Path(numba.config.CACHE_DIR).resolve()
    for name, folder in (("output", config.output), ("work", config.work)):
        if place.is_relative_to(folder.resolve()):
            raise ConfigError(f"NUMBA_CACHE_DIR={place} lies in {name} {folder}, where data is; name another folder")
    for folder in (place, *place.parents):
        if folder.exists() and _open_to_others(folder.stat(), last=folder == place):
            raise ConfigError(
                f"NUMBA_CACHE_DIR={place}: others can write to {folder}, and numba runs what it finds there; "
                "name a folder of your own (chmod go-w), or unset it"
            )


def check_models(config: RunConfig) -> None:
    """Raises ConfigError or ModelError: a model or prompt is not there, or a bound is out of the rubric's reach."""
    if config.publish.tokenizer:
        load_tokenizer(config.publish.tokenizer, "publish.tokenizer")
    near = config.dedup.minhash if config.dedup else None
    if near and near.shingle.tokenizer:
        load_tokenizer(near.shingle.tokenizer, "dedup.minhash.shingle.tokenizer")
    if config.dedup and config.dedup.index and near:
        manifest.read(config.dedup.index).check(near)
    if config.llm:
        identity = session.Llm.identity_of(config.llm)
        if config.judge:
            for each in rubrics(config.judge).values():
                evaluation.standing(config.judge, each, identity)
                evaluation.calibration_of(config.judge, each, identity)
    if config.judge:
        rubric = prompts.load(config.judge.rubric, "judge")
        low, high = min(rubric.choices.values()), max(rubric.choices.values())
        keep = config.judge.keep
        for side, bound in (("min", keep.min), ("max", keep.max)) if keep else ():
            if bound is not None and not low <= bound <= high:
                raise ConfigError(f"judge.keep.{side}: {bound} is outside what {rubric.name} can give: {low}..{high}")
    if config.synthesize:
        prompts.load(config.synthesize.prompt, "synthesis")


def _open_to_others(status: os.stat_result, *, last: bool) -> bool:
    """Whether others can put something in a folder, or (not `last`) replace the one below it that matters."""
    if last:
        return status.st_uid != os.geteuid() or bool(status.st_mode & 0o022)
    return bool(status.st_mode & 0o002 and not status.st_mode & stat.S_ISVTX)
