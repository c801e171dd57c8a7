"""`curate dedup ...`: what deduplication would find and cost, and what it found."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from flows import index_cli
from flows.failures import printable


class Unit(StrEnum):
    """What shingles are made of; tokens need a config, which names their tokenizer."""

    WORDS = "words"
    CHARACTERS = "characters"


class Preset(StrEnum):
    """Parameters of the field."""

    FINEWEB = "fineweb"
    NEMO = "nemo"
    DOLMA3 = "dolma3"


app = typer.Typer(
    no_args_is_help=True, help="Plan deduplication, read what it did, keep an index of what was published."
)
app.add_typer(index_cli.app, name="index")


@app.callback()
def dedup() -> None:
    """Plan deduplication, read what it did, index what was published."""


@app.command()
def plan(
    config: Annotated[Path | None, typer.Argument(help="YAML file of a run; its inputs are sampled.")] = None,
    *,
    preset: Annotated[list[Preset] | None, typer.Option(help="A column beside; may be repeated.")] = None,
    bands: Annotated[int | None, typer.Option(min=1, help="Of a column `given`: the config's, with this.")] = None,
    rows: Annotated[int | None, typer.Option(min=1, help="The same: hashes a band.")] = None,
    unit: Annotated[Unit | None, typer.Option(help="The same: what shingles are made of.")] = None,
    size: Annotated[int | None, typer.Option(min=1, max=64, help="The same: units of a shingle.")] = None,
    min_similarity: Annotated[
        float | None, typer.Option(min=0, max=1, help="Bound on the exact Jaccard, of every column.")
    ] = None,
    documents: Annotated[int, typer.Option(min=2, help="Distinct texts of the corpus, for false candidates.")] = 10**6,
    sample: Annotated[
        int, typer.Option(min=2, max=20_000, help="Documents drawn; all their pairs are compared.")
    ] = 2000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout, nothing else.")] = False,
) -> None:
    """Print what bands, rows and shingles find, miss and cost, before anything is spent.

    With CONFIG, false candidates are estimated from a sample of its inputs: exact Jaccard of all pairs, P(s) of each.
    """
    from curate.config import MinhashConfig
    from curate.config.file import load
    from curate.dedup_plan import plans
    from curate.sample import distinct_texts
    from flows.dedup_table import table

    loaded = load(config) if config else None
    own = loaded.dedup.minhash if loaded and loaded.dedup else None
    base = (own or MinhashConfig()).model_dump()
    if min_similarity is not None:
        base["min_similarity"] = min_similarity
    sections = {"config": _section(base)} if own else {}
    for name in preset or []:
        sections[name.value] = _section({"preset": name.value, "min_similarity": base["min_similarity"]})
    given = {"bands": bands, "rows": rows, "unit": unit and unit.value, "size": size}
    if any(value is not None for value in given.values()) or not sections:
        sections["given"] = _section(_changed(base, given))
    buffers = distinct_texts(loaded, sample) if loaded else None
    found = plans(sections, buffers, documents)
    if as_json:
        typer.echo(json.dumps({name: each.to_json() for name, each in found.items()}))
    else:
        typer.echo(printable(table(found)))


@app.command()
def clusters(
    work: Annotated[Path, typer.Argument(help="Work folder of a finished run.")],
    *,
    top: Annotated[int | None, typer.Option(min=1, max=1000, help="The largest; else 10.")] = None,
    document: Annotated[
        str | None, typer.Option("--id", metavar="ID|URL", help="That of a document: id, beginning of one, or URL.")
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, max=1000, help="Drawn by hash, of any size.")] = None,
    texts: Annotated[bool, typer.Option("--texts", help="Show texts of near-copies beside the keeper's.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout, nothing else.")] = False,
) -> None:
    """Show clusters of duplicates: how large, how alike, where from, and why this copy was kept.

    What differs between two texts is red and green on a terminal, else between [- -] and {+ +}.
    """
    from curate.reports import clusters as found

    if sum(option is not None for option in (top, document, sample)) > 1:
        raise typer.BadParameter("--top, --id and --sample exclude each other")
    if document is not None:
        chosen = found.of_document(work, document)
    else:
        chosen = found.sampled(work, sample) if sample else found.largest(work, top or 10)
    if as_json:
        typer.echo(json.dumps(found.listing(work, chosen, texts=texts)))
        return
    _print_clusters(work, chosen, texts=texts)


def _print_clusters(work: Path, chosen: Sequence[Any], *, texts: bool) -> None:
    from curate.reports import clusters as found
    from curate.reports import run_record
    from flows import clusters_text as shown

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    style = shown.Style(shutil.get_terminal_size((120, 24)).columns, colour)
    typer.echo(shown.totals(*found.totals(work), run_record.read(work).dedup))
    for cluster in chosen:
        typer.echo("\n" + shown.described(cluster, style))
        for member, compared in found.side_by_side(work, cluster) if texts else ():
            typer.echo("\n" + shown.side_by_side(member, compared, style))


def _changed(base: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The section with what is given; another unit takes no size, tokenizer or steps over."""
    named = {name: value for name, value in given.items() if value is not None}
    shingle = {name: named.pop(name) for name in ("unit", "size") if name in named}
    kept = base["shingle"] if shingle.get("unit", base["shingle"]["unit"]) == base["shingle"]["unit"] else {}
    return {**base, **named, "shingle": {**kept, **shingle}}


def _section(values: dict[str, Any]) -> Any:
    """Raises ConfigError."""
    from pydantic import ValidationError

    from curate.config import MinhashConfig
    from curate.errors import ConfigError

    try:
        return MinhashConfig.model_validate(values)
    except ValidationError as error:
        [first, *_] = error.errors()
        said = first["msg"]
        if first["type"] == "value_error":  # ours, which name the field
            raise ConfigError(f"--{said.removeprefix('Value error, ')}") from None
        raise ConfigError(f"--{first['loc'][-1]}: {said}") from None
