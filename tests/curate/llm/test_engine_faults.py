"""A server of ours that dies, hangs or does not start: every question gets its answer, or the run its clear end."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from curate.config import LlmConfig
from curate.errors import ModelError
from curate.llm import client, server, session
from curate.llm.answers import Content, Request, Sampling
from curate.llm.packaged import NAME, ModelFolder
from curate.llm.server import VllmServer
from curate.llm.session import Llm
from tests import fake_engine
from tests.curate.llm.processes import kill_all, listens, living, meanwhile, wait_until
from tests.fake_engine import POISON, SLOW, Journal


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BACKOFF_S", 0.01)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    return fake_engine.install(tmp_path, monkeypatch)


@contextlib.contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[Llm]:
    """An Llm with a server of its own; nothing of any server is left behind."""
    with contextlib.closing(Llm(LlmConfig(**({"retries": 1} | settings)), folder / "cache")) as llm:
        yield llm
    journal = Journal(folder)
    assert journal.groups
    assert not any(living(group) for group in journal.groups)
    assert not any(listens(start.port) for start in journal.starts)


def ask(llm: Llm, prompts: Sequence[str]) -> list[str]:
    """The status of each answer."""
    sampling = Sampling(max_tokens=1, choices=(" bad", " good"))
    return [
        a.status for a in llm.ask([Request(p.encode(), "p", "completion", Content.plain(p), sampling) for p in prompts])
    ]


def when_slow_are_asked(journal: Journal, number: int) -> None:
    assert wait_until(lambda: sum(SLOW in prompt for prompt in journal.asked) == number, 30)


@pytest.mark.parametrize("victim", ["server", "engine"])
def test_a_server_killed_in_the_middle_of_a_batch_is_started_again(
    tmp_path: Path, journal: Journal, victim: str
) -> None:
    """FAULTS 23: what was answered is not asked again; what was in flight is, and what had not been sent is sent."""
    prompts = [f"{i}" for i in range(20)] + [f"{SLOW} {i}" for i in range(4)] + [f"late {i}" for i in range(20)]

    def kill() -> None:
        when_slow_are_asked(journal, 4)
        before = time.monotonic()
        os.kill(getattr(journal.starts[0], victim), signal.SIGKILL)
        journal.release()
        assert wait_until(lambda: len(journal.starts) == 2, 30)
        assert time.monotonic() - before < 10

    with opened(tmp_path, concurrency=4) as llm, meanwhile(kill):
        assert ask(llm, prompts) == ["ok"] * len(prompts)
        assert llm.counts["server_starts"] == 2
    assert {number for prompt, number in journal.asked.items() if SLOW not in prompt} == {1}
    assert {number for prompt, number in journal.asked.items() if SLOW in prompt} == {2}


def test_a_server_that_died_between_two_batches_costs_nothing_but_a_start(tmp_path: Path, journal: Journal) -> None:
    with opened(tmp_path) as llm:
        ask(llm, ["first"])
        os.kill(journal.starts[0].server, signal.SIGKILL)
        assert wait_until(lambda: llm._server is not None and not llm._server.is_alive(), 10)
        assert ask(llm, ["first", "second"]) == ["ok", "ok"]
    assert journal.asked == {"first": 1, "second": 1}


@pytest.mark.parametrize("stopped", ["server", pytest.param("all of it", marks=pytest.mark.slow)])
def test_a_stopped_server_is_killed_and_replaced(tmp_path: Path, journal: Journal, stopped: str) -> None:
    """SIGSTOP: it takes connections and answers nothing, and SIGTERM does not reach it."""
    prompts = [f"{SLOW} {i}" for i in range(4)]

    def stop() -> None:
        when_slow_are_asked(journal, 4)
        [first] = journal.starts
        kill_all([first.server] if stopped == "server" else living(first.group), signal.SIGSTOP)
        journal.release()
        assert wait_until(lambda: not living(first.group), 2 + 10)

    with opened(tmp_path, request_timeout=2) as llm, meanwhile(stop):
        assert ask(llm, prompts) == ["ok"] * 4
        assert llm.counts["server_starts"] == 2


def test_an_engine_that_hangs_behind_a_healthy_server_is_a_clear_end(tmp_path: Path, journal: Journal) -> None:
    """Nothing tells it from one that is too slow, so it is not restarted; the answers that came are kept."""
    with opened(tmp_path, request_timeout=2) as llm:
        with pytest.raises(ModelError, match=r"8 questions in a row got no answer, the last one timeout"):
            ask(llm, ["quick", *(f"{SLOW} {i}" for i in range(40))])
        asked = journal.asked.total()
        with pytest.raises(ModelError, match="given up before"):
            ask(llm, ["another"])
        assert ask(llm, ["quick"]) == ["ok"]
        assert journal.asked.total() == asked


def test_a_prompt_that_kills_the_engine_costs_itself(tmp_path: Path, journal: Journal) -> None:
    prompts = [f"{i}" for i in range(30)] + [POISON] + [f"late {i}" for i in range(30)]
    with opened(tmp_path) as llm:
        statuses = ask(llm, prompts)
        assert statuses[30] == "engine_died"
        assert {*statuses[:30], *statuses[31:]} == {"ok"}
        assert llm.cache.stats()["entries"] == 60
        assert len(journal.starts) == 3
    assert journal.asked[POISON] == 3


def test_many_prompts_that_kill_the_engine_are_a_clear_end(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MAX_RESTARTS", 2)
    with opened(tmp_path) as llm:
        with pytest.raises(ModelError, match=r"died 3 times; its logs are .*Run again") as raised:
            ask(llm, ["quick", *(f"{POISON} {i}" for i in range(5))])
        assert POISON not in str(raised.value)
        with pytest.raises(ModelError, match="given up before"):
            ask(llm, ["another"])
    assert len(journal.starts) == 3


@pytest.mark.parametrize(("how", "says"), [
    ("refuse", r"vLLM ended \(exit code 1\) while starting .*vllm-\d+-0\.log ends:\n.*No available memory"),
    ("killed", r"vLLM was killed \(SIGKILL; often the machine was out of memory\) while starting"),
    ("stubborn", r"vLLM did not answer in 8 s and was stopped; raise llm\.startup_timeout.*\nLoading a large model"),
])  # fmt: skip
def test_a_server_that_does_not_start_says_why_and_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, says: str
) -> None:
    fake_engine.install(tmp_path, monkeypatch, start=how)
    with opened(tmp_path, startup_timeout=8 if how == "stubborn" else 60) as llm:
        with pytest.raises(ModelError, match=f"(?s){says}"):
            ask(llm, ["one"])
        with pytest.raises(ModelError, match="given up before"):
            ask(llm, ["one"])
        assert llm.counts["server_starts"] == 1


def test_a_port_that_somebody_took_first_costs_another_attempt(tmp_path: Path, journal: Journal) -> None:
    each = VllmServer(ModelFolder(NAME, None, None), LlmConfig(), tmp_path / "log", "key")
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", each.port))
        each.start()
        assert each.port != occupied.getsockname()[1]
        assert each.is_healthy()
        each.stop()
    assert len(journal.starts) == 1


@pytest.mark.usefixtures("journal")
def test_ports_that_are_always_taken_are_a_clear_end(tmp_path: Path) -> None:
    each = VllmServer(ModelFolder(NAME, None, None), LlmConfig(), tmp_path / "log", "key")
    done, taken = threading.Event(), dict[int, socket.socket]()

    def take() -> None:
        while not done.is_set():
            if each.port not in taken:
                taken[each.port] = socket.socket()
                taken[each.port].bind(("127.0.0.1", each.port))
            time.sleep(0.001)

    with meanwhile(take):
        try:
            with pytest.raises(ModelError, match=f"port of 127.0.0.1 taken {server.PORTS} times"):
                each.start()
        finally:
            done.set()
    for occupied in taken.values():
        occupied.close()
    assert each.pid is None


def test_an_error_shows_no_log_that_was_written_after_the_first_question(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as llm:
        ask(llm, ["canary sentence"])
        [log] = tmp_path.rglob("vllm-*.log")
        log.write_text("canary sentence")  # as a server might, in spite of its flags
        os.kill(journal.starts[0].server, signal.SIGKILL)
        monkeypatch.setenv(fake_engine.START, "refuse")
        with pytest.raises(ModelError, match="No available memory") as raised:
            ask(llm, ["another"])
    assert "canary" not in str(raised.value)
