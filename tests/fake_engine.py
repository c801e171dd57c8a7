"""A stand-in for vLLM's server that starts in 0.2 s and dies on demand; for tests of what watches it.

`install` puts it on PYTHONPATH under vLLM's own module name: the command, the watchers, the environment and the ports
are those of the real one. Like vLLM it has an engine in a process of its own, answers 500 once that is dead, and ends.

A question that holds POISON kills the engine; one that holds SLOW is answered once the file `release` is there, and so
is every question but the first PROMPT where the server was started with `hold`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import fake_llm

POISON, SLOW = "(poison)", "(slow)"
PROMPT = 3
FOLDER, START = "FAKE_ENGINE_FOLDER", "FAKE_ENGINE_START"
MODULE = "vllm.entrypoints.openai.api_server"
ENGINE = "import sys; sys.stdin.read()  # EngineCore"


@dataclass(frozen=True)
class Start:
    """Process group, processes and port of one server that came up."""

    group: int
    server: int
    engine: int
    port: int


@dataclass(frozen=True)
class Journal:
    """What all servers of a test noted."""

    folder: Path

    @property
    def groups(self) -> list[int]:
        """Process groups of all that was started, whether it came up or not."""
        return self._lines("groups")

    @property
    def starts(self) -> list[Start]:
        return [Start(*line) for line in self._lines("starts")]

    @property
    def gpus(self) -> list[str | None]:
        """What each server that came up was shown."""
        return self._lines("gpus")

    @property
    def commands(self) -> list[list[str]]:
        """Arguments of each server that came up."""
        return self._lines("commands")

    @property
    def asked(self) -> Counter[str]:
        """How often each prompt arrived."""
        return Counter(self._lines("asked"))

    def release(self) -> None:
        (self.folder / "release").touch()

    def note(self, name: str, value: object) -> None:
        with (self.folder / name).open("a") as file:  # one write: lines of several servers do not mix
            file.write(json.dumps(value) + "\n")

    def _lines(self, name: str) -> list[Any]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def install(folder: Path, monkeypatch: Any, start: str = "") -> Journal:
    """From here on a server of ours is this one. `start`: what it does instead of serving, see `begin`."""
    package = folder.joinpath("shadow", *MODULE.split(".")[:-1])
    package.mkdir(parents=True)
    for each in (package, *package.parents[:2]):
        (each / "__init__.py").touch()
    (package / "api_server.py").write_text("from tests.fake_engine import main\nmain()\n")
    root = Path(__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "shadow"), str(root)]))
    monkeypatch.setenv(FOLDER, str(folder))
    monkeypatch.setenv(START, start)
    return Journal(folder)


class Handler(fake_llm.Handler):
    journal: Journal
    engine: "subprocess.Popen[bytes]"
    noting: threading.Lock
    """Two questions that arrive at once have numbers of their own."""

    def do_GET(self) -> None:
        if self.path == "/health":
            self.send_bytes(b"", status=200 if self.engine.poll() is None else 503)
        else:
            super().do_GET()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body.get("prompt") or body["messages"][0]["content"]
        if fake_llm.asks_canary(body) and self.engine.poll() is None:
            self.send(self.fake.canary(body))
            return
        with self.noting:
            self.journal.note("asked", prompt)
            number = self.journal.asked.total()
        if self.headers.get("Authorization") != f"Bearer {os.environ['VLLM_API_KEY']}":
            self.send({"error": {"message": "5"}}, status=401)
            return
        if POISON in prompt:
            self.engine.kill()
            self.engine.wait()
        slow = SLOW in prompt or (os.environ[START] == "hold" and number > PROMPT)
        while slow and self.engine.poll() is None and not (self.journal.folder / "release").exists():
            time.sleep(0.02)
        if self.engine.poll() is None:
            self.send(fake_llm.good(body, self.fake))
        else:
            self.send({"error": {"message": "5", "type": "EngineDeadError"}}, status=500)


def begin(how: str) -> None:
    """Ways to start badly."""
    if how == "refuse":
        sys.exit("ValueError: No available memory for the cache blocks.")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("Loading a large model")  # noqa: T201 - vLLM's log is its output
        time.sleep(600)


def main() -> None:
    """The server process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--served-model-name")
    options, _ = parser.parse_known_args()
    journal = Journal(Path(os.environ[FOLDER]))
    journal.note("groups", os.getpgrp())
    begin(os.environ[START])
    fake = fake_llm.FakeLlm(models=(options.served_model_name,), owned_by="vllm")
    engine = subprocess.Popen([sys.executable, "-c", ENGINE], stdin=subprocess.PIPE)
    server = fake_llm.Server(("127.0.0.1", options.port), type("Bound", (Handler,), {
        "fake": fake, "journal": journal, "engine": engine, "noting": threading.Lock(),
    }))  # fmt: skip
    journal.note("gpus", os.environ.get("CUDA_VISIBLE_DEVICES"))
    journal.note("commands", sys.argv)
    journal.note("starts", [os.getpgrp(), os.getpid(), engine.pid, options.port])

    def end_with_the_engine() -> None:
        engine.wait()
        time.sleep(0.2)  # what was asked gets its 500, as from vLLM
        server.shutdown()

    threading.Thread(target=end_with_the_engine, daemon=True).start()
    server.serve_forever(poll_interval=0.02)
    sys.exit(1)
