"""A cap is never passed; what was answered below it is kept, and a larger cap asks only what is missing."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.config import LlmConfig
from curate.errors import BudgetReached
from curate.llm import client
from curate.llm.answers import Answer, Content, Request, Sampling
from curate.llm.budget import Meter, spent, with_share
from curate.llm.session import Llm
from tests import fake_llm

PRICES = {"prompt": 100.0, "completion": 400.0}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BACKOFF_S", 0.01)


@contextlib.contextmanager
def opened(folder: Path, fake: fake_llm.FakeLlm, budget: dict[str, Any] | None, **settings: Any) -> Iterator[Llm]:
    values = {"endpoint": fake.base_url, "retries": 0, "budget": budget, "prices": PRICES} | settings
    with contextlib.closing(Llm(LlmConfig.model_validate(values), folder)) as llm:
        yield llm


def questions(number: int, max_tokens: int = 1) -> list[Request]:
    choosing = Sampling(max_tokens, choices=(" bad", " good"))
    asked = "is it good, or not so good?"
    return [
        Request(n.to_bytes(16, "big"), "p", "completion", Content.plain(f"Text {n}: {asked}"), choosing)
        for n in range(number)
    ]


def cost(llm: Llm) -> dict[str, float]:
    prompt, completion = llm.counts["prompt_tokens"], llm.counts["completion_tokens"]
    assert llm.config.prices
    money = llm.config.prices.of(prompt, completion)
    return {"requests": llm.counts["sent"], "tokens": prompt + completion, "money": money}


@pytest.mark.parametrize(("documents", "cap", "value", "least"), [
    (1000, "requests", 100, 100),
    (200, "tokens", 1100, 900),  # the fake counts 11 a question, the tokenizer more
    (200, "money", 0.14, 0.12),  # 0.0014 a question
])  # fmt: skip
def test_no_cap_is_passed_and_a_larger_one_asks_only_what_is_missing(
    tmp_path: Path, documents: int, cap: str, value: float, least: float
) -> None:
    """FAULTS 39."""
    with fake_llm.serve() as fake:
        with opened(tmp_path, fake, {cap: value}, concurrency=8) as llm:
            with pytest.raises(BudgetReached, match=rf"llm\.budget\.{cap}: .*Raise llm\.budget\.{cap}.* run again"):
                llm.ask(questions(documents))
            assert least <= cost(llm)[cap] <= value
            answered = llm.cache.stats()["entries"]
            assert answered == fake.asked == llm.counts["sent"]
            assert len(llm.ask(questions(documents)[: answered // 2])) == answered // 2  # the cache costs nothing
            assert fake.asked == answered
            with pytest.raises(BudgetReached):
                llm.ask(questions(documents))
            assert cost(llm)[cap] <= value
        with opened(tmp_path, fake, {cap: value * 20}) as llm:
            answers = llm.ask(questions(documents))
        assert {answer.status for answer in answers} == {"ok"}
        assert fake.asked == documents


def test_time_is_a_cap_too(tmp_path: Path) -> None:
    with (
        fake_llm.serve("hang") as fake,
        opened(tmp_path, fake, {"seconds": 1}, request_timeout=2, concurrency=2) as llm,
        pytest.raises(BudgetReached, match=r"llm\.budget\.seconds"),
    ):
        llm.ask(questions(20))
    assert fake.asked == 2


def test_without_a_budget_nothing_is_held_back(tmp_path: Path) -> None:
    with fake_llm.serve() as fake, opened(tmp_path, fake, None) as llm:
        assert {answer.status for answer in llm.ask(questions(100))} == {"ok"}


def config(**budget: Any) -> LlmConfig:
    return LlmConfig.model_validate({"budget": budget, "prices": PRICES, "replicas": 4})


def test_what_is_left_is_shared_by_the_replicas() -> None:
    bill = spent([{"llm.sent": 100, "llm.prompt_tokens": 1000, "in": 7}, {"llm.sent": 20, "llm.milliseconds": 3000}])
    left = with_share(config(requests=200, tokens=5000, money=1.0, seconds=10), bill).budget
    assert left
    assert (left.requests, left.tokens, left.seconds) == (20, 1000, 9)
    assert left.money == pytest.approx((1.0 - 0.1) / 4)
    over = with_share(config(requests=100), bill).budget
    assert over
    assert over.requests == 0
    assert with_share(LlmConfig(), bill) == LlmConfig()


@pytest.mark.parametrize(("answer", "charged"), [
    (Answer("ok", "x", None, 30, 2), 32),
    (Answer("ok", "x"), 60),  # a server that gives no counts
    (Answer("malformed"), 60),
    (Answer("timeout"), 60),
    (Answer("http_error", detail="HTTP 500"), 0),
    (Answer("unreachable"), 0),
])  # fmt: skip
def test_what_a_server_does_not_count_is_charged_by_the_estimate(answer: Answer, charged: int) -> None:
    meter = Meter(LlmConfig.model_validate({"budget": {"tokens": 100}}))
    assert meter.reserve(50, 10)
    assert not Meter(LlmConfig.model_validate({"budget": {"tokens": 59}})).reserve(50, 10)
    meter.settle(50, 10, answer)
    assert meter.reserve(100 - charged, 0)
    assert not meter.reserve(1, 0)


def test_money_needs_prices() -> None:
    with pytest.raises(ValueError, match=r"budget\.money needs prices"):
        LlmConfig.model_validate({"budget": {"money": 1}})


def test_a_budget_and_prices_change_no_answer() -> None:
    assert config(requests=1).identity() == LlmConfig().identity()
    assert spent([]) == Counter()
