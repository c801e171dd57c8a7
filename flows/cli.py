"""The `curate` command. Each command imports what it needs when it runs: the rest needs no Ray, Polars or Prefect.

Exit codes: 0 done, 1 failed, 2 bad config or usage, 3 partial (some splits failed), 130 stopped by Ctrl-C, 143 by
SIGTERM.
"""

import json
import os
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from flows import cache_cli, dedup_cli, judge_cli, stopping
from flows.decontaminate import decontaminate
from flows.failures import describe, exit_code, is_expected, printable

DEBUG = "CURATE_DEBUG"
"""Set to 1: an error shows its traceback, which may quote documents."""


class Commands(TyperGroup):
    """Turns an exception of any command into a line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, SystemExit):
            _fail(stopping.MESSAGE, stopping.exit_code())
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if type(error).__module__.startswith("typer."):
                raise  # Wrong usage: Typer says what.
            if os.environ.get(DEBUG) == "1":
                traceback.print_exc()
            hint = "" if is_expected(error) else f"; a defect of Curate: {DEBUG}=1 shows the traceback"
            _fail(describe(error) + hint, exit_code(error))


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(printable(f"curate: error: {message}"), err=True)
    raise typer.Exit(code)


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Raw web pages in; judged, deduplicated, versioned Parquet out. "
    "Exit codes: 0 done, 1 failed, 2 bad config or usage, 3 partial, 130 or 143 stopped by a signal.",
)  # fmt: skip

Config = Annotated[Path, typer.Argument(help="YAML file of the run, such as configs/quickstart.yaml.")]
Work = Annotated[Path, typer.Argument(help="Work folder of a finished run.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Another bound, such as gopher.word_count.min=60; may be repeated."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, nothing else.")]


@app.command()
def run(
    config: Config,
    *,
    settings: Settings = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", metavar="[NAME=]URI", help="Read this instead of the config's inputs; may be repeated."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder of the published versions.")] = None,
    work: Annotated[Path | None, typer.Option(help="Folder of intermediate shards, ledger and report.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Ray tasks at a time.")] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Memory of one worker, such as 2GB: a record that needs more is quarantined."
        ),
    ] = None,
    no_llm: Annotated[bool, typer.Option("--no-llm", help="No judge, no synthesis, no bound on a score.")] = False,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Publish without the splits that failed; still exits 3.")
    ] = False,
    rehash: Annotated[bool, typer.Option("--rehash", help="Read every input object to hash it anew.")] = False,
    prefect: Annotated[
        bool, typer.Option("--prefect", help="As a Prefect flow, on the server of PREFECT_API_URL or a temporary one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the pipeline: only what is not done yet is computed.

    Ctrl-C or SIGTERM stops it within 10 s, with what is finished by then; a second one at once.
    """
    import curate
    from curate.check import check_models
    from curate.config.file import with_overrides
    from flows.progress import shown
    from flows.server import prepare_environment
    from flows.summary import summary

    # A wrong config must not start a server.
    changed = with_overrides(
        curate.load_config(config), settings=settings or [], inputs=inputs or [], output=output, work=work,
        workers=workers, memory=memory, no_llm=no_llm,
    )  # fmt: skip
    # What Ray says of a worker that died goes to standard output, which is for the result alone.
    with redirect_stdout(sys.stderr):
        if prefect:
            check_models(changed)
            prepare_environment()
            from flows.curation import run_flow

            result = run_flow({
                "config": str(config.absolute()), "settings": settings or [], "inputs": inputs or [],
                "output": output and str(output.absolute()), "work": work and str(work.absolute()),
                "workers": workers, "memory": memory, "no_llm": no_llm, "allow_partial": allow_partial,
                "rehash": rehash,
            })  # fmt: skip
        else:
            with shown() as progress:
                result = curate.run(changed, progress=progress, allow_partial=allow_partial, rehash=rehash)
    typer.echo(json.dumps(result.to_json()) if as_json else printable(summary(result)))
    raise typer.Exit(result.exit_code)


@app.command()
def check(
    config: Config,
    *,
    settings: Settings = None,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Measure N documents here, and name bounds that do nothing.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 2 where there is a warning.")] = False,
) -> None:
    """Say whether a config can run, and warn of what in it does not do what it seems to. Starts no server and no run.

    Its inputs, models and prompts are looked up. A warning says where, why and what to write instead.
    """
    from curate.check import check as checked
    from curate.config.file import load, with_overrides
    from curate.errors import ConfigError
    from curate.lint import lint, lint_sample, located
    from curate.sample import measured_sample

    loaded = with_overrides(load(config), settings=settings or [])
    for name, (objects, size) in checked(loaded).items():
        typer.echo(printable(f"{name}: {objects:,} objects, {size:,} bytes"))
    findings = lint(loaded)
    if sample is not None:
        measured = measured_sample(loaded, sample)
        typer.echo(f"sample: {measured.documents.num_rows:,} documents of {measured.read:,} records read")
        findings += lint_sample(loaded, measured)
    for line in located(findings, config):
        typer.echo(printable(f"warning: {line}"))
    said = f"{len(findings)} warning{'s' if len(findings) > 1 else ''}"
    if findings and strict:
        raise ConfigError(f"{config}: {said}, and --strict was given")
    typer.echo(f"ok, with {said}" if findings else "ok")


@app.command()
def preview(
    config: Config,
    *,
    documents: Annotated[int, typer.Option(min=1, help="Documents to look at, drawn by hash.")] = 1000,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The page, which shows text of documents; else preview.html in the work folder."
        ),
    ] = None,
) -> None:
    """Show what each bound does to a sample of the inputs: histograms, losses, and the documents nearest to it."""
    from curate.config.file import load
    from curate.reports import preview as pages
    from curate.sample import measured_sample
    from flows.summary import previewed

    loaded = load(config)
    found = pages.preview(loaded, measured_sample(loaded, documents))
    if output is None:
        loaded.work.mkdir(parents=True, exist_ok=True)
        output = loaded.work / pages.NAME
    output.write_bytes(pages.page(loaded, found))
    typer.echo(printable(f"{previewed(found)}\npage: {output}"))


@app.command("filters")
def list_filters(name: Annotated[str | None, typer.Argument(help="Show this one in full.")] = None) -> None:
    """List what documents can be measured by."""
    from flows import filter_list

    typer.echo(filter_list.one(name) if name else filter_list.table())


@app.command()
def explain(
    work: Work,
    document: Annotated[str, typer.Argument(metavar="ID|URL", help="32 hex digits, or a URL exactly as stored.")],
    *,
    as_json: Json = False,
) -> None:
    """Show everything that was decided about a document, and why."""
    import curate
    from curate.reports.explanation import format_explanation

    rows = curate.explain(work, document)
    typer.echo(json.dumps(rows) if as_json else printable(format_explanation(rows)))


@app.command()
def rescore(
    work: Work,
    *,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="A bound, such as gopher.word_count.min=60.")
    ],
    decisions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the new decisions there, as Parquet.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what other bounds would keep, from the ledger: nothing is computed anew, nothing is published."""
    import curate
    from flows.summary import rescored

    result = curate.rescore(work, settings)
    if decisions:
        result.decisions.write_parquet(decisions)
    typer.echo(json.dumps(result.to_json()) if as_json else printable(rescored(result)))


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="Work folder of a finished run.")],
    after: Annotated[Path, typer.Argument(help="Work folder of another one over the same documents.")],
    *,
    as_json: Json = False,
) -> None:
    """Show what entered and what left between two runs, by reason."""
    import curate
    from flows.summary import changed

    found = curate.diff(before, after)
    typer.echo(json.dumps(found.to_json()) if as_json else printable(changed(found)))


app.add_typer(dedup_cli.app, name="dedup")
app.add_typer(judge_cli.app, name="judge")
app.add_typer(cache_cli.app, name="cache")


app.command()(decontaminate)


@app.command()
def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 4200) -> None:
    """Start a Prefect server on this machine, to watch runs in a browser. Ctrl-C ends it."""
    from flows.server import serve

    serve(port)


def main() -> None:
    """Entry point of the `curate` command."""
    stopping.listen()
    try:
        app()
    except SystemExit as end:
        if "prefect" in sys.modules:
            from flows.server import leave_in_time

            leave_in_time(int(end.code or 0))
        raise


if __name__ == "__main__":
    main()
