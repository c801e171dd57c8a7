"""Runs that compare with an index of what was published before them."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import curate
from curate.errors import ConfigError
from curate.index.edit import What, compact, delete
from curate.index.info import info
from curate.index.runs import add_run, match_run
from tests.curate.inline import run_inline
from tests.curate.runs import published_bytes, write_config
from tests.curate.small_corpus import text_of


def batch(folder: Path, texts: dict[str, str], index: Path | None = None, **sections: Any) -> Path:
    """A config over these texts by URL."""
    folder.mkdir(parents=True)
    (folder / "in.jsonl").write_text("".join(json.dumps({"url": u, "text": t}) + "\n" for u, t in texts.items()))
    source = {"source": "web", "uri": str(folder / "in.jsonl"), "fields": {"url": "url"}}
    dedup = {"minhash": {}} | ({"index": str(index)} if index else {})
    return write_config(folder, [source], **{"measure": [], "dedup": dedup, "execution": {"partitions": 3}} | sections)


def ledger(folder: Path) -> dict[str, tuple[str, str | None]]:
    """URL -> status and reason."""
    rows = curate.read_ledger(folder / "work").select("url", "status", "reason").collect()
    return {url: (status, reason) for url, status, reason in rows.iter_rows()}


def kept(folder: Path) -> set[str]:
    return {url for url, (status, _) in ledger(folder).items() if status == "kept"}


def ids(folder: Path) -> dict[str, str]:
    rows = curate.read_ledger(folder / "work").select("url", "id").collect()
    return {url: each.hex() for url, each in rows.iter_rows()}


OLD = {f"http://a.example/{n}": text_of(n) for n in range(20)}
NEW = {
    "http://b.example/copy": text_of(3),
    "http://b.example/near": text_of(4, changed=40),
    "http://b.example/other": text_of(100),
    "http://a.example/7": text_of(7),
}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    run_inline(batch(tmp_path / "old", OLD))
    added = add_run(tmp_path / "old" / "work", tmp_path / "index")
    assert (added.documents, added.replaced, added.known) == (20, 0, False)
    return tmp_path / "index"


def test_what_was_published_before_leaves_with_its_id_and_similarity(index: Path, tmp_path: Path) -> None:
    run_inline(batch(tmp_path / "new", NEW, index))
    old, new = ids(tmp_path / "old"), ledger(tmp_path / "new")
    exact = f"dedup.published={old['http://a.example/3']} exact copy"
    assert new["http://b.example/copy"] == ("rejected", exact)
    status, reason = new["http://b.example/near"]
    assert reason
    assert status == "rejected"
    assert reason.startswith(f"dedup.published={old['http://a.example/4']} similarity=0.8")
    assert reason.endswith(" >= 0.75")
    assert kept(tmp_path / "new") == {"http://b.example/other", "http://a.example/7"}


def test_matches_are_named_without_a_run_that_removes(index: Path, tmp_path: Path) -> None:
    run_inline(batch(tmp_path / "new", NEW))
    assert kept(tmp_path / "new") == set(NEW)
    found = pl.concat(match_run(tmp_path / "new" / "work", index))
    url = {bytes.fromhex(each): url for folder in ("old", "new") for url, each in ids(tmp_path / folder).items()}
    named = {(url[a], url[b], exact) for a, b, exact in found.select("id", "published_id", "exact").iter_rows()}
    copy = ("http://b.example/copy", "http://a.example/3", True)
    assert named == {copy, ("http://b.example/near", "http://a.example/4", False)}
    assert found["similarity"].min() >= 0.75  # type: ignore[operator]
    assert set(found["status"]) == {"kept"}


@pytest.mark.parametrize("compacted", [False, True])
def test_the_former_duplicate_of_a_deleted_document_comes_back(index: Path, tmp_path: Path, *, compacted: bool) -> None:
    config = batch(tmp_path / "new", NEW, index)
    run_inline(config)
    gone = [bytes.fromhex(ids(tmp_path / "old")[f"http://a.example/{n}"]) for n in (3, 4)]
    assert delete(index, What(ids=gone)) == 2
    assert delete(index, What(ids=gone)) == 0
    assert not compacted or compact(index)
    result, _ = run_inline(config)
    assert kept(tmp_path / "new") == set(NEW)
    returned = sum(stage.counts.get("returned", 0) for stage in result.stages)
    assert returned == (0 if compacted else 2)
    assert info(index).documents == 18


def test_a_run_is_not_its_own_duplicate(index: Path, tmp_path: Path) -> None:
    config = batch(tmp_path / "again", OLD, index)
    run_inline(config)
    assert kept(tmp_path / "again") == set(OLD)
    assert add_run(tmp_path / "old" / "work", index).known
    assert add_run(tmp_path / "again" / "work", index).replaced == 20
    assert info(index).documents == 20
    before = published_bytes(tmp_path / "again" / "out")
    result, _ = run_inline(config)
    assert published_bytes(tmp_path / "again" / "out") == before
    assert not result.published


def test_where_the_old_text_is_gone_a_match_is_named_and_removes_nothing(index: Path, tmp_path: Path) -> None:
    for shard in (tmp_path / "old" / "out" / "shards").iterdir():
        shard.unlink()
    run_inline(batch(tmp_path / "new", NEW, index))
    # An equal hash of 128 bits needs no text.
    assert kept(tmp_path / "new") == set(NEW) - {"http://b.example/copy"}
    found = pl.concat(match_run(tmp_path / "new" / "work", index))
    assert found.filter(pl.col("similarity").is_null())["exact"].to_list() == [False]
    assert info(index).shards_gone == info(index).shards > 0


def test_batches_one_after_the_other_keep_what_one_run_keeps_with_their_order_in_its_policy(tmp_path: Path) -> None:
    texts = [text_of(n // 4, changed=None if n % 4 == 0 else 7 * (n % 4)) for n in range(120)]
    whole = tmp_path / "whole"
    whole.mkdir()
    sources = []
    for number in range(3):
        rows = [{"url": f"http://{n}.example/", "text": texts[n]} for n in range(120) if (n * 7) % 3 == number]
        path = whole / f"batch{number}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        sources.append({"source": f"batch{number}", "uri": str(path), "fields": {"url": "url"}})
    order = [source["source"] for source in sources]
    minhash = {"minhash": {"bands": 40, "rows": 3}}
    run_inline(write_config(whole, sources, measure=[], dedup=minhash | {"source_priority": order}))
    index, together = tmp_path / "index", set[str]()
    for number, source in enumerate(sources):
        folder = tmp_path / f"batch{number}"
        before = {"index": str(index)} if number else {}
        run_inline(write_config(folder, [source], measure=[], dedup=minhash | before))
        together |= kept(folder)
        add_run(folder / "work", index)
    assert together == kept(whole)
    assert len(together) < 120


def test_rescoring_knows_what_was_published_before(index: Path, tmp_path: Path) -> None:
    measure = [{"filter": "length.words", "keep": {"min": 3}}]
    run_inline(batch(tmp_path / "new", NEW, index, measure=measure))
    again = curate.rescore(tmp_path / "new" / "work", ["length.words.min=2"])
    assert not again.changes.entered
    assert not again.changes.left


def test_an_index_of_another_minhash_is_refused_before_anything_starts(index: Path, tmp_path: Path) -> None:
    dedup = {"minhash": {"bands": 9}, "index": str(index)}
    config = batch(tmp_path / "new", NEW, dedup=dedup)
    with pytest.raises(ConfigError, match=r"bands 14 and 9.*make another index"):
        curate.run(config)
    assert not (tmp_path / "new" / "work").exists()


def test_the_place_of_an_index_enters_no_version(index: Path, tmp_path: Path) -> None:
    config = curate.load_config(batch(tmp_path / "new", NEW, index))
    values = yaml.safe_load((tmp_path / "new" / "config.yaml").read_text())
    assert values["dedup"]["index"] == str(index)
    assert str(tmp_path) not in json.dumps(config.identity())
