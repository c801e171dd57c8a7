import io
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import readers, schema
from curate.config import ExtractConfig, InputConfig, LanguageConfig, RunConfig
from curate.inputs import find_inputs
from curate.lineage import document_id, text_hash
from curate.plan import Split
from curate.stages import extract
from curate.step import run_step
from curate.storage import Store
from tests.curate.readers.objects import Format, http, member, record, split_of

ENGLISH = "All human beings are born free and equal in dignity and rights, endowed with reason and conscience."
GERMAN = "Alle Menschen sind frei und gleich an Würde und Rechten geboren, mit Vernunft und Gewissen begabt."


class Tables:
    """Keeps what a stage writes."""

    def __init__(self) -> None:
        self.tables: dict[str, list[pa.Table]] = {}
        self.counts: Counter[str] = Counter()

    def write(self, kind: str, table: pa.Table) -> None:
        self.tables.setdefault(kind, []).append(table)

    def count(self, name: str, n: int = 1) -> None:
        self.counts[name] += n

    def rows(self, kind: str) -> list[dict[str, Any]]:
        return [row for table in self.tables.get(kind, []) for row in table.to_pylist()]


def config_of(source: InputConfig, settings: ExtractConfig) -> RunConfig:
    return RunConfig(name="test", inputs=(source,), output=Path("out"), work=Path("work"), extract=settings)


DEFAULTS = ExtractConfig()


def run(
    data: bytes,
    format: Format,
    codec: Any = None,
    *,
    settings: ExtractConfig = DEFAULTS,
    span: tuple[int, int] | None = None,
    **source: Any,
) -> Tables:
    """Extract all ranges of an object, or one, after another."""
    found = Tables()
    spans = [span] if span else readers.ranges(io.BytesIO(data), len(data), format, codec, 10**9)
    for one in spans:
        split = split_of(data, format, codec, one, **source)
        extract.extract(io.BytesIO(data), split, config_of(split.input, settings), found)
    written = sum(len(found.rows(kind)) for kind in ("documents", "rejected", "quarantined"))
    assert found.counts["in"] == written
    return found


def page(text: str) -> bytes:
    return f"<html><head><title>t</title></head><body><p>{text}</p></body></html>".encode()


def test_a_warc_of_everything_becomes_rows_with_reasons_and_the_counts_add_up() -> None:
    deep = b"<div>" * 100_000
    parts = [
        record(b"x", kind="warcinfo"), record(b"x", kind="request"), record(http(page(ENGLISH)), "http://a/1"),
        record(http(page(GERMAN), headers="Content-Type: text/html\r\nX-Robots-Tag: noai\r\n"), "http://a/2"),
        record(GERMAN.encode(), "http://a/wet", kind="conversion"), record(http(b"gone", 404), "http://a/404"),
        record(http(b"\x89PNG", headers="Content-Type: image/png\r\n"), "http://a/png"), record(http(b"<p> </p>"), "http://a/empty"),
        record(http(deep), "http://a/deep"), record(http(page(ENGLISH)), "http://a/length", length=-1),
        record(http(page("x" * 300_000)), "http://a/large"),
    ]  # fmt: skip
    stored = [member(p) for p in parts]
    data = b"".join(stored)[:-30]
    found = run(data, "warc", "gzip", settings=ExtractConfig(max_document_bytes=600_000))
    assert found.counts == {"in": 9, "skipped.warcinfo": 1, "skipped.request": 1}
    assert [(d["url"], d["lang"], d["text"]) for d in found.rows("documents")] == [
        ("http://a/1", "eng_Latn", ENGLISH), ("http://a/2", "deu_Latn", GERMAN), ("http://a/wet", "deu_Latn", GERMAN),
    ]  # fmt: skip
    assert [(r["url"], r["reason"]) for r in found.rows("rejected")] == [
        ("http://a/404", "extract.status=404"), ("http://a/png", "extract.content_type=image/png"),
        ("http://a/empty", "extract.no_text"),
    ]  # fmt: skip
    places = [sum(map(len, stored[:i])) for i in range(len(stored))]
    assert [(q["reason"], q["offset"], q["end"]) for q in found.rows("quarantined")] == [
        ("html.too_deep", places[8], places[9]), ("warc.bad_content_length", places[9], places[10]),
        ("gzip.truncated", places[10], len(data)),
    ]  # fmt: skip


def test_a_document_has_all_columns_and_its_identities() -> None:
    body = page(ENGLISH)
    found = run(
        record(http(body, headers="Content-Type: text/html\r\nX-Robots-Tag: noai\r\n"), "http://a/1"),
        "warc",
        license="CC0-1.0",
    )
    [table] = found.tables["documents"]
    assert table.schema.equals(schema.DOCUMENTS, check_metadata=True)
    [row] = table.to_pylist()
    assert row["id"] == document_id("test", "http://a/1", body)
    assert row["text_hash"] == text_hash(ENGLISH)
    assert row["date"].isoformat() == "2026-01-02T03:04:05+00:00"
    assert (row["license"], row["license_source"], row["opt_out"]) == ("CC0-1.0", "config", "noai")
    assert row["transforms"] == [extract.HTML, extract.NORMALISE]
    assert (row["is_synthetic"], row["derived_from"], row["generator"], row["source"]) == (False, [], None, "test")
    assert 0.5 < row["lang_score"] <= 1


def test_rejected_documents_have_the_id_of_their_payload_where_they_have_one() -> None:
    data = record(http(b"gone", 404), "http://a/404")
    assert run(data, "warc").rows("rejected")[0]["id"] == document_id("test", "http://a/404", b"gone")
    rows = run(b'{"text": null}\n{"text": " "}\n', "jsonl").rows("rejected")
    assert [r["id"] for r in rows] == [None, document_id("test", "", b" ")]


def test_jsonl_fields_extras_and_given_languages() -> None:
    data = (
        f'{{"text": "{ENGLISH}\\r\\n", "lang": "de", "rights": "MIT", "n": 1}}\n'
        f'{{"text": "{GERMAN}", "lang": "no such", "n": null}}\n'
        f'{{"text": "{GERMAN}", "n": "many"}}\n'
    ).encode()
    found = run(data, "jsonl", fields={"lang": "lang", "license": "rights"}, extra={"n": "int64"}, license="CC0-1.0")
    a, b = found.rows("documents")
    assert (a["text"], a["lang"], a["lang_score"]) == (ENGLISH, "deu_Latn", None)
    assert (a["license"], a["license_source"], a["n"], a["transforms"]) == ("MIT", "record", 1, [extract.NORMALISE])
    assert (b["lang"], b["lang_score"] > 0.5, b["license_source"], b["n"]) == ("deu_Latn", True, "config", None)
    assert [q["reason"] for q in found.rows("quarantined")] == ["jsonl.extra_type"]
    assert found.tables["documents"][0].schema.equals(schema.with_extra(schema.DOCUMENTS, {"n": "int64"}))


def test_parquet_rows_are_located_by_number() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": [ENGLISH, None, GERMAN]}), sink, row_group_size=2)
    found = run(sink.getvalue(), "parquet")
    assert [(d["offset"], d["end"], d["url"]) for d in found.rows("documents")] == [(0, 1, None), (2, 3, None)]
    assert [(r["reason"], r["offset"]) for r in found.rows("rejected")] == [("extract.no_text", 1)]


@pytest.mark.parametrize(("format", "codec"), [("warc", None), ("warc", "gzip"), ("jsonl", None), ("jsonl", "zstd")])
def test_an_object_without_a_byte_is_quarantined(format: Format, codec: str | None) -> None:
    found = run(b"", format, codec, span=(0, 0))
    assert found.counts == {"in": 1}
    assert [row["reason"] for row in found.rows("quarantined")] == [f"{format}.empty"]


def test_splits_and_batches_do_not_change_a_row() -> None:
    data = b"".join(member(record(http(page(f"{i} {ENGLISH}")), f"http://a/{i}")) for i in range(600))
    whole = run(data, "warc", "gzip")
    assert len(whole.tables["documents"]) == 3
    parts = [
        run(data, "warc", "gzip", span=span)
        for span in readers.ranges(io.BytesIO(data), len(data), "warc", "gzip", 20_000)
    ]
    assert len(parts) > 3
    assert [row for part in parts for row in part.rows("documents")] == whole.rows("documents")


def test_keys_depend_on_content_and_settings_and_not_on_names(tmp_path: Path) -> None:
    def key(split: Split, settings: ExtractConfig = DEFAULTS) -> str:
        [task] = extract.tasks([split], config_of(split.input, settings))
        return task.key

    split = split_of(b"data", "jsonl")
    renamed = replace(split, planned=replace(split.planned, uri="elsewhere/b"))
    assert key(split) == key(renamed)
    others = [
        key(split_of(b"data", "jsonl", span=(0, 2))), key(split_of(b"data", "jsonl", "gzip")),
        key(split_of(b"data", "jsonl", license="MIT")),
        key(split, ExtractConfig(max_html_depth=5)), key(split, ExtractConfig(language=LanguageConfig(min_letters=1))),
    ]  # fmt: skip
    assert len({key(split), *others}) == 6
    copy = tmp_path / "copy.ftz"
    copy.write_bytes(extract.LanguageModel(LanguageConfig()).path.read_bytes())
    assert key(split, ExtractConfig(language=LanguageConfig(model=str(copy)))) == key(split)


def test_a_step_commits_what_was_extracted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(f'{{"text": "{ENGLISH}"}}\n{{"text": ""}}\nbad\n\n'.encode())
    store = Store(tmp_path / "work")
    source = InputConfig(source="test", uri=str(path))
    [found] = find_inputs(str(path))
    split = Split(found, "0" * 64, 0, found.size, "jsonl", None, source)
    [task] = extract.tasks([split], config_of(source, ExtractConfig()))
    commit = run_step(store, task.stage, task.key, lambda writer: task.run(writer, store, *task.args))
    assert commit.counts == {"in": 3, "skipped.blank_line": 1}
    assert [commit.rows(kind) for kind in ("documents", "rejected", "quarantined")] == [1, 1, 1]
    assert pq.read_schema(store.path(commit.of("documents")[0].name)).names == schema.DOCUMENTS.names
