import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import lineage, schema
from curate.config import LlmConfig, RunConfig, SynthesizeConfig
from curate.errors import ModelError
from curate.llm import client, prompts
from curate.llm.session import Identity, Llm
from curate.shards import read_file
from curate.stages import synthesize as stage
from curate.stages.synthesize import Synthesis, copied_share, repeated_share, synthesize
from curate.step import run_step
from curate.storage import Store
from tests import fake_llm

SOURCE_TEXT = " ".join(f"source{n}" for n in range(200))
GOOD = " ".join(f"word{n}" for n in range(80)) + "."
ENGLISH = (
    "Water moves through the soil and into the roots of a plant, from where it rises through narrow vessels to the "
    "leaves. There most of it leaves the plant as vapour, which cools the leaf and pulls more water up behind it. When "
    "the ground is dry, small openings in the leaf close, and the plant loses less; but it also takes in less of the "
    "air from which it builds its sugars, and so it grows more slowly until the rain returns."
)
CONFIG = SynthesizeConfig()


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BACKOFF_S", 0.01)


def documents(*texts: str, **columns: Any) -> pa.Table:
    empty = dict.fromkeys(schema.DOCUMENTS.names)
    rows = [
        empty
        | {
            "id": lineage.document_id("s", str(n), text.encode()), "text": text, "text_hash": lineage.text_hash(text),
            "source": "s", "lang": "eng_Latn", "lang_score": 0.9, "license": "CC-BY-4.0", "license_source": "config",
            "is_synthetic": False, "transforms": [], "derived_from": [], "offset": n, "end": n + 1, "extra": "kept out",
        }
        | columns
        for n, text in enumerate(texts)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema.with_extra(schema.DOCUMENTS, {"extra": "string"}))


def english(texts: Sequence[str]) -> tuple[list[str], list[float | None]]:
    return ["deu_Latn" if text.startswith("Der ") else "eng_Latn" for text in texts], [0.75] * len(texts)


@contextlib.contextmanager
def opened(folder: Path, endpoint: str, **settings: Any) -> Iterator[Llm]:
    with contextlib.closing(Llm(LlmConfig(endpoint=endpoint, **({"retries": 0} | settings)), folder)) as llm:
        yield llm


def written(folder: Path, table: pa.Table, *answers: str, script: tuple[str | int, ...] = ("ok",)) -> Synthesis:
    """What comes of `answers`, given in turn."""
    turn = iter(answers)
    with (
        fake_llm.serve(*script, write=lambda _: next(turn)) as fake,
        opened(folder, fake.base_url, concurrency=1) as llm,
    ):
        return synthesize(table, llm, CONFIG, 1, english)


def test_an_accepted_text_says_where_it_came_from(tmp_path: Path) -> None:
    table = documents(SOURCE_TEXT)
    made = written(tmp_path, table, f"\n {GOOD} cafe\u0301  \r\n")
    assert made.counts == {"asked": 1, "accepted": 1, "rejected": 0, "failed": 0}
    assert made.accepted.schema == schema.DOCUMENTS
    [row] = made.accepted.to_pylist()
    parent = table.column("id")[0].as_py()
    prompt = prompts.load("textbook", "synthesis")
    assert row["text"] == f"{GOOD} café"
    assert row["text_hash"] == lineage.text_hash(row["text"])
    assert row["id"] == lineage.document_id("synthetic", f"{parent.hex()}:{prompt.hash}", row["text"].encode())
    assert row["is_synthetic"] is True
    assert row["derived_from"] == [parent]
    assert row["generator"] == {
        "model": "smollm2-135m-instruct", "revision": Llm.identity_of(LlmConfig()).revision, "prompt_hash": prompt.hash,
    }  # fmt: skip
    assert (row["source"], row["url"], row["date"], row["transforms"]) == ("synthetic", None, None, [])
    assert (row["license"], row["license_source"]) == ("CC-BY-4.0", "derived")
    assert (row["lang"], row["lang_score"]) == ("eng_Latn", 0.75)
    assert (row["offset"], row["end"]) == (0, 1)


def test_an_unknown_licence_stays_unknown(tmp_path: Path) -> None:
    made = written(tmp_path, documents(SOURCE_TEXT, license=None, license_source=None), GOOD)
    [row] = made.accepted.to_pylist()
    assert (row["license"], row["license_source"]) == (None, None)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "words=0 < 50"),
        ("Too short to be a section.", "words=6 < 50"),
        (f"Der {GOOD}", "language=deu_Latn != eng_Latn"),
        (f"I'm sorry, but I cannot help with that. {GOOD}", "refusal"),
        (f"As an AI language model, {GOOD}", "refusal"),
        ("the same again " * 30, "repeated_share=0.9659090909090909 > 0.3"),
        (SOURCE_TEXT[:900], "copied_share=1.0 > 0.5"),
        (SOURCE_TEXT[:900].upper(), "copied_share=1.0 > 0.5"),
    ],
)
def test_each_guard_gives_its_reason(tmp_path: Path, answer: str, reason: str) -> None:
    table = documents(SOURCE_TEXT)
    made = written(tmp_path, table, answer)
    assert made.counts == {"asked": 1, "accepted": 0, "rejected": 1, "failed": 0}
    [row] = made.rejected.to_pylist()
    assert row["reason"] == f"synthesize.{reason}"
    assert row["derived_from"] == table.column("id")[0].as_py()


@pytest.mark.parametrize(
    ("step", "part", "reason"),
    [
        ("length", "rejected", "truncated at 400 tokens"),
        ("filtered", "rejected", "refusal"),
        (500, "failed", "http_error (HTTP 500)"),
        ("broken_json", "failed", "malformed (no JSON)"),
        ("null_text", "failed", "malformed (no text)"),
    ],
)
def test_what_the_server_did_not_give_is_told_apart(tmp_path: Path, step: str | int, part: str, reason: str) -> None:
    made = written(tmp_path, documents("a", "b", "c"), GOOD, GOOD, GOOD, script=("ok", step, "ok"))
    assert made.counts["asked"] == 3
    assert made.counts[part] == 1
    assert getattr(made, part).column("reason").to_pylist() == [f"synthesize.{reason}"]
    assert getattr(made, part).column("offset").to_pylist() == [1]
    assert made.accepted.column("offset").to_pylist() == [0, 2]


def test_a_second_run_gives_the_same_and_asks_nothing(tmp_path: Path) -> None:
    table = documents("one", "two")
    first = written(tmp_path, table, GOOD, f"{GOOD} more")
    assert written(tmp_path, table) == first  # no answer left to give


def test_each_document_has_its_own_seed_whatever_the_order(tmp_path: Path) -> None:
    table = documents(*(f"text {n}" for n in range(6)))
    seeds = []
    for name, order, seed in (("a", [0, 1, 2, 3, 4, 5], 1), ("b", [5, 4, 3, 2, 1, 0], 1), ("c", [0, 1, 2, 3, 4, 5], 2)):
        with fake_llm.serve() as fake, opened(tmp_path / name, fake.base_url) as llm:
            synthesize(table.take(pa.array(order)), llm, CONFIG, seed, english)
            seeds.append({body["messages"][0]["content"]: body["seed"] for body in fake.bodies})
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0].values())) == 6
    assert not set(seeds[0].values()) & set(seeds[2].values())
    assert all(0 <= seed < 2**31 for seed in seeds[0].values())


def test_no_documents_are_no_questions(tmp_path: Path) -> None:
    assert written(tmp_path, documents()).counts == {"asked": 0, "accepted": 0, "rejected": 0, "failed": 0}


@given(st.lists(st.sampled_from("abc"), max_size=40), st.lists(st.sampled_from("abc"), max_size=40))
def test_shares_are_shares(words: list[str], source: list[str]) -> None:
    assert 0.0 <= repeated_share(words) < 1.0
    assert 0.0 <= copied_share(words, " ".join(source)) <= 1.0
    if len(words) >= 8:
        assert copied_share(words, " ".join([*source, *words])) == 1.0


def decisions(count: int) -> pl.DataFrame:
    rows = [
        {"id": n.to_bytes(16, "big"), "status": "kept", "quality": n / 100, "lang": "eng_Latn", "is_synthetic": False,
         "shard": "s.parquet", "row": n}
        for n in range(count)
    ]  # fmt: skip
    return pl.DataFrame(rows)


def run_config(**settings: Any) -> RunConfig:
    return RunConfig.model_validate({
        "name": "test", "inputs": [{"source": "s", "uri": "x.jsonl"}], "output": "o", "work": "w", "llm": {},
        "judge": {}, "synthesize": settings,
    })  # fmt: skip


def test_the_best_judged_documents_are_asked_about() -> None:
    table = decisions(50).with_columns(
        quality=pl.when(pl.col("row") == 49).then(None).otherwise("quality"),
        lang=pl.when(pl.col("row") == 48).then(pl.lit("deu_Latn")).otherwise("lang"),
        is_synthetic=pl.col("row") == 47,
    )
    identity = Identity("m", "r")
    [task] = stage.tasks([table], run_config(max_documents=3), identity)
    assert [row for _, row in task.args[0]] == [46, 45, 44]
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=1)
    assert stage.tasks([shuffled], run_config(max_documents=3), identity)[0].key == task.key
    assert stage.tasks([table], run_config(max_documents=3, temperature=0.1), identity)[0].key != task.key
    assert stage.tasks([table.clear()], run_config(), identity) == []


def test_a_task_commits_what_adds_up(tmp_path: Path) -> None:
    store = Store(tmp_path / "work")
    table = documents(*(f"{n} {SOURCE_TEXT}" for n in range(4))).select(schema.DOCUMENTS.names)
    extracted = run_step(store, "extract", "e", lambda writer: writer.write("documents", table))
    [shard] = extracted.of("documents")
    rows = decisions(4).with_columns(id=pl.Series(table.column("id").to_pylist()), shard=pl.lit(shard.name))
    turn = iter([ENGLISH, "short", ENGLISH, ENGLISH])
    with (
        fake_llm.serve("ok", "ok", 500, "ok", write=lambda _: next(turn)) as fake,
        opened(tmp_path / "cache", fake.base_url, concurrency=1) as llm,
    ):
        [task] = stage.tasks([rows], run_config(max_failed_share=0.5), llm.identity)
        commit = run_step(store, task.stage, task.key, lambda writer: task.run(writer, store, llm, *task.args))
    assert {name: commit.counts[name] for name in ("in", "asked", "accepted", "rejected", "failed")} == {
        "in": 4, "asked": 4, "accepted": 2, "rejected": 1, "failed": 1,
    }  # fmt: skip
    assert commit.rows("documents") == 2
    assert commit.is_passing
    assert commit.identity != commit.key
    [rejected] = commit.of("rejected")
    found = read_file(store, rejected.name).to_pylist()
    assert [row["reason"] for row in found] == ["synthesize.words=1 < 50", "synthesize.http_error (HTTP 500)"]
    assert [row["offset"] for row in found] == [1, 2]
    [accepted] = commit.of("documents")
    # The best judged document, which is the last, was asked about first.
    assert read_file(store, accepted.name).column("derived_from").to_pylist() == [
        [table.column("id")[3].as_py()],
        [table.column("id")[0].as_py()],
    ]


def test_a_server_that_fails_too_often_stops_the_run(tmp_path: Path) -> None:
    store = Store(tmp_path / "work")
    table = documents(*(f"{n} {SOURCE_TEXT}" for n in range(4))).select(schema.DOCUMENTS.names)
    [shard] = run_step(store, "extract", "e", lambda writer: writer.write("documents", table)).of("documents")
    rows = decisions(4).with_columns(id=pl.Series(table.column("id").to_pylist()), shard=pl.lit(shard.name))
    with (
        fake_llm.serve(500, 500, 500, 500) as fake,
        opened(tmp_path / "cache", fake.base_url, concurrency=1) as llm,
    ):
        [task] = stage.tasks([rows], run_config(), llm.identity)
        with pytest.raises(ModelError, match=r"4 of 4 questions got no answer: 4 synthesize\.http_error"):
            run_step(store, task.stage, task.key, lambda writer: task.run(writer, store, llm, *task.args))


def test_the_real_model_writes(tmp_path: Path, llm_endpoint: Any) -> None:
    """Long prompts with seeds of their own, at once: what stopped vLLM on a CPU before its prompts were kept whole."""
    text = (
        "Photosynthesis is the process by which plants turn light into chemical energy. Chlorophyll in the leaves "
        "absorbs light, and the plant makes sugar from water and carbon dioxide, giving off oxygen. "
    )
    table = documents(*(f"Chapter {n}. {text * 12}" for n in range(8)))
    config = SynthesizeConfig(max_source_tokens=512, max_tokens=150, temperature=0.3, min_words=20)
    with opened(tmp_path, llm_endpoint.base_url) as llm:
        made = synthesize(table, llm, config, 1, english)
        assert made.counts["asked"] == 8
        assert made.counts["failed"] == 0
        assert made.accepted.num_rows >= 1
        assert synthesize(table, llm, config, 1, english) == made
