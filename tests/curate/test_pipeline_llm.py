"""Whole runs with the real model on vLLM: what is judged and written, and the promises P3, P4 and P5 with an LLM."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

import curate
from curate.llm.cache import ResponseCache
from curate.stages import judge
from tests import fake_engine
from tests.conftest import Endpoint
from tests.curate.inline import run_inline
from tests.curate.llm.processes import listens, living, wait_until
from tests.curate.runs import finish_child, kill, published_bytes, sample_inputs, start_child, write_config

JUDGED, ASKED = 10, 8


def llm_config(folder: Path, endpoint: Endpoint, cache: Path, **sections: Any) -> Path:
    sections = {
        "languages": ["en"],
        "llm": {"endpoint": endpoint.base_url, "cache": str(cache)},
        "judge": {
            "max_documents": JUDGED,
            "max_tokens": 128,
            "keep": {"min": 0.1, "missing": {"not_sampled": "keep", "failed": "reject"}},
        },
        "synthesize": {"max_documents": ASKED, "max_source_tokens": 128, "max_tokens": 200, "min_words": 20},
    } | sections
    return write_config(folder, sample_inputs(), **sections)


@dataclass(frozen=True)
class Golden:
    endpoint: Endpoint
    config: Path
    cache: Path
    result: curate.RunResult
    published: Mapping[str, str]


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory, llm_endpoint: Endpoint) -> Golden:
    folder = tmp_path_factory.mktemp("llm")
    config = llm_config(folder, llm_endpoint, folder / "cache")
    return Golden(llm_endpoint, config, folder / "cache", curate.run(config), published_bytes(folder / "out"))


def sums(result: curate.RunResult, stage: str) -> dict[str, int]:
    totals: dict[str, int] = {}
    for each in result.stages:
        for name, n in each.counts.items() if each.name == stage else ():
            totals[name] = totals.get(name, 0) + n
    return totals


def test_the_budget_is_judged_and_the_rest_says_so(golden: Golden) -> None:
    ledger = curate.read_ledger(golden.result.work).collect()
    real = ledger.filter(~pl.col("is_synthetic"))
    assert (real["quality_status"] == "scored").sum() == JUDGED
    kept = real.filter(pl.col("status") == "kept")
    assert set(kept["quality_status"]) == {"scored", "not_sampled"}
    scored = kept.filter(pl.col("quality_status") == "scored")
    assert scored["quality"].is_between(0, 1).all()
    assert scored["quality"].n_unique() > 1
    assert kept.filter(pl.col("quality_status") == "not_sampled")["quality"].is_null().all()


def test_what_was_asked_is_accepted_or_turned_away_and_labelled(golden: Golden) -> None:
    counts = sums(golden.result, "synthesize")
    assert counts["asked"] == ASKED == golden.result.written
    assert counts["asked"] == counts["accepted"] + counts["rejected"] + counts["failed"]
    assert counts["accepted"] > 0
    data = pl.read_parquet(golden.result.output / "current" / "data" / "*.parquet")
    written = data.filter("is_synthetic")
    assert 0 < len(written) <= counts["accepted"]
    assert written["generator"].struct.field("model").is_not_null().all()
    parents = set(data.filter(~pl.col("is_synthetic"))["id"])
    assert set(written["derived_from"].explode()) <= parents
    assert set(written["quality_status"]) == {"scored"}
    assert data.filter(~pl.col("is_synthetic"))["generator"].struct.field("model").is_null().all()


def test_on_a_filled_cache_the_same_bytes_come_out_and_nothing_is_asked(golden: Golden, tmp_path: Path) -> None:
    shutil.copytree(golden.cache, tmp_path / "cache")
    execution = {"workers": 4, "batch_documents": 3, "split_bytes": 100_000}
    result = curate.run(llm_config(tmp_path, golden.endpoint, tmp_path / "cache", execution=execution))
    assert published_bytes(tmp_path / "out") == golden.published
    for stage in ("judge", "synthesize"):
        assert sums(result, stage).get("llm.sent", 0) == 0
        assert sums(result, stage)["llm.from_cache"] == sums(result, stage)["llm.asked"] > 0


def test_a_synthesis_of_which_nothing_is_good_enough_publishes_the_rest(golden: Golden, tmp_path: Path) -> None:
    strict = {"max_documents": ASKED, "max_source_tokens": 128, "max_tokens": 200, "min_words": 5000}
    shutil.copytree(golden.cache, tmp_path / "cache")
    result, _ = run_inline(llm_config(tmp_path, golden.endpoint, tmp_path / "cache", synthesize=strict))
    assert (result.written, sums(result, "synthesize")["accepted"]) == (ASKED, 0)
    assert result.records_in + ASKED == result.kept + result.rejected + result.quarantined
    reasons = curate.read_ledger(result.work).filter("is_synthetic").collect()["reason"]
    assert reasons.str.contains("< 5000").all()


def test_a_second_run_does_nothing(golden: Golden) -> None:
    assert curate.run(golden.config).nothing_to_do


def test_without_the_llm_quality_is_null_and_not_sampled(golden: Golden, tmp_path: Path) -> None:
    config = curate.load_config(llm_config(tmp_path, golden.endpoint, tmp_path / "cache"))
    result = curate.run(config.without_llm())
    data = pl.read_parquet(result.output / "current" / "data" / "*.parquet")
    assert data["quality"].is_null().all()
    assert set(data["quality_status"]) == {"not_sampled"}
    assert not data["is_synthetic"].any()
    assert any("--no-llm" in note for note in result.notes)


def test_an_unreachable_server_stops_the_run_and_publishes_nothing(tmp_path: Path) -> None:
    llm = {"endpoint": "http://127.0.0.1:9/v1", "retries": 0, "cache": str(tmp_path / "cache")}
    config = write_config(tmp_path, sample_inputs(), llm=llm, judge={"max_documents": 1})
    with pytest.raises(curate.CurateError, match=r"127\.0\.0\.1:9"):
        curate.run(config)
    assert not (tmp_path / "out" / "current").exists()


@pytest.mark.slow
@pytest.mark.parametrize("answers", [3, JUDGED + 2], ids=["judge", "synthesize"])
def test_a_run_killed_while_it_asks_loses_no_committed_answer(golden: Golden, tmp_path: Path, answers: int) -> None:
    config = llm_config(tmp_path, golden.endpoint, tmp_path / "cache")
    child = start_child(config)
    with contextlib.closing(ResponseCache(tmp_path / "cache")) as cache:
        assert wait_until(lambda: cache.stats()["entries"] >= answers, 120)
    kill(child)
    finish_child(start_child(config))
    fresh = curate.run(llm_config(tmp_path / "fresh", golden.endpoint, tmp_path / "cache"))
    assert published_bytes(tmp_path / "out") == published_bytes(tmp_path / "fresh" / "out")
    assert sum(sums(fresh, s).get("llm.sent", 0) for s in ("judge", "synthesize")) == 0


def engine_config(folder: Path, cache: Path, **llm: Any) -> Path:
    """A run with a server of its own, and no endpoint."""
    llm = {"cache": str(cache), "concurrency": 2, "request_timeout": 20} | llm
    return write_config(folder, sample_inputs(), languages=["en"], llm=llm, judge={"max_documents": JUDGED})


def actor_of(child: "subprocess.Popen[str]") -> int:
    """The worker of a run that owns its server."""
    [actor] = [p for p in psutil.Process(child.pid).children(recursive=True) if "ModelActor" in " ".join(p.cmdline())]
    return actor.pid


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["driver", "actor", "server", "engine"])
def test_a_run_whose_processes_are_killed_while_it_asks_ends_as_if_undisturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    """FAULTS 23: no committed answer is asked for again, and nothing is left of what was killed."""
    journal = fake_engine.install(tmp_path, monkeypatch, start="hold")
    config = engine_config(tmp_path, tmp_path / "cache")
    child = start_child(config)
    assert wait_until(lambda: journal.asked.total() == fake_engine.PROMPT + 2, 120)
    [first] = journal.starts
    answered = [prompt for prompt, _ in journal.asked.most_common()[: fake_engine.PROMPT]]
    if victim == "driver":
        child.kill()
    else:
        os.kill(actor_of(child) if victim == "actor" else getattr(first, victim), signal.SIGKILL)
    assert wait_until(lambda: not living(first.group) and not listens(first.port), 10)
    journal.release()
    if victim == "driver":
        child.communicate()
        child = start_child(config)
    finish_child(child)
    assert len(journal.starts) == 2
    assert journal.asked.total() == JUDGED + 2
    assert {journal.asked[prompt] for prompt in answered} == {1}
    assert not any(living(start.group) or listens(start.port) for start in journal.starts)
    fresh = curate.run(engine_config(tmp_path / "fresh", tmp_path / "cache"))
    assert published_bytes(tmp_path / "out") == published_bytes(tmp_path / "fresh" / "out")
    assert sums(fresh, "judge").get("llm.sent", 0) == 0


@pytest.mark.slow
def test_each_replica_is_a_server_of_its_own_on_gpus_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = fake_engine.install(tmp_path, monkeypatch)
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"CPU": 2, "GPU": 4}')
    monkeypatch.setattr(judge, "TASK_DOCUMENTS", JUDGED // 2)
    result = curate.run(engine_config(tmp_path, tmp_path / "cache", replicas=2, tensor_parallel=2))
    assert sums(result, "judge")["llm.sent"] == journal.asked.total() == JUDGED
    first, second = journal.starts
    assert first.port != second.port
    assert first.group != second.group
    assert sorted(journal.gpus) == ["0,1", "2,3"]
    assert [command[command.index("--tensor-parallel-size") + 1] for command in journal.commands] == ["2", "2"]


@pytest.mark.slow
def test_a_run_killed_as_its_real_engine_begins_to_serve_leaves_no_process_and_no_port(tmp_path: Path) -> None:
    config = engine_config(tmp_path, tmp_path / "cache", concurrency=1)
    child = start_child(config)

    def servers() -> list[psutil.Process]:
        below = psutil.Process(child.pid).children(recursive=True)
        return [p for p in below if p.ppid() != child.pid and "vllm.entrypoints.openai.api_server" in p.cmdline()]

    assert wait_until(lambda: bool(servers()), 120)
    command = servers()[0].cmdline()
    group, port = os.getpgid(servers()[0].pid), int(command[command.index("--port") + 1])
    assert wait_until(lambda: listens(port) and len(living(group)) >= 4, 300)
    child.kill()
    assert wait_until(lambda: not living(group) and not listens(port), 10)
    child.communicate()
    finish_child(start_child(config))
    fresh = curate.run(engine_config(tmp_path / "fresh", tmp_path / "cache"))
    assert published_bytes(tmp_path / "out") == published_bytes(tmp_path / "fresh" / "out")
    assert sums(fresh, "judge").get("llm.sent", 0) == 0


def test_more_servers_than_gpus_are_refused_before_one_waits_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = fake_engine.install(tmp_path, monkeypatch)
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 2}')
    with pytest.raises(
        curate.CurateError, match=r"llm\.replicas is 3, each needs 1 GPU of one machine .*, and Ray has 2:"
    ):
        curate.run(engine_config(tmp_path, tmp_path / "cache", replicas=3))
    assert not journal.groups
