"""Other tools over the same JSONL: their seconds, and which documents they join. A part of `dedup.py`.

- datatrove 0.10.1: its four MinHash steps, `dedup_peer.py`.
- text-dedup 0.4.0: its MinHash, from its own log. It writes Arrow, not Parquet, and verifies nothing.
- NeMo Curator 1.4.0 has no fuzzy deduplication for a CPU: its MinHash stage imports cuDF and asks for one GPU.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench.command import CORES
from tests.bench.dedup_texts import Texts
from tests.bench.figure import note
from tests.bench.peer import DATATROVE, Peer

SCRIPT = Path(__file__).with_name("dedup_peer.py")
TEXT_DEDUP = Peer("text-dedup-0.4.0", ("text-dedup==0.4.0",))
TOTAL = re.compile(r"Total\s*:\s*([0-9.]+)s")


@dataclass(frozen=True)
class Joined:
    """What datatrove did with the texts."""

    seconds: dict[str, float]
    """By step."""

    cluster: dict[str, int]
    """url -> number of its cluster, of documents joined with others."""

    removed: frozenset[str]

    @property
    def total(self) -> float:
        """Of all four steps."""
        return sum(self.seconds.values())


def datatrove(texts: Texts, folder: Path) -> Joined | None:
    """One run on all cores; None, with a note, where its environment cannot be made. Exits where it fails."""
    python = DATATROVE.python()
    if python is None:
        return None
    note(f"datatrove removes duplicates of {texts.documents} texts: minutes")
    args = [python, str(SCRIPT), str(texts.jsonl), str(folder), str(CORES)]
    ended = subprocess.run(args, check=False, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"datatrove failed: {ended.stderr.strip().splitlines()[-3:]}")
    found = json.loads(ended.stdout.splitlines()[-1])
    urls = [[row["url"] for row in file] for file in texts.files()]
    rows = [(urls[file][line], cluster, gone) for file, line, cluster, gone in found["joined"]]
    note(f"datatrove, s by step: { {step: round(took, 1) for step, took in found['seconds'].items()} }")
    return Joined(
        found["seconds"],
        {url: cluster for url, cluster, _ in rows},
        frozenset(url for url, _, gone in rows if gone),
    )


def text_dedup_seconds(texts: Texts, folder: Path) -> float | None:
    """Seconds that its log gives for the whole, at our bands, rows and words a shingle; None as above."""
    python = TEXT_DEDUP.python()
    if python is None:
        return None
    args = [
        python, "-m", "text_dedup.minhash", "--path", "json", "--data_files", f"{texts.jsonl}/*.jsonl",
        "--split", "train", "--column", "text", "--num_perm", "112", "--b", "14", "--r", "8", "--ngram", "5",
        "--hash_func", "xxh3", "--num_proc", str(CORES), "--cache_dir", f"{folder}/cache", "--output", f"{folder}/out",
    ]  # fmt: skip
    # Its log wraps lines at the width of a terminal.
    env = {**os.environ, "COLUMNS": "200"}
    ended = subprocess.run(args, check=False, capture_output=True, text=True, env=env)
    total = TOTAL.search(ended.stdout + ended.stderr)
    if ended.returncode or not total:
        note(f"text-dedup failed, left out: {ended.stderr.strip().splitlines()[-1:]}")
        return None
    return float(total[1])
