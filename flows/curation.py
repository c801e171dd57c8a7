"""The pipeline as a Prefect flow: one task a stage, progress and the funnel as artifacts. Computes nothing itself.

Prefect's cache and task retries stay off: `curate` alone knows what is done already, and an exception comes again. A
flow may be retried: its next attempt finds what is finished.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
import typer
from prefect import flow, get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import CancelledRun, ObjectNotFound, TerminationSignal
from prefect.runtime import flow_run
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Completed, Crashed

import curate
from curate.config.file import with_overrides
from curate.errors import CurateError, PartialRun
from curate.result import RunResult
from curate.storage import Store
from flows import stopping
from flows.artifacts import Artifacts
from flows.failures import describe, printable
from flows.server import choose_server
from flows.summary import summary

T = TypeVar("T")

RUN_ID = "prefect_run"
"""File of the work folder: the id of the last flow run that held its lock."""

ENDED = "Ended by a signal before it had stopped by itself. Run the same again to go on: what is finished is kept."

DEAD = (
    "The process of this run ended without a word to Prefect: it was killed, or no server answered it. Its work folder "
    "is free and another run has begun there, which goes on where this one was."
)

_ended: ContextVar[list[RunResult | BaseException]] = ContextVar("ended")
"""How the attempts of `run_flow` ended, whatever Prefect hears of it; not set where a runner of Prefect calls us."""


def _name() -> str:
    """The config's name, for the lists of Prefect's pages."""
    return printable(Path(flow_run.parameters["config"]).stem)


@flow(name="curate", flow_run_name=_name, persist_result=False)
def curation(
    config: str,
    settings: list[str],
    inputs: list[str],
    output: str | None,
    work: str | None,
    workers: int | None,
    memory: str | None,
    *,
    no_llm: bool,
    allow_partial: bool,
    rehash: bool,
) -> RunResult | State[RunResult]:
    """Run the pipeline of a config file. The parameters are shown by Prefect, so none of them is a secret."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_readable)
    logging.getLogger("prefect.events.clients").addFilter(_ONCE)
    this = UUID(flow_run.id)
    stopping.last.append(lambda: _tell(this))
    try:
        with nothing_quoted():
            folders = {name: Path(folder) if folder else None for name, folder in (("output", output), ("work", work))}
            loaded = curate.load_config(config)
            loaded = with_overrides(
                loaded, settings=settings, inputs=inputs, workers=workers, memory=memory, no_llm=no_llm, **folders
            )
            stages = Stages(Store(loaded.work))
            result = curate.run(
                loaded, progress=stages.artifacts.progress, wrap=stages, allow_partial=allow_partial, rehash=rehash
            )
    except CurateError as error:
        _ended.get([]).append(error)
        raise
    except (KeyboardInterrupt, SystemExit, TerminationSignal) as stop:
        if _ended.get(None) is None:
            raise  # That runner sent it, and knows what it means.
        _ended.get().append(stop)
        return Cancelled(message="Stopped by a signal. Run the same again to go on: what is finished is kept.")
    _ended.get([]).append(result)
    stages.artifacts.result(result)
    return Completed(name="Partial", message=printable(summary(result)), data=result) if result.failures else result


@dataclass
class Stages:
    """Runs each stage as a Prefect task of its name, in this process and thread, where Ray and the lock are."""

    work: Store
    artifacts: Artifacts = field(default_factory=Artifacts)
    _is_known: bool = False

    def __call__(self, name: str, stage: Callable[[], T]) -> T:
        """The stage's result. Raises what it raised."""
        if not self._is_known:
            # Here first the lock of the work folder is known to be held.
            self._is_known = True
            self._bury()

        @task(name=name, task_run_name=name, cache_policy=NO_CACHE, retries=0, persist_result=False)
        def run_stage() -> T:
            self.artifacts.begin(name)
            try:
                with nothing_quoted(f"{name}: "):
                    result = stage()
            except CurateError as error:
                self.artifacts.failures(error.failures if isinstance(error, PartialRun) else [str(error)])
                raise
            self.artifacts.end()
            return result

        try:
            return run_stage()
        except Exception as error:
            # A signal that finds Prefect between two steps of its own comes out as an error of Prefect's.
            if stop := _stop_behind(error):
                raise stop from None
            raise

    def _bury(self) -> None:
        """Mark the last run of this work folder as crashed, if Prefect takes it for alive, and note this one."""
        last = self.work.read(RUN_ID).decode() if self.work.exists(RUN_ID) else flow_run.id
        if last != flow_run.id:
            self.artifacts.put(lambda: bury(UUID(last), DEAD))
        self.work.put(RUN_ID, flow_run.id.encode())


def bury(run: UUID, why: str) -> None:
    """Set a flow run that is not at its end, and its tasks, to Crashed. Nothing where the server does not know it."""
    crashed: State[None] = Crashed(message=why)
    with get_client(sync_client=True) as client:
        try:
            answer = client.set_flow_run_state(run, crashed)
        except ObjectNotFound:
            return
        if answer.status != SetStateStatus.ACCEPT:
            return  # The server refuses that for a run that has ended.
        for stage in client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run]))):
            if not stage.state or not stage.state.is_final():
                client.set_task_run_state(stage.id, crashed, force=True)


@contextmanager
def nothing_quoted(where: str = "") -> Iterator[None]:
    """Let no exception through that may quote a document: Prefect stores and shows what it is given."""
    try:
        yield
    except CurateError as error:
        raise error.with_traceback(None) from None
    except Exception as error:  # noqa: BLE001 - its message may quote a document
        raise CurateError(f"{where}{describe(error)}") from None


def _tell(run: UUID) -> None:
    """For the thread that ends the process: a signal may be lost in a hook that Python calls after a fork."""
    with suppress(Exception):
        bury(run, ENDED)


def _stop_behind(error: BaseException | None) -> BaseException | None:
    """The signal that was being handled when `error` was raised."""
    while error and isinstance(error, Exception):
        error = error.__context__
    return error


def run_flow(parameters: dict[str, Any]) -> RunResult:
    """Run `curation` on the server that Prefect's settings name, else on a temporary one. Raises CurateError.

    A server that goes away while the run goes on takes nothing with it but its own page of the run.
    """
    choose_server()
    ended: list[RunResult | BaseException] = []
    _ended.set(ended)
    try:
        curation(**parameters)
    except (CurateError, CancelledRun):
        if not ended:
            raise  # Else as it says: a flow that was tried again with success raises its first error even so.
    except Exception as error:
        if not isinstance(error, httpx.HTTPError) and "Failed to reach API" not in str(error):
            raise
        url = get_current_settings().api.url
        if not ended:
            raise CurateError(
                f"no Prefect server answers at {url}; start one with `curate ui`, or unset PREFECT_API_URL for a "
                "temporary one"
            ) from None
        typer.echo(f"curate: no answer from {url}: Prefect shows this run as running until the next one", err=True)
    last = ended[-1]
    if isinstance(last, RunResult):
        return last
    # Prefect's own signal is no KeyboardInterrupt; it comes of SIGTERM alone.
    raise SystemExit if isinstance(last, TerminationSignal) else last


def _readable(record: logging.LogRecord) -> bool:
    """An error once, line by line: the state's message says all, and a traceback may quote more than we know of."""
    record.exc_info = None
    text = printable(record.getMessage().replace(r"\n", "\n"))
    text = re.sub(r"^(Finished in state Failed)\(.*\)$", r"\1", text, flags=re.S)
    record.msg = re.sub(r"^(\w[\w ]* exception[\w ]*: )\w+\((['\"])(.*)\2\)$", r"\1\3", text, flags=re.S)
    record.args = ()
    return True


class _Once(logging.Filter):
    """Lets one record through: a server that is gone is a warning every 7 s."""

    _has_said = False

    def filter(self, record: logging.LogRecord) -> bool:
        del record
        first, self._has_said = not self._has_said, True
        return first


_ONCE = _Once()
