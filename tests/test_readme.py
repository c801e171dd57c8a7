"""The README's table, map and commands are what the project really has."""

import re
import subprocess
from pathlib import Path

import polars as pl
import pytest

import curate
from curate.config.file import load
from tests.curate.runs import ROOT, SAMPLE

README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    """The text below a heading, up to the next one of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no section {title!r}"
    return found[2]


def table(title: str) -> list[list[str]]:
    rows = [line.strip("|").split("|") for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("readme")
    config = load(ROOT / "configs" / "quickstart.yaml").without_llm()
    curate.run(config.model_copy(update={"output": folder / "out", "work": folder / "work"}))
    return curate.read_ledger(folder / "work").collect()


def left(truth: pl.DataFrame, kept: set[str], kind: str) -> tuple[int, int]:
    """Planted pages of a kind, and how many are left: copies count when they stand beside their original."""
    pages = (
        truth.filter(pl.col("kind") == kind)
        if kind != "near_copy"
        else truth.filter(pl.col("kind").str.starts_with("near"))
    )
    beside = [
        url in kept and (original is None or original in kept)
        for url, original in pages.select("url", "dup_of").iter_rows()
    ]
    return len(pages), sum(beside)


def test_the_before_and_after_table_is_what_a_run_gives(ledger: pl.DataFrame) -> None:
    truth = pl.read_ndjson(SAMPLE / "truth.jsonl").filter(pl.col("file").str.starts_with("warc/"))
    kept = set(ledger.filter(pl.col("status") == "kept")["url"])
    kinds = {"real pages": "page", "exact copies": "copy", "near-copies, 1 and 2 % edited": "near_copy",
             "spam": "spam", "shuffled words": "shuffled"}  # fmt: skip
    rows = {row[0]: (int(row[1]), int(row[2])) for row in table("Before and after")}
    assert rows == {name: left(truth, kept, kind) for name, kind in kinds.items()}


def test_the_map_names_what_is_there() -> None:
    named = set(re.findall(r"^([\w./-]+?)/? {2,}", section("Map"), re.MULTILINE))
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout: what belongs to the project cannot be told from what lies there")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    top = {Path(name).parts[0] for name in listed if not name.startswith(".")}
    assert top - {"README.md"} <= {Path(name).parts[0] for name in named}


def test_every_make_target_and_curate_command_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"\bmake ([a-z][a-z-]+)", README)):
        assert re.search(rf"^({target}|{target.split('-')[0]}-%):", makefile, re.MULTILINE), target
    commands = set(re.findall(r"\bcurate (run|check|filters|explain|ui|[a-z]+) (?=[A-Za-z./-])", README))
    from typer.main import get_command

    from flows.cli import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert commands & known
    for block in re.findall(r"^(?:\.venv/bin/)?curate (\w+)", README, re.MULTILINE):
        assert block in known


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", README):
        assert (ROOT / target).exists(), target
