"""Whatever a server does, a question ends in an answer with a status, and never in a number from an error."""

import asyncio
from typing import Any

import pytest

from curate.errors import ModelError
from curate.llm import client as client_module
from curate.llm.answers import Answer, Content, Request, Sampling
from curate.llm.client import OpenAiClient, backoff_s
from curate.llm.protocol import read_reply, says_unconstrained
from tests import fake_llm

CHOICES = (" bad", " good")
JUDGED = Request(b"t" * 16, "p", "completion", Content.plain("Is it good?"), Sampling(1, choices=CHOICES))
CHAT = Request(b"t" * 16, "p", "chat", Content.plain("Is it good?"), Sampling(1, choices=CHOICES))
WRITTEN = Request(b"t" * 16, "p", "chat", Content.plain("Write."), Sampling(50, 0.7, seed=3, stop=("\n\n",)))


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "BACKOFF_S", 0.01)


def ask(fake: fake_llm.FakeLlm, *requests: Request, **settings: float) -> list[Answer]:
    async def run() -> list[Answer]:
        options = {"retries": 2, "request_timeout": 5} | settings
        client = OpenAiClient(fake.base_url, fake_llm.MODEL, **options)  # type: ignore[arg-type]
        try:
            return [await client.ask(request) for request in requests]
        finally:
            await client.close()

    return asyncio.run(run())


def check(fake: fake_llm.FakeLlm, **settings: Any) -> None:
    async def run() -> None:
        client = OpenAiClient(fake.base_url, fake_llm.MODEL, **{"retries": 0} | settings)
        try:
            await client.check_server()
        finally:
            await client.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("script", "status", "attempts"),
    [
        (["ok"], "ok", 1),
        ([429, "ok"], "ok", 2),
        ([503, 500, "ok"], "ok", 3),
        (["reset", "ok"], "ok", 2),
        (["cut_body", "ok"], "ok", 2),
        (["broken_json", "ok"], "ok", 2),
        ([500], "http_error", 3),
        ([400], "http_error", 1),
        ([404], "http_error", 1),
        (["too_long"], "over_long", 1),
        (["reset"], "unreachable", 3),
        (["broken_json"], "malformed", 3),
        (["empty_choices"], "malformed", 1),
        (["error_as_200"], "malformed", 1),
        (["list"], "malformed", 1),
        (["nested"], "malformed", 3),
        (["no_logprobs"], "malformed", 1),
        (["nan_logprob"], "malformed", 3),
        (["text_logprob"], "malformed", 1),
        (["positive_logprob"], "malformed", 1),
        (["null_text"], "malformed", 1),
        (["outside"], "unparsable", 1),
        (["empty_text"], "unparsable", 1),
        (["filtered"], "refused", 1),
    ],
)
def test_every_fault_has_its_status_and_its_number_of_attempts(
    script: list[str | int], status: str, attempts: int
) -> None:
    with fake_llm.serve(*script) as fake:
        [answer] = ask(fake, JUDGED)
        assert (answer.status, fake.asked) == (status, attempts)
        if status not in {"ok", "unparsable", "refused"}:
            assert answer.text is None
            assert answer.logprobs is None


@pytest.mark.parametrize("request_", [JUDGED, CHAT])
@pytest.mark.parametrize(("likeliest", "status"), [(" good", "ok"), (" the", "unparsable")])
def test_a_server_that_constrains_nothing_is_asked_all_the_same(request_: Request, likeliest: str, status: str) -> None:
    """Any OpenAI-compatible endpoint: the choices are found among the likeliest tokens, or the answer is none."""
    likely = {" good": -0.5, " bad": -1.5, " the": -2.5} | {likeliest: -0.1}
    with fake_llm.serve(constrains=False, likely=likely) as fake:
        answers = ask(fake, request_, request_, retries=0)
        assert fake.asked == 2
        assert all("structured_outputs" not in body for body in fake.bodies)
    assert [answer.status for answer in answers] == [status] * 2
    assert answers[0].logprobs == likely


@pytest.mark.parametrize(
    ("body", "unconstrained"),
    [
        ('{"error": {"message": "Unrecognized request argument supplied: structured_outputs"}}', True),
        ('{"detail": [{"type": "extra_forbidden", "loc": ["body", "structured_outputs"]}]}', True),
        ('{"error": {"message": "structured_outputs is not supported by this model"}}', True),
        ('{"error": {"message": "Invalid field: structured_outputs"}}', True),
        ('{"error": {"message": "Unknown model"}}', False),
        ('{"structured_outputs": {"choice": [" good"]}}', False),
    ],
)
def test_what_says_that_the_constraint_is_unknown(body: str, unconstrained: bool) -> None:  # noqa: FBT001
    assert says_unconstrained(body.encode()) == unconstrained


def test_halves_of_characters_are_replaced() -> None:
    reply = fake_llm.completion({"messages": []}, "a\ud83d b \ud83d\ude00", None)
    answer = read_reply(reply, WRITTEN)
    assert answer.text == "a\ufffd b \U0001f600"


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_slow_server_is_a_timeout(fault: str) -> None:
    with fake_llm.serve(fault) as fake:
        [answer] = ask(fake, JUDGED, retries=1, request_timeout=0.3)
        assert answer.status == "timeout"
        assert fake.asked == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_at_once(status: int) -> None:
    with fake_llm.serve(status) as fake, pytest.raises(ModelError, match="CURATE_LLM_API_KEY"):
        ask(fake, JUDGED, JUDGED)
    assert fake.asked == 1


def test_both_forms_give_the_same_answer() -> None:
    with fake_llm.serve("ok") as fake:
        plain, chat = ask(fake, JUDGED, CHAT)
    assert plain == chat
    assert plain.text in CHOICES
    assert plain.logprobs
    assert set(CHOICES) < set(plain.logprobs)


def test_free_text_cut_at_its_limit_is_truncated() -> None:
    with fake_llm.serve("length", "ok") as fake:
        cut, whole = ask(fake, WRITTEN, WRITTEN)
    assert (cut.status, whole.status) == ("truncated", "ok")
    assert fake.bodies[0]["seed"] == 3
    assert fake.bodies[0]["stop"] == ["\n\n"]
    assert "logprobs" not in fake.bodies[0]


def test_nobody_waits_for_a_server_that_is_gone() -> None:
    with fake_llm.serve("ok") as fake:
        pass
    with pytest.raises(ModelError, match=r"8 questions in a row got no answer, the last one unreachable \(Connect"):
        ask(fake, *[JUDGED] * 40, retries=0)


@pytest.mark.parametrize("fault", [500, 429, "reset", "broken_json", "drip"])
def test_a_server_that_answers_nobody_is_given_up_after_a_few_questions(fault: str | int) -> None:
    """FAULTS 34, 35: a thousand documents do not take a thousand times all attempts."""
    with fake_llm.serve(fault) as fake, pytest.raises(ModelError, match="8 questions in a row") as raised:
        ask(fake, *[JUDGED] * 1000, retries=1, request_timeout=0.2)
    assert fake.asked == 2 * client_module.BREAK_AFTER
    assert "Is it good" not in str(raised.value)


@pytest.mark.parametrize("fault", [400, 404, "error_as_200", "outside"])
def test_what_no_further_attempt_would_better_gives_up_nobody(fault: str | int) -> None:
    with fake_llm.serve(fault) as fake:
        assert len(ask(fake, *[JUDGED] * 20)) == 20


def test_an_answer_now_and_then_keeps_a_server_in_use() -> None:
    script = [*[500] * (client_module.BREAK_AFTER - 1), "ok"] * 3
    with fake_llm.serve(*script) as fake:
        answers = ask(fake, *[JUDGED] * len(script), retries=0)
    assert sum(answer.status == "ok" for answer in answers) == 3


@pytest.mark.parametrize("dripped", ["/v1/models", "/version"])
def test_a_server_that_never_says_what_it_serves_is_a_clear_stop(dripped: str) -> None:
    with (
        fake_llm.serve(owned_by="vllm", dripped=dripped) as fake,
        pytest.raises(ModelError, match=r"no answer \(TimeoutError\)"),
    ):
        check(fake, request_timeout=0.3)


def test_the_model_is_checked_by_name() -> None:
    with fake_llm.serve(models=("other",)) as fake, pytest.raises(ModelError, match="serves other"):
        check(fake)


@pytest.mark.parametrize("echo", [{"models": ("sk-abc",)}, {"owned_by": "vllm", "version": "sk-abc"}])
def test_a_key_that_the_server_gives_back_is_not_shown(echo: dict[str, Any]) -> None:
    with fake_llm.serve(**echo) as fake, pytest.raises(ModelError) as raised:
        check(fake, api_key="sk-abc")
    assert "sk-abc" not in str(raised.value)
    assert "***" in str(raised.value)


@pytest.mark.parametrize("version", ["0.32.0", "0.33.0rc1+cpu", "1.0"])
def test_a_recent_vllm_is_used(version: str) -> None:
    with fake_llm.serve(owned_by="vllm", version=version) as fake:
        check(fake)


@pytest.mark.parametrize("version", ["0.31.9", "", None, "x" * 10_000])
def test_a_vllm_with_known_holes_is_refused(version: Any) -> None:
    with fake_llm.serve(owned_by="vllm", version=version) as fake, pytest.raises(ModelError, match=r"0\.32") as raised:
        check(fake)
    assert len(str(raised.value)) < 500


def test_backoff_grows_spreads_and_repeats() -> None:
    waits = [backoff_s(attempt, b"a") for attempt in range(8)]
    assert waits == [backoff_s(attempt, b"a") for attempt in range(8)]
    assert waits != [backoff_s(attempt, b"b") for attempt in range(8)]
    assert waits[6] > waits[0]
    assert max(waits) <= 1.5 * client_module.MAX_BACKOFF_S
