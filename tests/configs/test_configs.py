"""Every shipped config loads, checks, and means what it says."""

import os
import re
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

import filters
from curate.config import RunConfig
from curate.config.file import load
from curate.config.measures import TransformConfig
from filters.fineweb2 import LISTS
from flows.cli import app
from tests.classifier import quality
from tests.curate.inline import run_inline

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with a classifier where the dclm recipe has DCLM's."""
    folder = tmp_path_factory.mktemp("home")
    quality(folder / ".cache/curate/models/openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train.bin")
    return folder


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The judge's model stays where it is.
    monkeypatch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"))
    monkeypatch.setenv("HOME", str(home))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_config_passes_its_check(path: Path) -> None:
    done = CliRunner().invoke(app, ["check", str(path)])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.endswith("\nok\n")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_a_shipped_config_writes_is_ignored_by_git(path: Path) -> None:
    config = load(path)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for folder in (config.output, config.work):
        assert f"/{folder.relative_to(ROOT).parts[0]}/" in ignored


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_config_says_what_it_is(path: Path) -> None:
    config = load(path)
    assert config.name == path.stem
    assert path.read_text().startswith("# ")


def test_the_quickstart_takes_every_stage() -> None:
    config = load(ROOT / "configs/quickstart.yaml")
    assert config.dedup is not None
    assert config.dedup.minhash is not None
    assert config.judge is not None
    assert (config.judge.max_documents or 0) >= 50
    assert config.judge.keep is not None
    assert dict(config.judge.keep.missing) == {"not_sampled": "keep", "failed": "reject"}
    assert config.synthesize is not None
    assert config.languages is None


RECIPES = ["c4", "dclm", "fineweb", "fineweb2", "gopher", "refinedweb"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_on_the_sample_and_names_its_paper(name: str, tmp_path: Path) -> None:
    text = (ROOT / f"configs/{name}.yaml").read_text()
    assert re.search(r"arXiv:\d{4}\.\d{5}", text.partition("\nname:")[0])
    assert "DIFFERS" in text
    (tmp_path / "configs").mkdir()
    config = tmp_path / "configs/recipe.yaml"
    config.write_text(text.replace("../tests/", f"{ROOT}/tests/").replace("lists/", f"{ROOT}/configs/lists/"))
    result, _ = run_inline(config)
    assert result.records_in == result.kept + result.rejected + result.quarantined == 472
    assert result.kept > 60


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_recipe_bounds_without_a_language_is_what_the_source_says(name: str) -> None:
    config = load(ROOT / f"configs/{name}.yaml")
    changed = {"fineweb.char_dup_ratio"} if name == "fineweb2" else set()
    for each in config.measured:
        default = filters.get(each.filter.filter).default
        if each.filter.filter not in changed:
            assert bound(config, each.filter.filter) == (default.min, default.max)


@pytest.mark.parametrize(
    ("name", "families"),
    [
        ("gopher", {"gopher": 8, "repetition": 13}),
        ("c4", {"c4": 3}),
        ("refinedweb", {"url": 1, "gopher": 8, "repetition": 13, "refinedweb": 1}),
        ("dclm", {"url": 1, "gopher": 7, "repetition": 13, "refinedweb": 1, "fasttext": 1}),
        ("fineweb2", {"url": 1, "gopher": 7, "repetition": 10, "fineweb": 3, "fineweb2": 1}),
    ],
)
def test_a_recipe_has_every_rule_of_its_families(name: str, families: dict[str, int]) -> None:
    config = load(ROOT / f"configs/{name}.yaml")
    assert Counter(m.filter.filter.partition(".")[0] for m in config.measured) == families


def test_the_fineweb2_recipe_has_a_row_for_each_language_that_it_keeps() -> None:
    config = load(ROOT / "configs/fineweb2.yaml")
    assert set(config.by_language) == set(config.languages or ()) == set(LISTS)
    assert len(config.by_language) == 12
    by_name = {m.filter.filter: m.by_language for m in config.measured}
    tuned = {
        "repetition.dup_line_ratio",
        "fineweb.new_line_ratio",
        "gopher.mean_word_length",
        "gopher.alpha_word_ratio",
    }
    for name in tuned:
        assert set(by_name[name]) == set(config.by_language) - {"eng_Latn"}
    for name, language, low, high in [
        ("repetition.dup_line_ratio", "rus_Cyrl", None, 0.322),
        ("repetition.top_2_gram_char_ratio", "por_Latn", None, 0.371),
        ("repetition.dup_10_gram_char_ratio", "jpn_Jpan", None, 0.159),
        ("gopher.mean_word_length", "deu_Latn", None, 15),
        ("gopher.mean_word_length", "cmn_Hani", 1, 5),
        ("gopher.mean_word_length", "pol_Latn", 3, 12),
        ("gopher.alpha_word_ratio", "kor_Hang", 0.791, None),
        ("fineweb.line_punct_ratio", "ces_Latn", 0.06, None),
    ]:
        keep = by_name[name][language]
        assert keep is not None
        assert (keep.min, keep.max) == (low, high)
    assert by_name["fineweb.line_punct_ratio"]["deu_Latn"] is None


def bound(config: RunConfig, name: str) -> tuple[float | None, float | None]:
    [keep] = [m.filter.keep for m in config.measured if m.filter.filter == name]
    assert keep is not None
    return keep.min, keep.max


def test_the_fineweb_recipe_has_the_papers_bounds() -> None:
    config = load(ROOT / "configs/fineweb.yaml")
    assert (config.languages, config.extract.language.min_score) == (("eng_Latn",), 0.65)
    assert config.dedup is not None
    assert config.dedup.minhash is not None
    minhash = config.dedup.minhash
    assert (minhash.bands, minhash.rows, minhash.shingle.unit, minhash.shingle.size) == (14, 8, "words", 5)
    families = ("gopher.", "repetition.", "fineweb.", "c4.", "url.blocked_domain")
    bounded = [f for f in filters.FILTERS.values() if f.name.startswith(families) and "@" not in f.name]
    bounded = [f for f in bounded if f.default != filters.Bounds()]
    expected = {f.name: (f.default.min, f.default.max) for f in bounded}
    assert len(expected) >= 28
    assert {name: bound(config, name) for name in expected} == expected
    assert {m.filter.filter for m in config.measured if m.filter.keep} == set(expected)
    seen_by = {m.filter.filter: m.after for m in config.measured}
    assert {after for name, after in seen_by.items() if name.startswith("fineweb.")} == {("c4.clean@datatrove.1",)}
    assert {after for name, after in seen_by.items() if not name.startswith("fineweb.")} == {()}
    assert [step.transform for step in config.measure if isinstance(step, TransformConfig)] == ["c4.clean", "pii.mask"]


def test_the_dclm_recipe_counts_as_dclm_and_asks_the_classifier_last_about_the_cleaned_text() -> None:
    config = load(ROOT / "configs/dclm.yaml")
    semantics = {
        filters.get(m.filter.filter).semantics for m in config.measured if m.filter.filter != "url.blocked_domain"
    }
    assert semantics == {"dclm"}
    assert [m.column for m in config.measured if m.after] == ["fasttext.probability@dclm.1+refinedweb.clean@dclm.1"]
    assert config.measured[-1].filter.filter == "fasttext.probability"


def test_the_dclm_recipe_says_where_to_get_a_model_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["check", str(ROOT / "configs/dclm.yaml")])
    assert done.exit_code == 2
    for part in (
        "dclm.yaml:",
        "params.model",
        "cannot be read",
        "mlfoundations/fasttext-oh-eli5",
        "fasttext supervised",
    ):
        assert part in done.stderr
