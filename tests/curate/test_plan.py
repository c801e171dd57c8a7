"""Splits: known by content and range, never by name; every record in exactly one."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from curate.config.file import load
from curate.errors import ConfigError
from curate.plan import make_plan
from curate.storage import Store
from tests.curate.runs import SAMPLE, write_config


def keys(folder: Path, uri: Path, **execution: int) -> list[str]:
    config = load(write_config(folder, [{"source": "s", "uri": str(uri)}], execution=execution))
    return [split.key for split in make_plan(config, Store(folder / "work")).splits]


def test_a_split_keeps_its_key_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLE / "warc" / "docs-000.warc.gz", tmp_path / "in" / "other.warc.gz")
    assert keys(tmp_path / "a", SAMPLE / "warc" / "docs-000.warc.gz") == keys(tmp_path / "b", tmp_path / "in")


def test_a_changed_byte_and_another_source_make_other_keys(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text('{"text": "a"}\n')
    before = keys(tmp_path / "a", file)
    file.write_text('{"text": "b"}\n')
    assert keys(tmp_path / "a", file) != before
    config = load(write_config(tmp_path / "c", [{"source": "t", "uri": str(file)}]))
    assert [s.key for s in make_plan(config, Store(tmp_path / "w")).splits] != keys(tmp_path / "a", file)


def test_hashes_are_remembered_until_the_file_changes_or_rehash(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text('{"text": "a"}\n')
    before = keys(tmp_path, file)
    memo = tmp_path / "work" / "content_hashes.json"
    known = json.loads(memo.read_text())
    memo.write_text(json.dumps(dict.fromkeys(known, "remembered")))
    assert keys(tmp_path, file) != before
    config = load(tmp_path / "config.yaml")
    assert [s.key for s in make_plan(config, Store(tmp_path / "work"), rehash=True).splits] == before


def test_large_objects_have_more_splits_where_their_format_allows(tmp_path: Path) -> None:
    line = json.dumps({"text": "word " * 20}) + "\n"
    (tmp_path / "in.jsonl").write_text(line * 1000)
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress((line * 1000).encode(), 0))
    assert len(keys(tmp_path / "a", tmp_path / "in.jsonl", split_bytes=10_000)) > 8
    assert len(keys(tmp_path / "b", tmp_path / "in.jsonl.gz", split_bytes=10_000)) == 1


def test_an_unknown_extension_is_refused_with_the_near_miss(tmp_path: Path) -> None:
    (tmp_path / "in.jsonnl").write_text("{}")
    with pytest.raises(ConfigError, match=r"'\.jsonnl'; did you mean \.jsonl\?"):
        keys(tmp_path, tmp_path / "in.jsonnl")


def test_an_object_that_cannot_be_planned_is_a_failure_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.parquet").write_bytes(b"PAR1 no footer")
    (tmp_path / "in" / "good.jsonl").write_text('{"text": "a"}\n')
    config = load(write_config(tmp_path, [{"source": "s", "uri": str(tmp_path / "in")}]))
    plan = make_plan(config, Store(tmp_path / "work"))
    assert len(plan.splits) == 1
    assert len(plan.failures) == 1
    assert "bad.parquet" in plan.failures[0]


def test_an_empty_folder_is_a_failure_and_an_empty_object_a_split(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    config = load(write_config(tmp_path, [{"source": "s", "uri": str(tmp_path / "in")}]))
    assert "no files there" in make_plan(config, Store(tmp_path / "work")).failures[0]
    (tmp_path / "in" / "empty.jsonl").touch()
    assert len(keys(tmp_path, tmp_path / "in")) == 1


def test_an_object_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text('{"text": "a"}\n')
    both = [str(tmp_path / "in"), str(tmp_path / "in" / "*.jsonl")]
    config = load(write_config(tmp_path, [{"source": "s", "uri": both}]))
    assert len(make_plan(config, Store(tmp_path / "work")).splits) == 1


def test_a_run_never_reads_what_a_run_wrote(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    config = load(write_config(tmp_path, [{"source": "s", "uri": str(tmp_path / "**" / "*.jsonl")}]))
    assert len(make_plan(config, Store(tmp_path / "work")).splits) == 1
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.jsonl").write_text('{"text": "b"}\n')
    with pytest.raises(ConfigError, match="lies in output"):
        make_plan(config, Store(tmp_path / "work"))
