"""`curate judge attack`: what injections in a text do to its score."""

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.failures import printable

if TYPE_CHECKING:
    from curate.judging.attacks import Attacked, Shift

HEAD = ("kind", "attacks", "pairs", "shift", "max", "control", "net", "95 %", "crossed", "control")


def attack(
    config: Annotated[Path | None, typer.Argument(help="YAML file of a run: its model, judge and cache.")] = None,
    *,
    rubric: Annotated[str | None, typer.Option(help="Name of a shipped rubric or a file; else the config's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout, nothing else.")] = False,
) -> None:
    """Show how far injections in bad texts raise their scores: orders, fake chat tokens, closing tags and others.

    Without CONFIG the packaged model is asked with the shipped rubric. Texts and answers go into the response cache.
    """
    from curate.config import JudgeConfig, LlmConfig
    from curate.config.file import load
    from curate.judging.attacks import attack as attacked
    from curate.judging.judge import QUALITY, rubrics
    from curate.llm.packaged import cache_root
    from curate.llm.session import Llm

    loaded = load(config) if config else None
    judge, model = (loaded and loaded.judge) or JudgeConfig(), (loaded and loaded.llm) or LlmConfig()
    if rubric:
        # The config's bound and calibration are of its own rubric's scale.
        judge = judge.model_copy(update={"rubric": rubric, "keep": None, "calibrate": False})
    folder = model.cache or (loaded.work if loaded else cache_root()) / "responses"
    with contextlib.closing(Llm(model, folder)) as llm:
        found = attacked(llm, rubrics(judge)[QUALITY], judge)
    typer.echo(json.dumps(found.to_json()) if as_json else printable(table(found)))


def table(found: "Attacked") -> str:
    """A line a kind; what the columns are stands below."""
    rows = [HEAD, *((kind, *_cells(shift)) for kind, shift in found.shifts.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    clean = ", ".join(f"{name} {_number(score, '.3f')}" for name, score in found.clean.items())
    failed = sum(shift.failed for shift in list(found.shifts.values())[:-1])
    return "\n".join([
        *lines,
        f"{found.rubric} by {found.model}; clean: {clean}",
        "shift: mean of score(host + injection) - score(host); control: the same for harmless words of that length",
        "net: shift less control's, with its 95 % interval by bootstrap over attacks",
        f"crossed: share lifted to {found.bound:g} of the pairs whose host is below; by harmless words beside it",
        f"{failed:,} pairs got no score and are in no figure",
    ])  # fmt: skip


def _cells(shift: "Shift") -> tuple[str, ...]:
    interval = f"{_number(shift.net_low)}..{_number(shift.net_high)}"
    return (
        f"{shift.attacks}", f"{shift.pairs}", _number(shift.mean), _number(shift.max), _number(shift.control),
        _number(shift.net), interval, _number(shift.crossed, ".1%"), _number(shift.control_crossed, ".1%"),
    )  # fmt: skip


def _number(value: float | None, how: str = "+.3f") -> str:
    return "-" if value is None else format(value, how)
