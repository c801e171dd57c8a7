"""Filters and transforms in the config's order: what a measure sees, what documents become, what select makes of it."""

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from curate import lineage
from curate.config.file import load
from curate.config.measures import MeasureStep
from curate.errors import ConfigError
from curate.stages.measure import measure
from curate.stages.rewrite import rewrite
from curate.storage import Store
from tests.curate.inline import run_inline
from tests.curate.runs import published_bytes, write_config
from tests.curate.small_corpus import text_of

GOOD = "A sentence with some words that ends well. Another one stands beside it.\nMore text follows here, at last."
CITED = "A sentence with a citation here [1].\nno end of this line\nWrite to a.b@example.org please."
NOTHING = "no end\nno end either"

CLEAN: dict[str, Any] = {"transform": "c4.clean"}
MASK: dict[str, Any] = {"transform": "pii.mask"}
LENGTH: dict[str, Any] = {"filter": "length.characters"}
C4, PII = "c4.clean@datatrove.1", "pii.mask@curate.1"


def steps_of(tmp_path: Path, *steps: dict[str, Any]) -> tuple[MeasureStep, ...]:
    return load(
        write_config(tmp_path, [{"source": "s", "uri": "in.jsonl"}], measure=[dict(step) for step in steps])
    ).measure


def documents(*texts: str) -> pa.Table:
    return pa.table({
        "id": [bytes([i]) * 16 for i in range(len(texts))],
        "text": pa.array(texts, pa.large_string()),
        "text_hash": pa.array([lineage.text_hash(text) for text in texts], pa.binary(16)),
        "lang": ["eng_Latn"] * len(texts),
        "transforms": pa.array([["normalise@1"]] * len(texts), pa.list_(pa.string())),
    })  # fmt: skip


def test_a_measure_sees_the_text_of_its_place_and_its_column_says_so(tmp_path: Path) -> None:
    steps = steps_of(tmp_path, LENGTH, CLEAN, LENGTH, MASK, LENGTH)
    values, after = (make(documents(GOOD, CITED, NOTHING), steps) for make in (measure, rewrite))
    lengths = "length.characters@unicode.1"
    assert values.column_names[2:] == [lengths, f"{lengths}+{C4}", f"{lengths}+{C4}+{PII}"]
    cleaned = "A sentence with a citation here .\nWrite to a.b@example.org please."
    masked = cleaned.replace("a.b@example.org", "[EMAIL]")
    assert after["text"].to_pylist() == [GOOD, masked, ""]
    assert values[2].to_pylist() == [len(GOOD), len(CITED), len(NOTHING)]
    assert values[3].to_pylist() == [len(GOOD), len(cleaned), 0]
    assert values[4].to_pylist() == values["text_chars"].to_pylist() == [len(GOOD), len(masked), 0]
    assert values["text_bytes"].to_pylist() == [len(text.encode()) for text in after["text"].to_pylist()]


def test_a_document_names_the_transforms_that_changed_it_and_has_the_hash_of_its_text(tmp_path: Path) -> None:
    before = documents(GOOD, CITED, NOTHING)
    after = rewrite(before, steps_of(tmp_path, CLEAN, MASK))
    assert after["transforms"].to_pylist() == [["normalise@1"], ["normalise@1", C4, PII], ["normalise@1", C4]]
    assert after["text_hash"].to_pylist() == [lineage.text_hash(text) for text in after["text"].to_pylist()]
    assert after.schema == before.schema
    assert after.select(["id", "lang"]) == before.select(["id", "lang"])


def test_without_a_transform_the_documents_are_those_given(tmp_path: Path) -> None:
    before = documents(GOOD)
    assert rewrite(before, steps_of(tmp_path, LENGTH)) is before


@pytest.fixture
def corpus(tmp_path: Path) -> list[dict[str, Any]]:
    """Twenty documents with an address each, a copy but for it, and one of which the rules leave nothing."""
    texts = [f"{text_of(n)} ends here.\nno end\nAsk a{n}@example.org now." for n in range(20)]
    texts += [texts[0].replace("a0@", "b0@"), NOTHING]
    lines = pl.DataFrame({"text": texts, "url": [f"https://example.org/{n}" for n in range(len(texts))]})
    lines.write_ndjson(tmp_path / "in.jsonl")
    return [{"source": "s", "uri": str(tmp_path / "in.jsonl"), "fields": {"url": "url"}}]


def test_a_run_publishes_the_rewritten_texts_and_says_what_left(tmp_path: Path, corpus: list[dict[str, Any]]) -> None:
    folder, other = tmp_path / "run", tmp_path / "other"
    result, _ = run_inline(write_config(folder, corpus, measure=[LENGTH, CLEAN, MASK]))
    assert (result.records_in, result.kept, result.rejected, result.quarantined) == (22, 20, 2, 0)
    assert dict(result.reasons) == {"transform.no_text": 1, "dedup.exact_copy_of": 1}
    data = pl.read_parquet(folder / "out" / "current" / "data" / "*.parquet")
    assert data["text"].str.ends_with("Ask [EMAIL] now.").all()
    assert not data["text"].str.contains("no end").any()
    assert {tuple(each[-2:]) for each in data["transforms"]} == {(C4, PII)}
    assert [lineage.text_hash(text).hex() for text in data["text"]] == data["text_hash"].to_list()
    execution = {"batch_documents": 1, "split_bytes": 1_000}
    run_inline(write_config(other, corpus, measure=[LENGTH, CLEAN, MASK], execution=execution))
    assert published_bytes(other / "out") == published_bytes(folder / "out")


def test_a_bound_behind_a_transform_decides_on_the_new_text(tmp_path: Path, corpus: list[dict[str, Any]]) -> None:
    long = {"filter": "length.characters", "keep": {"min": 30}}
    result, _ = run_inline(write_config(tmp_path / "run", corpus, measure=[long, CLEAN], dedup=None))
    assert dict(result.reasons) == {"length.characters": 1}
    long = {"filter": "length.characters", "keep": {"max": 10_000}}
    steps = [CLEAN, long, {"transform": "invisible.strip"}, {"filter": "length.characters", "keep": {"min": 1_000_000}}]
    result, _ = run_inline(write_config(tmp_path / "run", corpus, measure=steps, dedup=None))
    assert dict(result.reasons) == {"length.characters": 21, "transform.no_text": 1}


def test_the_stored_documents_stand_row_for_row(tmp_path: Path, corpus: list[dict[str, Any]]) -> None:
    run_inline(write_config(tmp_path / "run", corpus, measure=[CLEAN, LENGTH]))
    work = Store(tmp_path / "run" / "work")
    [documents], [values] = (
        [name for name in work.list(f"stages/{stage}") if name.endswith(".parquet")] for stage in ("rewrite", "measure")
    )
    texts, lengths = (pl.read_parquet(work.root / name) for name in (documents, values))
    assert texts["text"].str.len_chars().to_list() == lengths["text_chars"].to_list()


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"transform": "c4.claen"}, "measure.1 c4.claen: unknown transform 'c4.claen'; did you mean c4.clean"),
        (
            {"transform": "c4.clean", "params": {"n": 1}},
            "measure.1 c4.clean: params.n: unknown key; allowed: terminal_punct",
        ),
        (
            {"transform": "pii.mask", "params": {"kinds": ["mail"]}},
            "measure.1 pii.mask: params.kinds.0: Input should be 'email'",
        ),
        (
            {"transform": "c4.clean", "keep": {"min": 1}},
            "measure.1 c4.clean keep: unknown key; allowed: params, transform",
        ),
        (
            {"transform": "c4.clean", "filter": "length.words"},
            "measure.1 length.words filter: unknown key; allowed: params, transform",
        ),
        (
            {"filter": "length.characters"},
            "measure.1 length.characters: length.characters@unicode.1 stands there twice, first as measure.0",
        ),
        ({"filter": "length.words", "kep": {}}, "measure.1 length.words kep: unknown key; did you mean 'keep'?"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, step: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        steps_of(tmp_path, LENGTH, step)
    assert said in str(raised.value)
