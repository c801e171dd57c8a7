"""`curate judge eval` and `compare`: a judge beside labelled texts."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.failures import printable

Rubrics = Annotated[
    list[str] | None,
    typer.Option("--rubric", metavar="NAME|FILE", help="Instead of the config's; else educational. May be repeated."),
]
GoldSet = Annotated[
    Path | None,
    typer.Option("--gold", metavar="FILE", help="JSONL of labelled texts, plain or .zst; else ours."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, nothing else.")]


def evaluate(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file of a run, for its model and rubrics; else the packaged model.")
    ] = None,
    *,
    rubric: Rubrics = None,
    gold: GoldSet = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the evaluations there, for judge.evaluation.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask rubrics about labelled texts: agreement with the labels, its intervals, cost in tokens, calibration.

    A run whose judge.evaluation names the saved file, and that asks the same of the same model, is called calibrated.
    """
    from curate.judging import evaluation
    from flows import judge_table

    found = _evaluations(config, rubric or [], gold)
    if save:
        evaluation.save(found, save)
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in found]))
    else:
        typer.echo(printable("\n\n".join(judge_table.one(each) for each in found)))


def compare(
    configs: Annotated[
        list[Path] | None, typer.Argument(metavar="CONFIG...", help="YAML files of runs; else the packaged model.")
    ] = None,
    *,
    rubric: Rubrics = None,
    gold: GoldSet = None,
    as_json: Json = False,
) -> None:
    """Rank prompts and models by their AUC on the part of the gold set that is for choosing, with the held-out beside.

    Take one for what it does on `choose`; what it does on `held_out` is what to expect of it then.
    """
    from flows import judge_table

    found = [each for config in configs or [None] for each in _evaluations(config, rubric or [], gold)]
    ranked = judge_table.ranked(found)
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in ranked]))
    else:
        typer.echo(printable(judge_table.side_by_side(ranked)))


def _evaluations(path: Path | None, names: Sequence[str], gold: Path | None) -> list[Any]:
    """An evaluation of each rubric. Raises ConfigError, JudgeError or ModelError."""
    from curate.config import JudgeConfig, LlmConfig
    from curate.config.file import load
    from curate.errors import ConfigError
    from curate.judging import gold as gold_set
    from curate.judging.evaluate import evaluate as asked
    from curate.judging.judge import rubrics
    from curate.llm.packaged import cache_root
    from curate.llm.prompts import load as rubric_of
    from curate.llm.session import Llm

    config = load(path) if path else None
    section, llm_config = JudgeConfig(), LlmConfig()
    cache = cache_root() / "responses"
    if config:
        if config.llm is None:
            raise ConfigError(f"{path}: no section `llm`, so no model to measure; `llm: {{}}` is the packaged one")
        section, llm_config = config.judge or section, config.llm
        cache = config.llm.cache or config.work / "responses"
    chosen = {name: rubric_of(name, "judge", section.variables) for name in names} or rubrics(section)
    texts = gold_set.load(gold or section.gold)
    with contextlib.closing(Llm(llm_config, cache)) as llm:
        return [asked(each, texts, llm, section) for each in chosen.values()]
