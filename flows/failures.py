"""Exceptions -> one sentence for a terminal or a task's state, and an exit code. Never the text of a document."""

from curate.errors import CurateError, describe

__all__ = ["describe", "exit_code", "is_expected", "printable"]


def exit_code(error: BaseException) -> int:
    """1 failed, 2 bad config or usage, 3 partial; see curate/errors.py."""
    return error.exit_code if isinstance(error, CurateError) else 1


def is_expected(error: BaseException) -> bool:
    """Whether `describe` says all there is: no traceback would help."""
    return isinstance(error, CurateError) or (isinstance(error, OSError) and error.errno is not None)


def printable(text: str) -> str:
    """`text` without control characters: a URL or a file name must not steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def split_message(message: str) -> tuple[str, str, str]:
    """(object, reason, what to do) of `object: reason; what to do`, as messages of curate/errors.py are worded."""
    where, found, rest = message.partition(": ")
    if not found:
        where, rest = "", message
    reason, found, action = rest.rpartition("; ")
    return (where, reason, action) if found else (where, rest, "run again: what is finished is kept")
