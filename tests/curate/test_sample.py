"""A sample of the inputs: which documents, and that it says of them what a run does."""

import json
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from curate import sample
from curate.config.file import load
from curate.corpus import no_facts
from curate.decisions import columns_of, select
from curate.errors import ConfigError
from curate.sample import distinct_texts, measured_sample
from tests.curate.inline import run_inline
from tests.curate.runs import write_config

STEPS = [
    {"filter": "length.words", "keep": {"min": 40}},
    {"transform": "pii.mask"},
    {"filter": "length.characters", "keep": {"max": 900}},
]


def corpus(folder: Path, files: int = 4, each: int = 25) -> list[dict[str, object]]:
    folder.mkdir(exist_ok=True)
    for f in range(files):
        rows = [
            {"url": f"http://x/{f}/{n}", "text": f"Text {f} {n} of a@example.org. " + "word and word. " * (n + 1)}
            for n in range(each)
        ]
        (folder / f"{f}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return [{"source": "s", "uri": str(folder), "fields": {"url": "url"}}]


def test_a_sample_that_holds_everything_decides_as_the_run_does(tmp_path: Path) -> None:
    path = write_config(tmp_path / "run", corpus(tmp_path / "in"), measure=STEPS, dedup=None)
    config = load(path)
    found = measured_sample(config, 1_000)
    assert (found.read, found.documents.num_rows) == (100, 100)
    result, _ = run_inline(path)
    table = select(found.facts, None, None, config, judged=False)
    ledger = pl.read_parquet(result.work / "ledger" / "*.parquet")
    columns = ["id", "status", "reason", *columns_of(config)]
    assert table.select(columns).sort("id").equals(ledger.select(columns).sort("id"))
    published = pl.read_parquet(result.output / "current/data/*.parquet")
    texts = dict(zip((i.hex() for i in table["id"]), found.documents.column("text").to_pylist(), strict=True))
    assert all(texts[row["id"]] == row["text"] for row in published.iter_rows(named=True))


@pytest.mark.parametrize("number", [1, 7, 30, 100])
def test_a_sample_has_the_size_asked_for_and_depends_on_no_place(tmp_path: Path, number: int) -> None:
    one = load(write_config(tmp_path / "a", corpus(tmp_path / "in"), measure=STEPS))
    other = load(write_config(tmp_path / "b", corpus(tmp_path / "moved"), measure=STEPS))
    found, again = measured_sample(one, number), measured_sample(other, number)
    assert found.documents.num_rows == found.facts.height == number
    assert found.documents.equals(again.documents)
    assert found.facts.equals(again.facts)
    reseeded = measured_sample(one.model_copy(update={"seed": 2}), number)
    assert number == 100 or set(reseeded.facts["id"]) != set(found.facts["id"])


def test_no_more_is_read_than_holds_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(write_config(tmp_path / "a", corpus(tmp_path / "in"), measure=STEPS))
    assert measured_sample(config, 20).read == 25
    monkeypatch.setattr(sample, "RANGE_BYTES", 500)
    assert 20 <= measured_sample(config, 20).read < 25


def test_an_empty_input_is_an_empty_sample(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").touch()
    config = load(write_config(tmp_path / "a", [{"source": "s", "uri": str(tmp_path / "none.jsonl")}], measure=STEPS))
    found = measured_sample(config, 10)
    assert (found.documents.num_rows, found.read) == (0, 0)
    assert found.facts.schema == no_facts(columns_of(config)).schema
    with pytest.raises(ConfigError, match="nothing there"):
        measured_sample(load(write_config(tmp_path / "b", [{"source": "s", "uri": "nowhere"}])), 10)


def test_the_texts_for_dedup_are_the_different_ones_after_the_transforms(tmp_path: Path) -> None:
    inputs = corpus(tmp_path / "in", files=2, each=5)
    (tmp_path / "in/2.jsonl").write_bytes((tmp_path / "in/1.jsonl").read_bytes().replace(b"http://x", b"http://y"))
    config = load(write_config(tmp_path / "run", inputs, measure=STEPS))
    data, offsets = distinct_texts(config, 100)
    found = [data[start:end].tobytes().decode() for start, end in pairwise(offsets.tolist())]
    measured = measured_sample(config, 100).documents.column("text").to_pylist()
    assert len(measured) == 15
    assert sorted(found) == sorted(set(measured))
    assert len(found) == 10
