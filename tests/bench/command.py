"""`curate run` as a user starts it, in a process of its own, with what it took: seconds, CPU seconds, peak memory.

Memory is the kernel's own high-water mark (VmHWM in /proc/PID/status) of each process below the command, and what of it
is swapped out, read ten times a second: a peak between two readings is in the next one, and only what a process gained
in its last tenth of a second is lost.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONFIG = Path(__file__).with_name("html_to_parquet.yaml")
CORES = len(os.sched_getaffinity(0))
INTERVAL = 0.1
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """One run of the command."""

    seconds: float
    """From the command's start to its end."""

    seconds_to_pointer: float | None
    """From the command's start to the change of `current`; None where it did not change."""

    cpu_seconds: float
    """User and system time of every process below the command."""

    worker_peak_bytes: int
    """Highest memory of any Ray worker, resident and swapped."""

    driver_peak_bytes: int
    """Highest memory of the command's own process, resident and swapped."""

    result: Mapping[str, Any]
    """What `--json` printed."""

    def stages(self) -> dict[str, float]:
        """Seconds by stage; a stage that ran twice is added up."""
        seconds: dict[str, float] = {}
        for stage in self.result["stages"]:
            seconds[stage["name"]] = seconds.get(stage["name"], 0.0) + stage["seconds"]
        return seconds

    @property
    def executed(self) -> int:
        """Tasks that were not done already."""
        return sum(stage["executed"] for stage in self.result["stages"])


def run_curate(
    source: Path,
    folder: Path,
    *,
    config: Path = CONFIG,
    workers: int = CORES,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Measured:
    """Curate the files below `source` into `folder`/out, with work in `folder`/work. A failed run ends it all."""
    output = folder / "out"
    args = [
        sys.executable, "-m", "flows.cli", "run", str(config), "--input", f"docs={source}", "--output", str(output),
        "--work", str(folder / "work"), "--workers", str(workers), "--no-llm", "--json", *options,
    ]  # fmt: skip
    before = _pointer_changed_at(output)
    began_at, began = time.time_ns(), time.monotonic()
    env = {**os.environ, **(environment or {})}
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as child:
        watch = _Watch(child.pid)
        out, err = child.communicate()
        seconds = time.monotonic() - began
        watch.stop()
    if child.returncode:
        sys.exit(f"curate run ended with {child.returncode}:\n{err.decode(errors='replace')[-2000:]}")
    after = _pointer_changed_at(output)
    to_pointer = (after - began_at) / 1e9 if after is not None and after != before else None
    return Measured(seconds, to_pointer, watch.cpu_seconds(), watch.worker_peak(), watch.driver_peak(), json.loads(out))


def _pointer_changed_at(output: Path) -> int | None:
    """Nanoseconds since the epoch at which the link `current` was put in place; None where there is none."""
    try:
        return (output / "current").lstat().st_ctime_ns
    except FileNotFoundError:
        return None


def imports_peak_bytes() -> int:
    """Peak resident memory of a process that imports what a worker does, and nothing more."""
    code = "import ray, curate.pipeline; print(open('/proc/self/status').read())"
    status = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return _high_water(status)


def _high_water(status: str) -> int:
    """Bytes of VmHWM and VmSwap; 0 for a process without memory, such as one that has just ended."""
    lines = (line.split() for line in status.splitlines() if line.startswith(("VmHWM:", "VmSwap:")))
    return sum(int(kilobytes) * 1024 for _, kilobytes, _ in lines)


@dataclass
class _Watch:
    """Looks at a process and all below it until stopped."""

    root: int
    peaks: dict[int, int] = field(default_factory=dict)
    ticks: dict[int, int] = field(default_factory=dict)
    workers: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def worker_peak(self) -> int:
        return max((self.peaks[pid] for pid in self.workers), default=0)

    def driver_peak(self) -> int:
        return self.peaks.get(self.root, 0)

    def cpu_seconds(self) -> float:
        return sum(self.ticks.values()) / TICKS

    def _look_on(self) -> None:
        while not self._ended.wait(INTERVAL):
            for pid in _below(self.root):
                self._look_at(pid)

    def _look_at(self, pid: int) -> None:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return  # It has ended since it was listed.
        self.peaks[pid] = max(self.peaks.get(pid, 0), _high_water(status))
        self.ticks[pid] = int(times[11]) + int(times[12])
        if _is_worker(command):
            self.workers.add(pid)


def _is_worker(command: bytes) -> bool:
    """Whether a command line is that of a process which runs tasks; Ray's agents and its raylet are none."""
    title = command.partition(b"\0")[0]
    if title.startswith(b"ray::"):
        return b"Agent" not in title
    return b"default_worker.py" in command and b"raylet" not in title


def _below(root: int) -> Sequence[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found
