"""`curate cache ...`: what the response cache holds, and taking a document out of it."""

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.failures import printable
from flows.identities import identity

app = typer.Typer(no_args_is_help=True, help="Read the cache of model answers, and take documents out of it.")

Folder = Annotated[Path, typer.Argument(help="Folder of the cache (`llm.cache`), or the work folder that has it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, nothing else.")]


@app.callback()
def cache() -> None:
    """Read the cache of model answers, and take documents out of it."""


@app.command()
def stats(folder: Folder, *, as_json: Json = False) -> None:
    """Say how many answers it holds and how large they are, by model and prompt."""
    from curate.llm.cache import existing

    with contextlib.closing(existing(folder)) as opened:
        parts, totals = opened.shares(), opened.stats()
    if as_json:
        typer.echo(json.dumps({**totals, "by": [asdict(part) for part in parts]}))
        return
    lines = [f"{totals['entries']:,} answers, {totals['bytes']:,} bytes"]
    lines += [
        f"{part.entries:>12,} {part.bytes:>16,} bytes  {part.model or 'unknown'}, prompt {part.prompt_hash or '?'}"
        for part in parts
    ]
    typer.echo(printable("\n".join(lines)))


@app.command()
def purge(
    folder: Folder,
    *,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="Of a document, 32 hex digits; needs --work. May be repeated.")
    ] = None,
    text_hashes: Annotated[
        list[str] | None, typer.Option("--text-hash", help="Of a text, 32 hex digits. May be repeated.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Work folder of a run that had the documents: its ledger has their texts.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Delete all answers about documents, and about what was written from them, from the disk too.

    The texts themselves stay in the work folder and in what was published.
    """
    from curate.errors import ConfigError
    from curate.llm.cache import existing

    if not (ids or text_hashes):
        raise ConfigError("nothing to purge; name --id with --work, or --text-hash")
    if bool(ids) != bool(work):
        raise ConfigError("--id and --work go together: the ledger of a run has the texts of its documents")
    hashes = {identity("--text-hash", value) for value in text_hashes or []}
    if ids and work:
        import curate
        from curate.takedown import texts_of

        hashes |= texts_of(curate.read_ledger(work), [identity("--id", value) for value in ids])
    with contextlib.closing(existing(folder)) as opened:
        gone = opened.purge(sorted(hashes))
    if as_json:
        typer.echo(json.dumps({"texts": len(hashes), "answers": gone}))
    else:
        typer.echo(f"{gone:,} answers deleted, about {len(hashes):,} texts")
