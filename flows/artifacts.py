"""What Prefect's pages show of a run: the artifacts, written so that no server and no file name does harm."""

import html
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from curate.reports import report
from curate.result import RunResult
from curate.storage import Store
from flows.failures import printable, split_message

T = TypeVar("T")

MAX_ROWS = 100
UPDATE_EVERY = 2.0
"""Seconds between two updates of a progress artifact: each is a request to the server."""

PATIENCE = 20
"""A request that took a second is followed by this many seconds without one, if it failed or told progress only."""


@dataclass
class Artifacts:
    """Writes artifacts. They are for people who watch: a server that fails, hangs or is slow costs 5 % of the time."""

    _progress: UUID | None = None
    _stage: str = ""
    _next_update: float = 0.0
    _silent_until: float = 0.0

    def begin(self, stage: str) -> None:
        """Show a bar for a stage."""
        self._stage = stage
        key = f"progress-{re.sub('[^a-z0-9]+', '-', stage.lower())}"
        # Sync here, as no event loop runs: the declared type covers both.
        self._progress = self.put(lambda: cast(UUID, create_progress_artifact(0.0, key=key, description=stage)))

    def progress(self, stage: str, done: int, total: int) -> None:
        """Move the running stage's bar, if the last time is long enough ago."""
        if total and time.monotonic() >= self._next_update:
            self._update(100.0 * done / total, f"{stage}: {done} of {total} tasks")

    def end(self) -> None:
        """Fill the bar."""
        self._update(100.0, self._stage)

    def failures(self, messages: Sequence[str]) -> None:
        """List what failed: object, reason and what to do. As paragraphs: the pages cut off what is wide in a table."""
        parts = [map(escaped, split_message(message)) for message in messages[:MAX_ROWS]]
        text = "\n\n".join(f"### {where}\n\n{reason}\n\n**What to do:** {action}" for where, reason, action in parts)
        shown = f"{len(messages)} failed" + (f"; the first {MAX_ROWS} of them" if len(messages) > MAX_ROWS else "")
        self.put(lambda: create_markdown_artifact(key="failures", markdown=text, description=shown))

    def result(self, result: RunResult) -> None:
        """The funnel and what was published."""
        self.put(
            lambda: create_table_artifact(key="funnel", table=funnel(result), description="Documents after each step")
        )
        self.put(
            lambda: create_markdown_artifact(key="version", markdown=markdown(result), description="What was published")
        )
        if result.failures:
            self.failures(result.failures)

    def put(self, request: Callable[[], T]) -> T | None:
        """The request's answer; None, and a line in the log, where the server gave none."""
        began = time.monotonic()
        if began < self._silent_until:
            return None
        try:
            with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
                return request()
        except Exception as error:  # noqa: BLE001 - whatever Prefect makes of its server, the work goes on
            self._silent_until = time.monotonic() + PATIENCE * (time.monotonic() - began)
            get_run_logger().warning(f"{type(error).__name__} when telling Prefect's server; the run goes on without")
            return None
        finally:
            self._next_update = time.monotonic() + max(UPDATE_EVERY, PATIENCE * (time.monotonic() - began))

    def _update(self, percent: float, description: str) -> None:
        artifact = self._progress
        if artifact is not None:
            self.put(lambda: update_progress_artifact(artifact, percent, description))


def funnel(result: RunResult) -> list[dict[str, Any]]:
    """A row a step; text is escaped, as the pages take every cell for Markdown."""
    rows = (row._asdict() for row in report.funnel(Store(result.work))[:MAX_ROWS])
    return [{k: escaped(v) if isinstance(v, str) else round(v, 4) for k, v in row.items()} for row in rows]


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
    return re.sub(r"([\\`*_{}\[\]()#+!|~-])", r"\\\1", html.escape(printable(text).replace("\n", " "), quote=False))
