"""`curate dedup index ...` through Typer's runner."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from tests.curate.inline import run_inline
from tests.curate.small_corpus import text_of
from tests.curate.test_published_before import NEW, OLD, batch, ids


def index(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["dedup", "index", *map(str, arguments)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    run_inline(batch(folder / "old", OLD))
    run_inline(batch(folder / "new", NEW))
    return folder


def test_an_index_is_made_asked_and_emptied(runs: Path, tmp_path: Path) -> None:
    path, report = tmp_path / "index", tmp_path / "matches.jsonl"
    assert json.loads(index("add", runs / "old/work", path, "--json").stdout)["documents"] == 20
    assert "already" in index("add", runs / "old/work", path).stdout
    assert index("match", runs / "new/work", path, "--report", report).stdout.startswith("2 documents are like one")
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert {row["published_id"] for row in rows} == {ids(runs / "old")[f"http://a.example/{n}"] for n in (3, 4)}
    assert text_of(3)[:40] not in report.read_text()
    deleted = index("delete", path, "--domain", "a.example", "--source", "none", "--id", rows[0]["published_id"])
    assert deleted.stdout.startswith("20 documents deleted")
    counts = json.loads(index("match", runs / "new/work", path, "--json").stdout)
    assert counts == {"documents": 0, "matched": 0, "exact": 0, "unverified": 0, "deleted": 2}
    assert index("compact", path).stdout == "compacted\n"
    assert index("compact", path).stdout == "nothing to compact\n"
    assert json.loads(index("info", path, "--json").stdout)["documents"] == 0
    assert index("info", path).stdout.startswith("0 documents, 0.0 bytes each\nsegments: 0, versions: 1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["info", "nowhere"], "no index here"),
        (["delete", "nowhere", "--source", "a"], "no index here"),
        (["delete", "nowhere"], "name --id, --domain or --source"),
        (["delete", "nowhere", "--id", "12"], "expected 32 hex digits"),
    ],
)
def test_wrong_usage_is_said_and_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = index(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_run_without_minhash_cannot_be_indexed(tmp_path: Path) -> None:
    run_inline(batch(tmp_path / "run", {"http://a.example/": text_of(1)}, dedup={}))
    result = index("add", tmp_path / "run/work", tmp_path / "index")
    assert result.exit_code == 2
    assert "without `dedup.minhash`" in result.stderr
    assert not (tmp_path / "index").exists()
