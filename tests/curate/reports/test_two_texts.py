"""One filter on two texts, before and behind a transform: what each of the two turned away is told apart."""

import json
from pathlib import Path
from typing import Any

import pytest

import curate
from curate.config.file import load
from curate.reports import facts, run_record
from curate.reports.preview import preview
from curate.sample import measured_sample
from tests.curate.inline import run_inline
from tests.curate.runs import write_config

RULE = "length.characters"
TITLES = [RULE, f"{RULE} after c4.clean"]
SENTENCE = "This is one line that tells of a river."
BOUNDS: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "equal": ({"min": 300}, {"min": 300}),
    "one on each side": ({"max": 900}, {"min": 300}),
    "two shares": ({"keep_fraction": 0.8}, {"keep_fraction": 0.6}),
    "a share, then a bound": ({"keep_fraction": 0.8}, {"min": 400}),
    "a bound, then a share": ({"min": 300}, {"keep_fraction": 0.6}),
}
"""What the two keep."""


def config_of(folder: Path, *keeps: dict[str, float] | None) -> Path:
    """Forty texts of 1 to 29 lines, of which the transform takes up to nine."""
    texts = ["\n".join([*[SENTENCE] * (n // 2), *["no end of this line"] * (n % 10), SENTENCE]) for n in range(40)]
    folder.mkdir()
    lines = [json.dumps({"text": text, "url": f"http://a.example/{n}"}) for n, text in enumerate(texts)]
    (folder / "in.jsonl").write_text("\n".join(lines))
    first, second = ({"filter": RULE, "keep": keep} for keep in keeps)
    source = {"source": "s", "uri": "in.jsonl", "fields": {"url": "url"}}
    return write_config(folder, [source], measure=[first, {"transform": "c4.clean"}, second], dedup=None)


@pytest.fixture(params=BOUNDS)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[int]]:
    """The config, after its run, and how many documents each of the two turned away."""
    first, second = BOUNDS[request.param]
    alone, _ = run_inline(config_of(tmp_path / "alone", first, None))
    result, _ = run_inline(config_of(tmp_path / "both", first, second))
    left = alone.reasons[RULE]
    assert 0 < left < result.reasons[RULE] < result.records_in
    return tmp_path / "both/config.yaml", [left, result.reasons[RULE] - left]


def test_the_report_counts_each_alone(both: tuple[Path, list[int]]) -> None:
    config, left = both
    work = config.parent / "work"
    measures = run_record.read(work).measures
    ledger = curate.read_ledger(work)
    found = [facts.histogram(ledger, measure, measures) for measure in measures]
    assert [(h.title, h.rejected) for h in found if h] == list(zip(TITLES, left, strict=True))
    assert all(title in (work / "report.html").read_text() for title in TITLES)
    assert sum(row.removed for row in facts.funnel_rows(ledger)) == sum(left)


def test_the_preview_counts_each_alone(both: tuple[Path, list[int]]) -> None:
    config, left = both
    loaded = load(config)
    found = preview(loaded, measured_sample(loaded, 100))
    assert [(loss.measure.title, loss.first) for loss in found.losses] == list(zip(TITLES, left, strict=True))
    assert all(loss.only <= loss.first <= loss.beyond for loss in found.losses)
    assert found.documents - found.kept == sum(left)


def test_an_explanation_names_the_one_that_decided(both: tuple[Path, list[int]]) -> None:
    config, left = both
    rows: list[dict[str, Any]] = [
        row for n in range(40) for row in curate.explain(config.parent / "work", f"http://a.example/{n}")
    ]
    decided = [[measure["decided"] for measure in row["measures"]] for row in rows]
    assert [decided.count([True, False]), decided.count([False, True])] == left
    assert decided.count([False, False]) == len(rows) - sum(left)
