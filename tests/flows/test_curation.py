"""Whole runs as a Prefect flow against a real server, undisturbed and under fire, and what the server's API says."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psutil
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
KEY = "canary-1f6c0a52d1"
OUTSIDE = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
HASTY = {"PREFECT_CLIENT_MAX_RETRIES": "0", "PREFECT_API_REQUEST_TIMEOUT": "1"}
"""Gives up on a server at once; the default is 30 s for one that is gone and 80 s for one that hangs."""


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

    def start(self, config: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return start(config, *arguments, **self.environment | {"PREFECT_API_URL": f"{self.url}/api"} | environment)

    def run(self, config: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return ended(self.start(config, *arguments, **environment))

    def runs(self, config: Path) -> list[dict[str, Any]]:
        """The flow runs of a config, oldest first."""
        found = self.ask("flow_runs", sort="EXPECTED_START_TIME_ASC")
        return [run for run in found if run["parameters"]["config"] == str(config)]

    def tasks(self, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """By name; of a repeated one the last."""
        found = self.ask("task_runs", flow_runs={"id": {"any_": [run["id"]]}}, sort="EXPECTED_START_TIME_ASC")
        return {task["name"]: task for task in found}

    def artifacts(self, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
        found = self.ask("artifacts", artifacts={"flow_run_id": {"any_": [run["id"]]}})
        return {artifact["key"]: artifact for artifact in found}

    def wait_for_stage(self, config: Path, name: str) -> None:
        """Until the last run of `config` is in that stage."""
        until(lambda: (runs := self.runs(config)) and name in self.tasks(runs[-1]))


def start(config: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", str(config), "--prefect", "--no-llm", *arguments],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]", timeout: float = 400) -> "subprocess.CompletedProcess[str]":
    out, err = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def until(is_so: Callable[[], object], seconds: float = START_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.2)


@contextmanager
def serving(home: Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = OUTSIDE | {"PREFECT_HOME": str(home), "CURATE_LLM_API_KEY": KEY}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "ui", "--port", str(port)],
            cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        made = Server(f"http://127.0.0.1:{port}", process, home / "log", environment)
        until(lambda: answers(made))
        yield made
    finally:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(server: Server) -> bool:
    assert server.process.poll() is None, server.log.read_text()
    try:
        return httpx.get(f"{server.url}/api/health", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("prefect")) as made:
        yield made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    pages = [WORDS, " ".join(reversed(WORDS.split())), WORDS, "too short"]
    rows = [{"url": f"http://example.org/{i}", "text": text} for i, text in enumerate(pages)]
    (tmp_path / "pages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    return tmp_path / "tiny.yaml"


def with_broken(config: Path, name: str) -> Path:
    """A second input, which is no Parquet file."""
    broken = config.with_name(name)
    broken.write_bytes(b"PAR1 not really")
    config.write_text(CONFIG.replace("output:", f"  - {{source: bad, uri: {json.dumps(name)}}}\noutput:"))
    return broken


def shards(config: Path) -> dict[Path, tuple[int, int]]:
    """Inode and modification time of everything that is committed in the work folder."""
    found = [p for p in config.with_name("work").joinpath("stages").rglob("*") if p.is_file()]
    return {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in found}


def test_the_server_says_where_it_is(server: Server) -> None:
    said = server.log.read_text()
    assert f"Prefect: {server.url} " in said
    assert f"PREFECT_API_URL={server.url}/api curate run CONFIG --prefect" in said
    assert httpx.get(f"{server.url}/ui-settings", trust_env=False).json()["api_url"] == f"{server.url}/api"
    settings = httpx.get(f"{server.url}/api/admin/settings", trust_env=False).json()
    assert settings["server"]["ui"]["show_promotional_content"] is False
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
    done = server.run(config, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["records_in"], result["kept"]) == (4, 2)

    [run] = server.runs(config)
    assert (run["name"], run["state_name"]) == ("tiny", "Completed")
    assert set(run["parameters"]) == {
        "config", "settings", "inputs", "output", "work", "workers", "memory", "no_llm", "allow_partial", "rehash",
    }  # fmt: skip
    tasks = server.tasks(run)
    assert set(tasks) == set(STAGES)
    assert {(t["state_type"], t["run_count"]) for t in tasks.values()} == {("COMPLETED", 1)}

    artifacts = server.artifacts(run)
    funnel = json.loads(artifacts["funnel"]["data"])
    assert 0 < len(funnel) <= 100
    assert funnel[-1]["remaining"] == 2
    assert sum(row["removed"] for row in funnel) == 2
    assert result["version"] in artifacts["version"]["data"]
    progress = {k: a["data"] for k, a in artifacts.items() if k.startswith("progress-")}
    assert progress == {f"progress-{stage}": 100.0 for stage in STAGES}

    again = server.run(config)
    assert again.returncode == 0, again.stderr
    assert "everything is done already" in again.stdout


def test_a_failed_stage_shows_which_object_why_and_what_to_do(server: Server, config: Path) -> None:
    name = "<img src=x> [a](b) *c*_d_.parquet"
    with_broken(config, name)
    done = server.run(config)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr

    [run] = server.runs(config)
    failed = server.tasks(run)["extract"]
    assert (run["state_type"], failed["state_type"]) == ("FAILED", "FAILED")
    logs = server.ask("logs", logs={"flow_run_id": {"any_": [run["id"]]}})
    logged = "\n".join(log["message"] for log in logs if log["level"] >= 40)
    for said in (run["state"]["message"], failed["state"]["message"], logged, done.stderr):
        for part in (name, "Parquet footer cannot be read", "fetch it again or remove it", "--allow-partial"):
            assert part in said
    shown = server.artifacts(run)["failures"]
    assert shown["task_run_id"] == failed["id"]
    assert r"&lt;img src=x&gt; \[a\]\(b\) \*c\*\_d\_.parquet" in shown["data"]
    assert "**What to do:** the file is cut or no Parquet: fetch it again or remove it" in shown["data"]

    allowed = server.run(config, "--allow-partial")
    assert allowed.returncode == 3, allowed.stderr
    published = server.runs(config)[-1]
    assert (published["state_type"], published["state_name"]) == ("COMPLETED", "Partial")
    assert published["state"]["message"].startswith("4 records in: 2 kept, 2 rejected, 0 quarantined\n")
    assert server.artifacts(published)["failures"]["data"] == shown["data"]

    # Of what Prefect keeps, nothing is a document's text or a secret.
    kept = b"".join(p.read_bytes() for p in Path(server.environment["PREFECT_HOME"]).rglob("*") if p.is_file())
    assert published["id"].replace("-", "").encode() in kept or published["id"].encode() in kept
    for secret in (WORDS, "too short", KEY):
        assert secret.encode() not in kept


@pytest.mark.slow
def test_a_flow_that_is_tried_again_does_only_what_is_missing(server: Server, config: Path) -> None:
    broken = with_broken(config, "late.parquet")
    # Tasks are not tried again whatever the settings say: a stage that failed would count its failures twice.
    running = server.start(
        config, "--json", PREFECT_FLOWS_DEFAULT_RETRIES="1", PREFECT_FLOWS_DEFAULT_RETRY_DELAY_SECONDS="10",
        PREFECT_TASKS_DEFAULT_RETRIES="2",
    )  # fmt: skip
    until(lambda: (runs := server.runs(config)) and runs[-1]["state_name"] == "AwaitingRetry")
    before = shards(config)
    pl.DataFrame({"text": ["a page that came late, whole and of more than five words"]}).write_parquet(broken)
    done = ended(running)
    assert done.returncode == 0, done.stderr
    executed = {stage["name"]: (stage["executed"], stage["tasks"]) for stage in json.loads(done.stdout)["stages"]}
    assert executed["extract"] == (1, 2)
    assert before.items() <= shards(config).items()
    [run] = server.runs(config)
    assert (run["state_type"], run["run_count"]) == ("COMPLETED", 2)
    assert {task["run_count"] for task in server.tasks(run).values()} == {1}


@pytest.mark.slow
def test_a_killed_run_is_marked_by_the_next_one_which_goes_on(server: Server, config: Path) -> None:
    running = server.start(config)
    server.wait_for_stage(config, "extract")
    running.kill()
    running.communicate()
    [dead] = server.runs(config)
    assert dead["state_type"] == "RUNNING"
    again = server.run(config)
    assert again.returncode == 0, again.stderr
    dead, finished = server.runs(config)
    assert (dead["state_type"], finished["state_type"]) == ("CRASHED", "COMPLETED")
    assert "was killed" in dead["state"]["message"]
    assert {task["state_type"] for task in server.tasks(dead).values()} <= {"COMPLETED", "CRASHED"}


@pytest.mark.parametrize("numbers", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGINT, signal.SIGTERM]], ids=repr)
def test_no_signal_leaves_a_run_that_seems_to_run(server: Server, config: Path, numbers: list[signal.Signals]) -> None:
    running = server.start(config)
    server.wait_for_stage(config, "extract")
    for number in numbers:
        running.send_signal(number)
    done = ended(running, timeout=10)
    assert done.returncode in {128 + number for number in numbers}
    assert "stopped; run the same command again" in done.stderr
    [run] = server.runs(config)
    if run["state_type"] == "RUNNING":  # Of 10 s the server has one to hear of it; then the next run tells it.
        assert server.run(config).returncode == 0
        assert server.runs(config)[0]["state_type"] == "CRASHED"
        return
    # Crashed: a second signal, or one that was lost in a hook after a fork, ends the process from another thread.
    assert run["state_type"] in {"CANCELLED", "CRASHED"}
    assert server.tasks(run)["extract"]["state_type"] == "CRASHED"
    assert "Run the same again to go on" in run["state"]["message"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_goes_away_mid_run_takes_nothing_with_it(
    tmp_path: Path, config: Path, fault: signal.Signals
) -> None:
    home = tmp_path / "prefect"
    home.mkdir()
    with serving(home) as server:
        undisturbed = json.loads(
            server.run(config, "--json", "--output", str(tmp_path / "o"), "--work", str(tmp_path / "w")).stdout
        )
        running = server.start(config, "--json", **HASTY)
        until(lambda: len(server.runs(config)) == 2)
        server.wait_for_stage(config, "extract")
        server.process.send_signal(fault)
        done = ended(running, timeout=100)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["version"] == undisturbed["version"]
        assert f"no answer from {server.url}/api: Prefect shows this run as running until the next one" in done.stderr
    if fault == signal.SIGKILL:
        return
    with serving(home) as server:
        assert server.runs(config)[-1]["state_type"] == "RUNNING"
        assert "everything is done already" in server.run(config).stdout
        assert [run["state_type"] for run in server.runs(config)] == ["COMPLETED", "CRASHED", "COMPLETED"]


@pytest.mark.slow
def test_a_slow_server_is_waited_for(server: Server, config: Path) -> None:
    running = server.start(config)
    try:
        while running.poll() is None:
            for number, seconds in ((signal.SIGSTOP, 2.0), (signal.SIGCONT, 0.2)):
                server.process.send_signal(number)
                time.sleep(seconds)
    finally:
        server.process.send_signal(signal.SIGCONT)
    done = ended(running)
    assert done.returncode == 0, done.stderr
    [run] = server.runs(config)
    assert run["state_type"] == "COMPLETED"


@pytest.mark.parametrize("how", ["closed", "hangs"])
def test_a_server_that_does_not_answer_at_the_start(server: Server, config: Path, how: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if how == "hangs":
            silent.listen()
        nobody = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        done = server.run(config, PREFECT_API_URL=nobody, **HASTY)
    assert done.returncode == 1
    assert f"curate: error: no Prefect server answers at {nobody}; start one with `curate ui`" in done.stderr
    assert not config.with_name("work").exists()


def test_a_password_in_the_address_of_the_server_is_refused(server: Server, config: Path) -> None:
    done = server.run(config, PREFECT_API_URL=f"http://me:{KEY}@127.0.0.1:9/api")
    assert done.returncode == 2
    assert "set PREFECT_API_AUTH_STRING instead" in done.stderr
    assert KEY not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_temporary_server_ends_with_its_run(config: Path, number: signal.Signals) -> None:
    home = config.with_name("prefect")
    running = start(config, **OUTSIDE, PREFECT_HOME=str(home))
    until(config.with_name("work").joinpath("prefect_run").exists)
    assert processes_with(home)
    running.send_signal(number)
    until(lambda: not processes_with(home), seconds=10)
    running.communicate()


def processes_with(home: Path) -> list[psutil.Process]:
    """Prefect's processes that run with this PREFECT_HOME."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            if "prefect" in (process.info["cmdline"] or []) and process.environ().get("PREFECT_HOME") == str(home):
                found.append(process)
    return found
