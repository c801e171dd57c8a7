"""Runs on workers that are up: started as a process of its own by `dedup.py`.

    python -m tests.bench.warm_run CONFIG FOLDER RUNS WARM_UP SOURCE

Starts Ray, runs CONFIG twice over the input WARM_UP (all imports and compiled code are then in every worker), then RUNS
times over SOURCE, each with a work folder of its own below FOLDER. Prints JSON a run: the wall seconds from its first
task to the change of its pointer, those of the pipeline's phases, and what `--json` prints.
"""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import curate
from curate.config import RunConfig
from curate.config.file import load, with_overrides
from curate.execution.ray_session import RaySession

WARM_UPS = 2
"""The first ends before the last worker has compiled code of every stage."""


class Clock:
    """When the first task of a run was about to start."""

    def __init__(self) -> None:
        self.began_ns: int | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Told of each stage before its tasks, and of each task's end."""
        del stage, done, total
        self.began_ns = self.began_ns or time.time_ns()


def timed(config: RunConfig) -> dict[str, Any]:
    """One run."""
    clock = Clock()
    phases: dict[str, float] = {}

    def wrap(name: str, stage: Any) -> Any:
        began = time.monotonic()
        result = stage()
        phases[name] = time.monotonic() - began
        return result

    result = curate.run(config, progress=clock, wrap=wrap)
    assert clock.began_ns
    changed = (config.output / "current").lstat().st_ctime_ns
    return {"seconds": (changed - clock.began_ns) / 1e9, "phases": phases, "result": result.to_json()}


def main(path: str, folder: str, runs: str, warm_up: str, source: str) -> None:
    config = load(Path(path))
    session = RaySession(config.execution)
    try:
        for number, uri in enumerate([*[warm_up] * WARM_UPS, *[source] * int(runs)]):
            below = Path(folder, str(number))
            found = timed(with_overrides(config, inputs=[f"docs={uri}"], output=below / "out", work=below / "work"))
            if number >= WARM_UPS:
                sys.stdout.write(json.dumps(found) + "\n")
                sys.stdout.flush()
            # The last one is looked at by whoever started this.
            if number < WARM_UPS + int(runs) - 1:
                shutil.rmtree(below)
    finally:
        session.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
