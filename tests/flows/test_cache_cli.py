"""`curate cache` through Typer's runner."""

import contextlib
import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from curate.errors import CurateError
from curate.llm.answers import Answer
from curate.llm.cache import ResponseCache
from curate.takedown import texts_of
from flows.cli import app

FORMS = {"id": pl.Binary, "text_hash": pl.Binary, "derived_from": pl.List(pl.Binary)}


def sixteen(name: str) -> bytes:
    return name.encode().ljust(16, b".")


def row(name: str, text: str | None, *parents: str) -> dict[str, object]:
    return {"id": sixteen(name), "text_hash": text and sixteen(text), "derived_from": [sixteen(p) for p in parents]}


ROWS = [
    row("page", "t-page"), row("copy", "t-page"), row("other", "t-other"), row("empty", None),
    row("written", "t-written", "page"), row("again", "t-again", "other", "written"), row("more", "t-more", "other"),
    {"id": None, "text_hash": None, "derived_from": None},
]  # fmt: skip
TEXTS = sorted({text for each in ROWS if isinstance(text := each["text_hash"], bytes)})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Two answers about each text, and a work folder beside it with a ledger."""
    with contextlib.closing(ResponseCache(tmp_path / "cache")) as opened:
        for text in TEXTS:
            answers = {bytes([n]) + text: (text, Answer("ok", "secret")) for n in (1, 2)}
            opened.put_many(answers, model="m@1", prompt_hash="p")
    (tmp_path / "work" / "ledger").mkdir(parents=True)
    pl.DataFrame(ROWS, schema=FORMS).write_parquet(tmp_path / "work" / "ledger" / "part-00000.parquet")
    return tmp_path / "cache"


def called(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["cache", *map(str, arguments)])


def left(cache: Path) -> set[str]:
    with contextlib.closing(ResponseCache(cache)) as opened:
        found = opened.get_many(bytes([n]) + text for text in TEXTS for n in (1, 2))
    return {key[1:].decode().rstrip(".") for key in found}


def test_stats_count_answers_by_model_and_prompt(cache: Path) -> None:
    told = json.loads(called("stats", cache, "--json").stdout)
    assert told["entries"] == 2 * len(TEXTS)
    assert [(part["model"], part["prompt_hash"], part["entries"]) for part in told["by"]] == [("m@1", "p", 10)]
    shown = called("stats", cache).stdout
    assert shown.startswith("10 answers")
    assert "m@1, prompt p" in shown
    assert "secret" not in shown
    work = cache.with_name("work")
    cache.rename(work / "responses")
    assert called("stats", work).stdout == shown


def test_a_document_is_purged_with_all_that_was_written_from_it(cache: Path) -> None:
    work = cache.parent / "work"
    told = called("purge", cache, "--id", sixteen("page").hex(), "--work", work, "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout) == {"texts": 3, "answers": 6}
    assert left(cache) == {"t-other", "t-more"}
    assert called("purge", cache, "--id", sixteen("page").hex(), "--work", work).stdout.startswith("0 answers")


def test_a_text_is_purged_by_its_hash(cache: Path) -> None:
    assert called("purge", cache, "--text-hash", sixteen("t-more").hex()).stdout == "2 answers deleted, about 1 texts\n"
    assert "t-more" not in left(cache)


def test_a_document_without_text_has_nothing_to_purge(cache: Path) -> None:
    told = called("purge", cache, "--id", sixteen("empty").hex(), "--work", cache.parent / "work")
    assert told.stdout.startswith("0 answers")


@pytest.mark.parametrize(("arguments", "code", "complaint"), [
    ((), 2, "nothing to purge"),
    (("--id", "00" * 16), 2, "go together"),
    (("--text-hash", "00" * 16, "--work", "work"), 2, "go together"),
    (("--text-hash", "00"), 2, "--text-hash '00': expected 32 hex digits"),
    (("--id", "00" * 16, "--work", "work"), 1, "no row of the ledger has 0000"),
    (("--id", "00" * 16, "--work", "nowhere"), 1, "no ledger here"),
])  # fmt: skip
def test_what_cannot_be_purged_is_said_and_nothing_is_gone(
    cache: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, complaint: str
) -> None:
    monkeypatch.chdir(cache.parent)
    told = called("purge", cache, *arguments)
    assert told.exit_code == code
    assert complaint in told.stderr
    assert len(left(cache)) == len(TEXTS)


@pytest.mark.parametrize("command", [("stats",), ("purge", "--text-hash", "00" * 16)])
def test_a_folder_without_a_cache_is_refused_and_none_is_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    told = called(command[0], tmp_path, *command[1:])
    assert told.exit_code == 1
    assert "expected a response cache" in told.stderr
    assert list(tmp_path.iterdir()) == []


def test_documents_that_were_written_from_each_other_end_the_search() -> None:
    circle = pl.DataFrame([row("a", "t-a", "b"), row("b", "t-b", "a"), row("c", "t-c")], schema=FORMS).lazy()
    assert texts_of(circle, [sixteen("a")]) == {sixteen("t-a"), sixteen("t-b")}
    with pytest.raises(CurateError, match="no row"):
        texts_of(circle, [sixteen("a"), sixteen("z")])
