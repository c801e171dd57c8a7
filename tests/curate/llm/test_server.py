"""However the parent dies, its server dies too."""

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from curate.config import LlmConfig
from curate.errors import ModelError
from curate.llm import watch
from curate.llm.packaged import ModelFolder
from curate.llm.server import VllmServer, free_port, is_safe
from tests import fake_engine
from tests.curate.llm.processes import kill_all, listens, living, wait_until

STUBBORN_TREE = """
import os, signal, socket, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) > 2:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    time.sleep(600)
subprocess.Popen([sys.executable, __file__, sys.argv[1], "grandchild"])
time.sleep(600)
"""
"""A child and a grandchild that ignore SIGTERM; the grandchild holds the port, as vLLM's processes might."""

PARENT = """
import subprocess, sys, time
command = [sys.executable, "-I", *sys.argv[1:]]
watcher = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
print(watcher.pid, flush=True)
time.sleep(600)
"""

REAL_PARENT = """
import sys, time
from pathlib import Path
from curate.config import LlmConfig
from curate.llm.answers import Content, Request, Sampling
from curate.llm.session import Llm
llm = Llm(LlmConfig(), Path(sys.argv[1]))
[answer] = llm.ask([Request(b"t" * 16, "p", "completion", Content.plain("One, two,"), Sampling(4))])
print(llm._server.pid, llm._server.port, answer.status, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("is_stopped", [False, True])
@pytest.mark.parametrize("death", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stubborn_tree_dies_with_its_parent(tmp_path: Path, death: signal.Signals, is_stopped: bool) -> None:  # noqa: FBT001 - a parameter
    """With SIGTERM ignored, or held back because child and grandchild are stopped."""
    (tmp_path / "tree.py").write_text(STUBBORN_TREE)
    port = free_port()
    tree = [sys.executable, str(tmp_path / "tree.py"), str(port)]
    command = [sys.executable, "-c", PARENT, watch.__file__, str(tmp_path / "log"), *tree]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        group = int(parent.stdout.readline())
        assert wait_until(lambda: listens(port), 20)
        members = sorted(living(group))
        assert len(members) == 4  # two watchers, child, grandchild
        kill_all(members[2:] if is_stopped else [], signal.SIGSTOP)
        os.kill(parent.pid, death)
    assert wait_until(lambda: not living(group) and not listens(port), 10)


@pytest.mark.parametrize("victim", [0, 1, 2, 3])
def test_the_tree_dies_when_any_of_it_is_killed(tmp_path: Path, victim: int) -> None:
    """0 is what the parent started, which Ray kills when a worker ends; 1 the second watcher, 2 the root, 3 a child."""
    (tmp_path / "tree.py").write_text(STUBBORN_TREE)
    port = free_port()
    tree = [sys.executable, str(tmp_path / "tree.py"), str(port)]
    command = [sys.executable, "-I", watch.__file__, str(tmp_path / "log"), *tree]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watcher:
        assert wait_until(lambda: listens(port), 20)
        members = sorted(living(watcher.pid))
        assert len(members) == 4
        os.kill(members[victim], signal.SIGKILL)
        if victim == 3:  # the root lives on: vLLM's notices itself that its engine is dead, and ends
            os.kill(members[2], signal.SIGKILL)
        assert wait_until(lambda: not living(watcher.pid) and not listens(port), 10)


@pytest.mark.parametrize("engine", ["fake", pytest.param("real", marks=pytest.mark.slow)])
def test_no_engine_is_left_after_the_parent_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """Killed with an answer given."""
    if engine == "fake":
        fake_engine.install(tmp_path, monkeypatch)
    command = [sys.executable, "-c", REAL_PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        group, port, status = parent.stdout.readline().split()
        assert status in {"ok", "truncated"}
        assert listens(int(port))
        assert len(living(int(group))) >= 4  # two watchers, server, engine
        parent.kill()
    assert wait_until(lambda: not living(int(group)) and not listens(int(port)), 10)


@pytest.mark.slow
def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    model = ModelFolder("broken", tmp_path, None)
    (tmp_path / "config.json").write_text('{"model_type": "nonsense"}')
    server = VllmServer(model, LlmConfig(), tmp_path / "vllm.log")
    with pytest.raises(ModelError, match=r"(?s)ended \(exit code 1\) while starting broken.*vllm\.log ends:.*nonsense"):
        server.start()
    assert not server.is_alive()
    assert not listens(server.port)


def test_a_server_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    server = VllmServer(ModelFolder("slow", tmp_path, None), LlmConfig(startup_timeout=1), tmp_path / "vllm.log")
    with pytest.raises(ModelError, match="did not answer in 1 s"):
        server.start()
    assert server.pid is None


@pytest.mark.parametrize(
    ("version", "safe"),
    [("0.31.2", False), ("0.32.0", True), ("0.32.1rc1+cpu", True), ("1.0.0", True), ("0.9", False), ("None", False)],
)
def test_versions(version: str, safe: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_safe(version) == safe


def test_what_the_config_says_of_the_engine_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = fake_engine.install(tmp_path, monkeypatch)
    settings = {"quantization": "fp8", "dtype": "float16", "tensor_parallel": 2, "max_num_seqs": 64}
    for config in (LlmConfig(), LlmConfig(**settings)):  # type: ignore[arg-type]
        server = VllmServer(ModelFolder("any", tmp_path, None), config, tmp_path / "vllm.log", "key")
        server.start()
        server.stop()
    plain, full = journal.commands
    given = dict(pairwise(full))
    for option, value in settings.items():
        name = "--tensor-parallel-size" if option == "tensor_parallel" else f"--{option.replace('_', '-')}"
        assert given[name] == str(value)
        assert name not in plain or name == "--dtype"
