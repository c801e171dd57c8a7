"""Deduplication end to end, beside other tools over the same texts; see docs/BENCHMARKS.md.

    python -m tests.bench.dedup [--only NAME ...] [--pages N] [--samples FILE]

The texts are those of the reference corpus as extraction leaves them, in plain JSONL; out comes zstd Parquet with page
checksums, every removal verified. NAME is one of end_to_end, signatures, index_bytes.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa

from curate.config import MinhashConfig
from curate.config.file import load
from curate.index.add import add
from curate.index.info import info
from curate.minhash import permutations, text_signatures
from curate.shingles import shingles_of
from curate.storage import Store
from curate.text.buffers import text_buffers
from tests.bench.command import CORES, run_curate
from tests.bench.corpus import CACHE
from tests.bench.dedup_differences import differences, removals_of_run
from tests.bench.dedup_peers import datatrove, text_dedup_seconds
from tests.bench.dedup_texts import Texts, texts
from tests.bench.figure import Figure, emit, note
from tests.curate.index.published import Doc, publish

CONFIG = Path(__file__).with_name("dedup_only.yaml")
RUNS = 5
WARM_UP_PAGES = 1000
PEER = f"datatrove 0.10.1, its four MinHash steps, {CORES} processes"


def end_to_end(given: Texts, folder: Path, samples: Path) -> None:
    """Seconds from the first task on warm workers to the pointer's change, those of a cold command, and the peers'."""
    found = warm(given, folder / "warm")
    seconds = [run["seconds"] for run in found]
    note(f"warm runs, s: {[round(s, 2) for s in seconds]}")
    peer = datatrove(given, folder / "datatrove")
    beside = {"peer": PEER, "peer_value": peer.total} if peer else {}
    unit = f"s, {given.documents} documents, {given.text_bytes / 1e6:.0f} MB of text"
    emit(Figure("dedup.end_to_end", median(seconds), unit, goal=4, **beside))
    usual = sorted(found, key=lambda run: run["seconds"])[len(found) // 2]
    for stage in usual["result"]["stages"]:
        emit(Figure(f"dedup.stages.{stage['name']}", stage["seconds"], "s"))
    for phase in ("plan", "publish"):
        emit(Figure(f"dedup.phases.{phase}", usual["phases"][phase], "s, the driver's part with it"))
    cold = run_curate(given.jsonl, folder / "cold", config=CONFIG).seconds_to_pointer
    emit(Figure("dedup.end_to_end_cold", cold or float("nan"), "s, from the command's start", **beside))
    other = text_dedup_seconds(given, folder / "text-dedup")
    if other:
        emit(Figure("dedup.end_to_end_text_dedup", median(seconds), "s", f"text-dedup 0.4.0, {CORES} processes", other))
    note("NeMo Curator 1.4.0 left out: its fuzzy deduplication imports cuDF and asks for a GPU")
    if peer:
        differences(removals_of_run(last_work(folder / "warm")), peer, given, _minhash(), samples)


def warm(given: Texts, folder: Path) -> list[dict[str, Any]]:
    """RUNS runs on warm workers, as `warm_run.py` prints them."""
    small = texts(pages=WARM_UP_PAGES)
    args = [CONFIG, folder, RUNS, small.jsonl, given.jsonl]
    command = [sys.executable, "-m", "tests.bench.warm_run", *map(str, args)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"warm_run ended with {ended.returncode}: {ended.stderr.strip().splitlines()[-3:]}")
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    for run in found:
        if run["result"]["records_in"] != given.documents:
            sys.exit(f"a run read {run['result']['records_in']} records, expected {given.documents}")
    return found


def last_work(folder: Path) -> Path:
    """The work folder of the run that `warm_run.py` left."""
    [left] = folder.iterdir()
    return left / "work"


def signatures(given: Texts, folder: Path, samples: Path) -> None:
    """Megabytes of text a second of one core from bytes to signatures: words, shingles, hashes and minima."""
    del folder, samples
    config = _minhash()
    rows = [row["text"] for file in given.files() for row in file]
    data, offsets = text_buffers(pa.chunked_array([pa.array(rows, pa.large_string())]))
    a, b = permutations(config.bands * config.rows, config.seed)
    text_signatures(data, offsets[:10], a, b, shingles_of(config))
    least = float("inf")
    for _ in range(5):
        began = time.process_time()
        text_signatures(data, offsets, a, b, shingles_of(config))
        least = min(least, time.process_time() - began)
    emit(Figure("dedup.signatures", len(data) / 1e6 / least, "MB of text/s a core", goal=100))


def index_bytes(given: Texts, folder: Path, samples: Path) -> None:
    """Bytes a document of an index of the corpus, and how fast it is added, signatures included."""
    del samples
    rows = [row for file in given.files() for row in file]
    shards = publish(folder / "out", [Doc(row["url"], row["text"]) for row in rows], shard_rows=10_000)
    began = time.perf_counter()
    add(folder / "index", Store(folder / "out"), "corpus", shards, _minhash())
    seconds = time.perf_counter() - began
    found = info(folder / "index")
    emit(Figure("dedup.index_bytes", found.bytes_a_document, f"a document, of {found.documents}", goal=200))
    emit(Figure("dedup.index_add", given.text_bytes / 1e6 / seconds, "MB of text/s, one core"))


BENCHMARKS: dict[str, Callable[[Texts, Path, Path], None]] = {
    "end_to_end": end_to_end, "signatures": signatures, "index_bytes": index_bytes,
}  # fmt: skip


def _minhash() -> MinhashConfig:
    dedup = load(CONFIG).dedup
    assert dedup
    assert dedup.minhash
    return dedup.minhash


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[*BENCHMARKS], help="may be repeated; default: all")
    parser.add_argument("--pages", type=int, help="pages of the corpus; default: all")
    parser.add_argument("--samples", type=Path, default=CACHE / "dedup-differences.txt", help="(%(default)s)")
    args = parser.parse_args()
    note(f"{CORES} cores, load before the start {os.getloadavg()[0]:.1f}")
    given = texts(pages=args.pages)
    folder = Path(tempfile.mkdtemp(prefix="curate-bench-"))
    try:
        for name in args.only or BENCHMARKS:
            BENCHMARKS[name](given, folder / name, args.samples)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
