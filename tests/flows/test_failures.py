import errno
from pathlib import Path

import pytest

from curate.errors import ConfigError, CurateError, LockedError, PartialRun
from flows.failures import describe, exit_code, is_expected, printable, split_message

FREE_SPACE = "; free space and run again: what is finished is kept"


@pytest.mark.parametrize(
    ("error", "said", "code", "expected"),
    [
        (CurateError("a: got b"), "a: got b", 1, True),
        (LockedError("in use"), "in use", 1, True),
        (ConfigError("run.yaml:3: x"), "run.yaml:3: x", 2, True),
        (PartialRun("2 splits failed"), "2 splits failed", 3, True),
        (OSError(errno.EACCES, "text", "/work/a"), "Permission denied: /work/a", 1, True),
        (OSError(errno.ENOSPC, "text"), f"No space left on device{FREE_SPACE}", 1, True),
        (OSError("text of a document"), "OSError", 1, False),
        (ValueError("text of a document"), "ValueError", 1, False),
        (UnicodeEncodeError("utf-8", "text of a document", 0, 1, "why"), "UnicodeEncodeError", 1, False),
    ],
)
def test_what_is_said_of_an_exception(error: Exception, said: str, code: int, expected: bool) -> None:  # noqa: FBT001
    assert describe(error) == said
    assert exit_code(error) == code
    assert is_expected(error) is expected


def test_the_place_is_the_innermost_line_of_this_project() -> None:
    def outer() -> None:
        Path("nowhere").joinpath(3)  # type: ignore[arg-type]

    with pytest.raises(TypeError) as caught:
        outer()
    line = outer.__code__.co_firstlineno + 1
    assert describe(caught.value) == f"TypeError at tests/flows/test_failures.py:{line}"


def test_printable_keeps_text_and_newlines() -> None:
    assert printable("über 日本\nx") == "über 日本\nx"
    assert printable("a\x1b[31m\r\x00\u202eb") == "a\\x1b[31m\\r\\x00\\u202eb"


AGAIN = "run again: what is finished is kept"


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("/a/b: got c; expected d; do e", ("/a/b", "got c; expected d", "do e")),
        ("/a/b: got c: d", ("/a/b", "got c: d", AGAIN)),
        ("got c", ("", "got c", AGAIN)),
    ],
)
def test_a_message_is_object_reason_and_what_to_do(message: str, parts: tuple[str, str, str]) -> None:
    assert split_message(message) == parts
