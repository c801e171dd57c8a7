"""Classifiers that a config names: what is refused, what keys know of them, what a run and its tuning do with one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fasttext
import polars as pl
import pytest

import curate
from curate.config.file import load
from curate.config.lists import knobs
from curate.errors import ConfigError, CurateError
from curate.lint import lint, lint_sample
from curate.reports.method import measures_table
from curate.reports.preview import page, preview
from curate.sample import measured_sample
from curate.stages.measure import identity
from filters import get
from tests.classifier import trained
from tests.curate.inline import run_inline
from tests.curate.runs import write_config

GOOD, BAD = "ships bring salt and grain to the harbour", "buy cheap pills now and win"
INPUTS = [{"source": "s", "uri": "in.jsonl"}]
COLUMN = "fasttext.probability@dclm.1"


def step(model: object = "models/m.bin", **more: Any) -> dict[str, Any]:
    return {"filter": "fasttext.probability", "params": {"model": model, **more}, "keep": {"min": 0.5}}


def model_in(folder: Path, name: str = "models/m.bin", good: str = GOOD) -> Path:
    return trained(folder / name, [("hq", good), ("cc", BAD)] * 20, dim=4, bucket=100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model_in(tmp_path)
    texts = [f"{GOOD} {n}" for n in range(15)] + [f"{BAD} {n}" for n in range(15)]
    pl.DataFrame({"text": texts}).write_ndjson(tmp_path / "in.jsonl")
    return tmp_path


def config_in(folder: Path, *steps: dict[str, Any]) -> Path:
    return write_config(folder, INPUTS, measure=list(steps), dedup=None)


def cut(folder: Path) -> None:
    path = folder / "models/m.bin"
    path.write_bytes(path.read_bytes()[:-1])


def vectors(folder: Path) -> None:
    lines = folder / "lines.txt"
    lines.write_text("ships and salt\n" * 20)
    made = fasttext.train_unsupervised(str(lines), dim=2, thread=1, bucket=10, verbose=0)
    made.save_model(str(folder / "models/m.bin"))


@pytest.mark.parametrize(
    ("change", "params", "said"),
    [
        (
            None,
            step("models/none.bin"),
            ["params.model: ", "none.bin cannot be read", "mlfoundations/fasttext-oh-eli5"],
        ),
        (None, step("models"), ["cannot be read (Is a directory)", "train one"]),
        (cut, step(), ["params.model: ", "m.bin: cut"]),
        (vectors, step(), ["m.bin: word vectors, no classifier"]),
        (None, step("models/m.txt"), ["m.txt: begins with 5f5f6c61"]),
        (
            None,
            step(label="__label__good"),
            ["no label '__label__good'; it has __label__", "__label__hq", "__label__cc"],
        ),
        (None, step(label=3), ["params.label"]),
        (None, step(["models/m.bin", "models/m.bin"]), ["params.model", "at most 1"]),
        (None, step("s3://bucket/m.bin"), ["params.model", "only local files"]),
        (None, {"filter": "fasttext.probability"}, ["params.model: required"]),
    ],
)
def test_a_model_that_cannot_serve_is_refused_with_the_line_that_names_it(
    folder: Path, change: Callable[[Path], None] | None, params: dict[str, Any], said: list[str]
) -> None:
    if change:
        change(folder)
    with pytest.raises(ConfigError) as caught:
        load(config_in(folder, params))
    for part in ["config.yaml:", "measure.0", *said]:
        assert part in str(caught.value)


def test_keys_know_what_a_model_holds_and_its_label_and_not_where_it_is(folder: Path) -> None:
    model_in(folder, "moved/other.bin")
    here, moved = (load(config_in(folder, step(path))) for path in ("models/m.bin", "moved/other.bin"))
    assert identity(here.measure) == identity(moved.measure)
    assert here.identity() == moved.identity()
    assert str(folder) not in str(here.identity()) + str(identity(here.measure)) + measures_table(here)
    assert "sha256:" in measures_table(here)
    model_in(folder, good=GOOD + " again")
    other = load(config_in(folder, step()))
    assert identity(other.measure) != identity(here.measure)
    label = load(config_in(folder, step("moved/other.bin", label="__label__cc")))
    assert identity(label.measure) != identity(here.measure)


@pytest.mark.parametrize("gone", [True, False])
def test_a_model_that_changes_while_a_run_goes_on_stops_it(folder: Path, *, gone: bool) -> None:
    config = load(config_in(folder, step()))
    (folder / "models/m.bin").unlink()
    if not gone:
        model_in(folder, good="something else")
    with pytest.raises(CurateError, match=r"m\.bin: (cannot be read|another content)"):
        measured_sample(config, 5)


def test_a_process_loads_a_model_once(folder: Path) -> None:
    [chosen] = load(config_in(folder, step())).measured
    measure = get("fasttext.probability").measure
    first, again = (knobs(measure, chosen.filter.params)["model"] for _ in range(2))
    assert first is again


def test_a_run_says_what_the_model_turned_away_and_values_do_not_depend_on_batches(folder: Path) -> None:
    config = config_in(folder, step())
    result, _ = run_inline(config)
    assert (result.kept, dict(result.reasons)) == (15, {"fasttext.probability": 15})
    ledger = curate.read_ledger(folder / "work").collect()
    small = {"work": "work2", "output": "out2", "execution": {"batch_documents": 3}}
    run_inline(write_config(folder, INPUTS, measure=[step()], dedup=None, **small))
    again = curate.read_ledger(folder / "work2").collect()
    columns = ["id", COLUMN, "status", "reason"]
    assert ledger.sort("id").select(columns).equals(again.sort("id").select(columns))


def test_another_bound_is_rescored_without_the_model_and_decides_as_a_run(folder: Path) -> None:
    run_inline(config_in(folder, step()))
    found = measured_sample(load(config_in(folder, step())), 100).facts[COLUMN].sort()
    bound = float(found[25])
    (folder / "models/m.bin").rename(folder / "models/kept.bin")
    kept = curate.rescore(folder / "work", [f"fasttext.probability.min={bound}"])
    result, _ = run_inline(config_in(folder, {**step("models/kept.bin"), "keep": {"min": bound}}))
    assert result.kept == int((found >= bound).sum()) < 15
    assert kept.changes.kept_after == result.kept


def test_preview_and_linter_see_its_bound(folder: Path) -> None:
    config = load(config_in(folder, step()))
    found = preview(config, measured_sample(config, 100))
    assert (found.documents, found.kept) == (30, 15)
    assert b"fasttext.probability" in page(config, found)
    assert lint(config) == []
    low = load(config_in(folder, {**step(), "keep": {"min": 0.0}}))
    assert [finding.at for finding in lint(low)] == [("measure", 0, "keep", "min")]
    tight = load(config_in(folder, {**step(), "keep": {"min": 1.0}}))
    [finding] = lint_sample(tight, measured_sample(tight, 100))
    assert "removes all 30 documents" in finding.why
