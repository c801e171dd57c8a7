"""What each fault of a server gets: a status of its own, bounded attempts, no harm to others, and never a number."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curate import lineage, schema
from curate.config import JudgeConfig, LlmConfig
from curate.errors import JudgeError, ModelError
from curate.judging.judge import judge
from curate.llm import client
from curate.llm.answers import DEFINITIVE
from curate.llm.session import Llm
from tests import fake_engine, fake_llm

FAULTS = Path(__file__).parents[3] / "docs" / "FAULTS.md"
LENIENT = JudgeConfig(max_failed_share=1.0, max_tokens=100)


@dataclass(frozen=True)
class Row:
    """A fault, and what the document that meets it gets."""

    name: str
    """In the table of docs/FAULTS.md."""

    fault: str | int
    status: str
    attempts: int
    """With one retry."""


ROWS = [
    Row("400", 400, "http_error", 1),
    Row("429", 429, "http_error", 2),
    Row("500", 500, "http_error", 2),
    Row("503", 503, "http_error", 2),
    Row("reset", "reset", "unreachable", 2),
    Row("reply after the deadline", "late", "timeout", 2),
    Row("bytes dripping", "drip", "timeout", 2),
    Row("body cut off", "cut_body", "unreachable", 2),
    Row("truncated JSON", "broken_json", "malformed", 2),
    Row("NaN", "nan_logprob", "malformed", 2),
    Row("empty choice list", "empty_choices", "malformed", 1),
    Row("no log-probabilities", "no_logprobs", "malformed", 1),
    Row("token outside the choices", "outside", "unparsable", 1),
    Row("refusal", "filtered", "refused", 1),
    Row("too long by the server", "too_long", "over_long", 1),
]


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BACKOFF_S", 0.01)


def documents(*texts: str) -> pa.Table:
    rows = [
        {"id": lineage.document_id("s", str(n), text.encode()), "text": text, "text_hash": lineage.text_hash(text)}
        for n, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(
        rows, schema=pa.schema([schema.DOCUMENTS.field(n) for n in ("id", "text", "text_hash")])
    )


@contextlib.contextmanager
def opened(folder: Path, fake: fake_llm.FakeLlm, **settings: Any) -> Iterator[Llm]:
    values = {"endpoint": fake.base_url, "retries": 1, "concurrency": 1, "request_timeout": 1} | settings
    with contextlib.closing(Llm(LlmConfig(**values), folder / "cache")) as llm:
        yield llm


def is_null(row: dict[str, Any]) -> bool:
    return all(row[name] is None for name in ("quality", "quality_entropy", "quality_source", "quality_model"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_fault_costs_its_document_alone(tmp_path: Path, row: Row) -> None:
    """FAULTS 32 to 36; a failure that may pass is asked again by the next run, what the model said is not."""
    table = documents("one", "two", "three")
    with fake_llm.serve("ok", *[row.fault] * row.attempts, "ok") as fake:
        with opened(tmp_path, fake) as llm:
            before, hit, after = judge(table, llm, LENIENT).to_pylist()
            assert llm.cache.stats()["entries"] == 2 + (row.status in DEFINITIVE)
        assert fake.asked == 2 + row.attempts
        assert hit["quality_status"] == row.status
        assert is_null(hit)
        assert before["quality_status"] == after["quality_status"] == "scored"
        assert before["quality"] == after["quality"] is not None
        with opened(tmp_path, fake) as llm:
            again = judge(table, llm, LENIENT).to_pylist()[1]
        assert again["quality_status"] == (row.status if row.status in DEFINITIVE else "scored")
        assert is_null(again) == (row.status in DEFINITIVE)


def test_a_document_that_does_not_fit_is_not_sent(tmp_path: Path) -> None:
    with fake_llm.serve() as fake, opened(tmp_path, fake, max_model_len=100) as llm:
        rows = judge(documents("one", "word " * 200, "three"), llm, LENIENT).to_pylist()
        assert fake.asked == 2
    assert [row["quality_status"] for row in rows] == ["scored", "over_long", "scored"]
    assert is_null(rows[1])


def test_a_document_that_kills_the_engine_costs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_engine.install(tmp_path, monkeypatch)
    with contextlib.closing(Llm(LlmConfig(retries=0), tmp_path / "cache")) as llm:
        rows = judge(documents("one", fake_engine.POISON, "three"), llm, LENIENT).to_pylist()
    assert [row["quality_status"] for row in rows] == ["scored", "engine_died", "scored"]
    assert is_null(rows[1])


MANY = documents(*(f"Text {n}." for n in range(60)))


def fails(folder: Path, match: str, *script: str | int, kind: type[ModelError] = ModelError, **settings: Any) -> int:
    """Judging MANY raises; how many answers the cache holds then."""
    with fake_llm.serve(*script, **settings) as fake, opened(folder, fake) as llm:
        with pytest.raises(kind, match=match) as raised:
            judge(MANY, llm, JudgeConfig())
        assert "Text" not in str(raised.value)
        return llm.cache.stats()["entries"]


def test_a_key_that_is_refused_ends_the_run(tmp_path: Path) -> None:
    assert fails(tmp_path, "HTTP 401; set CURATE_LLM_API_KEY", "ok", 401) == 1


def test_a_server_that_stays_away_ends_the_run_and_keeps_what_was_answered(tmp_path: Path) -> None:
    assert fails(tmp_path, "8 questions in a row got no answer", "ok", "ok", "reset") == 2


def test_more_failures_than_allowed_end_the_run(tmp_path: Path) -> None:
    share = r"13 of 60 questions gave no score: 13 http_error \(HTTP 400\)"
    assert fails(tmp_path, share, *[400] * 13, "ok", kind=JudgeError) == 47


def test_a_model_that_is_swapped_ends_the_run_and_nothing_of_it_stays(tmp_path: Path) -> None:
    assert fails(tmp_path, "canary questions otherwise at the end", "ok", swapped_after=30) == 0


def test_a_connection_that_is_refused_ends_the_run(tmp_path: Path) -> None:
    with fake_llm.serve() as fake:
        pass
    with opened(tmp_path, fake) as llm, pytest.raises(ModelError, match="is the server running"):
        judge(MANY, llm, LENIENT)


def test_a_full_disk_ends_the_run_and_the_next_one_asks_the_rest(tmp_path: Path) -> None:
    with fake_llm.serve() as fake:
        with opened(tmp_path, fake) as llm:
            pages = llm.cache._db.execute("pragma page_count").fetchone()[0]
            llm.cache._db.execute(f"pragma max_page_count = {pages + 1}")
            with pytest.raises(ModelError, match=r"database or disk is full.*make room"):
                judge(MANY, llm, JudgeConfig())
        asked = fake.asked
        assert 1 < asked < MANY.num_rows
        with opened(tmp_path, fake) as llm:
            rows = judge(MANY, llm, JudgeConfig()).to_pylist()
        assert {row["quality_status"] for row in rows} == {"scored"}
        assert fake.asked <= MANY.num_rows + 1  # the answer that found no room is asked for again


def test_the_page_of_faults_says_the_same() -> None:
    """Its second table: name, status, attempts with one retry."""
    cells = re.findall(r"^\| LLM: ([^|]+) \| `(\w+)` \| (\d) \|$", FAULTS.read_text(), re.MULTILINE)
    assert [(row.name, row.status, str(row.attempts)) for row in ROWS] == cells
