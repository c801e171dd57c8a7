"""`curate judge ...`: what judging would cost."""

import contextlib
import json
from pathlib import Path
from typing import Annotated

import typer

from flows.failures import printable

app = typer.Typer(no_args_is_help=True, help="Plan what a judge asks and costs.")


@app.callback()
def judge() -> None:
    """Plan what a judge asks and costs."""


@app.command()
def plan(
    config: Annotated[Path, typer.Argument(help="YAML file of the run.")],
    *,
    sample: Annotated[int, typer.Option(min=2, max=100_000, metavar="N", help="Documents drawn.")] = 1000,
    rate: Annotated[
        float | None, typer.Option(min=0.001, metavar="TOKENS/S", help="Of one replica, for the time it takes.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Ask 20 questions to find the rate; they cost, and are kept in the cache.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout, nothing else.")] = False,
) -> None:
    """Estimate documents, questions, tokens, money and time from a sample of the inputs, before anything is spent.

    Nothing is asked without --measure. The estimate is kept in the work folder; the run's report shows it by the bill.
    """
    from curate import judge_plan
    from curate.check import check_models
    from curate.config.file import load
    from curate.errors import ConfigError
    from curate.llm.session import Llm
    from curate.sample import measured_sample
    from flows.judge_plan import table

    loaded = load(config)
    if rate is not None and measure:
        raise typer.BadParameter("--rate and --measure exclude each other")
    if loaded.judge is None or loaded.llm is None:
        raise ConfigError(f"{config}: no `judge` section: there is nothing to plan; add one, `judge: {{}}` is enough")
    check_models(loaded)
    drawn = measured_sample(loaded, sample)
    with contextlib.closing(Llm(loaded.llm, loaded.llm.cache or loaded.work / "responses")) as llm:
        if measure:
            rate = judge_plan.measured_rate(loaded, drawn, llm)
        found = judge_plan.plan(loaded, drawn, llm, rate)
    judge_plan.save(found, loaded)
    typer.echo(json.dumps(found.to_json()) if as_json else printable(table(found, loaded.name)))
