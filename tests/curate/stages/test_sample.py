from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.config import RunConfig
from curate.stages import sample
from curate.step import Commit
from curate.storage import Store
from tests.curate.conftest import run_task
from tests.curate.stages.decisions import decided

ROWS = [
    {"text": f"{'word ' * (1 + n % 40)}{n}", "source": "rare" if n % 25 == 0 else "web",
     "lang": ["eng_Latn", "deu_Latn", None][n % 3], "length.words@provider.1": None if n % 7 == 0 else float(n % 40)}
    for n in range(300)
]  # fmt: skip


def config(**judge: Any) -> RunConfig:
    values = {
        "name": "t", "inputs": [{"source": "s", "uri": "x"}], "output": "o", "work": "w", "llm": {},
        "measure": [{"filter": "length.words"}], "judge": judge,
    }  # fmt: skip
    return RunConfig.model_validate(values)


def asked(store: Store, decisions: list[Commit], settings: RunConfig) -> pl.DataFrame:
    commit = run_task(store, sample.task(decisions, settings))
    measures = {"length.words": "length.words@provider.1"}
    rows = pl.concat(list(sample.kept(store, decisions, measures)))
    found = sample.chosen(store, commit, rows, settings)
    assert commit.counts["chosen"] == len(found.filter(~pl.col("is_synthetic")))
    return found


def parts(store: Store, *rows: list[dict[str, Any]]) -> list[Commit]:
    return [decided(store, part, **{"length.words@provider.1": pl.Float64}) for part in rows]


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 50), max_size=8), st.integers(1, 200))
def test_a_budget_is_shared_evenly_as_far_as_there_are_documents(sizes: dict[str, int], budget: int) -> None:
    shares = sample.shared_out(sizes, budget)
    assert sum(shares.values()) == min(budget, sum(sizes.values()))
    assert all(0 <= shares[s] <= sizes[s] for s in sizes)
    short = [shares[s] for s in sizes if shares[s] < sizes[s]]
    assert max(shares.values(), default=0) <= min(short, default=budget) + 1


@pytest.mark.parametrize("by", [[], ["source"], ["lang", "length"], ["length.words"], ["source", "length.words"]])
def test_the_sample_depends_on_the_documents_alone(tmp_path: Path, by: list[str]) -> None:
    settings = config(max_documents=40, by=by)
    one = asked(Store(tmp_path / "1"), parts(Store(tmp_path / "1"), ROWS), settings)
    store = Store(tmp_path / "2")
    other = asked(store, parts(store, ROWS[250:], ROWS[:100], ROWS[100:250]), settings)
    assert set(one["id"]) == set(other["id"])
    assert len(one) == 40


def test_a_rare_stratum_is_in_the_sample_as_often_as_a_common_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    decisions = parts(store, ROWS)
    for budget, rare in ((20, 10), (60, 12)):
        found = asked(store, decisions, config(max_documents=budget, by=["source"]))
        assert Counter(found["source"]) == {"rare": rare, "web": budget - rare}


def test_synthetic_documents_are_all_asked_about_and_change_no_sample(tmp_path: Path) -> None:
    written = [{"text": f"written {n}", "is_synthetic": True} for n in range(7)]
    store, settings = Store(tmp_path), config(max_documents=10, by=["length"])
    alone, both = (asked(store, parts(store, *given), settings) for given in ([ROWS], [ROWS, written]))
    assert set(both.filter(~pl.col("is_synthetic"))["id"]) == set(alone["id"])
    assert len(both.filter("is_synthetic")) == 7


def test_what_was_rejected_is_not_asked_about(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rows = [row | {"status": "rejected" if n % 2 else "kept"} for n, row in enumerate(ROWS)]
    assert len(asked(store, parts(store, rows), config(max_documents=1000))) == 150


@pytest.mark.parametrize(("judge", "complaint"), [
    ({"max_documents": 5, "by": ["lenght"]}, r"judge\.by: .*lenght.*length"),
    ({"by": ["lang"]}, r"set judge\.max_documents"),
    ({"distil": {}}, r"set judge\.max_documents"),
])  # fmt: skip
def test_a_sample_that_is_none_is_refused(judge: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        config(**judge)
