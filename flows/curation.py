"""The pipeline as a Prefect flow: one task a stage, progress and the funnel as artifacts. Computes nothing itself.

Prefect's cache and retries stay off: `curate` alone knows what is done already, and an exception comes again.
"""

import html
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.settings import get_current_settings

import curate
from curate.config_file import with_overrides
from curate.errors import CurateError
from curate.reports import report
from curate.result import RunResult
from curate.storage import Store
from flows.failures import describe, printable

T = TypeVar("T")

MAX_TABLE_ROWS = 100
UPDATE_EVERY = 2.0
"""Seconds between two updates of a progress artifact: each is a request to the server."""


@flow(name="curate", retries=0, persist_result=False)
def curation(
    config: str,
    inputs: list[str],
    output: str | None,
    work: str | None,
    workers: int | None,
    *,
    no_llm: bool,
    allow_partial: bool,
    rehash: bool,
) -> RunResult:
    """Run the pipeline of a config file. The parameters are shown by Prefect, so none of them is a secret."""
    folders = {name: Path(folder) if folder else None for name, folder in (("output", output), ("work", work))}
    loaded = with_overrides(curate.load_config(config), inputs=inputs, workers=workers, no_llm=no_llm, **folders)
    stages = Stages()
    result = curate.run(loaded, progress=stages.progress, wrap=stages, allow_partial=allow_partial, rehash=rehash)
    rows = [row._asdict() for row in report.funnel(Store(result.work))]
    create_table_artifact(key="funnel", table=rows[:MAX_TABLE_ROWS], description="Documents after each step")
    create_markdown_artifact(key="version", markdown=markdown(result), description="What was published")
    return result


@dataclass
class Stages:
    """Runs each stage as a Prefect task of its name, in this process and thread, where Ray and the lock are."""

    _artifact: UUID | None = None
    _next: float = 0.0

    def __call__(self, name: str, stage: Callable[[], T]) -> T:
        """The stage's result. Raises what it raised, without the cause: Prefect stores what it logs."""

        @task(name=name, task_run_name=name, cache_policy=NO_CACHE, retries=0, persist_result=False)
        def run_stage() -> T:
            key = f"progress-{re.sub('[^a-z0-9]+', '-', name.lower())}"
            # Sync here, as no event loop runs: the declared type covers both.
            artifact = self._artifact = cast(UUID, create_progress_artifact(0.0, key=key, description=name))
            try:
                result = stage()
            except CurateError as error:
                raise type(error)(str(error)) from None
            except Exception as error:  # noqa: BLE001 - its message may quote a document
                raise CurateError(f"{name}: {describe(error)}") from None
            update_progress_artifact(artifact, 100.0)
            return result

        return run_stage()

    def progress(self, stage: str, done: int, total: int) -> None:
        """Tell the running stage's artifact, if the last time is long enough ago."""
        if self._artifact is not None and total and time.monotonic() >= self._next:
            self._next = time.monotonic() + UPDATE_EVERY
            update_progress_artifact(self._artifact, 100.0 * done / total, f"{stage}: {done} of {total} tasks")


def markdown(result: RunResult) -> str:
    """Version, report and notes of a run."""
    lines = [
        f"**{result.records_in:,}** records in: **{result.kept:,}** kept, {result.rejected:,} rejected, "
        f"{result.quarantined:,} quarantined.",
        f"Version {escaped(result.version or 'none')} in {escaped(str(result.output))}.",
        f"Report: {escaped(str(result.report))}",
    ]
    return "\n\n".join([*lines, *(f"- {escaped(line)}" for line in (*result.notes, *result.failures))])


def escaped(text: str) -> str:
    """`text` as Markdown shows it letter for letter: names of input objects are anybody's."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~-])", r"\\\1", html.escape(printable(text).replace("\n", " ")))


def run_flow(parameters: dict[str, Any]) -> RunResult:
    """Run `curation` on the server that Prefect's settings name, else on a temporary one. Raises CurateError."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_without_traceback)
    try:
        return cast(RunResult, curation(**parameters))
    except RuntimeError as error:
        if "Failed to reach API" in str(error):
            url = get_current_settings().api.url
            raise CurateError(
                f"no Prefect server answers at {url}; start one with `curate ui`, or unset PREFECT_API_URL for a "
                "temporary one"
            ) from None
        raise


def _without_traceback(record: logging.LogRecord) -> bool:
    """The state's message says all; a traceback may quote more than we know of."""
    record.exc_info = None
    return True
