"""`curate judge ...`: how far a judge's scores can be trusted."""

import typer

from flows.judge_attack import attack

app = typer.Typer(no_args_is_help=True, help="Measure the judge: what it can tell, and what moves it.")


@app.callback()
def judge() -> None:
    """Measure the judge: what it can tell, and what moves it."""


app.command()(attack)
