"""docs/FAULTS.md and the tests it names."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "docs" / "FAULTS.md").read_text().splitlines()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in LINES if re.match(r"\| *\d+ *\|", line)]
OPEN = {26, 27, 29}
"""Faults of what is not built yet; the page lists them below the table."""


def names_in(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_every_row_names_tests_that_exist(row: list[str]) -> None:
    _, _, behaviour, tests = row
    assert behaviour
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", tests)
    assert named
    for path, name in named:
        assert name in names_in(ROOT / "tests" / path), f"{path}::{name}"


def test_no_fault_is_left_out() -> None:
    numbers = [int(row[0]) for row in ROWS]
    assert sorted([*numbers, *OPEN]) == list(range(1, max(numbers) + 1))
    below = " ".join(LINES[-3:])
    assert all(re.search(rf"\b{number}\b", below) for number in OPEN)
