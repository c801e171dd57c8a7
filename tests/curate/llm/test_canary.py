"""A model that is exchanged behind its name ends the run, and what it said is not kept."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.config import LlmConfig
from curate.errors import ModelError
from curate.llm import canary, client
from curate.llm.answers import Answer, Content, Form, Request, Sampling
from curate.llm.session import Llm
from tests import fake_llm


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BACKOFF_S", 0.01)


@contextlib.contextmanager
def opened(folder: Path, fake: fake_llm.FakeLlm) -> Iterator[Llm]:
    with contextlib.closing(Llm(LlmConfig(endpoint=fake.base_url, retries=0), folder)) as llm:
        yield llm


def questions(first: int, last: int, form: Form = "completion") -> list[Request]:
    choosing = Sampling(1, choices=(" bad", " good"))
    return [
        Request(n.to_bytes(16, "big"), "p", form, Content.plain(f"Text {n}?"), choosing) for n in range(first, last)
    ]


def test_the_fake_knows_the_questions() -> None:
    assert {question.messages[0] for question in canary.questions("chat")} == fake_llm.CANARIES


@pytest.mark.parametrize("form", ["completion", "chat"])
@pytest.mark.parametrize("keeps_logprobs", [True, False])
def test_a_model_that_is_swapped_is_noticed_and_its_answers_are_taken_back(
    tmp_path: Path,
    form: Form,
    keeps_logprobs: bool,  # noqa: FBT001 - a parameter
) -> None:
    """FAULTS 38: those before, which canary questions followed, stay."""
    with fake_llm.serve(swapped_after=15, keeps_logprobs=keeps_logprobs) as fake, opened(tmp_path, fake) as llm:
        llm.ask(questions(0, 10, form))
        with pytest.raises(ModelError, match=r"4 of 4 canary questions otherwise .* last 20 answers were taken out"):
            llm.ask(questions(10, 30, form))
        assert llm.cache.stats()["entries"] == 10
        with pytest.raises(ModelError, match="given up before"):
            llm.ask(questions(30, 31, form))
        assert fake.asked == 30
        assert len(llm.ask(questions(0, 10, form))) == 10


def test_another_name_at_the_end_is_noticed(tmp_path: Path) -> None:
    with fake_llm.serve() as fake, opened(tmp_path, fake) as llm:
        llm.ask(questions(0, 5))
        fake.models = ("other",)
        with pytest.raises(ModelError, match="serves other"):
            llm.ask(questions(5, 10))
        assert llm.cache.stats()["entries"] == 5


def test_the_same_model_is_asked_little_and_counts_are_of_documents(tmp_path: Path) -> None:
    number = len(canary.questions("completion"))
    with fake_llm.serve() as fake:
        with opened(tmp_path, fake) as llm:
            llm.ask(questions(0, 50))
            assert (llm.counts["sent"], llm.counts["asked"], fake.asked) == (50, 50, 50)
            assert fake.canaries == 2 * number  # at the start and after
            llm.ask(questions(50, 100))
            assert fake.canaries == 3 * number
            assert llm.cache.stats()["entries"] == 100
        with opened(tmp_path, fake) as llm:
            llm.ask(questions(0, 100))
            assert fake.canaries == 3 * number  # what the cache knows starts and asks nothing


def answer(*values: float, text: str = " Paris", status: Any = "ok") -> Answer:
    return Answer(status, text, dict(zip((" Paris", " London"), values, strict=False)) or None)


def likeliest(**values: float) -> Answer:
    return Answer("ok", "", values)


@pytest.mark.parametrize(("start", "end", "differs"), [
    (likeliest(Paris=-0.001, London=-9.2), likeliest(Paris=-0.001), False),
    (likeliest(Paris=-0.001, London=-16.5), likeliest(Paris=-0.001, London=-17.0), False),
    (likeliest(Paris=-0.1, The=-3.0), likeliest(Paris=-0.2, The=-2.0), False),
    (likeliest(Paris=-0.001, The=-8.0), likeliest(Rome=-0.5, Oslo=-1.0), True),
    (likeliest(Paris=-0.1), likeliest(Paris=-1.0), True),
])  # fmt: skip
def test_where_nothing_is_constrained_the_likely_tokens_are_compared(
    start: Answer,
    end: Answer,
    differs: bool,  # noqa: FBT001 - a parameter
) -> None:
    """The choices stand in the tail there, or nowhere."""
    for one, two in ((start, end), (end, start)):
        assert canary.differing([one], [two], constrained=False) == differs


@pytest.mark.parametrize(("start", "end", "differs"), [
    (answer(-0.5, -1.0), answer(-0.5 - canary.TOLERANCE / 2, -1.0), False),
    (answer(-0.5, -1.0), answer(-0.5 - canary.TOLERANCE * 2, -1.0), True),
    (answer(-0.5, -1.0), answer(-0.5), True),
    (answer(-0.7, -0.7), answer(-0.69, -0.71, text=" London"), False),
    (answer(), answer(text=" London"), True),
    (answer(), answer(), False),
    (answer(-0.5, -1.0), answer(status="http_error"), False),
])  # fmt: skip
def test_answers_differ_by_their_log_probabilities_else_by_their_text(
    start: Answer,
    end: Answer,
    differs: bool,  # noqa: FBT001 - a parameter
) -> None:
    assert canary.differing([start], [end]) == differs == canary.differing([end], [start])
