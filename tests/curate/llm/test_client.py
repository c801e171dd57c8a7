"""Whatever a server does, a question ends in an answer with a status, and never in a number from an error."""

import asyncio

import pytest

from curate.errors import ModelError
from curate.llm import client as client_module
from curate.llm.answers import Answer, Request, Sampling
from curate.llm.client import OpenAiClient, backoff_s
from tests import fake_llm

CHOICES = (" bad", " good")
JUDGED = Request(b"t" * 16, "p", "completion", "Is it good?", Sampling(1, choices=CHOICES))
CHAT = Request(b"t" * 16, "p", "chat", "Is it good?", Sampling(1, choices=CHOICES))
WRITTEN = Request(b"t" * 16, "p", "chat", "Write.", Sampling(50, 0.7, seed=3, stop=("\n\n",)))


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


def check(fake: fake_llm.FakeLlm, *, shared: bool = True) -> None:
    async def run() -> None:
        client = OpenAiClient(fake.base_url, fake_llm.MODEL, retries=0)
        try:
            await client.check_server(shared=shared)
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
    answers = ask(fake, *[JUDGED] * 40, retries=0)
    assert {answer.status for answer in answers} == {"unreachable"}
    assert sum("not sent" in (answer.detail or "") for answer in answers) == 40 - client_module.BREAK_AFTER


def test_the_model_is_checked_by_name() -> None:
    with fake_llm.serve(models=("other",)) as fake, pytest.raises(ModelError, match="serves other"):
        check(fake)


@pytest.mark.parametrize(("version", "shared", "accepted"), [
    ("0.31.9", True, False), ("0.32.0", True, True), ("0.33.0rc1+cpu", True, True), ("1.0", True, True),
    ("0.31.9", False, True),
])  # fmt: skip
def test_a_shared_vllm_must_be_recent(version: str, shared: bool, accepted: bool) -> None:  # noqa: FBT001 - parameters
    with fake_llm.serve(owned_by="vllm", version=version) as fake:
        if accepted:
            check(fake, shared=shared)
        else:
            with pytest.raises(ModelError, match=r"0\.32"):
                check(fake, shared=shared)


def test_backoff_grows_spreads_and_repeats() -> None:
    waits = [backoff_s(attempt, b"a") for attempt in range(8)]
    assert waits == [backoff_s(attempt, b"a") for attempt in range(8)]
    assert waits != [backoff_s(attempt, b"b") for attempt in range(8)]
    assert waits[6] > waits[0]
    assert max(waits) <= 1.5 * client_module.MAX_BACKOFF_S
