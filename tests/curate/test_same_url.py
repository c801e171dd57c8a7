"""Whole runs that keep one document of an address, without Ray."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import curate
from curate import equal
from curate.rescoring import rescore
from tests.curate.conftest import prose
from tests.curate.inline import run_inline
from tests.curate.runs import published_bytes, write_config

PAGES = 12


def corpus(folder: Path, files: int, *, turned: bool = False) -> list[dict[str, Any]]:
    """Five visits of each of PAGES pages, at differing addresses: three texts of its own, and the longest one twice."""
    rows = [
        {"text": prose(10 * page + min(visit, 3), 60 + min(visit, 3)), "id": f"{page}-{visit}",
         "url": f"http{'s' * (visit % 2)}://{'www.' * (visit // 2 % 2)}x{page}.org/a?utm_id={visit}&b=1"}
        for page in range(PAGES) for visit in range(5)
    ]  # fmt: skip
    rows += [{"text": prose(900 + n), "id": f"n{n}", "url": None} for n in range(6)]
    rows = rows[::-1] if turned else rows
    folder.mkdir()
    for n in range(files):
        (folder / f"{n}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[n::files]))
    return [{"source": "s", "uri": str(folder), "fields": {"url": "url", "id": "id"}}]


@pytest.mark.parametrize(("files", "hashes"), [(1, 4 << 20), (3, 16)])
def test_one_document_of_an_address_stays_and_the_others_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, hashes: int
) -> None:
    monkeypatch.setattr(equal, "RANGE_HASHES", hashes)
    inputs = corpus(tmp_path / "in", files, turned=files > 1)
    config = write_config(tmp_path, inputs, measure=[], dedup={"url": True})
    result, _ = run_inline(config)
    rules = {"dedup.same_url_as": 3 * PAGES, "dedup.exact_copy_of": PAGES}
    assert (dict(result.reasons), result.kept) == (rules, PAGES + 6)
    ledger = curate.read_ledger(tmp_path / "work").collect()
    kept = set(ledger.filter(pl.col("status") == "kept")["id"].bin.encode("hex"))
    named = ledger["reason"].drop_nulls().str.extract("=(.*)")
    assert set(named) <= kept
    assert rescore(tmp_path / "work", []).changes.left == {}
    again, executed = run_inline(write_config(tmp_path, inputs, measure=[], dedup={}))
    assert executed["extract"] == executed["measure"] == 0
    assert again.reasons == {"dedup.exact_copy_of": PAGES}


def test_files_and_ranges_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = []
    for name, files, turned, hashes in (("a", 1, False, 4 << 20), ("b", 4, True, 8)):
        monkeypatch.setattr(equal, "RANGE_HASHES", hashes)
        (tmp_path / name).mkdir()
        inputs = corpus(tmp_path / name / "in", files, turned=turned)
        run_inline(write_config(tmp_path / name, inputs, measure=[], dedup={"url": True, "minhash": {}}))
        published.append(published_bytes(tmp_path / name / "out"))
    assert published[0] == published[1]
