"""`curate judge eval` and `compare` through Typer's runner, against a fake server."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from curate.judging import evaluation
from flows.cli import app
from tests import fake_llm

CONFIG = """\
name: tiny
inputs:
  - {{source: docs, uri: pages, format: jsonl}}
output: out
work: work
llm: {{endpoint: "{url}"}}
judge: {{gold: gold.jsonl, further: {{again: educational}}}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    rows = [
        {"id": f"{n}{label}", "text": f"text {n} of {label}", "label": label, "lang": "eng_Latn", "group": f"g{n}",
         "kind": "page" if label else "spam", "part": ("choose", "held_out")[n % 2]}
        for n in range(6) for label in (0.0, 1.0)
    ]  # fmt: skip
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with fake_llm.serve() as fake:
        (tmp_path / "tiny.yaml").write_text(CONFIG.format(url=fake.base_url))
        yield tmp_path / "tiny.yaml"


def judged(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["judge", *map(str, arguments)])


def test_every_rubric_of_the_config_is_evaluated_and_saved(config: Path) -> None:
    saved = config.parent / "eval.json"
    result = judged("eval", config, "--save", saved, "--json")
    assert result.exit_code == 0
    found = evaluation.load(saved)
    assert [each.rubric for each in found] == ["educational", "educational"]
    assert json.loads(result.stdout) == [each.model_dump(mode="json") for each in found]


def test_the_table_names_what_was_asked_and_each_part(config: Path) -> None:
    said = judged("eval", config, "--rubric", "educational").stdout
    assert "educational@" in said
    assert "choose, 6 texts" in said
    assert "held_out, 6 texts" in said
    # The fake says the same of every text.
    assert re.search(r"^AUC +0\.500 \[0\.500, 0\.500\] +0\.500", said, re.MULTILINE)
    assert "spam" in said
    assert "tokens a text, prompt + answer: 10 + 1" in said


def test_prompts_are_ranked_by_their_auc_on_choose(config: Path) -> None:
    head = "name: told\nversion: 3\nkind: judge\nform: completion\nsource: a test\nchoices: {' no': 0, ' yes': 1}"
    told = f"---\n{head}\n---\n"
    (config.parent / "told.md").write_text(told + "<text>\n{text}\n</text>\nIs it good?{answer}\n")
    found = judged("compare", config, config, "--rubric", "educational", "--rubric", config.parent / "told.md")
    lines = found.stdout.splitlines()
    assert "AUC on choose" in lines[0]
    assert "AUC on held_out" in lines[0]
    assert len(lines) == 5
    assert sum("told@3" in line for line in lines) == 2


@pytest.mark.parametrize(("arguments", "said"), [
    (["--gold", "nowhere.jsonl"], "nowhere.jsonl"), (["--rubric", "nonsense"], "expected a path or one of"),
])  # fmt: skip
def test_what_is_not_there_is_named(config: Path, arguments: list[str], said: str) -> None:
    result = judged("eval", config, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
