"""Exceptions -> one sentence for a terminal or a task's state, and an exit code. Never the text of a document."""

import os
import traceback
from pathlib import Path

from curate.errors import CurateError

OURS = Path(__file__).parents[1]


def describe(error: BaseException) -> str:
    """What our own exceptions say; of any other its type and place, as its message may quote a document."""
    if isinstance(error, CurateError):
        return str(error)
    if isinstance(error, OSError) and error.errno:
        return ": ".join([os.strerror(error.errno), *(str(name) for name in (error.filename, error.filename2) if name)])
    return f"{type(error).__name__}{_place(error)}"


def exit_code(error: BaseException) -> int:
    """1 failed, 2 bad config or usage, 3 partial; see curate/errors.py."""
    return error.exit_code if isinstance(error, CurateError) else 1


def is_expected(error: BaseException) -> bool:
    """Whether `describe` says all there is: no traceback would help."""
    return isinstance(error, CurateError) or (isinstance(error, OSError) and error.errno is not None)


def _place(error: BaseException) -> str:
    """The innermost line of this project that the exception passed; empty where there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(OURS) and "site-packages" not in path.parts:
            return f" at {path.relative_to(OURS)}:{frame.lineno}"
    return ""


def printable(text: str) -> str:
    """`text` without control characters: a URL or a file name must not steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
