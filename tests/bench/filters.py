"""Filters against datatrove 0.10.1 itself: the same decisions, and how fast; see docs/BENCHMARKS.md.

    python -m tests.bench.filters [--only NAME ...]

NAME is rules, tokens, speed, first_call or one_more. The tables go to stderr, a JSON line a figure to stdout.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import filters
from curate.text.buffers import text_buffers
from curate.text.words import provider
from filters import TextBatch
from tests.bench.figure import Figure, emit, note
from tests.bench.filter_tables import REASONS, SCRIPT, decisions, rules_table, tokens_table
from tests.bench.filter_texts import GOALS, REPORTED, texts
from tests.bench.peer import environment

ENGLISH = "eng_Latn"
PEER_PAGES = 20
"""Of each language; datatrove takes minutes for them."""

DATATROVE = f"datatrove 0.10.1, one process, its first {PEER_PAGES} pages of the language"
OF_DECISIONS = "lowest share of decisions equal to datatrove's"


def rules(python: str) -> None:
    """Every rule on datatrove's words and sentences: values and decisions."""
    given = texts()
    table = rules_table(given, decisions(python, given))
    _print("Rules, on datatrove's words", table.lines)
    emit(Figure("filters.rules_equal", table.lowest, "lowest share of values and decisions equal", goal=1.0))


def tokens(python: str) -> None:
    """Decisions with our words, by rule and language."""
    given = texts()
    whole, near = tokens_table(given, decisions(python, given), provider())
    _print("Tokenizer, % of decisions equal (majority class), all documents", whole.lines)
    _print("Tokenizer, % of decisions equal (documents), value within 10 % of a bound", near.lines)
    emit(Figure("filters.tokens_equal", whole.lowest, f"{OF_DECISIONS}, by rule and language", goal=0.995))
    emit(Figure("filters.tokens_equal_near", near.lowest, f"{OF_DECISIONS}, within 10 % of a bound", goal=0.97))


def speed(python: str) -> None:
    """Megabytes a second and core beside datatrove: a rule and a family in English, the four families by language."""
    given = texts()
    pages = given.table.slice(0, given.pages)
    theirs, ours = _seconds_of_datatrove(python, pages), _seconds(pages)
    for name, seconds in ours.items():
        lang = name.removeprefix("language.") if name.startswith("language.") else ENGLISH
        megabytes, peer_megabytes = (_megabytes(_sample(pages, lang, n)) for n in (None, PEER_PAGES))
        figure = "filters." + name.removeprefix("rule.").replace("language." + ENGLISH, "four_families")
        goal = 40 if figure == "filters.four_families" else None
        peer = {"peer": DATATROVE, "peer_value": peer_megabytes / theirs[name]} if name in theirs else {}
        emit(Figure(figure, megabytes / seconds, "MB of text/s a core", goal=goal, **peer))


def first_call(_python: str) -> None:
    """Seconds and memory of a process that measures one text with all rules, with numba's cache empty and then warm."""
    code = (
        "import re, time; began = time.process_time(); import filters; batch = filters.TextBatch.of(['a b.']); "
        f"[filters.get(rule).measure(batch) for rule in {list(dict.fromkeys(REASONS.values()))}]; "
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


def one_more(_python: str) -> None:
    """What a cheap filter costs beside the four families, whose words, lines and counts it finds made."""
    english = _sample(texts().table.slice(0, texts().pages), ENGLISH, None)
    families = list(dict.fromkeys(REASONS.values()))
    without, with_it = (_least(english, [*families, *more]) for more in ([], ["length.characters"]))
    emit(Figure("filters.one_more", 100 * (with_it - without) / without, "% of the CPU time of the four families"))


def _sample(pages: pa.Table, lang: str, first: int | None) -> pa.Table:
    mine = pages.filter(pc.equal(pages.column("lang"), lang))
    return mine.slice(0, first).combine_chunks()


def _megabytes(table: pa.Table) -> float:
    return sum(len(text.encode()) for text in table.column("text").to_pylist()) / 1e6


def _seconds_of_datatrove(python: str, pages: pa.Table) -> dict[str, float]:
    """CPU-bound seconds of one process on the first pages of each language."""
    with tempfile.TemporaryDirectory(prefix="curate-bench-") as folder:
        source, target = Path(folder, "texts.parquet"), Path(folder, "seconds.json")
        pq.write_table(pa.concat_tables([_sample(pages, lang, PEER_PAGES) for lang in (*GOALS, *REPORTED)]), source)
        subprocess.run([python, str(SCRIPT), "time", str(source), str(target)], check=True, capture_output=True)
        seconds: dict[str, float] = json.loads(target.read_text())
    return seconds


def _seconds(pages: pa.Table) -> dict[str, float]:
    """Least of five runs, each from the texts on: a rule alone pays for its words and lines, a family once."""
    families = list(dict.fromkeys(REASONS.values()))
    found = {}
    for lang in (*GOALS, *REPORTED):
        found[f"language.{lang}"] = _least(_sample(pages, lang, None), families)
    english = _sample(pages, ENGLISH, None)
    found["words"] = _least(english, [])
    for family in ("gopher", "repetition", "c4", "fineweb"):
        found[f"family.{family}"] = _least(english, [rule for rule in families if rule.startswith(family)])
    return found | {f"rule.{rule}": _least(english, [rule]) for rule in families}


def _least(table: pa.Table, rules: list[str]) -> float:
    data, offsets = text_buffers(table.column("text"))
    langs = table.column("lang").to_pylist()
    best = float("inf")
    for _ in range(6):  # the first one compiles
        began = time.process_time()
        batch = TextBatch(data, offsets, langs, provider())
        for rule in rules or [None]:
            _ = filters.get(rule).measure(batch) if rule else batch.words
        best = min(best, time.process_time() - began)
    return best


BENCHMARKS: dict[str, Callable[[str], None]] = {
    "rules": rules,
    "tokens": tokens,
    "speed": speed,
    "first_call": first_call,
    "one_more": one_more,
}


def _print(title: str, lines: list[str]) -> None:
    note(title)
    for line in lines:
        note(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[*BENCHMARKS], help="may be repeated; default: all")
    args = parser.parse_args()
    python = environment()
    if python is None:
        raise SystemExit("datatrove's environment cannot be made, and there is nothing to compare with")
    for name in args.only or BENCHMARKS:
        BENCHMARKS[name](python)


if __name__ == "__main__":
    main()
