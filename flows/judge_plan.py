"""`curate judge plan`: what judging would cost."""

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.failures import printable

if TYPE_CHECKING:
    from curate.judge_plan import JudgePlan


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


def table(found: "JudgePlan", name: str) -> str:
    """A line a figure, then a row a rubric."""
    about = "" if found.is_exact else ", a token taken for 4 characters"
    lines = [
        f"{name}, from a sample of {found.sampled:,} documents{about}",
        f"documents          {found.documents:>15,}",
        f"pass the bounds    {found.passing:>15,}   duplicates are not looked for",
        f"judged             {found.judged:>15,}",
        f"requests           {found.requests:>15,}   {found.cached_share:.0%} of all are in the cache",
        f"prompt tokens      {found.prompt_tokens:>15,}   +- {found.prompt_tokens_error:,} (95 %)",
        f"completion tokens  {found.completion_tokens:>15,}   at most",
    ]
    if found.money is not None:
        lines.append(f"money              {found.money:>15,.2f}   by llm.prices")
    if found.seconds is not None:
        by = f"at {found.tokens_per_second:,.0f} tokens/s a replica, {found.replicas} of them"
        lines.append(f"time               {_duration(found.seconds):>15}   {by}")
    else:
        lines.append("time                     unknown   give --rate tokens/s, or --measure to ask 20 questions")
    lines += [f"over llm.budget.{cap}: the run would pause there" for cap in found.over]
    lines += [
        "",
        f"{'score':<20} {'rubric':<20} {'mode':<12} {'requests':>12} {'prompt tokens':>15} {'completion':>12}",
    ]
    lines += [
        f"{score:<20} {q.rubric:<20} {q.mode:<12} {q.requests:>12,} {q.prompt_tokens:>15,} {q.completion_tokens:>12,}"
        for score, q in found.rubrics.items()
    ]
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02} min" if seconds >= 600 else f"{seconds:,.0f} s"
