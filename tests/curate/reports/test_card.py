import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import datasets
import mlcroissant
import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml

from curate.corpus import read_rows
from curate.reports import card
from tests.curate.conftest import write_ledger
from tests.curate.hostile import HOSTILE, PLAIN_TAGS, rendered

# mlcroissant reads JSON-LD through a class that rdflib deprecated, and Parquet through a keyword that pandas did.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index is deprecated"),
]


def front_matter(page: str) -> dict:
    return yaml.safe_load(page.split("---\n")[1])


def kept_of(run) -> pl.DataFrame:
    rows = read_rows(run.work, run.decisions, "decisions")
    return card.contents([rows.filter(pl.col("status") == "kept")])


def test_version_is_that_of_the_package():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert card.package_version() == project["version"]


def test_datasets_loads_the_folder_of_a_version(small_run, mixed, tmp_path):
    run = small_run(mixed)
    loaded = datasets.load_dataset(str(run.version), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"]
    assert sorted(loaded["train"]["id"]) == sorted(pq.read_table(run.version / "data")["id"].to_pylist())


def test_front_matter_names_languages_licences_and_size(small_run, mixed):
    values = front_matter(small_run(mixed).pages["README.md"])
    assert values["language"] == ["eng"]
    assert values["license"] == ["cc-by-4.0", "unknown"]
    assert values["size_categories"] == ["n<1K"]
    assert values["pretty_name"] == "small"
    assert "synthetic" in values["tags"]


def test_body_counts_what_became_of_the_input(small_run, mixed):
    run = small_run(mixed)
    page = run.pages["README.md"]
    assert f"| read | {run.counts.records_in} |" in page
    assert f"| kept | {run.counts.kept} |" in page
    for rule, number in run.counts.reasons.items():
        assert f"| `{rule}` | {number} |" in page
    assert "uncalibrated" in page
    assert "length.words@provider.1" in page
    assert "20 &lt;= value" in page


def test_croissant_is_valid_and_reads_every_published_row(small_run, mixed):
    run = small_run(mixed)
    dataset = mlcroissant.Dataset(jsonld=str(run.version / "croissant.json"))
    assert dataset.metadata.ctx.issues.errors == set()
    page = json.loads(run.pages["croissant.json"])
    assert page["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    records = list(dataset.records("documents"))
    published = pq.read_table(run.version / "data")
    assert [record["documents/id"].decode() for record in records] == published["id"].to_pylist()
    assert [record["documents/text"].decode() for record in records] == published["text"].to_pylist()
    names = {name.removeprefix("documents/") for name in records[0]}
    assert names == set(published.schema.names)


def test_pages_do_not_depend_on_order_or_place(small_run, mixed):
    run = small_run(mixed)
    kept = kept_of(run)
    for order in (kept.reverse(), kept.sort("bytes")):
        elsewhere = run.config.model_copy(update={"output": Path("/elsewhere"), "work": Path("/other")})
        pages = card.pages(elsewhere, run.manifest, run.counts, run.published, order)
        assert pages == run.pages
    for page in run.pages.values():
        assert str(run.config.work) not in page
        assert str(run.config.output.parent) not in page
        assert "pages.warc.gz" not in page


def test_model_paths_are_cut_to_their_last_part(small_run, mixed):
    run = small_run(mixed)
    llm = run.config.llm.model_copy(update={"model": "/home/someone/models/judge-model"})
    pages = card.pages(
        run.config.model_copy(update={"llm": llm}), run.manifest, run.counts, run.published, kept_of(run)
    )
    assert "/home/someone" not in pages["README.md"]
    assert "judge-model" in pages["README.md"]


def test_data_cannot_be_markup_in_the_card(small_run, mixed):
    run = small_run(mixed)
    for value in ["</td><script>", "a|b", "# head", "two\nlines", *HOSTILE[:-1]]:  # Quotes are no markup here.
        kept = kept_of(run).with_columns(source=pl.lit(value), license=pl.lit(value), url=pl.lit(value))
        page = card.pages(run.config, run.manifest, run.counts, run.published, kept)["README.md"]
        assert all(c.isprintable() or c == "\n" for c in page)
        assert f"| {value}" not in page
        rows = [line for line in page.splitlines() if line.startswith("| ")]
        assert all(len(re.findall(r"(?<!\\)\|", row)) in (4, 5) for row in rows)
        assert rendered(page.partition("---\n\n")[2])[0] <= PLAIN_TAGS
        assert front_matter(page)["license"] == "other"


def test_a_licence_as_long_as_a_page_does_not_enter_the_pages(small_run, mixed):
    run = small_run(mixed)
    names = [f"{n} {'long ' * 10_000}" for n in range(len(kept_of(run)))]
    kept = kept_of(run).with_columns(license=pl.Series(names))
    pages = card.pages(run.config, run.manifest, run.counts, run.published, kept)
    assert all("long " * 100 not in page for page in pages.values())


def test_an_empty_version_has_its_pages(small_run, mixed):
    empty = replace(mixed, documents=[], edges=[], scores=None, rejected=[], quarantined=[])
    run = small_run(empty)
    assert front_matter(run.pages["README.md"])["size_categories"] == ["n<1K"]
    assert mlcroissant.Dataset(jsonld=str(run.version / "croissant.json")).metadata.ctx.issues.errors == set()


def test_same_documents_in_other_objects_give_the_same_version(small_run, mixed):
    run = small_run(mixed)
    renamed = [replace(part, object=f"renamed-{n}.warc.gz") for n, part in enumerate(run.parts[:2])]
    counts = write_ledger(run.work, [*renamed, run.parts[2]], run.decided, run.config)
    pages = card.pages(run.config, run.manifest, counts, run.published, kept_of(run))
    assert pages == run.pages


def test_bounds_by_language_are_a_table(small_run, mixed):
    own = {"de": {"length.words": {"min": 10, "max": 90}}, "uk": {"like": "de", "length.words": {"min": None}}}
    run = small_run(replace(mixed, settings=mixed.settings | {"by_language": own}))
    readme = run.pages["README.md"]
    assert "| Language | `length.words@provider.1` |\n|---|---|\n" in readme
    assert "| deu\\_Latn | 10 &lt;= value &lt;= 90 |" in readme
    assert "| ukr\\_Latn" not in readme
    assert "| ukr\\_Cyrl | value &lt;= 90 |" in readme
    assert "| Language | `length" not in small_run(mixed).pages["README.md"]
