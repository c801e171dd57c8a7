"""Whole runs that take boilerplate lines out, without Ray."""

import json
from pathlib import Path
from typing import Any

import polars as pl

import curate
from curate.stages.lines import LABEL
from tests.curate.conftest import prose
from tests.curate.inline import run_inline
from tests.curate.runs import published_bytes, write_config

NOTICE = "We use cookies to make this page better, see rule 7."
SITES = 15


def corpus(folder: Path, files: int, *, turned: bool = False) -> list[dict[str, Any]]:
    """A page of each of SITES sites with two lines of its own and NOTICE, a copy of one, and a page of NOTICE alone."""
    rows = [
        {"text": f"{prose(2 * n)}\n{NOTICE.replace('7', str(n % 10))}\n{prose(2 * n + 1)}", "url": f"http://x{n}.org/"}
        for n in range(SITES)
    ]
    rows += [rows[0] | {"url": "http://y.org/"}, {"text": NOTICE, "url": "http://z.org/"}]
    rows = rows[::-1] if turned else rows
    folder.mkdir(parents=True)
    for n in range(files):
        (folder / f"{n}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[n::files]))
    return [{"source": "s", "uri": str(folder), "fields": {"url": "url"}}]


def test_a_notice_leaves_all_texts_but_one_and_nothing_else_does(tmp_path: Path) -> None:
    sections: dict[str, Any] = {"measure": [], "dedup": {"lines": {}}}
    config = write_config(tmp_path, corpus(tmp_path / "in", 1), **sections, report={"samples": 2})
    result, executed = run_inline(config)
    data = pl.read_parquet(result.output / "current" / "data" / "*.parquet")
    ledger = curate.read_ledger(result.work).collect()
    alone = ledger.filter(pl.col("url") == "http://z.org/")["reason"].item()
    having = data.filter(pl.col("text").str.contains("We use cookies"))
    assert (len(having), alone) in [(1, "transform.no_text"), (1, None)]
    assert result.records_in == SITES + 2 == result.kept + result.rejected
    assert result.reasons["dedup.exact_copy_of"] == 1
    assert (data["dup_count"] == 2).sum() == 1
    for url, text, labels in data.select("url", "text", "transforms").iter_rows():
        if url not in having["url"]:
            number = 0 if "y.org" in url else int(url.removeprefix("http://x").removesuffix(".org/"))
            assert text == f"{prose(2 * number)}\n{prose(2 * number + 1)}"
        assert (LABEL in labels) == (url not in having["url"])
    stages = {stage.name: stage for stage in result.stages}
    assert stages["trim"].counts["trimmed"] in {SITES, SITES + 1}  # the text that keeps it may be that of two documents
    again, executed = run_inline(config)
    assert (again.version, sum(executed.values())) == (result.version, 0)
    page = result.report.read_text()
    assert "1 different ones were taken out" in page
    assert "We use cookies to make" in page
    run_inline(write_config(tmp_path, corpus(tmp_path / "again", 1), **sections))
    assert "We use cookies" not in result.report.read_text()
    card = (result.output / "current" / "README.md").read_text()
    assert "**lines**: a line of at least 20 characters that 10 or more different texts have" in card


def test_files_splits_and_ranges_change_nothing(tmp_path: Path) -> None:
    published = []
    for name, files, turned, execution in (("a", 1, False, {}), ("b", 4, True, {"partitions": 3, "split_bytes": 2000})):
        inputs = corpus(tmp_path / name / "in", files, turned=turned)
        sections: dict[str, Any] = {"measure": [], "dedup": {"lines": {}, "minhash": {}}, "execution": execution}
        run_inline(write_config(tmp_path / name, inputs, **sections))
        published.append(published_bytes(tmp_path / name / "out"))
    assert published[0] == published[1]
