from collections import Counter
from dataclasses import replace

import polars as pl
import pyarrow.parquet as pq
import pytest

from curate.corpus import Part
from curate.decisions import ledger_schema
from curate.errors import ConservationError
from curate.schema import SCHEMA_VERSION
from tests.curate.conftest import write_ledger


def rewrite(run, parts) -> tuple[pl.DataFrame, object]:
    counts = write_ledger(run.work, parts, run.decided, run.config)
    return run.ledger, counts


def dataset(run, name: str) -> pl.DataFrame:
    return pl.read_parquet([run.work.path(n) for n in run.work.list(name)])


def test_one_row_an_input_record_and_counts_that_add_up(small_run, mixed):
    run = small_run(mixed)
    ledger, counts = run.ledger, run.counts
    records = len(mixed.documents) + len(mixed.rejected) + len(mixed.quarantined)
    assert len(ledger) == counts.records_in + counts.written == records
    assert counts.records_in + counts.written == counts.kept + counts.rejected + counts.quarantined
    assert Counter(ledger["status"]) == {
        "kept": counts.kept, "rejected": counts.rejected, "quarantined": counts.quarantined
    }  # fmt: skip
    assert sum(counts.reasons.values()) == counts.rejected + counts.quarantined
    assert counts.skipped == {"warcinfo": len(run.parts)}


def test_reasons_stand_exactly_where_a_document_left(small_run, mixed):
    for row in small_run(mixed).ledger.iter_rows(named=True):
        assert (row["reason"] is None) == (row["status"] == "kept")


def test_rejected_and_quarantine_are_the_ledgers_rows(small_run, mixed):
    run = small_run(mixed)
    for name, status in (("rejected", "rejected"), ("quarantine", "quarantined")):
        expected = run.ledger.filter(pl.col("status") == status)
        assert dataset(run, name).equals(expected)


def test_files_have_the_schema_and_its_version(small_run, mixed):
    run = small_run(mixed)
    expected = ledger_schema(run.config)
    for name in ("ledger", "rejected", "quarantine"):
        for file in run.work.list(name):
            schema = pq.read_schema(run.work.path(file))
            assert schema.names == expected.names
            # Parquet has no seconds: timestamps come back as milliseconds.
            assert [f.type for f in schema if f.name != "date"] == [f.type for f in expected if f.name != "date"]
            assert schema.metadata[b"curate.schema_version"] == str(SCHEMA_VERSION).encode()


def test_rows_of_an_object_stand_in_its_order(small_run, mixed):
    run = small_run(mixed)
    for _, rows in run.ledger.group_by("object"):
        assert rows["offset"].is_sorted()


def test_duplicate_id_names_the_record_that_stays(small_run, mixed):
    run = small_run(mixed)
    [duplicate] = run.ledger.filter(pl.col("reason").str.starts_with("duplicate_id")).to_dicts()
    place, _, offset = duplicate["reason"].partition("=")[2].rpartition("@")
    stays = run.ledger.filter((pl.col("object") == place) & (pl.col("offset") == int(offset)))
    assert stays["id"].to_list() == [duplicate["id"]]
    assert stays["reason"].to_list() == [None]


def test_identical_objects_share_shards_and_each_have_their_rows(small_run, mixed):
    run = small_run(mixed)
    [pages] = [part for part in run.parts if part.object == "pages.warc.gz"]
    twin = replace(pages, object="twin.warc.gz")
    ledger, counts = rewrite(run, [*run.parts, twin])
    rows = ledger.filter(pl.col("object") == "twin.warc.gz")
    assert len(rows) == pages.documents.counts["in"]
    assert counts.kept == run.counts.kept
    assert counts.records_in == run.counts.records_in + len(rows)
    with_text = rows.filter(pl.col("shard").is_not_null())
    assert all(reason.startswith("duplicate_id=") for reason in with_text["reason"])
    known = {(f"{r['object']}@{r['offset']}", r["id"]) for r in ledger.iter_rows(named=True)}
    for row in with_text.iter_rows(named=True):
        place = row["reason"].removeprefix("duplicate_id=")
        assert (place, row["id"]) in known
        assert not place.startswith("twin.warc.gz")


def test_order_of_the_parts_does_not_matter(small_run, mixed):
    run = small_run(mixed)
    before = {name: run.work.read(name) for name in run.work.list("ledger")}
    counts = run.counts
    _, again = rewrite(run, tuple(reversed(run.parts)))
    assert {name: run.work.read(name) for name in run.work.list("ledger")} == before
    assert again == counts


def test_files_of_a_larger_run_before_are_removed(small_run, mixed):
    small_run(mixed)
    run = small_run(replace(mixed, documents=mixed.documents[:1], edges=[], scores=None))
    assert set(run.ledger["object"]) == {"pages.warc.gz"}
    assert len(run.work.list("ledger")) == len(run.work.list("rejected")) == len(run.work.list("quarantine")) == 1
    assert run.counts.records_in + run.counts.written == len(run.ledger)


def test_a_lost_record_stops_the_run(small_run, mixed):
    run = small_run(mixed)
    first = run.parts[0]
    documents = replace(first.documents, counts={**first.documents.counts, "in": first.documents.counts["in"] + 1})
    with pytest.raises(ConservationError, match="13 records, the ledger has 12 rows"):
        rewrite(run, [Part(first.object, documents, first.measures), *run.parts[1:]])


def test_values_stand_beside_the_decision(small_run, mixed):
    run = small_run(mixed)
    for row in run.ledger.filter(pl.col("shard").is_not_null()).iter_rows(named=True):
        [doc] = {doc.text: doc for doc in mixed.documents if doc.id == row["id"]}.values()
        assert row["length.characters@unicode.1"] == len(doc.text)
        assert row["token_estimate"] == -(-len(doc.text.encode()) // 4)
        assert row["is_synthetic"] == bool(doc.parents)
        stored = pq.read_table(run.work.path(row["shard"]))
        assert stored["text"][row["row"]].as_py() == doc.text


def test_an_input_without_records_has_an_empty_ledger(small_run, mixed):
    run = small_run(replace(mixed, documents=[], edges=[], scores=None, rejected=[], quarantined=[]))
    assert (run.counts.records_in, run.counts.kept, run.counts.reasons) == (0, 0, {})
    assert run.ledger.is_empty()
    assert run.ledger.columns == ledger_schema(run.config).names
