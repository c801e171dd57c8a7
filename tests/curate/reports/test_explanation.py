import json
from dataclasses import replace

import pytest

from curate.errors import CurateError
from curate.reports import explanation, run_record
from curate.reports.explanation import explain_document, format_explanation
from tests.curate.hostile import HOSTILE


def explain(run, document: str) -> list[dict]:
    return explain_document(run.work.root, run.ledger.lazy(), document)


def by_url(run, url: str) -> dict:
    [row] = explain(run, url)
    return row


def test_every_ledger_row_can_be_explained(small_run, mixed):
    run = small_run(mixed)
    for row in run.ledger.iter_rows(named=True):
        for document in (row["url"], row["id"] and row["id"].hex(), row["id"] and row["id"].hex().upper()):
            if document:
                found = explain(run, document)
                assert (row["object"], row["offset"]) in {(f["object"], f["offset"]) for f in found}
                json.dumps(found)
                assert row["status"].upper() in format_explanation(found)


def test_a_value_stands_beside_its_bound(small_run, mixed):
    run = small_run(mixed)
    row = by_url(run, "http://a.example/<b>short</b>")
    words = row["measures"][0]
    assert words["name"] == "length.words"
    assert words["value"] < words["min"] == 20
    assert words["decided"]
    assert not any(m["decided"] for m in row["measures"][1:])
    assert row["reason"] == f"length.words={words['value']} < 20.0"


def test_near_copy_names_keeper_and_members(small_run, mixed):
    run = small_run(mixed)
    near = by_url(run, "http://b.example/near")
    keeper = mixed.documents[1].id.hex()
    assert near["cluster"]["keeper"] == keeper
    assert near["cluster"]["similarity"] == 0.8125
    assert [other["id"] for other in near["cluster"]["others"]] == [keeper]
    kept = next(row for row in explain(run, keeper) if row["status"] == "kept")
    assert kept["cluster"]["is_keeper"]
    assert [other["id"] for other in kept["cluster"]["others"]] == [near["id"]]


def test_synthetic_document_and_its_source_name_each_other(small_run, mixed):
    run = small_run(mixed)
    source, written = mixed.documents[0], mixed.documents[-1]
    [parent] = explain(run, source.id.hex())
    [child] = explain(run, written.id.hex())
    assert [c["id"] for c in parent["lineage"]["sources_of"]] == [written.id.hex()]
    assert child["lineage"]["is_synthetic"]
    assert child["lineage"]["derived_from"] == [{"id": source.id.hex(), "url": source.url, "status": "kept"}]


def test_kept_document_is_found_in_the_published_version(small_run, mixed):
    import pyarrow.parquet as pq

    run = small_run(mixed)
    for row in run.ledger.iter_rows(named=True):
        if row["status"] != "kept":
            continue
        found = next(f for f in explain(run, row["id"].hex()) if f["status"] == "kept")
        place = found["published"]
        assert place["version"] == run.result.version
        published = pq.read_table(run.version / place["part"])
        assert published["id"][place["row"]].as_py() == found["id"]


def test_quality_has_status_and_bounds(small_run, mixed):
    run = small_run(mixed)
    poor = by_url(run, "http://c.example/poor")["quality"]
    assert (poor["value"], poor["status"], poor["bounds"]) == (1.25, "scored", "2 <= value")
    failed = by_url(run, "http://c.example/failed")["quality"]
    assert (failed["value"], failed["status"], failed["model"]) == (None, "failed", None)


def test_commits_named_are_there(small_run, mixed):
    run = small_run(mixed)
    row = by_url(run, "http://a.example/best")
    assert {"extract", "measure", "dedup", "judge", "select"} <= set(row["stages"])
    for stage in ("extract", "measure", "select"):
        for key in row["stages"][stage]:
            assert run.work.exists(f"stages/{stage}/{key}/commit.json")


def test_the_commit_of_a_rewritten_text_is_named_too(small_run, mixed):
    measures = [*mixed.settings["measure"], {"transform": "pii.mask"}]
    run = small_run(replace(mixed, settings=mixed.settings | {"measure": measures}))
    row = by_url(run, "http://a.example/best")
    assert {"extract", "rewrite", "measure"} <= set(row["stages"])
    assert row["stages"]["rewrite"] == [row["stored"]["shard"].split("/")[2]]


def test_unknown_url_lists_the_nearest(small_run, mixed):
    run = small_run(mixed)
    with pytest.raises(CurateError, match="12 rows") as error:
        explain(run, "http://b.example/near/")
    assert "http://b.example/near" in str(error.value)


@pytest.mark.parametrize("document", ["", "%", "://", "ab" * 16, "not a url", "http://[", "x" * 10_000])
def test_unknown_document_is_a_named_error(small_run, mixed, document):
    with pytest.raises(CurateError, match="12 rows"):
        explain(small_run(mixed), document)


def test_names_from_outside_cannot_forge_a_line(small_run, mixed):
    named = [replace(mixed.documents[0], url=f"{name}{n}", object=name) for n, name in enumerate(HOSTILE)]
    run = small_run(replace(mixed, documents=[*named, *mixed.documents]))
    for document in named:
        rows = explain(run, document.url)
        shown = format_explanation(rows)
        assert all(c.isprintable() or c == "\n" for c in shown)
        assert sum(line.startswith(("KEPT", "REJECTED")) for line in shown.splitlines()) == len(rows)
        with pytest.raises(CurateError) as error:
            explain(run, f"{document.url}-")
        assert str(error.value).isprintable()


def test_a_folder_without_a_run_is_a_named_error(tmp_path):
    with pytest.raises(CurateError, match=run_record.NAME):
        run_record.read(tmp_path)


def test_large_cluster_is_cut(small_run, mixed, monkeypatch):
    monkeypatch.setattr(explanation, "MEMBERS_SHOWN", 2)
    best = mixed.documents[0]
    copies = [replace(best, url=f"http://copy.example/{n}") for n in range(5)]
    run = small_run(replace(mixed, documents=[best, *copies], edges=[], scores=None))
    cluster = explain(run, best.id.hex())[0]["cluster"]
    assert len(cluster["others"]) == 2
    assert cluster["others_left_out"] == 3
    assert "3 more" in format_explanation(explain(run, best.id.hex()))


def test_a_value_stands_beside_the_bound_of_its_language(small_run, mixed):
    own = {"de": {"length.words": {"min": 66}}, "und": {"length.words": {"min": None}}}
    run = small_run(replace(mixed, settings=mixed.settings | {"by_language": own}))
    for url, language, low, reason in (
        ("http://b.example/near", "deu_Latn", 66.0, "length.words=65.0 < 66.0"),
        ("http://a.example/<b>short</b>", "und", None, None),
        ("http://b.example/copy", None, 20.0, None),
    ):
        row = by_url(run, url)
        words = row["measures"][0]
        assert (words["bounds_of"], words["min"], words["decided"]) == (language, low, reason is not None)
        assert reason is None or row["reason"] == reason
        shown = next(line for line in format_explanation([row]).splitlines() if line.startswith("  length.words"))
        assert (f" for {language}]" in shown) == (language is not None)
    assert "[66 <= value for deu_Latn]  <- rejected by this" in format_explanation(
        explain(run, "http://b.example/near")
    )
