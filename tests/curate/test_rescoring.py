"""Rescoring is held against real runs: it must decide, document for document, as a run with the same bounds does."""

import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

import curate
from curate.changes import ABSENT, changes, documents_of
from curate.errors import ConfigError, CurateError
from flows.cli import app
from tests.curate.inline import run_inline
from tests.curate.runs import sample_inputs, write_config
from tests.curate.small_corpus import text_of
from tests.fake_llm import FakeLlm, serve

MEASURE = [
    {"filter": "gopher.word_count", "keep": {"min": 50, "max": 100_000}},
    {"filter": "gopher.alpha_word_ratio", "keep": {"min": 0.7}},
    {"transform": "c4.clean", "params": {"terminal_punct": False}},
    {"filter": "fineweb.line_punct_ratio", "keep": {"min": 0.05}},
]


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeLlm]:
    with serve(write=lambda body: text_of(1000 + zlib.crc32(json.dumps(body).encode()))) as fake:
        yield fake


def config_in(folder: Path, fake: FakeLlm) -> Path:
    keep = {"min": 0.0, "missing": {"not_sampled": "keep", "failed": "reject"}}
    return write_config(
        folder, sample_inputs(), measure=MEASURE, llm={"endpoint": fake.base_url},
        judge={"max_documents": 30, "keep": keep}, synthesize={"max_documents": 3, "min_words": 20},
    )  # fmt: skip


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, fake: FakeLlm) -> Path:
    folder = tmp_path_factory.mktemp("run")
    run_inline(config_in(folder, fake))
    return folder / "work"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a model."""
    folder = tmp_path_factory.mktemp("plain")
    run_inline(write_config(folder, sample_inputs(), measure=MEASURE))
    return folder / "work"


@pytest.fixture(scope="module")
def rows_of_languages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which two languages have a minimum of their own, and one that no document has."""
    rows = {"de": {"gopher.word_count": {"min": 120}}, "en": {"like": "de"}, "cy": {"like": "de"}}
    folder = tmp_path_factory.mktemp("rows")
    run_inline(write_config(folder, sample_inputs(), measure=MEASURE, by_language=rows))
    return folder / "work"


def decisions(work: Path) -> pl.DataFrame:
    return documents_of(curate.read_ledger(work)).select("id", "status", "reason").collect().sort("id")


def test_with_the_bounds_of_the_run_every_decision_is_that_of_the_run(work: Path) -> None:
    result = curate.rescore(work, ["gopher.word_count.min=50"])
    assert result.must_run == {}
    assert result.decisions.select("id", "status", "reason").sort("id").equals(decisions(work))
    assert result.decisions["status"].equals(result.decisions["status_before"])


@pytest.mark.parametrize(
    ("setting", "section"),
    [
        ("gopher.word_count.min=300", {"measure": [{"filter": "gopher.word_count", "keep": {"min": 300, "max": 1e5}}]}),
        ("gopher.word_count.min=null", {"measure": [{"filter": "gopher.word_count", "keep": {"max": 100_000}}]}),
        (
            "fineweb.line_punct_ratio.min=0.5",
            {"measure": [{"filter": "fineweb.line_punct_ratio", "keep": {"min": 0.5}}]},
        ),
        ("languages=[en, de]", {"languages": ["en", "de"]}),
        (
            "by_language={de: {gopher.word_count: {min: 200}}}",
            {"by_language": {"de": {"gopher.word_count": {"min": 200}}}},
        ),
        (
            "by_language.de.gopher.word_count.min=200",
            {"by_language": {"de": {"gopher.word_count": {"min": 200}}}},
        ),
        (
            "by_language.deu_Latn.gopher.word_count.max=300",
            {"by_language": {"de": {"gopher.word_count": {"max": 300}}}},
        ),
        (
            "by_language.eng.fineweb.line_punct_ratio.min=0.6",
            {"by_language": {"en": {"fineweb.line_punct_ratio": {"min": 0.6}}}},
        ),
        ("dedup.minhash.min_similarity=0.95", {"dedup": {"minhash": {"min_similarity": 0.95}}}),
    ],
)
def test_other_bounds_decide_as_a_run_with_them(
    plain: Path, tmp_path: Path, setting: str, section: dict[str, Any]
) -> None:
    steps = {entry["filter"]: entry for entry in section.pop("measure", [])}
    measure = [steps.get(str(step.get("filter")), step) for step in MEASURE]
    shutil.copytree(plain.parent, tmp_path / "two", symlinks=True)  # so that only what the setting changes is computed
    run_inline(write_config(tmp_path / "two", sample_inputs(), measure=measure, **section))
    result = curate.rescore(plain, [setting])
    assert result.decisions.select("id", "status", "reason").sort("id").equals(decisions(tmp_path / "two" / "work"))
    found = curate.diff(plain, tmp_path / "two" / "work")
    assert result.changes == found
    assert sum(found.entered.values()) + sum(found.left.values()) > 0
    assert found.kept_after - found.kept_before == sum(found.entered.values()) - sum(found.left.values())


def test_one_side_of_a_row_changes_and_the_languages_like_it_follow(tmp_path: Path) -> None:
    rows = {"de": {"gopher.word_count": {"min": 120, "max": 600}}, "nl": {"like": "de"}, "en": {"like": "de"}}
    folders = [tmp_path / "one", tmp_path / "two"]
    run_inline(write_config(folders[0], sample_inputs(), measure=MEASURE, by_language=rows))
    shutil.copytree(folders[0], folders[1], symlinks=True)
    changed = rows | {"de": {"gopher.word_count": {"min": 200, "max": 600}}}
    run_inline(write_config(folders[1], sample_inputs(), measure=MEASURE, by_language=changed))
    result = curate.rescore(folders[0] / "work", ["by_language.de.gopher.word_count.min=200"])
    assert result.decisions.select("id", "status", "reason").sort("id").equals(decisions(folders[1] / "work"))
    assert result.changes.left["gopher.word_count"] > 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["gopher.word_count.min=60"],
         ["gopher.word_count.min: by_language rows of deu_Latn, eng_Latn keep their own min"]),
        (["gopher.word_count.max=9000"], []),
        (["gopher.alpha_word_ratio.min=0.6"], []),
        (["by_language.de.gopher.word_count.min=70"], []),
        (["by_language.is.gopher.word_count.min=70"],
         ["by_language.isl_Latn: no document meets this row, as the run has"]),
        (["languages=[de]", "by_language.en.gopher.word_count.min=70"],
         ["by_language.eng_Latn: no document meets this row, as `languages` turns eng_Latn away"]),
        (["by_language.fr.gopher.word_count.min=70", "languages=[de]", "by_language.de.like=fr"], []),
    ],
)  # fmt: skip
def test_a_setting_that_does_less_than_it_seems_to_has_a_note(
    rows_of_languages: Path, settings: list[str], said: list[str]
) -> None:
    notes = curate.rescore(rows_of_languages, settings).notes
    assert len(notes) == len(said)
    assert all(note.startswith(part) for note, part in zip(notes, said, strict=True))
    told = CliRunner().invoke(app, ["rescore", str(rows_of_languages), *(a for s in settings for a in ("--set", s))])
    assert [line for line in told.stdout.splitlines() if line.startswith("note: ")] == [f"note: {n}" for n in notes]


def test_a_fraction_and_a_bound_on_scores_are_rescored_too(work: Path) -> None:
    result = curate.rescore(work, ["gopher.word_count.min=null", "gopher.word_count.max=null",
                                   "gopher.word_count.keep_fraction=0.5", "judge.keep.min=0.999"])  # fmt: skip
    assert set(result.changes.left) >= {"gopher.word_count", "judge.quality"}
    assert {"select", "judge", "synthesize", "publish"} == set(result.must_run)


def test_documents_let_in_without_a_score_are_counted(work: Path) -> None:
    result = curate.rescore(work, ["gopher.alpha_word_ratio.min=0"])
    entered = sum(result.changes.entered.values())
    assert entered > 0
    assert result.must_run["judge"] == f"{entered} of those let in have no score"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("gopher.word_count.min", "expected KEY=VALUE"),
        ("gopher.wrd_count.min=3", "unknown filter 'gopher.wrd_count'; did you mean 'gopher.word_count'?"),
        ("gopher.word_count.min=many", "measure.0 gopher.word_count keep.min: Input should be a valid number"),
        ("gopher.alpha_word_ratio.min=1.5", "outside what gopher.alpha_word_ratio can reach"),
        ("gopher.word_count.min=[", "--set gopher.word_count.min: not a plain value"),
        ("seed=3", "--set seed: no bound of this config; expected FILTER.min, languages"),
        ("dedup.minhash.bands=20", "--set dedup.minhash.bands: no bound of this config"),
        ("dedup.minhash.min_similarity=0.5", "the run kept no pair below 0.75"),
        ("languages=[xx]", "'xx' is no language code"),
        ("by_language.deu_Lat.gopher.word_count.min=3", "no language code known here; did you mean 'deu_Latn'?"),
        ("by_language.de.gopher.wrd_count.min=3", "unknown filter 'gopher.wrd_count'; did you mean gopher.word_count"),
        ("by_language.de.gopher.word_count.keep_fraction=0.5", "keep_fraction is a share of the documents of all"),
    ],
)
def test_what_is_no_bound_is_refused(work: Path, setting: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        curate.rescore(work, [setting])
    assert said in str(raised.value)


def test_a_section_that_the_run_had_not_is_refused(tmp_path: Path) -> None:
    lines = [json.dumps({"text": text_of(n)}) for n in range(3)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    run_inline(write_config(tmp_path, [{"source": "s", "uri": "in.jsonl"}], dedup=None))
    with pytest.raises(ConfigError, match="there is no section 'judge'"):
        curate.rescore(tmp_path / "work", ["judge.keep.min=1"])
    assert curate.rescore(tmp_path / "work", ["gopher.word_count.min=1"]).must_run == {}


def test_without_a_run_there_is_nothing_to_rescore(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="expected the work folder of a finished run"):
        curate.rescore(tmp_path, ["gopher.word_count.min=3"])


def rows(**by_id: tuple[str, str | None, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [(name.encode(), *row) for name, row in by_id.items()],
        schema={"id": pl.Binary, "status": pl.String, "reason": pl.String, "text_hash": pl.String}, orient="row",
    )  # fmt: skip


def test_each_document_is_counted_once_by_what_became_of_it() -> None:
    before = rows(a=("kept", None, "1"), b=("rejected", "x.y=1 < 2", "1"), c=("kept", None, "1"),
                  d=("rejected", "x.y=1 < 2", "1"), e=("kept", None, "1"), gone=("kept", None, "1"))  # fmt: skip
    after = rows(a=("kept", None, "1"), b=("kept", None, "1"), c=("rejected", "language=und", "1"),
                 d=("rejected", "z=1 > 0", "1"), e=("kept", None, "2"), new=("kept", None, "1"))  # fmt: skip
    found = changes(before, after)
    assert (found.documents, found.kept_before, found.kept_after) == (7, 4, 4)
    assert found.entered == {"x.y": 1, ABSENT: 1}
    assert found.left == {"language": 1, ABSENT: 1}
    assert (found.reasons, found.texts) == (1, 1)
    assert changes(after, before).entered == found.left


def test_the_commands_say_it_in_words_and_in_json(work: Path, tmp_path: Path) -> None:
    file = tmp_path / "decisions.parquet"
    setting = ["--set", "gopher.word_count.min=300"]
    told = CliRunner().invoke(app, ["rescore", str(work), *setting, "--decisions", str(file)]).stdout
    assert "left, kept out by: gopher.word_count" in told
    assert "to publish this, run the config with the same --set, or put it into the file: select" in told
    assert pl.read_parquet(file).columns == ["id", "status", "reason", "status_before", "reason_before"]
    as_json = json.loads(CliRunner().invoke(app, ["rescore", str(work), *setting, "--json"]).stdout)
    assert as_json == curate.rescore(work, setting[1:]).to_json()
    same = CliRunner().invoke(app, ["diff", str(work), str(work)]).stdout
    assert same.endswith("(+0 -0)\n")
    assert yaml.safe_load(CliRunner().invoke(app, ["diff", str(work), str(work), "--json"]).stdout)["entered"] == {}
