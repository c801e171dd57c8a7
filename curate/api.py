"""The public functions behind `import curate` and the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from curate.changes import Changes, changes, documents_of
from curate.check import check_compile_cache, check_models
from curate.config import RunConfig
from curate.config.file import load
from curate.errors import CurateError
from curate.execution.executor import Executor, Progress, silent
from curate.pipeline import Pipeline, Wrap, direct
from curate.reports import openlineage
from curate.reports.explanation import explain_document
from curate.rescoring import Rescored
from curate.rescoring import rescore as rescored
from curate.result import RunResult
from curate.storage import Store, lock


def load_config(path: str | Path) -> RunConfig:
    """The checked config of a YAML file. Raises ConfigError, naming file, line, what was got and what is allowed."""
    return load(Path(path))


def run(
    config: RunConfig | str | Path,
    *,
    progress: Progress | None = None,
    wrap: Wrap = direct,
    allow_partial: bool = False,
    rehash: bool = False,
) -> RunResult:
    """Run the pipeline: only what is not done yet is computed. Holds the work folder's lock meanwhile.

    `rehash` reads every input object again instead of trusting its size and time. Raises ConfigError (nothing
    started), PartialRun (splits failed, nothing published) or another CurateError.
    """
    config = config if isinstance(config, RunConfig) else load_config(config)
    check_compile_cache(config)
    check_models(config)
    work = Store(config.work)
    with (
        lock(work),
        Executor(work, config.execution, progress or silent) as executor,
        openlineage.recorded(work, config) as run_id,
    ):
        return Pipeline(config, work, executor, wrap, allow_partial=allow_partial, rehash=rehash, run_id=run_id).run()


def read_ledger(work: str | Path) -> pl.LazyFrame:
    """One row an input record of the last run: where it was, its values, the decision and its reason."""
    folder = Path(work) / "ledger"
    if not folder.is_dir():
        raise CurateError(f"{work}: no ledger here; expected the work folder of a finished run (`work:` in its config)")
    store = Store(Path(work))
    return store.scan(store.list("ledger"))


def rescore(work: str | Path, settings: Sequence[str]) -> Rescored:
    """What a finished run would keep under other bounds, such as `gopher.word_count.min=60`. Runs no stage."""
    return rescored(Path(work), settings)


def diff(before: str | Path, after: str | Path) -> Changes:
    """What entered and what left between two runs over the same documents, by their ids."""
    frames = [
        documents_of(read_ledger(work)).select("id", "status", "reason", "text_hash").collect()
        for work in (before, after)
    ]
    return changes(*frames)


def explain(work: str | Path, document: str) -> list[dict[str, Any]]:
    """Every ledger row of a document, by its id (32 hex digits) or URL, with bounds, stages and lineage."""
    return explain_document(Path(work), read_ledger(work), document)
