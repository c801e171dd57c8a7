"""What Prefect's pages are given: nothing that steers them, and not at the cost of the run."""

import html
import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from prefect.logging import disable_run_logger

from flows import artifacts
from flows.artifacts import Artifacts, escaped
from flows.failures import printable

markdown = MarkdownIt("commonmark").enable(["strikethrough", "table"])


@given(st.text(max_size=60))
@example("<img src=x onerror=alert(1)>")
@example("[a](javascript:b) *c* _d_ `e` ~~f~~ |g| &amp; &#35; \\* ![h](i) <j@k.l> \x1b[2J")
def test_markdown_shows_a_name_letter_for_letter(name: str) -> None:
    shown = markdown.render(f"a {escaped(name)} b\n\n| c |\n|---|\n| {escaped(name)} |")
    text = html.unescape(re.sub(r"</?(p|table|thead|tbody|tr|th|td)>\n?", "", shown))
    wanted = printable(name).replace("\n", " ")
    assert text == f"a {wanted} bc{wanted.strip(' ')}"


@pytest.mark.parametrize(
    ("seconds", "error"),
    [(10.0, TimeoutError), (0.0, ConnectionError), (3.0, None), (0.01, None)],
    ids=["hangs", "is gone", "is slow", "is well"],
)
def test_a_bad_server_costs_5_percent_of_the_time(
    seconds: float,
    error: type[Exception] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = asked = 0.0

    def request(*_: object) -> None:
        nonlocal now, asked
        now, asked = now + seconds, asked + seconds
        if error:
            raise error

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(artifacts, "create_progress_artifact", lambda *_, **__: "id")
    monkeypatch.setattr(artifacts, "update_progress_artifact", request)
    shown = Artifacts()
    with disable_run_logger():
        shown.begin("extract")
        while now < 100:
            now += 0.1
            shown.progress("extract", 1, 2)
    assert asked <= 0.05 * now + seconds
