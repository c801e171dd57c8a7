"""The response cache stands between the stages and the model: nothing is asked twice, nothing starts for nothing."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.config import LlmConfig
from curate.errors import ModelError
from curate.llm import client
from curate.llm.answers import Content, Request, Sampling
from curate.llm.packaged import NAME, REVISION
from curate.llm.session import API_KEY_VARIABLE, Llm
from tests import fake_llm


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BACKOFF_S", 0.01)


@contextlib.contextmanager
def opened(folder: Path, fake: fake_llm.FakeLlm | None, **settings: Any) -> Iterator[Llm]:
    endpoint = fake.base_url if fake else None
    with contextlib.closing(Llm(LlmConfig(endpoint=endpoint, retries=0, **settings), folder)) as llm:
        yield llm


def questions(count: int, **sampling: Any) -> list[Request]:
    options = Sampling(**({"max_tokens": 1, "choices": (" bad", " good")} | sampling))
    return [
        Request(n.to_bytes(16, "big"), "p", "completion", Content.plain(f"Text {n}: is it good?"), options)
        for n in range(count)
    ]


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    with fake_llm.serve() as fake:
        with opened(tmp_path, fake) as llm:
            first = llm.ask(questions(20))
        with opened(tmp_path, fake) as llm:
            assert llm.ask(questions(25))[:20] == first
            assert llm.counts["from_cache"] == 20
        assert fake.asked == 25


def test_a_full_cache_starts_no_server(tmp_path: Path) -> None:
    with fake_llm.serve() as fake, opened(tmp_path, fake) as llm:
        first = llm.ask(questions(5))
    with opened(tmp_path, None) as llm:  # would start vLLM
        assert llm.ask(questions(5)) == first
        assert llm.counts["server_starts"] == 0


@pytest.mark.parametrize("change", [
    {"temperature": 0.5}, {"seed": 7}, {"max_tokens": 2}, {"top_p": 0.5}, {"frequency_penalty": 0.1}, {"stop": ("x",)},
])  # fmt: skip
def test_other_sampling_is_another_question(tmp_path: Path, change: dict[str, Any]) -> None:
    with fake_llm.serve() as fake, opened(tmp_path, fake) as llm:
        llm.ask(questions(1) + questions(1, **change))
        assert fake.asked == 2


def test_another_revision_is_another_question(tmp_path: Path) -> None:
    with fake_llm.serve() as fake:
        for revision in (None, "v2", "v2"):
            with opened(tmp_path, fake, revision=revision) as llm:
                llm.ask(questions(1))
        assert fake.asked == 2


def test_an_answer_that_another_process_took_out_is_asked_again_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_llm.serve() as fake, opened(tmp_path, fake) as llm:
        confirm = llm._canaries.confirm

        async def purged(*args: Any, **kwargs: Any) -> None:
            await confirm(*args, **kwargs)
            llm.cache.purge([question.text_hash for question in questions(1)])

        monkeypatch.setattr(llm._canaries, "confirm", purged)
        gone, there = llm.ask(questions(2))
        assert (gone.status, there.status) == ("unreachable", "ok")
        assert gone.detail
        assert "another process" in gone.detail
        monkeypatch.undo()
        assert [answer.status for answer in llm.ask(questions(2))] == ["ok", "ok"]


def test_equal_questions_are_asked_once(tmp_path: Path) -> None:
    with fake_llm.serve() as fake, opened(tmp_path, fake) as llm:
        answers = llm.ask(questions(1) * 30)
        assert (len(answers), fake.asked) == (30, 1)


@pytest.mark.parametrize("fault", [500, 400, "reset", "broken_json", "no_logprobs"])
def test_a_failure_is_asked_again_by_the_next_run(tmp_path: Path, fault: str | int) -> None:
    with fake_llm.serve(fault, "ok") as fake, opened(tmp_path, fake) as llm:
        assert llm.ask(questions(1))[0].status != "ok"
        assert llm.cache.stats()["entries"] == 0
        assert llm.ask(questions(1))[0].status == "ok"


@pytest.mark.parametrize("said", ["outside", "filtered"])
def test_what_the_model_said_is_kept(tmp_path: Path, said: str) -> None:
    with fake_llm.serve(said, "ok") as fake, opened(tmp_path, fake) as llm:
        first = llm.ask(questions(1))
        assert llm.ask(questions(1)) == first
        assert fake.asked == 1


def test_one_failure_leaves_the_others_alone(tmp_path: Path) -> None:
    with fake_llm.serve("ok", "ok", 500, "ok") as fake, opened(tmp_path, fake, concurrency=1) as llm:
        assert [answer.status for answer in llm.ask(questions(4))] == ["ok", "ok", "http_error", "ok"]


def test_what_does_not_fit_is_not_sent(tmp_path: Path) -> None:
    with fake_llm.serve() as fake, opened(tmp_path, fake, max_model_len=100) as llm:
        long = Request(
            b"l" * 16, "p", "completion", Content.plain("word " * 200), Sampling(1, choices=(" bad", " good"))
        )
        assert [answer.status for answer in llm.ask([*questions(1), long])] == ["ok", "over_long"]
        assert fake.asked == 1


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, "canary-secret")
    caplog.set_level("DEBUG")
    with (
        fake_llm.serve(500, 401) as fake,
        opened(tmp_path, fake, concurrency=1) as llm,
        pytest.raises(ModelError) as raised,
    ):
        llm.ask(questions(2))
    assert fake.keys == {"Bearer canary-secret"}
    assert "canary" not in str(raised.value)
    assert "canary" not in caplog.text
    assert not any(b"canary" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_no_text_of_a_document_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with fake_llm.serve("ok", 500, 400, "outside") as fake, opened(tmp_path, fake) as llm:
        llm.ask(questions(6))
    assert "is it good" not in caplog.text


def test_the_wrong_server_is_a_clear_stop(tmp_path: Path) -> None:
    with (
        fake_llm.serve(models=("other",)) as fake,
        opened(tmp_path, fake) as llm,
        pytest.raises(ModelError, match="serves other"),
    ):
        llm.ask(questions(1))


def test_no_server_is_a_clear_stop(tmp_path: Path) -> None:
    with fake_llm.serve() as fake:
        pass
    with opened(tmp_path, fake) as llm, pytest.raises(ModelError, match="is the server running"):
        llm.ask(questions(1))


def test_the_identity_needs_nothing_started() -> None:
    identity = Llm.identity_of(LlmConfig())
    assert (identity.model, identity.revision) == (NAME, REVISION)
    assert str(Llm.identity_of(LlmConfig(quantization="fp8", dtype="float16"))) == f"{NAME}@{REVISION}+float16+fp8"
    assert str(Llm.identity_of(LlmConfig(model="org/name", endpoint="http://localhost:1/v1"))) == "org/name@unknown"
