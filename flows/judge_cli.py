"""`curate judge ...`: what a judge costs, what it can tell, and what moves it."""

import typer

from flows.judge_attack import attack
from flows.judge_eval import compare, evaluate
from flows.judge_plan import plan

app = typer.Typer(no_args_is_help=True, help="Plan what a judge costs, measure what it can tell and what moves it.")


@app.callback()
def judge() -> None:
    """Plan what a judge costs, measure what it can tell and what moves it."""


app.command()(plan)
app.command("eval")(evaluate)
app.command()(compare)
app.command()(attack)
