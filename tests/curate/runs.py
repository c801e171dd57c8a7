"""Whole runs for tests: small corpora on disk, configs over them, and what a run left behind."""

import contextlib
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "data" / "sample"

MEASURES = [
    {"filter": "gopher.word_count", "keep": {"min": 50, "max": 100_000}},
    {"filter": "gopher.alpha_word_ratio", "keep": {"min": 0.7}, "publish": True},
    {"filter": "fineweb.line_punct_ratio", "keep": {"min": 0.05}},
]


def write_config(folder: Path, inputs: Sequence[Mapping[str, Any]], **sections: Any) -> Path:
    """A config file below `folder` whose output and work folders lie beside it."""
    values: dict[str, Any] = {
        "name": "test", "inputs": list(inputs), "output": "out", "work": "work", "measure": MEASURES,
        "dedup": {"minhash": {}}, "publish": {"validation_share": 0.1},
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values | sections))
    return path


def sample_inputs() -> list[dict[str, Any]]:
    """The WARC files of the shipped sample as one source."""
    return [{"source": "sample", "uri": str(SAMPLE / "warc")}]


def published_bytes(output: Path) -> dict[str, str]:
    """sha256 of each file of the current version, by its path below `versions`."""
    version = (output / "current").resolve()
    files = sorted(p for p in version.rglob("*") if p.is_file())
    return {str(p.relative_to(output / "versions")): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def committed(work: Path) -> dict[str, tuple[int, int]]:
    """Inode and modification time of every file of every committed step."""
    steps = [commit.parent for commit in sorted(work.glob("stages/*/*/commit.json"))]
    return {str(f): (f.stat().st_ino, f.stat().st_mtime_ns) for step in steps for f in step.iterdir()}


def start_child(config: Path, *options: str) -> "subprocess.Popen[str]":
    """A run in its own process; its standard output is a pipe."""
    command = [sys.executable, "-m", "tests.curate.run_child", str(config), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)


def start_command(config: Path, *options: str) -> "subprocess.Popen[str]":
    """`curate run` as a terminal starts it, in a process group of its own; what it writes goes into pipes."""
    command = [sys.executable, "-m", "flows.cli", "run", str(config), *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )


def wait_for_line(child: "subprocess.Popen[str]", start: str) -> None:
    """Read its standard error until a line starts so."""
    assert child.stderr
    seen = []
    for line in child.stderr:
        seen.append(line)
        if line.startswith(start):
            return
    raise AssertionError(f"no line {start!r} among {seen}")


def processes_of(child: "subprocess.Popen[str]", name: str) -> list[psutil.Process]:
    """Those below a run whose command line has `name` in it."""
    found = []
    for process in psutil.Process(child.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if name in " ".join(process.cmdline()):
                found.append(process)
    return found


def kill(child: "subprocess.Popen[str]") -> None:
    """SIGKILL the run, and wait until all that it started is gone too: within 10 s."""
    started = psutil.Process(child.pid).children(recursive=True)
    child.kill()
    child.communicate()
    assert_gone(started)


def assert_gone(processes: Sequence[psutil.Process]) -> None:
    """None of them outlives what ended by more than 10 s."""
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive, f"outlived the driver: {[p.cmdline() for p in alive]}"


def finish_child(child: "subprocess.Popen[str]") -> dict[str, Any]:
    """Its result, once it has ended well."""
    output, _ = child.communicate(timeout=400)
    assert child.returncode == 0, output
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result
