"""`curate judge ...`: how far a judge of quality can be believed."""

import typer

app = typer.Typer(no_args_is_help=True, help="Measure a judge: against labelled texts, beside other prompts and models.")


@app.callback()
def judge() -> None:
    """Measure a judge: against labelled texts, beside other prompts and models."""


@app.command("eval")
def evaluate() -> None:
    """Measure rubrics against a gold set."""
    raise NotImplementedError
