"""`curate dedup index ...`: what was published before, kept so that a new batch can be compared with it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.failures import printable
from flows.identities import identity

app = typer.Typer(no_args_is_help=True, help="Keep an index of what was published, and compare with it.")

Work = Annotated[Path, typer.Argument(help="Work folder of a finished run.")]
Index = Annotated[Path, typer.Argument(help="Folder of the index.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, nothing else.")]


@app.command()
def add(work: Work, index: Index, *, as_json: Json = False) -> None:
    """Add the version that a run published; makes the index where there is none."""
    from curate.index.runs import add_run

    added = add_run(work, index)
    if as_json:
        typer.echo(json.dumps(asdict(added)))
    elif added.known:
        typer.echo("this version is in the index already")
    else:
        typer.echo(f"{added.documents:,} documents added, {added.replaced:,} of them in place of an older version")


@app.command()
def match(
    work: Work,
    index: Index,
    *,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="A JSON line a match: ids, no text.")] = None,
    as_json: Json = False,
) -> None:
    """Say which documents of a run are like one that was published before. Removes nothing.

    To remove, name the index in the config: `dedup: {index: PATH}`.
    """
    from curate.index.runs import match_run
    from flows.decontaminate import lines

    names = ("matched", "exact", "unverified", "deleted")
    counts, documents = dict.fromkeys(names, 0), set[int]()
    with lines(report) as write:
        for matches in match_run(work, index):
            rows = matches.to_dicts()
            for row in rows:
                row["id"], row["published_id"] = row["id"].hex(), row["published_id"].hex()
                number = row.pop("number")
                kind = "deleted" if row["deleted"] else "unverified" if row["similarity"] is None else "matched"
                counts[kind] += 1
                counts["exact"] += row["exact"] and kind == "matched"
                documents.update([number] if kind == "matched" else [])
                if write:
                    write(row)
    if as_json:
        typer.echo(json.dumps({"documents": len(documents), **counts}))
        return
    typer.echo(
        f"{len(documents):,} documents are like one published before: {counts['matched']:,} matches, "
        f"{counts['exact']:,} of them exact copies\n"
        f"{counts['unverified']:,} could not be verified, as the old text is gone: they remove nothing\n"
        f"{counts['deleted']:,} are with documents that were deleted from the index: candidates again"
    )


@app.command()
def delete(
    index: Index,
    *,
    ids: Annotated[list[str] | None, typer.Option("--id", help="32 hex digits; may be repeated.")] = None,
    domains: Annotated[list[str] | None, typer.Option("--domain", help="With its subdomains; may be repeated.")] = None,
    sources: Annotated[list[str] | None, typer.Option("--source", help="May be repeated.")] = None,
) -> None:
    """Delete documents: what was removed for one of them is a candidate again at its next run."""
    from curate.errors import ConfigError
    from curate.index.edit import What
    from curate.index.edit import delete as deleted

    if not (ids or domains or sources):
        raise ConfigError("nothing to delete; name --id, --domain or --source")
    wanted = What([identity("--id", value) for value in ids or []], domains or [], sources or [])
    count = deleted(index, wanted)
    typer.echo(
        printable(f"{count:,} documents deleted; what left for one of them is a candidate again at its next run")
    )


@app.command()
def compact(index: Index) -> None:
    """Merge small segments and remove what was deleted from the disk."""
    from curate.index.edit import compact as compacted

    typer.echo("compacted" if compacted(index) else "nothing to compact")


@app.command()
def info(index: Index, *, as_json: Json = False) -> None:
    """Say what is in an index and what it takes."""
    from curate.index.info import info as told

    found = told(index)
    if as_json:
        typer.echo(json.dumps(found.to_json()))
        return
    lines = [
        f"{found.documents:,} documents, {found.bytes_a_document:.1f} bytes each",
        f"segments: {found.segments:,}, versions: {found.versions:,}",
        f"{found.gone:,} deleted or replaced, until it is compacted",
        f"{found.shards_gone:,} of {found.shards:,} published shards are gone: their documents cannot be verified",
        f"made with {found.made_with}",
    ]
    typer.echo(printable("\n".join(lines)))
