"""The preview decides as a run does, and its page shows documents without letting them do anything."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate.config.file import load
from curate.reports.preview import Preview, page, preview
from curate.sample import measured_sample
from flows.cli import app
from tests.curate.inline import run_inline
from tests.curate.runs import sample_inputs, write_config
from tests.curate.small_corpus import text_of

WORDS = {"filter": "gopher.word_count", "keep": {"min": 120, "max": 2_000}}
ALPHA = {"filter": "gopher.alpha_word_ratio", "keep": {"min": 0.75}}
LINES = {"filter": "fineweb.line_punct_ratio", "keep": {"keep_fraction": 0.9}}
CLEAN = {"transform": "c4.clean", "params": {"terminal_punct": False}}
STEPS: list[dict[str, Any]] = [{"filter": "length.words"}, WORDS, ALPHA, CLEAN, LINES]
ALL = 100_000


def previewed(folder: Path, steps: list[dict[str, Any]], **sections: Any) -> Preview:
    config = load(write_config(folder, sample_inputs(), measure=steps, dedup=None, **sections))
    return preview(config, measured_sample(config, ALL))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Preview:
    return previewed(tmp_path_factory.mktemp("preview"), STEPS)


def test_over_all_documents_it_decides_as_a_run(tmp_path: Path, found: Preview) -> None:
    result, _ = run_inline(write_config(tmp_path, sample_inputs(), measure=STEPS, dedup=None))
    assert (found.read, found.kept) == (result.records_in, result.kept)
    by_rule = {loss.measure.name: loss.first for loss in found.losses if loss.first} | found.others
    assert by_rule.items() <= (dict(result.reasons) | {"duplicate_id": 0}).items()
    assert found.documents - found.kept == sum(by_rule.values())


def test_the_losses_of_a_rule_are_nested(found: Preview) -> None:
    assert [loss.measure.name for loss in found.losses] == [s["filter"] for s in (WORDS, ALPHA, LINES)]
    for loss in found.losses:
        assert 0 <= loss.only <= loss.first <= loss.beyond <= found.documents
        assert loss.beyond > 0
    assert [drawing.of.title for drawing in found.recorded] == ["length.words"]


@pytest.mark.parametrize("rule", [WORDS, ALPHA])
def test_without_a_rule_those_stay_that_only_it_turned_away(
    tmp_path: Path, found: Preview, rule: dict[str, Any]
) -> None:
    # A fraction is of all documents, so it does not move with the rules before it.
    without = previewed(tmp_path, [step for step in STEPS if step is not rule])
    [loss] = [loss for loss in found.losses if loss.measure.name == rule["filter"]]
    assert without.kept == found.kept + loss.only


def test_the_nearest_documents_stand_on_their_side_of_the_bound(found: Preview) -> None:
    [words] = [loss for loss in found.losses if loss.measure.name == "gopher.word_count"]
    for near in words.nearest:
        assert near["beyond"] != (120 <= near["value"] <= 2_000)
    for side in (False, True):
        distances = [min(abs(n["value"] - 120), abs(n["value"] - 2_000)) for n in words.nearest if n["beyond"] == side]
        assert distances == sorted(distances)
        assert len(distances) == 3


def test_shares_are_of_the_documents_of_each_group(found: Preview) -> None:
    for column, groups in found.groups.items():
        for loss in found.losses:
            shares = loss.groups[column]
            assert len(shares) == len(groups)
            assert all(0 <= share <= 1 for share in shares)
    [(source, _, documents, kept)] = found.groups["source"]
    assert (source, documents, kept) == ("sample", found.documents, found.kept)
    assert [loss.groups["source"][0] for loss in found.losses] == pytest.approx(
        [loss.beyond / documents for loss in found.losses]
    )


def in_languages(folder: Path, codes: list[str], **sections: Any) -> Preview:
    """Of 40 documents a language with 80 to 119 words: the preview with a bound at 100."""
    rows = [
        {"url": f"http://x/{code}/{n}", "lang": code, "text": "word " * (80 + n)} for code in codes for n in range(40)
    ]
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    inputs = [{"source": "s", "uri": "in.jsonl", "fields": {"url": "url", "lang": "lang"}}]
    steps = [{"filter": "length.words"}, {"filter": "gopher.word_count", "keep": {"min": 100}}]
    config = load(write_config(folder, inputs, dedup=None, **{"measure": steps} | sections))
    return preview(config, measured_sample(config, ALL))


@pytest.mark.parametrize("keep", [{"min": 100}, {"keep_fraction": 0.5}])
def test_languages_that_cannot_be_kept_are_in_the_funnel_alone(tmp_path: Path, keep: dict[str, float]) -> None:
    steps = [{"filter": "length.words"}, {"filter": "gopher.word_count", "keep": keep}]
    found = in_languages(tmp_path, ["en", "de", "fr"], languages=["de"], measure=steps)
    assert (found.documents, found.in_languages, found.kept) == (120, 40, 20)
    assert found.others == {"language": 80}
    [loss] = found.losses
    assert (loss.beyond, loss.first, loss.only) == (20, 20, 20)
    assert {near["lang"] for near in loss.nearest} == {"deu_Latn"}
    assert [group.label for group in found.groups["lang"]] == ["deu_Latn"]
    assert [drawing.of.documents for drawing in (loss.drawing, *found.recorded) if drawing] == [40, 40]


def test_bounds_by_language_are_given_with_what_they_do(tmp_path: Path) -> None:
    rows = {"de": {"gopher.word_count": {"min": 110}}, "fr": {"gopher.word_count": {"min": None}}}
    found = in_languages(tmp_path, ["en", "de", "fr", "it"], by_language=rows)
    [loss] = found.losses
    assert loss.bounds == "100 <= value; 2 by language"
    assert loss.languages == [
        ("deu_Latn", "110 <= value", 40, 30),
        ("fra_Latn", "no bound", 40, 0),
        ("all other languages (2)", "100 <= value", 80, 40),
    ]
    assert sum(row.beyond for row in loss.languages) == loss.beyond


def test_groups_beyond_the_largest_are_summed_up(tmp_path: Path) -> None:
    codes = ["en", "de", "fr", "it", "es", "pt", "pl", "cs", "ru", "uk"]
    found = in_languages(tmp_path, codes)
    groups = found.groups["lang"]
    assert (len(groups), groups[-1].label, groups[-1].documents) == (9, "others (2)", 80)
    assert sum(group.documents for group in groups) == found.documents
    assert sum(group.kept for group in groups) == found.kept
    assert found.losses[0].groups["lang"] == [0.5] * 9


@pytest.mark.parametrize("bound", [{"min": 50}, {"min": 90}, {"min": 200}])
def test_equal_values_are_one_bar_without_a_scale(tmp_path: Path, bound: dict[str, float]) -> None:
    texts = [{"text": f"{number:02} " + "word " * 89} for number in range(12)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts))
    steps = [{"filter": "length.words", "keep": bound}]
    config = load(write_config(tmp_path, [{"source": "s", "uri": "in.jsonl"}], measure=steps, dedup=None))
    found = preview(config, measured_sample(config, ALL))
    drawing = found.losses[0].drawing
    assert drawing
    assert (drawing.of.low, drawing.of.high, list(drawing.of.counts)) == (90, 90, [12])
    [bar], [mark] = drawing.bars, drawing.marks
    assert bar.outside == (bound["min"] > 90)
    assert (mark.x < bar.x, mark.x > bar.x + bar.width) == (bound["min"] < 90, bound["min"] > 90)
    assert "90 · " in page(config, found).decode()


def test_the_page_lies_in_the_work_folder_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "One short text."}\n')
    config = write_config(tmp_path, [{"source": "s", "uri": "in.jsonl"}], measure=[WORDS])
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    shown = CliRunner().invoke(app, ["preview", str(config)])
    assert shown.exit_code == 0, shown.stderr
    assert (tmp_path / "work/preview.html").is_file()
    assert not list(here.iterdir())


def test_the_page_shows_a_text_and_runs_nothing_of_it(tmp_path: Path) -> None:
    texts = [f"<script>alert({n})</script> <img src=x onerror=y> {text_of(n)}" for n in range(6)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    config = write_config(tmp_path, [{"source": "s", "uri": "in.jsonl"}], measure=[WORDS, CLEAN])
    shown = CliRunner().invoke(app, ["preview", str(config), "--output", str(tmp_path / "page.html")])
    assert shown.exit_code == 0, shown.stderr
    assert "6 documents of 6 records: 0 pass all rules" in shown.stdout
    html = (tmp_path / "page.html").read_text()
    assert "&lt;script&gt;alert(" in html
    assert "<script" not in html
    assert "<img" not in html
    assert "c4.clean@datatrove.1" in html
    assert not (tmp_path / "work").exists()


def test_inputs_without_a_document_have_a_page(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": ""}\n')
    config = load(write_config(tmp_path, [{"source": "s", "uri": "in.jsonl"}], measure=STEPS))
    found = preview(config, measured_sample(config, 10))
    assert (found.documents, found.kept) == (0, 0)
    assert b"What each rule does" in page(config, found)
