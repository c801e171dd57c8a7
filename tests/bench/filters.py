"""Filters against datatrove and NeMo Curator themselves: the same decisions, and how fast; see docs/BENCHMARKS.md.

    python -m tests.bench.filters [--only NAME ...]

The tables go to stderr, a JSON line a figure to stdout.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

from curate.text.words import provider
from tests.bench import filter_nemo, filter_speed
from tests.bench.figure import Figure, emit, note
from tests.bench.filter_rescore import rescore_million
from tests.bench.filter_speed import ENGLISH, FAMILIES, least_seconds, sample
from tests.bench.filter_tables import decisions, rules_table, tokens_table
from tests.bench.filter_texts import texts

OF_DECISIONS = "lowest share of decisions equal to datatrove's"


def rules() -> None:
    """Every rule on datatrove's words and sentences: values and decisions."""
    peer = decisions(texts())
    if peer is not None:
        table = rules_table(texts(), peer)
        _print("Rules, on datatrove's words", table.lines)
        emit(Figure("filters.rules_equal", table.lowest, "lowest share of values and decisions equal", goal=1.0))


def tokens() -> None:
    """Decisions with our words, by rule and language."""
    peer = decisions(texts())
    if peer is not None:
        whole, near = tokens_table(texts(), peer, provider())
        _print("Tokenizer, % of decisions equal (majority class), all documents", whole.lines)
        _print("Tokenizer, % of decisions equal (documents), value within 10 % of a bound", near.lines)
        emit(Figure("filters.tokens_equal", whole.lowest, f"{OF_DECISIONS}, by rule and language", goal=0.995))
        emit(Figure("filters.tokens_equal_near", near.lowest, f"{OF_DECISIONS}, within 10 % of a bound", goal=0.97))


def nemo() -> None:
    """The rules that NeMo Curator alone has: values and decisions; then its English pipeline's speed beside ours."""
    table = filter_nemo.equal()
    if table is not None:
        _print("Rules of NeMo Curator", table.lines)
        emit(Figure("filters.nemo_equal", table.lowest, "lowest share of values and decisions equal", goal=1.0))
        filter_nemo.speed()


def first_call() -> None:
    """Seconds and memory of a process that measures one text with all rules, with numba's cache empty and then warm."""
    code = (
        "import re, time; began = time.process_time(); import filters; batch = filters.TextBatch.of(['a b.']); "
        f"[filters.get(rule).measure(batch) for rule in {FAMILIES}]; "
        "peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read()); "
        "print(time.process_time() - began, int(peak[1]) * 1.024e-3)"
    )
    with tempfile.TemporaryDirectory(prefix="curate-bench-") as cache:
        env = {**os.environ, "NUMBA_CACHE_DIR": cache}
        for name in ("first_call", "later_call"):
            ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=env)
            seconds, megabytes = map(float, ended.stdout.split())
            goal = 20 if name == "first_call" else None
            emit(Figure(f"filters.{name}", seconds, "CPU s of a process, imports included", goal=goal))
    emit(Figure("filters.memory", megabytes, "MB at the peak of such a process, numba's cache warm"))


def one_more() -> None:
    """What a cheap filter costs beside the four families, whose words, lines and counts it finds made."""
    english = sample(ENGLISH)
    families, more = least_seconds(english, FAMILIES), least_seconds(english, ["length.characters"], made=FAMILIES)
    emit(Figure("filters.one_more", 100 * more / families, "% of the CPU time of the four families"))


BENCHMARKS: dict[str, Callable[[], None]] = {
    "rules": rules,
    "tokens": tokens,
    "speed": filter_speed.datatrove,
    "nemo": nemo,
    "first_call": first_call,
    "one_more": one_more,
    "rescore_million": rescore_million,
}


def _print(title: str, lines: list[str]) -> None:
    note(title)
    for line in lines:
        note(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=[*BENCHMARKS],
        help=f"of {', '.join(BENCHMARKS)}; default: all",
    )
    for name in parser.parse_args().only or BENCHMARKS:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
