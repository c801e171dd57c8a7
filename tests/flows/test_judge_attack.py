"""`curate judge attack` through Typer's runner, against a fake server."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.judging import attacks
from flows.cli import app
from tests import fake_llm

CONFIG = """\
name: tiny
inputs:
  - {{source: docs, uri: pages, format: jsonl}}
output: out
work: work
llm: {{endpoint: "{url}", retries: 0, cache: answers}}
judge: {{max_tokens: 200, keep: {{min: 0.84, missing: {{not_sampled: keep, failed: reject}}}}}}
"""


def test_the_table_has_a_line_a_kind_and_the_config_decides_bound_and_cache(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    with fake_llm.serve() as fake:
        (tmp_path / "tiny.yaml").write_text(CONFIG.format(url=fake.base_url))
        shown = CliRunner().invoke(app, ["judge", "attack", str(tmp_path / "tiny.yaml")])
        assert shown.exit_code == 0, shown.output
        before = fake.asked
        told = CliRunner().invoke(app, ["judge", "attack", str(tmp_path / "tiny.yaml"), "--json"])
        assert fake.asked == before
    values = json.loads(told.stdout)
    first = [line.split()[0] for line in shown.stdout.splitlines()]
    assert first[: len(values["shifts"]) + 1] == ["kind", *values["shifts"]]
    assert values["bound"] == 0.84
    assert "lifted to 0.84" in shown.stdout
    assert (tmp_path / "answers" / "answers.sqlite").exists()
    assert "prize" not in shown.stdout + told.stdout
    assert len(values["cases"]) == values["shifts"][attacks.ALL]["pairs"]


@pytest.mark.parametrize("rubric", ["eductional", "textbook"])
def test_what_is_no_rubric_is_refused_before_anything_is_asked(rubric: str, monkeypatch: pytest.MonkeyPatch,
                                                                tmp_path: Path) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["judge", "attack", "--rubric", rubric])
    assert result.exit_code == 2
    assert rubric in result.stderr
