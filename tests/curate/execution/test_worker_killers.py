"""Records that kill their worker, in the real stages: what becomes of them and of all others.

Death is an exception here; in test_executor.py and test_pipeline.py processes die.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import curate
from curate import minhash
from curate.config.file import load
from curate.execution.isolation import find_killers
from curate.execution.worker import execute
from curate.pipeline import Pipeline
from curate.plan import make_plan
from curate.result import RunResult
from curate.shards import ShardWriter
from curate.stages import extract, measure, rewrite
from curate.step import ALL, Rows, Task
from curate.storage import Store
from tests.curate.inline import InlineExecutor
from tests.curate.runs import SAMPLE, published_bytes, write_config

MARK = "this page kills"


class Dead(BaseException):
    """The worker is gone."""


class MortalExecutor(InlineExecutor):
    """Looks for the records that kill, as the real one does."""

    def _run(self, task: Task, *resource: Any) -> None:
        rows = ALL
        if task.divisible and self._probe(task, ALL) is None:
            rows = find_killers(lambda rows: self._probe(task, rows)).rows
        execute(self.store, task, rows, *resource)
        self.executed[task.stage] += 1

    def _probe(self, task: Task, rows: Rows) -> int | None:
        writer = ShardWriter(self.store, ".tmp/probe")
        try:
            task.run(writer, self.store, *task.args, rows=rows)
        except Dead:
            return None
        finally:
            writer.abandon()
        return writer.counts["in"] or writer.counts["looked_at"]


def deadly(function: Callable[..., Any], texts: Callable[..., bytes]) -> Callable[..., Any]:
    """`function`, which the mark among its texts kills."""

    def mortal(*args: Any, **kwargs: Any) -> Any:
        if MARK.encode() in texts(*args):
            raise Dead
        return function(*args, **kwargs)

    return mortal


def texts_of(documents: pa.Table, _: Any) -> bytes:
    return "".join(documents["text"].to_pylist()).encode()


KILLED_IN = {
    "extract": lambda patch: patch.setattr(
        extract, "_text_of", deadly(extract._text_of, lambda record, _: record.payload)
    ),
    "rewrite": lambda patch: patch.setattr(rewrite, "rewrite", deadly(rewrite.rewrite, texts_of)),
    "measure": lambda patch: patch.setattr(measure, "measure", deadly(measure.measure, texts_of)),
    "sign": lambda patch: patch.setattr(
        minhash, "text_signatures", deadly(minhash.text_signatures, lambda data, *_: bytes(data))
    ),
}


def write_pages(folder: Path, marked: dict[int, set[int]]) -> Path:
    """Two objects of ten pages and an empty one each; `marked`: which pages of which object kill."""
    (folder / "in").mkdir(parents=True)
    for n in range(2):
        draw = random.Random(n)
        pages = [" ".join("".join(draw.choices("abcdefgh", k=6)) for _ in range(30)) for _ in range(10)]
        pages = [f"{p} {MARK}" if i in marked.get(n, ()) else p for i, p in enumerate(pages)]
        rows = [{"text": p, "url": f"http://a.example/{n}/{i}"} for i, p in enumerate([*pages, ""])]
        (folder / f"in/{n}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return write_config(
        folder, [{"source": "s", "uri": "in", "fields": {"url": "url"}}], measure=[{"transform": "pii.mask"}]
    )


def run(config: Path) -> tuple[RunResult, MortalExecutor]:
    loaded = load(config)
    executor = MortalExecutor(Store(loaded.work))
    return Pipeline(loaded, executor.store, executor).run(), executor  # type: ignore[arg-type]


@pytest.mark.parametrize("stage", KILLED_IN)
@pytest.mark.parametrize("marked", [{0: {3}}, {0: {0, 9}, 1: {4, 5}}], ids=["one", "several"])
def test_a_document_that_kills_its_worker_ends_in_quarantine_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, marked: dict[int, set[int]]
) -> None:
    KILLED_IN[stage](monkeypatch)
    result, executor = run(write_pages(tmp_path, marked))
    urls = {f"http://a.example/{n}/{i}" for n, numbers in marked.items() for i in numbers}
    assert (result.records_in, result.kept, result.rejected, result.quarantined) == (22, 20 - len(urls), 2, len(urls))
    ledger = curate.read_ledger(result.work).filter(pl.col("status") == "quarantined").collect()
    assert set(ledger["reason"]) == {"worker.died"}
    for n, offset, end in ledger.select(pl.col("object").str.extract(r"(\d)\.jsonl"), "offset", "end").iter_rows():
        assert MARK.encode() in (tmp_path / f"in/{n}.jsonl").read_bytes()[offset:end]
    assert executor.executed["isolate"] == (0 if stage == "extract" else len(marked))
    data = pl.read_parquet(result.output / "current/data/*.parquet")
    assert not data["text"].str.contains(MARK).any()

    again, executor = run(tmp_path / "config.yaml")
    assert again.nothing_to_do
    assert not executor.executed


def test_a_version_without_a_killer_has_the_rows_of_one_that_never_had_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KILLED_IN["sign"](monkeypatch)
    with_it, _ = run(write_pages(tmp_path / "with", {0: {3}}))
    config = write_pages(tmp_path / "without", {})
    lines = (tmp_path / "without/in/0.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "without/in/0.jsonl").write_text("".join(lines[:3] + lines[4:]))
    without, _ = run(config)
    assert with_it.version != without.version
    shards = [
        {d for name, d in published_bytes(r.output).items() if name.endswith(".parquet")} for r in (with_it, without)
    ]
    assert shards[0] == shards[1]


class Collected:
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.counts: dict[str, int] = {}

    def write(self, kind: str, table: pa.Table) -> None:
        self.rows.setdefault(kind, []).extend(table.to_pylist())

    def count(self, name: str, n: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + n

    def places(self, kind: str | None = None) -> list[tuple[int, int]]:
        return sorted((r["offset"], r["end"]) for k, rows in self.rows.items() if k in (kind, kind or k) for r in rows)


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Rows], Collected]:
    """Extracts some of the records of the sample's first object."""
    folder = tmp_path_factory.mktemp("windows")
    source = {"source": "s", "uri": str(SAMPLE / "warc" / "docs-000.warc.gz")}
    config = load(write_config(folder, [source], execution={"split_bytes": 200_000}))
    split = make_plan(config, Store(folder / "work")).splits[0]

    def extracted(rows: Rows) -> Collected:
        writer = Collected()
        extract.extract_split(writer, Store(folder / "work"), split, config, rows)
        return writer

    return extracted


def test_windows_split_the_records_of_a_task(extracted: Callable[[Rows], Collected]) -> None:
    whole = extracted(ALL)
    number = whole.counts["in"]
    assert number > 10
    windows = [Rows(0, 0), Rows(0, 3), Rows(3, 4), Rows(4, number - 1), Rows(number - 1, number + 5), Rows(number + 5)]
    parts = [extracted(rows) for rows in windows]
    assert [part.counts.get("in", 0) for part in parts] == [0, 3, 1, number - 5, 1, 0]
    assert sorted(place for part in parts for place in part.places()) == whole.places()


def test_what_is_left_out_is_quarantined_in_its_place(extracted: Callable[[Rows], Collected]) -> None:
    whole, less = extracted(ALL), extracted(Rows(without=frozenset({0, 5})))
    assert less.counts["in"] == whole.counts["in"]
    assert less.places() == whole.places()
    died = [row for row in less.rows["quarantined"] if row["reason"] == "worker.died"]
    assert [(row["offset"], row["end"]) for row in died] == [whole.places()[0], whole.places()[5]]


def test_what_is_behind_a_record_that_cannot_be_read_is_one_stretch(extracted: Callable[[Rows], Collected]) -> None:
    whole, less = extracted(ALL), extracted(Rows(barrier=7))
    assert less.counts["in"] == 8
    [stretch] = [row for row in less.rows["quarantined"] if row["reason"] == "worker.died"]
    assert stretch["offset"] == whole.places()[6][1]
    assert stretch["end"] >= whole.places()[-1][0]
