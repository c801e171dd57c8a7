"""Ctrl-C and SIGTERM to a real run: it ends in time, nothing of it runs on, and the next one goes on where it was."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.curate.runs import (
    assert_gone,
    committed,
    finish_child,
    processes_of,
    published_bytes,
    sample_inputs,
    start_child,
    start_command,
    wait_for_line,
    write_config,
)

Child = subprocess.Popen[str]

SIGNALS: dict[str, tuple[int, Callable[[Child], None]]] = {
    "Ctrl-C": (130, lambda child: os.killpg(child.pid, signal.SIGINT)),
    "SIGTERM": (143, lambda child: child.terminate()),
}


@pytest.fixture
def start() -> Iterator[Callable[[Path], Child]]:
    """Starts runs, and ends those that a failed test left."""
    started: list[Child] = []

    def start(config: Path) -> Child:
        started.append(start_command(config))
        return started[-1]

    yield start
    for child in started:
        child.kill()
        child.communicate()


def stop(child: Child, send: Callable[[Child], None]) -> tuple[str, float]:
    """What it says, and the seconds until it has ended. Everything that it started must be gone soon after."""
    started = psutil.Process(child.pid).children(recursive=True)
    began = time.monotonic()
    send(child)
    _, said = child.communicate(timeout=60)
    seconds = time.monotonic() - began
    assert_gone(started)
    return said, seconds


def session_folder(child: Child) -> Path:
    """Where its Ray keeps its logs and sockets."""
    [raylet] = processes_of(child, "raylet/raylet")
    found = re.search(r"/\S*/session_[^/\s]+", " ".join(raylet.cmdline()))
    assert found
    return Path(found[0])


@pytest.mark.parametrize("name", ["Ctrl-C", pytest.param("SIGTERM", marks=pytest.mark.slow)])
def test_a_signal_ends_a_run_in_time_and_the_next_one_goes_on(
    tmp_path: Path, start: Callable[[Path], Child], name: str
) -> None:
    code, send = SIGNALS[name]
    config = write_config(tmp_path, sample_inputs(), execution={"split_bytes": 150_000})
    child = start(config)
    while not list(tmp_path.glob("work/stages/extract/*/commit.json")):
        assert child.poll() is None
        time.sleep(0.01)
    ray = session_folder(child)
    assert ray.exists()
    said, seconds = stop(child, send)
    assert seconds < 10
    assert child.returncode == code, said
    assert not ray.exists()
    assert said.endswith("curate: error: stopped; run the same command again to go on: what is finished is kept\n")
    assert "Traceback" not in said
    assert not (tmp_path / "out" / "current").exists()

    kept = committed(tmp_path / "work")
    finished = len(list(tmp_path.glob("work/stages/extract/*/commit.json")))
    result = finish_child(start_child(config))
    assert kept.items() <= committed(tmp_path / "work").items()
    [extract] = [stage for stage in result["stages"] if stage["name"] == "extract"]
    assert extract["executed"] == extract["tasks"] - finished > 0
    assert published_bytes(tmp_path / "out")


def test_a_signal_while_ray_starts_ends_the_run_in_time(tmp_path: Path, start: Callable[[Path], Child]) -> None:
    child = start(write_config(tmp_path, sample_inputs()))
    wait_for_line(child, "extract 0/")
    said, seconds = stop(child, lambda child: child.terminate())
    assert seconds < 10
    assert (child.returncode, "stopped; run the same command again" in said) == (143, True)


def test_a_second_signal_ends_a_run_at_once(tmp_path: Path, start: Callable[[Path], Child]) -> None:
    child = start(write_config(tmp_path, sample_inputs()))
    wait_for_line(child, "extract 0/")
    while not processes_of(child, "ray::"):
        assert child.poll() is None

    def twice(child: Child) -> None:
        child.terminate()
        time.sleep(0.2)  # Two of one kind that wait together are one.
        child.terminate()

    said, seconds = stop(child, twice)
    assert seconds < 2
    assert (child.returncode, "Traceback" in said) == (143, False)


@pytest.mark.slow
def test_a_signal_ends_the_model_server_too(tmp_path: Path, start: Callable[[Path], Child]) -> None:
    llm = {"llm": {"cache": str(tmp_path / "cache")}, "judge": {"max_documents": 100, "max_tokens": 128}}
    child = start(write_config(tmp_path, sample_inputs(), **llm))
    while not processes_of(child, "EngineCore"):
        assert child.poll() is None
        time.sleep(0.1)
    code, ctrl_c = SIGNALS["Ctrl-C"]
    said, seconds = stop(child, ctrl_c)
    assert seconds < 10
    assert child.returncode == code, said
