import errno
from pathlib import Path

import pytest

from curate.errors import ConfigError, CurateError, LockedError, PartialRun
from flows.failures import describe, exit_code, is_expected, printable


@pytest.mark.parametrize(
    ("error", "said", "code", "expected"),
    [
        (CurateError("a: got b"), "a: got b", 1, True),
        (LockedError("in use"), "in use", 1, True),
        (ConfigError("run.yaml:3: x"), "run.yaml:3: x", 2, True),
        (PartialRun("2 splits failed"), "2 splits failed", 3, True),
        (OSError(errno.ENOSPC, "text", "/work/a"), "No space left on device: /work/a", 1, True),
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
