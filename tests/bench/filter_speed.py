"""How fast filters are on one core: ours and the peers' on the same pages, in the same run, a process each."""

import time
from collections.abc import Sequence
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

import filters
from curate.text.buffers import text_buffers
from curate.text.words import provider
from filters import TextBatch
from tests.bench.figure import Figure, emit
from tests.bench.filter_tables import REASONS, SCRIPT
from tests.bench.filter_texts import GOALS, REPORTED, texts
from tests.bench.peer import DATATROVE

ENGLISH = "eng_Latn"
PAGES = 200
"""The first of each language, in the corpus's order by hash: more of them take datatrove many minutes."""

FAMILIES = tuple(dict.fromkeys(REASONS.values()))
"""The rules of Gopher quality and repetition, C4 and FineWeb."""


def datatrove() -> None:
    """A rule and a family in English, the four families by language."""
    theirs = DATATROVE.seconds(SCRIPT, pa.concat_tables([sample(lang) for lang in (*GOALS, *REPORTED)])) or {}
    for lang in (*GOALS, *REPORTED):
        name = "four_families" if lang == ENGLISH else f"language.{lang}"
        beside(name, FAMILIES, DATATROVE.name, theirs.get(f"language.{lang}"), lang)
    beside("words", [], DATATROVE.name, None)
    for family in ("gopher", "repetition", "c4", "fineweb"):
        rules = [rule for rule in FAMILIES if rule.startswith(family)]
        beside(f"family.{family}", rules, DATATROVE.name, theirs.get(f"family.{family}"))
    for rule in FAMILIES:
        beside(rule, [rule], DATATROVE.name, theirs.get(f"rule.{rule}"))


def beside(name: str, rules: Sequence[str], peer: str, seconds: float | None, lang: str = ENGLISH) -> None:
    """Print `filters.NAME` in megabytes a second and core, beside a peer that took some seconds for the same pages."""
    table = sample(lang)
    megabytes = sum(len(text.encode()) for text in table.column("text").to_pylist()) / 1e6
    figure, value = f"filters.{name}", megabytes / least_seconds(table, rules)
    goal = 40 if name == "four_families" else None
    if seconds is None:
        emit(Figure(figure, value, "MB of text/s a core", goal=goal))
    else:
        emit(Figure(figure, value, "MB of text/s a core", f"{peer}, one process", megabytes / seconds, goal))


@cache
def sample(lang: str) -> pa.Table:
    """The pages that are timed."""
    pages = texts().table.slice(0, texts().pages)
    return pages.filter(pc.equal(pages.column("lang"), lang)).slice(0, PAGES).combine_chunks()


def least_seconds(table: pa.Table, rules: Sequence[str], made: Sequence[str] = ()) -> float:
    """Least of ten runs, each from the texts on: a rule alone pays for its words and lines, a family once.

    What `made` names is measured before, off the clock; without rules it is the words that are timed.
    """
    data, offsets = text_buffers(table.column("text"))
    langs = table.column("lang").to_pylist()
    best = float("inf")
    for _ in range(11):  # the first one compiles
        batch = TextBatch(data, offsets, langs, provider())
        for rule in made:
            filters.get(rule).measure(batch)
        began = time.process_time()
        for rule in rules or [None]:
            _ = filters.get(rule).measure(batch) if rule else batch.words
        best = min(best, time.process_time() - began)
    return best
