"""The whole CPU path, from HTML in WARC to published Parquet, through the real command; see docs/BENCHMARKS.md.

    python -m tests.bench.run [--only NAME ...] [--keep DIR]

NAME is one of html_to_parquet, thousand_documents, language, memory_growth; rerun and stages come with html_to_parquet.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import fasttext
import polars as pl

from curate.config import LanguageConfig
from curate.text.language import LanguageModel
from tests.bench.command import CORES, Measured, imports_peak_bytes, run_curate
from tests.bench.corpus import NUM_PAGES, corpus
from tests.bench.figure import Figure, emit, note
from tests.bench.peer import datatrove_seconds

MB = 1e6
PEER_PAGES = 1000
DATATROVE = (
    "datatrove 0.10.1, one core, start-up apart, 1,000 pages: WARC, trafilatura, language, Gopher quality, FineWeb, "
    "Parquet; no dedup"
)


def html_to_parquet(folder: Path) -> None:
    """Megabytes of HTML a second and core over the whole corpus, the rerun, and where the time went."""
    everything, small = corpus(), corpus(pages=PEER_PAGES)
    one = median(run_curate(corpus(pages=1).warc, folder / f"one-{i}").seconds for i in range(3))
    big = run_curate(everything.warc, folder / "all")
    _check(big, everything.pages)
    seconds = datatrove_seconds(small)
    peer = {"peer": DATATROVE, "peer_value": small.html_bytes / MB / seconds} if seconds else {}
    megabytes = everything.html_bytes / MB
    unit = "MB of HTML/s a core"
    emit(Figure("run.html_to_parquet", megabytes / big.seconds / CORES, unit, goal=10, **peer))
    emit(Figure("run.html_to_parquet_without_start", megabytes / (big.seconds - one) / CORES, unit, goal=10, **peer))
    emit(Figure("run.html_to_parquet_cpu", megabytes / big.cpu_seconds, "MB of HTML a CPU second of all processes"))
    emit(Figure("run.start", one, "s of the command on one page"))
    for stage, took in big.stages().items():
        emit(Figure(f"run.stages.{stage}", took, "s"))
    emit(Figure("run.stages.outside", big.seconds - sum(big.stages().values()), "s of the command outside its stages"))
    again = run_curate(everything.warc, folder / "all")
    if again.executed or again.seconds_to_pointer is not None:
        sys.exit(f"the second run executed {again.executed} tasks, expected 0 and an unchanged pointer")
    emit(Figure("run.rerun", again.seconds, "s", goal=10))


def thousand_documents(folder: Path) -> None:
    """Seconds from the command to the pointer's change on 1,000 pages, with numba's cache warm and with it empty."""
    thousand = corpus(pages=1000)
    run_curate(thousand.warc, folder / "warm-up")
    warm = [_seconds_to_pointer(run_curate(thousand.warc, folder / f"warm-{i}")) for i in range(3)]
    emit(Figure("run.thousand_documents", median(warm), "s to the pointer's change", goal=15))
    cache = folder / "numba"
    cache.mkdir()
    cold = run_curate(thousand.warc, folder / "cold", environment={"NUMBA_CACHE_DIR": str(cache)})
    emit(
        Figure(
            "run.thousand_documents_cold", _seconds_to_pointer(cold), "s to the pointer's change, numba's cache empty"
        )
    )


def language(folder: Path) -> None:
    """Documents a second and core of language identification as extract calls it, beside fastText's own loop."""
    run_curate(corpus(pages=6000).warc, folder / "language")
    shards = sorted((folder / "language" / "work" / "stages" / "extract").glob("*/documents-*.parquet"))
    texts = pl.concat([pl.read_parquet(shard, columns=["text"]) for shard in shards])["text"].to_list()
    config = LanguageConfig()
    ours, theirs = LanguageModel(config), fasttext.load_model(str(LanguageModel(config).path))
    batches = [texts[i : i + 1000] for i in range(0, len(texts), 1000)]

    def as_the_stage_does() -> None:
        for batch in batches:
            ours.identify(batch)

    def fasttext_alone() -> None:
        for text in texts:
            theirs.predict(text[: config.max_chars].replace("\n", " "))

    as_the_stage_does()
    # In turn, so that a busy machine slows both.
    rates = [(_rate(as_the_stage_does, len(texts)), _rate(fasttext_alone, len(texts))) for _ in range(5)]
    value, peer = (median(side) for side in zip(*rates, strict=True))
    emit(Figure("run.language", value, "documents/s a core", "fasttext.predict in a loop", peer, goal=10_000))


def memory_growth(folder: Path) -> None:
    """Peak memory of a worker on the whole corpus over that on a tenth of it."""
    everything, tenth = corpus(), corpus(pages=NUM_PAGES // 10)
    large = run_curate(everything.warc, folder / "growth-all")
    small = run_curate(tenth.warc, folder / "growth-tenth")
    imports = imports_peak_bytes()
    emit(
        Figure(
            "run.memory_growth", large.worker_peak_bytes / small.worker_peak_bytes, "times, input 10 times", goal=1.1
        )
    )
    above = (large.worker_peak_bytes - imports) / MB
    emit(Figure("run.worker_memory", above, f"MB above the {imports / MB:.0f} MB of the imports", goal=512))
    emit(Figure("run.driver_memory_growth", large.driver_peak_bytes / small.driver_peak_bytes, "times, input 10 times"))
    emit(Figure("run.driver_memory", (large.driver_peak_bytes - imports) / MB, "MB above the imports"))


BENCHMARKS: dict[str, Callable[[Path], None]] = {
    "html_to_parquet": html_to_parquet,
    "thousand_documents": thousand_documents,
    "language": language,
    "memory_growth": memory_growth,
}


def _rate(call: Callable[[], None], count: int) -> float:
    began = time.perf_counter()
    call()
    return count / (time.perf_counter() - began)


def _seconds_to_pointer(run: Measured) -> float:
    if run.seconds_to_pointer is None:
        sys.exit("the run published nothing: the pointer did not change")
    return run.seconds_to_pointer


def _check(run: Measured, pages: int) -> None:
    """A figure counts only if the run did its work."""
    if run.result["records_in"] != pages or not run.result["kept"]:
        sys.exit(f"read {run.result['records_in']} records and kept {run.result['kept']}, expected {pages} and some")
    kept, rejected, quarantined = (run.result[name] for name in ("kept", "rejected", "quarantined"))
    note(f"{pages} pages: {kept} kept, {rejected} rejected, {quarantined} quarantined")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[*BENCHMARKS], help="may be repeated; default: all")
    parser.add_argument("--keep", type=Path, help="leave the work and output folders of the runs here")
    args = parser.parse_args()
    note(f"{CORES} cores, load before the start {os.getloadavg()[0]:.1f}")
    folder = args.keep or Path(tempfile.mkdtemp(prefix="curate-bench-"))
    try:
        for name in args.only or BENCHMARKS:
            BENCHMARKS[name](folder / name)
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
