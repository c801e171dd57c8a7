"""Whole runs on the shipped sample with real Ray: the promises P1 (conservation), P3 (kill) and P4 (same output)."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

import curate
from curate.errors import PartialRun
from curate.llm.packaged import NAME, resolve
from curate.schema import DATA
from curate.storage import content_hash
from tests.curate.inline import run_inline
from tests.curate.runs import (
    SAMPLE,
    assert_gone,
    committed,
    finish_child,
    kill,
    processes_of,
    published_bytes,
    sample_inputs,
    start_child,
    start_command,
    write_config,
)


@dataclass(frozen=True)
class Golden:
    """An undisturbed run."""

    config: Path
    result: curate.RunResult
    published: dict[str, str]


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Golden:
    folder = tmp_path_factory.mktemp("golden")
    config = write_config(folder, sample_inputs())
    return Golden(config, curate.run(config), published_bytes(folder / "out"))


def test_every_record_is_kept_rejected_or_quarantined(golden: Golden) -> None:
    result = golden.result
    assert result.records_in == result.kept + result.rejected + result.quarantined
    ledger = curate.read_ledger(result.work).collect()
    assert len(ledger) == result.records_in
    assert result.kept > 100
    assert result.quarantined > 0
    assert ledger.filter(pl.col("status") == "kept")["reason"].is_null().all()
    assert ledger.filter(pl.col("status") != "kept")["reason"].is_not_null().all()


def test_the_published_rows_are_those_that_the_ledger_keeps(golden: Golden) -> None:
    data = pl.read_parquet(golden.result.output / "current" / "data" / "*.parquet")
    ledger = curate.read_ledger(golden.result.work).filter(pl.col("status") == "kept").collect()
    assert data["id"].to_list() == sorted(ledger["id"].bin.encode("hex"))
    assert set(DATA.names) <= set(data.columns)
    assert set(data["split"]) == {"train", "validation"}
    assert data["text"].str.len_chars().min() > 0


def test_published_files_are_intact_and_sorted(golden: Golden) -> None:
    for path in (golden.result.output / "current" / "data").glob("*.parquet"):
        table = pq.read_table(path, page_checksum_verification=True)
        assert table.column("id").to_pylist() == sorted(table.column("id").to_pylist())


def test_labelled_copies_leave_with_a_reason(golden: Golden) -> None:
    truth = pl.read_ndjson(SAMPLE / "truth.jsonl")
    copies = truth.filter(pl.col("kind").str.contains("copy"))
    ledger = curate.read_ledger(golden.result.work).collect()
    kept = set(ledger.filter(pl.col("status") == "kept")["url"])
    both = [(url, original) for url, original in copies.select("url", "dup_of").iter_rows() if {url, original} <= kept]
    # A recall below 1 is MinHash's; a copy with 1 % of its words edited is found with P = 0.95.
    assert len(both) <= 0.2 * len(copies)


def test_a_second_run_does_nothing_and_says_so(golden: Golden) -> None:
    before = committed(golden.result.work)
    again = curate.run(golden.config)
    assert again.nothing_to_do
    assert again.version == golden.result.version
    assert committed(golden.result.work) == before


def renamed(source: Path, folder: Path) -> list[dict[str, Any]]:
    """The sample's files under other names that sort the other way round."""
    folder.mkdir()
    for i, path in enumerate(sorted(source.iterdir())):
        shutil.copy(path, folder / f"{9 - i}-other.warc.gz")
    return [{"source": "sample", "uri": str(folder)}]


@pytest.mark.parametrize(
    ("inputs", "execution"),
    [
        pytest.param(lambda _: sample_inputs(), {"workers": 1, "batch_documents": 1}, marks=pytest.mark.slow),
        (lambda folder: renamed(SAMPLE / "warc", folder / "in"), {"workers": 4, "partitions": 3}),
        (lambda _: sample_inputs(), {"workers": 2, "split_bytes": 100_000}),
    ],
    ids=["one-worker-batches-of-one", "four-workers-renamed-files", "small-splits"],
)
def test_the_same_bytes_come_out(
    golden: Golden, tmp_path: Path, inputs: Callable[[Path], list[dict[str, Any]]], execution: dict[str, int]
) -> None:
    config = write_config(tmp_path, inputs(tmp_path), execution=execution)
    result = curate.run(config)
    assert published_bytes(tmp_path / "out") == golden.published
    assert result.version == golden.result.version


def test_a_changed_bound_selects_again_and_measures_nothing(golden: Golden, tmp_path: Path) -> None:
    shutil.copytree(golden.config.parent, tmp_path / "copy", symlinks=True)
    changed = [{"filter": "gopher.word_count", "keep": {"min": 200}}]
    measure = [*changed, {"filter": "gopher.alpha_word_ratio", "keep": {"min": 0.7}, "publish": True},
               {"filter": "fineweb.line_punct_ratio", "keep": {"min": 0.05}}]  # fmt: skip
    result, _ = run_inline(write_config(tmp_path / "copy", sample_inputs(), measure=measure))
    executed = {stage.name: stage.executed for stage in result.stages}
    assert executed["extract"] == executed["measure"] == executed["sign"] == 0
    assert executed["bound"] == executed["select"] > 0
    assert executed["publish"] == 1
    assert result.published
    assert result.kept < golden.result.kept
    assert (result.output / "versions" / str(golden.result.version)).is_dir()


def test_a_failed_object_publishes_nothing_unless_allowed(tmp_path: Path) -> None:
    broken = tmp_path / "in" / "broken.parquet"
    broken.parent.mkdir()
    broken.write_bytes(b"not parquet at all")
    shutil.copy(SAMPLE / "warc" / "docs-000.warc.gz", broken.parent)
    config = write_config(tmp_path, [{"source": "sample", "uri": str(broken.parent)}])
    failed = []

    def noted(name: str, stage: Callable[[], Any]) -> Any:
        try:
            return stage()
        except curate.CurateError:
            failed.append(name)
            raise

    with pytest.raises(PartialRun, match=r"broken\.parquet.*fetch it again or remove it") as caught:
        curate.run(config, wrap=noted)
    assert failed == ["extract"]
    [failure] = caught.value.failures
    assert str(broken) in failure
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out" / "current").exists()
    result = curate.run(config, allow_partial=True)
    assert (result.status, result.exit_code) == ("partial", 3)
    assert "broken.parquet" in result.failures[0]
    manifest = json.loads((result.output / "current" / "_manifest.json").read_text())
    assert manifest["missing"] == [{"content": content_hash(str(broken))}]
    assert result.kept > 0


STAGES = ["extract", "measure", "sign", "candidates", "verify", "census", "bound", "resolve", "select", "ledger",
          "arrange", "publish"]  # fmt: skip


@pytest.mark.parametrize("stage", ["extract", *(pytest.param(stage, marks=pytest.mark.slow) for stage in STAGES[1:])])
def test_a_killed_run_goes_on_where_it_was(golden: Golden, tmp_path: Path, stage: str) -> None:
    config = write_config(tmp_path, sample_inputs(), execution={"split_bytes": 100_000, "partitions": 2})
    child = start_child(config)
    assert child.stdout
    seen: dict[str, int] = {}
    for line in child.stdout:
        name, done, total = line.rsplit(maxsplit=2)
        seen[name] = int(total)
        if name == stage and (int(done) >= 1 or int(total) == 1):
            kill(child)
            break
    before = committed(tmp_path / "work")
    finished = {s: len(list((tmp_path / "work" / "stages" / s).glob("*/commit.json"))) for s in STAGES}
    result = finish_child(start_child(config))
    assert published_bytes(tmp_path / "out") == golden.published
    after = committed(tmp_path / "work")
    assert before.items() <= after.items()
    executed, tasks = Counter[str](), Counter[str]()
    for stage_result in result["stages"]:
        executed[stage_result["name"]] += stage_result["executed"]
        tasks[stage_result["name"]] += stage_result["tasks"]
    assert executed == Counter({name: number - finished[name] for name, number in tasks.items()})


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["ray::_run_task", "raylet/raylet", "gcs/gcs_server"])
def test_a_run_of_which_ray_loses_a_process_goes_on_or_ends_and_says_why(
    golden: Golden, tmp_path: Path, victim: str
) -> None:
    config = write_config(tmp_path, sample_inputs(), execution={"split_bytes": 50_000})
    child = start_command(config, "--json")
    while not list(tmp_path.glob("work/stages/extract/*/commit.json")) or not (found := processes_of(child, victim)):
        assert child.poll() is None
        time.sleep(0.01)
    processes = processes_of(child, "ray")
    found[0].kill()
    printed, said = child.communicate(timeout=120)
    assert_gone(processes)
    if victim == "ray::_run_task":
        assert child.returncode == 0, said
        assert json.loads(printed)["exit_code"] == 0
    else:
        assert child.returncode == 1
        assert f"curate: error: Ray's {victim.rpartition('/')[2]} ended" in said
        assert "Traceback" not in said
        finish_child(start_child(config))
    assert published_bytes(tmp_path / "out") == golden.published
    ledger = curate.read_ledger(tmp_path / "work").collect()
    assert len(ledger) == golden.result.records_in
    assert "worker.died" not in set(ledger["reason"])


@pytest.mark.slow
def test_a_document_that_needs_more_memory_than_a_worker_may_have_is_quarantined(tmp_path: Path) -> None:
    # One character beyond 16 bits makes Python hold each of the others in four bytes: 220 MB a copy. A worker needs
    # 650 MB to read this line and 1,050 to extract it.
    texts = [f"Page {n} has some words of its own." for n in range(50)]
    texts[20] = "\U0001f600" + "large page " * 5_000_000
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    source = {"source": "s", "uri": "in.jsonl"}
    config = write_config(
        tmp_path, [source], extract={"max_document_bytes": "64MB"}, measure=[], dedup=None,
        execution={"memory": "850MB"},
    )  # fmt: skip
    result = curate.run(config)
    assert (result.records_in, result.kept, result.quarantined) == (50, 49, 1)
    assert result.reasons == {"worker.died": 1}
    assert curate.run(config).nothing_to_do


def test_token_counts_are_exact_and_extra_columns_pass_through(tmp_path: Path) -> None:
    folder = resolve(NAME).path
    assert folder
    whole = Tokenizer.from_file(str(folder / "tokenizer.json"))
    cut = Tokenizer.from_file(str(folder / "tokenizer.json"))
    cut.enable_truncation(4)
    cut.enable_padding()
    cut.save(str(tmp_path / "tokenizer.json"))
    rows = [{"body": f"Sentence number {n} about rivers. " * (n + 1), "n": n, "where": None} for n in range(12)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"source": "s", "uri": "in.jsonl", "fields": {"text": "body"}, "extra": {"n": "int64", "where": "string"}}
    config = write_config(tmp_path, [source], measure=[], dedup=None, publish={"tokenizer": "tokenizer.json"})
    data = pl.read_parquet(curate.run(config).output / "current" / "data" / "*.parquet").sort("n")
    assert data["n"].to_list() == list(range(12))
    assert data["where"].is_null().all()
    assert data["token_count"].to_list() == [len(whole.encode(t, add_special_tokens=False).ids) for t in data["text"]]
