"""Whole runs for tests: small corpora on disk, configs over them, and what a run left behind."""

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


def kill(child: "subprocess.Popen[str]") -> None:
    """SIGKILL the run, and wait until all that can still work for it is gone too."""
    # Ray's two agents do no work of ours and notice their raylet's death only within a minute.
    started = [p for p in psutil.Process(child.pid).children(recursive=True) if "Agent" not in " ".join(p.cmdline())]
    child.kill()
    child.communicate()
    _, alive = psutil.wait_procs(started, timeout=30)
    assert not alive, f"outlived the driver: {[p.name() for p in alive]}"


def finish_child(child: "subprocess.Popen[str]") -> dict[str, Any]:
    """Its result, once it has ended well."""
    output, _ = child.communicate(timeout=400)
    assert child.returncode == 0, output
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result
