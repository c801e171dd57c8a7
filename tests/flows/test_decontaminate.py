"""`curate decontaminate` as a terminal has it: a table, a report of JSON lines, JSON, and text only when asked for."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app

QUESTION = "why did the keeper of the harbour close the northern gate before the autumn storms of that year"


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    (tmp_path / "quiz.jsonl").write_text(
        json.dumps({"question": QUESTION, "hint": " ".join(QUESTION.split()[:10])}) + "\n"
    )
    pages = [{"text": f"Lead. {QUESTION.title()}? Yes."}, {"text": "nothing of it"}, {"text": None}]
    (tmp_path / "pages.jsonl").write_text("".join(json.dumps(page) + "\n" for page in pages))
    return tmp_path


def decontaminate(ground: Path, *options: str) -> tuple[int, str, str]:
    arguments = ["decontaminate", f"{ground}/pages.jsonl", "--set", f"quiz={ground}/quiz.jsonl", *options]
    done = CliRunner().invoke(app, arguments)
    return done.exit_code, done.stdout, done.stderr


def test_the_table_has_a_line_a_set_and_no_text(ground: Path) -> None:
    code, out, _ = decontaminate(ground)
    head, line, last = out.splitlines()
    assert (code, " ".join(head.split()[:3]), " ".join(line.split())) == (0, "set items found", "quiz 1 1 2 0 0 1 1.00")
    assert last == "1 of 2 documents hold a text of some set, 1 records without text or damaged"
    assert "Keeper" in decontaminate(ground, "--samples", "1")[1]


def test_chosen_fields_and_settings_decide_what_is_looked_for(ground: Path) -> None:
    def line(*options: str) -> str:
        return " ".join(decontaminate(ground, *options)[1].splitlines()[1].split())

    assert line("--field", "quiz=hint") == "quiz 1 1 1 0 0 1 1.00"
    assert line("--shortest", "13") == "quiz 1 1 1 1 0 1 1.00"


def test_the_report_is_whole_and_counts_what_json_says(ground: Path) -> None:
    code, out, _ = decontaminate(ground, "--report", str(ground / "hits.jsonl"), "--json")
    found = [json.loads(line) for line in (ground / "hits.jsonl").read_text().splitlines()]
    assert code == 0
    assert json.loads(out)["contaminated"] == len({(each["object"], each["offset"]) for each in found}) == 1
    whole = next(each for each in found if each["field"] == "question")
    page = json.loads((ground / "pages.jsonl").read_text().splitlines()[0])["text"]
    assert page[whole["start"] : whole["end"]].lower() == QUESTION
    assert "keeper" not in (ground / "hits.jsonl").read_text().lower()


def test_what_fails_leaves_no_report(ground: Path) -> None:
    (ground / "broken.jsonl").write_text('{"question": \n')
    code, out, err = decontaminate(ground, "--set", f"b={ground}/broken.jsonl", "--report", str(ground / "hits.jsonl"))
    assert (code, out) == (2, "")
    assert "broken.jsonl: line 1: no JSON" in err
    code, _, err = decontaminate(ground, "--text", "content", "--report", str(ground / "hits.jsonl"))
    assert (code, "--text" in err) == (2, True)
    assert not list(ground.glob("hits*"))
