"""Filters against datatrove 0.10.1 itself: the same decisions, and how fast; see docs/BENCHMARKS.md.

    python -m tests.bench.filters [--only NAME ...]

NAME is rules, tokens or speed. The tables go to stderr, a JSON line a figure to stdout.
"""

import argparse
from collections.abc import Callable

from curate.text.words import provider
from tests.bench.figure import Figure, emit, note
from tests.bench.filter_tables import decisions, rules_table, tokens_table
from tests.bench.filter_texts import texts
from tests.bench.peer import environment

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


BENCHMARKS: dict[str, Callable[[str], None]] = {"rules": rules, "tokens": tokens}


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
