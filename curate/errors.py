"""Every exception that Curate raises on purpose, and the exit code each one means.

CurateError                 exit 1: the run failed; nothing was published
├── ConfigError             exit 2: the YAML or the command line is wrong; nothing was started
├── InputError              one object cannot be read as what the config says; fails its splits
├── ModelError              a model file or model server cannot be used
│   └── JudgeError          too large a share of the judge's questions failed to give a score
├── BudgetReached           a cap of llm.budget is reached; what was answered is kept
├── ConservationError       P1 broken: in != kept + rejected + quarantined; a defect of Curate
├── LockedError             another run holds the work folder, or publishes into the output right now
├── PublishConflict         another run has published since this one began; its version stays
└── PartialRun              exit 3: some splits failed; nothing was published unless it was allowed

A message says where, what was got, what was expected, and what to do next. It never holds the text of a document.
"""

import errno
import os
import traceback
from collections.abc import Sequence
from pathlib import Path

OURS = Path(__file__).parents[1]
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class CurateError(Exception):
    """The run cannot go on."""

    exit_code = 1


class ConfigError(CurateError):
    """The config or the command line is wrong; raised before anything is started."""

    exit_code = 2


class InputError(CurateError):
    """An input object is not what the config says it is."""


class ModelError(CurateError):
    """A model file, or the server that serves a model, cannot be used."""


class JudgeError(ModelError):
    """More of the judge's questions failed than the config allows."""


class BudgetReached(CurateError):
    """What the run may ask or spend is used up; the next run goes on from what was answered."""


class ConservationError(CurateError):
    """Documents went missing or appeared between a reader and what was committed (promise P1)."""


class LockedError(CurateError):
    """A folder is in use by another run."""


class PublishConflict(CurateError):
    """The output's pointer is not where it was when the run began; the message names the winner."""


class PartialRun(CurateError):
    """Some splits failed; the message names them, and `failures` has one message each."""

    exit_code = 3

    def __init__(self, message: str, failures: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.failures = tuple(failures)


def describe(error: BaseException) -> str:
    """What our own exceptions say; what the system says of a file; of any other its type and place, as its message may
    quote a document."""
    if isinstance(error, CurateError):
        return str(error)
    if isinstance(error, OSError) and error.errno:
        said = [os.strerror(error.errno), *(str(name) for name in (error.filename, error.filename2) if name)]
        hint = "; free space and run again: what is finished is kept" if error.errno in FULL else ""
        return ": ".join(said) + hint
    return f"{type(error).__name__}{_place(error)}"


def asks_to_stop(kind: type[BaseException] | None) -> bool:
    """Whether a signal ends a block: as KeyboardInterrupt, SystemExit or what Prefect makes of SIGTERM."""
    return kind is not None and not issubclass(kind, Exception)


def _place(error: BaseException) -> str:
    """The innermost line of this project that the exception passed; empty where there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(OURS) and "site-packages" not in path.parts:
            return f" at {path.relative_to(OURS)}:{frame.lineno}"
    return ""
