"""Searching what is there: the same findings in a run, its output and plain files, with places that hold."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.decontamination import Contamination, Found, decontaminate, sets_of
from curate.errors import ConfigError
from filters.contamination import N
from filters.evaluation import Settings
from tests.curate.inline import run_inline
from tests.curate.runs import write_config

SETTINGS = Settings(N, 8, 10)
ASKED = "why did the {} of the harbour close the northern gate before the autumn storms of that year"
QUESTIONS = [ASKED.format(who) for who in ("keeper", "master", "mayor")]
PAGES = [
    "A page about nothing in particular. " * 12,
    f"{'Some lead text. ' * 20}{QUESTIONS[1].upper()}? {'Nobody knows. ' * 9}",
    f"Quiz: {QUESTIONS[2]}? And: {QUESTIONS[0]}? {'More text. ' * 20}",
    "Another page that is long enough to be kept as it is. " * 8,
]


@pytest.fixture
def sets(tmp_path: Path) -> Sequence[str]:
    rows = [{"question": question, "answer": "short", "id": "x"} for question in QUESTIONS]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "lines.txt").write_text(f"\n{QUESTIONS[1]}\ntoo short\n")
    return f"quiz={tmp_path / 'quiz.jsonl'}", f"lines={tmp_path / 'lines.txt'}"


def searched(*data: Path, sets: Sequence[str], **more: Any) -> tuple[Contamination, list[Found]]:
    found: list[Found] = []
    given = {"share": 0.5, "write": found.append} | more
    return decontaminate(data, sets_of(sets, []), SETTINGS, **given), found


def texts_of(pages: Sequence[str], found: Sequence[Found]) -> set[tuple[str, int, str]]:
    """Set, item and the text of the place, whatever the document is called."""
    return {
        (each.set, each.item, page[each.start : each.end].lower())
        for each in found
        for page in pages
        if page[each.start : each.end].lower() in QUESTIONS
    }


EXPECTED = {("quiz", 1, QUESTIONS[0]), ("quiz", 2, QUESTIONS[1]), ("quiz", 3, QUESTIONS[2]), ("lines", 2, QUESTIONS[1])}


def test_the_same_is_found_in_any_file_of_the_texts(tmp_path: Path, sets: Sequence[str]) -> None:
    frame = pl.DataFrame({"text": PAGES})
    folder = tmp_path / "data"
    folder.mkdir()
    frame.write_ndjson(folder / "a.jsonl")
    frame.write_parquet(folder / "b.parquet", row_group_size=1)
    (folder / "c.jsonl.gz").write_bytes(gzip.compress((folder / "a.jsonl").read_bytes()))
    (folder / "README.md").write_text("no data")
    total, found = searched(folder, sets=sets)
    assert (total.documents, total.contaminated) == (12, 6)
    for name in ("a.jsonl", "b.parquet", "c.jsonl.gz"):
        here = [each for each in found if each.document.object == str(folder / name)]
        assert len(here) == 4
        assert texts_of(PAGES, here) == EXPECTED
        assert searched(folder / name, sets=sets)[1] == here
    quiz, lines = total.sets["quiz"], total.sets["lines"]
    assert (quiz.items, quiz.items_found, quiz.texts, quiz.too_short, quiz.documents) == (3, 3, 3, 2, 6)
    assert (lines.items, lines.items_found, lines.texts, lines.too_short, lines.documents) == (2, 1, 1, 1, 3)
    assert quiz.highest == lines.highest == 1.0


def test_a_run_and_what_it_published_are_searched_and_a_bound_leaves_nothing_to_find(
    tmp_path: Path, sets: Sequence[str]
) -> None:
    pl.DataFrame({"text": PAGES}).write_ndjson(tmp_path / "in.jsonl")
    inputs = [{"source": "s", "uri": "in.jsonl"}]
    measure: list[dict[str, Any]] = [{"filter": "length.words", "keep": {"max": 400}}]
    run_inline(write_config(tmp_path, inputs, measure=measure, dedup=None))
    total, in_run = searched(tmp_path / "work", sets=sets)
    assert (total.documents, total.contaminated) == (4, 2)
    assert {each.document.status for each in in_run} == {"kept"}
    assert all(each.document.id and len(each.document.id) == 32 for each in in_run)
    stored = [page.strip() for page in PAGES]
    assert texts_of(stored, in_run) == EXPECTED
    for place in ("out", "out/current"):
        assert texts_of(stored, searched(tmp_path / place, sets=sets)[1]) == EXPECTED

    bound = {"filter": "contamination.ngram", "params": {"sets": dict(each.split("=") for each in sets)}}
    run_inline(write_config(tmp_path, inputs, measure=[*measure, bound | {"keep": {"max": 0.5}}], dedup=None))
    assert not searched(tmp_path / "out", sets=sets, share=0.0)[1]
    assert {each.document.status for each in searched(tmp_path / "work", sets=sets)[1]} == {"rejected"}


def test_no_text_of_a_document_is_in_the_report(tmp_path: Path, sets: Sequence[str]) -> None:
    pl.DataFrame({"text": PAGES}).write_ndjson(tmp_path / "in.jsonl")
    total, found = searched(tmp_path / "in.jsonl", sets=sets, samples=2)
    said = json.dumps([each.to_json() for each in found]) + json.dumps(total.to_json())
    assert "harbour" not in said
    assert "northern gate" in total.samples[0][1].lower()
    assert len(total.samples) == 2


def test_items_of_several_files_are_counted_apart(tmp_path: Path) -> None:
    for name, question in (("a", QUESTIONS[0]), ("b", QUESTIONS[1])):
        (tmp_path / f"{name}.txt").write_text(f"{question}\n")
    pl.DataFrame({"text": PAGES}).write_ndjson(tmp_path / "in.jsonl")
    total, found = searched(tmp_path / "in.jsonl", sets=[f"q={tmp_path / name}.txt" for name in "ab"])
    assert (total.sets["q"].items, total.sets["q"].items_found) == (2, 2)
    assert sorted(each.item for each in found) == [1, 2]


@pytest.mark.parametrize(
    ("files", "fields", "said"),
    [
        (["quiz"], [], "--set quiz: expected NAME=PATH"),
        (["quiz=nowhere.jsonl"], [], "nowhere.jsonl: No such file"),
        (["quiz={quiz}"], ["quiz"], "--field quiz: expected SET=FIELD"),
        (["quiz={quiz}"], ["qiz=question"], "unknown set 'qiz'; did you mean 'quiz'?"),
        (["quiz={quiz}"], ["quiz=qestion"], "no item has the field 'qestion'; did you mean 'question'?"),
    ],
)
def test_wrong_sets_are_refused(
    tmp_path: Path, sets: Sequence[str], files: Sequence[str], fields: Sequence[str], said: str
) -> None:
    del sets
    with pytest.raises(ConfigError) as caught:
        sets_of([each.format(quiz=tmp_path / "quiz.jsonl") for each in files], fields)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"content": "x"}\n', "no document with a text; expected --text"),
        ("a.warc", "", "raw pages; run a config over them"),
        ("a.txt", "x", "no format known"),
    ],
)
def test_data_without_documents_is_refused(
    tmp_path: Path, sets: Sequence[str], name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=said):
        searched(tmp_path / name, sets=sets)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no file to read"):
        searched(tmp_path / "empty", sets=sets)
