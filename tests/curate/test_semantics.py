"""A rule under the semantics that a config names, from the YAML file to the reason in the ledger."""

from pathlib import Path

import polars as pl
import pytest

from curate import read_ledger
from curate.config.file import load
from curate.errors import ConfigError
from curate.rescoring import rescore
from tests.curate.inline import run_inline
from tests.curate.runs import write_config

TEXTS = ["one two three - - -", "one two - - - -", "one two three four five six"]
BOTH = [
    {"filter": "gopher.alpha_word_ratio", "publish": True},
    {"filter": "gopher.word_count@dclm", "keep": {"min": 3}, "publish": True},
]


def write(folder: Path, **sections: object) -> Path:
    pl.DataFrame({"text": TEXTS}).write_ndjson(folder / "in.jsonl")
    return write_config(folder, [{"source": "s", "uri": "in.jsonl"}], **{"measure": BOTH, "dedup": None, **sections})


def test_the_reason_says_the_name_and_the_column_the_version(tmp_path: Path) -> None:
    result, _ = run_inline(write(tmp_path))
    assert dict(result.reasons) == {"gopher.word_count@dclm": 1}
    ledger = read_ledger(result.work).collect()
    assert ledger["reason"].drop_nulls().to_list() == ["gopher.word_count@dclm=2.0 < 3.0"]
    assert {"gopher.alpha_word_ratio@datatrove.1", "gopher.word_count@dclm.1"} <= set(ledger.columns)
    data = pl.read_parquet(tmp_path / "out/current/data/*.parquet")
    assert sorted(data["gopher.word_count@dclm.1"]) == [3.0, 6.0]
    assert rescore(tmp_path / "work", ["gopher.word_count@dclm.min=2"]).changes.entered


def test_bounds_by_language_are_on_one_semantics(tmp_path: Path) -> None:
    table = {"und": {"gopher.word_count@dclm": {"min": 4}}}
    result, _ = run_inline(write(tmp_path, by_language=table))
    assert dict(result.reasons) == {"gopher.word_count@dclm": 2}


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("gopher.word_count@dlcm", "did you mean gopher.word_count, gopher.word_count@dclm?"),
        ("gopher.word_count@datatrove", "did you mean gopher.word_count, gopher.word_count@dclm?"),
        ("gopher.symbol_ratio", "did you mean gopher.symbol_ratio@dclm?"),
    ],
)
def test_an_unknown_semantics_is_refused_with_those_there_are(tmp_path: Path, name: str, near: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, measure=[{"filter": name}]))
    assert f"unknown filter {name!r}; {near}" in str(caught.value)
    assert "config.yaml:" in str(caught.value)
