"""`curate decontaminate`: its options, the report as JSON lines, the table by set, and samples."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.reports.visible import visible
from flows.failures import printable

if TYPE_CHECKING:
    from curate.decontamination import Contamination, Found

HEAD = ("set", "items", "found", "texts", "too short", "common only", "documents", "highest")


def decontaminate(
    data: Annotated[
        list[Path], typer.Argument(help="Work folder of a run, its output, or JSONL and Parquet: files or folders.")
    ],
    *,
    sets: Annotated[
        list[str],
        typer.Option("--set", metavar="NAME=PATH", help="JSONL or text, an item a line; .gz, .zst. May be repeated."),
    ],
    fields: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="NAME=FIELD,..", help="Fields of a JSONL set; else all that hold text."),
    ] = None,
    share: Annotated[
        float, typer.Option(min=0, max=1, help="Least share of a text's n-grams that a document must hold; 0: any.")
    ] = 0.5,
    n: Annotated[int, typer.Option("--n", help="Words of an n-gram.")] = 13,
    shortest: Annotated[int, typer.Option(help="Words of the shortest text that is looked for, as a whole.")] = 8,
    common: Annotated[int, typer.Option(help="An n-gram in more texts of a set than this does not count.")] = 10,
    text: Annotated[str, typer.Option(metavar="FIELD", help="Field of JSONL or Parquet with the text.")] = "text",
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write each finding there, a JSON line each; no text.")
    ] = None,
    samples: Annotated[int, typer.Option(min=0, metavar="N", help="Show the text of the first N.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout, nothing else.")] = False,
) -> None:
    """Look for the items of evaluation sets in documents: which, how much of each, and where. Removes nothing.

    To remove, set a bound on contamination.ngram in the config (`curate filters contamination.ngram`).
    """
    from curate import decontamination
    from filters.evaluation import Settings

    packed = decontamination.sets_of(sets, fields or [])
    with written(report) as write:
        found = decontamination.decontaminate(
            data, packed, Settings(n, shortest, common), share=share, text=text, samples=samples, write=write
        )
    typer.echo(json.dumps(found.to_json()) if as_json else printable(table(found)))


@contextmanager
def written(path: Path | None) -> Iterator["Callable[[Found], object] | None"]:
    """Takes each finding; as `lines`."""
    with lines(path) as write:
        yield write and (lambda found: write(found.to_json()))


@contextmanager
def lines(path: Path | None) -> Iterator[Callable[[Mapping[str, Any]], object] | None]:
    """Takes values as one line of JSON each; the file is there when all of them are in it."""
    if path is None:
        yield None
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            yield lambda values: file.write(json.dumps(values, ensure_ascii=False) + "\n")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def table(found: "Contamination") -> str:
    """A line a set, what is below it, and the samples."""
    rows = [HEAD]
    for name, count in found.sets.items():
        numbers = (count.items, count.items_found, count.texts, count.too_short, count.only_common, count.documents)
        rows.append((name, *(f"{number:,}" for number in numbers), f"{count.highest:.2f}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = [
        "  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    unread = f", {found.unread:,} records without text or damaged" if found.unread else ""
    lines.append(f"{found.contaminated:,} of {found.documents:,} documents hold a text of some set{unread}")
    for each, text in found.samples:
        place = f"{each.document.object}@{each.document.offset}"
        lines.append(f"\n{each.set} item {each.item} {each.field}: {each.containment:.2f} of it in {place},")
        lines.append(f"characters {each.start}..{each.end}: {visible(text)}")
    return "\n".join(lines)
