"""`curate dedup plan` through Typer's runner."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app

TEXT = "the water of a river runs down to the sea and on its way it carries stones sand and mud"
WORDS = TEXT.split()
CONFIG = """\
name: tiny
inputs:
  - {source: docs, uri: pages, format: jsonl}
output: out
work: work
measure:
  - {filter: gopher.word_count, keep: {min: 5}}
by_language: {de: {gopher.word_count: {min: 9}}}
dedup: {minhash: {bands: 10, min_similarity: 0.8}}
"""


def planned(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["dedup", "plan", *map(str, arguments)])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    texts = [" ".join([*WORDS[n:], *WORDS[:n], *WORDS]) for n in range(len(WORDS))]
    (tmp_path / "pages").mkdir()
    lines = [json.dumps({"text": text}) for text in [*texts, texts[0]]]
    (tmp_path / "pages/a.jsonl").write_text("\n".join(lines))
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    return tmp_path / "tiny.yaml"


def test_columns_are_the_config_the_presets_and_what_is_given(config: Path) -> None:
    result = planned(config, "--preset", "nemo", "--preset", "dolma3", "--rows", 4, "--documents", 1000, "--json")
    found = json.loads(result.stdout)
    assert {name: (p["bands"], p["rows"], p["size"], p["unit"]) for name, p in found.items()} == {
        "config": (10, 8, 5, "words"),
        "nemo": (20, 13, 24, "characters"),
        "dolma3": (26, 11, 5, "characters"),
        "given": (10, 4, 5, "words"),
    }
    for p in found.values():
        assert p["min_similarity"] == 0.8
        assert p["missed_at_bound"] == pytest.approx(1 - p["curve"]["0.8"])
        assert p["false_candidates"]["sampled"] == len(WORDS)  # of two equal texts one
        assert 0 <= p["false_candidates"]["expected"] <= p["false_candidates"]["at_most"]
    assert not (config.parent / "work").exists()


def test_the_table_says_what_an_estimate_rests_on(config: Path) -> None:
    said = planned(config, "--documents", 5000).stdout
    assert "false candidates of 5,000" in said
    assert "standard error" in said
    assert f"all pairs of {len(WORDS)} distinct texts" in said


def test_without_a_config_nothing_is_read_and_nothing_estimated() -> None:
    said = planned("--preset", "fineweb").stdout
    assert [line.split() for line in said.splitlines() if line.startswith("P(0.75)")] == [["P(0.75)", "0.772"]]
    assert "not estimated" in said
    assert json.loads(planned("--json").stdout)["given"]["bands"] == 14


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--unit", "characters"], 2, "--size: how many characters make a shingle?"),
        (["--preset", "nemmo"], 2, "'nemmo'"),
        (["--bands", "0"], 2, "--bands"),
        (["nowhere.yaml"], 2, "nowhere.yaml"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], code: int, said: str) -> None:
    result = planned(*arguments)
    assert result.exit_code == code
    assert said in result.stderr
