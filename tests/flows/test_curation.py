"""A whole run as a Prefect flow against a real server, and what the server's API says about it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 180
"""Prefect's server makes its tables first: 13 s on two idle cores."""

CONFIG = """\
name: tiny
inputs:
  - {source: docs, uri: pages.jsonl, fields: {url: url}}
output: out
work: work
measure:
  - {filter: gopher.word_count, keep: {min: 5}}
dedup: {minhash: {}}
llm: {}
judge: {keep: {min: 0.5, missing: {not_sampled: keep, failed: reject}}}
"""
STAGES = ["plan", "extract", "measure", "dedup", "select", "publish"]
WORDS = "the water of a river runs down to the sea and on its way it carries stones sand and mud"


@dataclass(frozen=True)
class Server:
    """A `curate ui` of this test."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path
    environment: dict[str, str]

    def ask(self, what: str, **body: Any) -> list[dict[str, Any]]:
        answer = httpx.post(f"{self.url}/api/{what}/filter", json=body, timeout=60, trust_env=False)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def run(self, config: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "flows.cli", "run", str(config), "--prefect", *arguments],
            cwd=ROOT, env=self.environment | {"PREFECT_API_URL": f"{self.url}/api"}, capture_output=True, text=True,
            timeout=400, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | {"PREFECT_HOME": str(home)}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "ui", "--port", str(port)],
            cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait_until_it_answers(process, f"http://127.0.0.1:{port}", home / "log")
            yield Server(f"http://127.0.0.1:{port}", process, home / "log", environment)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/api/health", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"no answer in {START_SECONDS} s: {log.read_text()}")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    pages = [WORDS, " ".join(reversed(WORDS.split())), WORDS, "too short"]
    rows = [{"url": f"http://example.org/{i}", "text": text} for i, text in enumerate(pages)]
    (tmp_path / "pages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    return tmp_path / "tiny.yaml"


def test_the_server_says_where_it_is(server: Server) -> None:
    said = server.log.read_text()
    assert f"Prefect: {server.url} " in said
    assert f"PREFECT_API_URL={server.url}/api curate run CONFIG --prefect" in said
    assert httpx.get(f"{server.url}/ui-settings", trust_env=False).json()["api_url"] == f"{server.url}/api"
    assert (Path(server.environment["PREFECT_HOME"]) / "prefect.db").exists()


def test_a_port_that_is_taken(server: Server) -> None:
    port = server.url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "ui", "--port", port],
        cwd=ROOT, env=server.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"curate: error: port {port}: " in done.stderr


def test_one_task_a_stage_and_the_funnel(server: Server, config: Path) -> None:
    done = server.run(config, "--no-llm", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["records_in"], result["kept"]) == (4, 2)

    [run] = [r for r in server.ask("flow_runs") if r["parameters"]["config"] == str(config)]
    assert run["state_type"] == "COMPLETED"
    assert set(run["parameters"]) == {
        "config", "inputs", "output", "work", "workers", "no_llm", "allow_partial", "rehash",
    }  # fmt: skip
    tasks = server.ask("task_runs", task_runs={"flow_run_id": {"any_": [run["id"]]}}, sort="EXPECTED_START_TIME_ASC")
    assert sorted(t["name"] for t in tasks) == sorted(STAGES)
    assert {t["state_type"] for t in tasks} == {"COMPLETED"}
    assert {t["run_count"] for t in tasks} == {1}

    artifacts = server.ask("artifacts", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    by_key = {a["key"]: a for a in artifacts}
    funnel = json.loads(by_key["funnel"]["data"])
    assert 0 < len(funnel) <= 100
    assert funnel[-1]["remaining"] == 2
    assert sum(row["removed"] for row in funnel) == 2
    assert result["version"] in by_key["version"]["data"]
    progress = {k: a["data"] for k, a in by_key.items() if k.startswith("progress-")}
    assert progress == {f"progress-{stage}": 100.0 for stage in STAGES}

    again = server.run(config, "--no-llm")
    assert again.returncode == 0, again.stderr
    assert "everything is done already" in again.stdout


def test_what_failed_is_in_the_state(server: Server, config: Path) -> None:
    bad = config.with_name("bad.parquet")
    bad.write_bytes(b"PAR1 not really")
    done = server.run(config, "--no-llm", "--input", f"docs={bad}")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "curate: error: " in done.stderr
    [run] = [r for r in server.ask("flow_runs") if r["parameters"]["config"] == str(config)]
    assert run["state_type"] == "FAILED"
    for part in ("bad.parquet", "--allow-partial"):
        assert part in run["state"]["message"]


def test_a_server_that_does_not_answer(server: Server, config: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
    done = Server(nobody, server.process, server.log, server.environment | {"PREFECT_CLIENT_MAX_RETRIES": "0"}).run(
        config
    )
    assert done.returncode == 1
    assert f"curate: error: no Prefect server answers at {nobody}/api; start one with `curate ui`" in done.stderr
    assert not config.with_name("work").exists()
