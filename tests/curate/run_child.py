"""`python -m tests.curate.run_child CONFIG [--no-llm]`: a run in a process of its own that a test can kill.

Prints a line `stage done total` whenever a task ends, and the result as JSON at the end.
"""

import json
import sys
from pathlib import Path

import curate
from curate.config.file import load


def report(stage: str, done: int, total: int) -> None:
    sys.stdout.write(f"{stage} {done} {total}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    config = load(Path(sys.argv[1]))
    result = curate.run(config.without_llm() if "--no-llm" in sys.argv else config, progress=report)
    sys.stdout.write(json.dumps(result.to_json()) + "\n")
