"""`python -m tests.fuzz warc|jsonl|parquet|html|all`: made and broken inputs through a reader and what follows it.

Prints the seed first and one line of JSON a reader last. A finding is saved to a file that `--replay FILE` runs again.
Exit code 1: something was found.
"""

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz.campaign import Campaign, Finding, replay
from tests.fuzz.worker import READERS


def main() -> int:
    """Run what the command line asks for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("reader", nargs="?", choices=[*READERS, "all"], default="all")
    parser.add_argument("--inputs", type=int, default=10_000, help="inputs a reader")
    parser.add_argument("--seed", type=int, default=None, help="absent: a random one, which is printed")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--replay", type=Path, help="a saved input")
    chosen = parser.parse_args()
    if chosen.replay:
        found = replay(chosen.replay)
        sys.stdout.write(json.dumps(found) + "\n")
        return bool(found["broken"])
    seed = random.SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    _tell(f"seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix="curate-fuzz-"))
    clean = True
    for reader in READERS if chosen.reader == "all" else [chosen.reader]:
        campaign = Campaign(reader, seed, chosen.first, chosen.inputs, folder, _tell)
        sys.stdout.write(json.dumps(campaign.run()) + "\n")
        sys.stdout.flush()
        clean = clean and not campaign.findings
    if clean:
        folder.rmdir()
    return not clean


def _tell(message: str | Finding) -> None:
    """Progress and findings, as they come."""
    sys.stderr.write(f"{message}\n")


if __name__ == "__main__":
    raise SystemExit(main())
