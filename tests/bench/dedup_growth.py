"""How time and memory of a run with deduplication grow with the corpus: 10^5, 10^6 and 10^7 made documents.

    python -m tests.bench.dedup_growth [--documents N] [--memory 2GB] [--partitions N] [--folder DIR]

Runs the real command over each power of ten from 10^5 to N and checks what left against the truth. The ratios are those
of the two largest. 10^7 documents take about 15 GB below DIR. Exits 1 where a document left for one of another group.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from curate.minhash import probability
from tests.bench.command import CORES, Measured, imports_peak_bytes, run_curate
from tests.bench.dedup_synthetic import CHAIN, LEAST_WORDS, MOST_WORDS, Shape, write
from tests.bench.figure import Figure, emit, note

CONFIG = Path(__file__).with_name("dedup_growth.yaml")
SMALLEST = 100_000
MB = 1e6
CHANGED = 5
"""Shingles that one changed word changes."""


@dataclass(frozen=True)
class Found:
    """One size."""

    documents: int
    run: Measured


def measured(documents: int, folder: Path, config: Path, options: Sequence[str]) -> tuple[Found, bool]:
    """Make the corpus, run, check; whether every removal is right."""
    began = time.monotonic()
    shape = Shape(documents)
    write(folder / "in", shape)
    note(f"{documents} documents made in {time.monotonic() - began:.0f} s")
    run = run_curate(folder / "in", folder, config=config, options=options)
    if run.result["records_in"] != documents:
        sys.exit(f"read {run.result['records_in']} documents, expected {documents}")
    counts = {name: n for stage in run.result["stages"] for name, n in stage["counts"].items()}
    note(f"{documents}: {run.result['kept']} kept, {counts}")
    size = f"{documents:.0e}".replace("e+0", "e")
    emit(Figure(f"dedup.growth.{size}.time", run.seconds, "s of the command"))
    for stage, seconds in run.stages().items():
        emit(Figure(f"dedup.growth.{size}.stages.{stage}", seconds, "s"))
    outside = run.seconds - sum(run.stages().values())
    emit(Figure(f"dedup.growth.{size}.stages.outside", outside, "s of the command outside its stages"))
    emit(Figure(f"dedup.growth.{size}.cpu", run.cpu_seconds, "CPU s of all processes"))
    emit(Figure(f"dedup.growth.{size}.driver_memory", run.driver_peak_bytes / MB, "MB at the peak"))
    emit(Figure(f"dedup.growth.{size}.worker_memory", run.worker_peak_bytes / MB, "MB at the peak of the largest"))
    stored = sum(file.stat().st_size for file in (folder / "work").rglob("*") if file.is_file())
    emit(Figure(f"dedup.growth.{size}.disk", stored / documents, "bytes a document in the work folder"))
    return Found(documents, run), right(folder / "work", shape, size)


def right(work: Path, shape: Shape, size: str) -> bool:
    """Whether no document left for one of another group; what share of the planted copies left is emitted."""
    ledger = pl.scan_parquet(sorted((work / "ledger").glob("*.parquet")))
    part = pl.col("url").str.split(":").list
    rows = ledger.select("id", "status", "cluster_id", kind=part.get(1), group=part.get(2).cast(pl.Int64))
    removed = rows.filter(pl.col("status") == "rejected")
    keepers = rows.filter(pl.col("status") == "kept").select("id", keeper_group="group")
    both = removed.join(keepers, left_on="cluster_id", right_on="id", how="left")
    wrong = both.filter(pl.col("group").ne_missing(pl.col("keeper_group"))).select(pl.len()).collect().item()
    emit(Figure(f"dedup.growth.{size}.wrong", wrong, "documents that left for one of another group", goal=0))
    left = dict(removed.group_by("kind").len().collect().iter_rows())
    sizes = range(LEAST_WORDS - 4, MOST_WORDS - 3)
    promised = sum(probability((n - CHANGED) / (n + CHANGED), 14, 8) for n in sizes) / len(sizes)
    # Of a chain every other text may stay: what is two words away is below the bound in a short text.
    expected = {
        "exact": (shape.number_of("exact") // 2, "share of exact copies that left", 1.0),
        "near": (shape.number_of("near") // 2, "share of near-copies that left", promised),
        "cluster": (shape.number_of("cluster") - 1, "share of the one text's copies that left", None),
        "chain": (shape.number_of("chain") * (CHAIN - 1) // CHAIN, "share of the chains' later texts that left", None),
    }
    for kind, (number, unit, share) in expected.items():
        peer = "mean P(s)" if share else None
        emit(Figure(f"dedup.growth.{size}.{kind}", left.get(kind, 0) / number, unit, peer, share))
    return wrong == 0 and left.get("exact", 0) == expected["exact"][0]


def ratios(smaller: Found, larger: Found) -> None:
    """Time and memory of ten times the documents over those of the documents."""
    unit = f"times, {larger.documents:.0e} over {smaller.documents:.0e} documents"
    a, b = smaller.run, larger.run
    emit(Figure("dedup.growth_time", b.seconds / a.seconds, unit, goal=12))
    peaks = [(a.driver_peak_bytes, b.driver_peak_bytes), (a.worker_peak_bytes, b.worker_peak_bytes)]
    driver, worker = (after / before for before, after in peaks)
    emit(Figure("dedup.growth_memory", max(driver, worker), f"{unit}, the worse of driver and worker", goal=1.5))
    emit(Figure("dedup.growth_memory.driver", driver, unit, goal=1.5))
    emit(Figure("dedup.growth_memory.worker", worker, unit, goal=1.5))
    emit(Figure("dedup.growth_memory.imports", imports_peak_bytes() / MB, "MB of each process before it does anything"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000_000, help="the largest size (%(default)s)")
    parser.add_argument("--memory", help="cap of a worker, as `curate run --memory` takes it; default: none")
    parser.add_argument("--partitions", type=int, help="execution.partitions; default: 1")
    parser.add_argument("--folder", type=Path, help="for inputs and runs, removed afterwards; default: a temporary one")
    args = parser.parse_args()
    options = ["--memory", args.memory] if args.memory else []
    note(f"{CORES} cores, load before the start {os.getloadavg()[0]:.1f}")
    if args.folder:
        args.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="curate-bench-", dir=args.folder))
    config = folder / CONFIG.name
    execution = f"execution: {{partitions: {args.partitions}}}\n" if args.partitions else ""
    config.write_text(CONFIG.read_text() + execution)
    found, held = [], True
    try:
        documents = SMALLEST
        while documents <= args.documents:
            one, is_right = measured(documents, folder / str(documents), config, options)
            shutil.rmtree(folder / str(documents))
            found.append(one)
            held &= is_right
            documents *= 10
        if len(found) > 1:
            ratios(*found[-2:])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
