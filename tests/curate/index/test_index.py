"""An index is a dictionary on disk: whatever is added, deleted and merged, in any order."""

import json
import random
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.config import MinhashConfig
from curate.config.dedup import PRESETS
from curate.errors import ConfigError, CurateError, LockedError
from curate.index import edit, manifest
from curate.index.add import add, host_of
from curate.index.edit import What, compact, delete
from curate.index.info import info
from curate.storage import Store, lock
from tests.curate.index.published import MINHASH, Doc, add_documents, held, matches, publish
from tests.curate.small_corpus import text_of

HOSTS = ("a.example", "deep.a.example", "nota.example", "b.example:8080")


def doc(number: int, version: int = 0) -> Doc:
    """The version is in the text: of 90 words one is another."""
    text = text_of(number, changed=version * 9 if version else None)
    return Doc(f"http://{HOSTS[number % len(HOSTS)]}/{number}", text, f"source{number % 3}")


NUMBERS = st.lists(st.integers(0, 11), min_size=1, max_size=8, unique=True)
STEPS = st.one_of(
    st.tuples(st.just("add"), NUMBERS, st.integers(0, 3)),
    st.tuples(st.just("delete"), NUMBERS, st.just(0)),
    st.tuples(st.just("domain"), st.sampled_from([["a.example"], ["A.example."], ["b.example"]]), st.just(0)),
    st.tuples(st.just("source"), st.sampled_from([["source1"], ["source0", "source2"]]), st.just(0)),
    st.tuples(st.just("compact"), st.just([]), st.just(0)),
)


def apply(index: Path, model: dict[bytes, Doc], step: tuple[str, list[object], int], number: int) -> None:
    """One step on the index and on the dictionary."""
    kind, what, version = step
    if kind == "add":
        # The number of the step makes it another version of the dataset, though its documents were added before.
        documents = [doc(int(str(n)), version) for n in what]
        add_documents(index, index.parent / "out", [*documents, Doc("http://c.example/", text_of(1000 + number))])
        model.update({each.id: each for each in documents})
        delete(index, What(domains=["c.example"]))
    elif kind == "compact":
        if index.exists():
            compact(index)
    elif index.exists():
        before = len(model)
        chosen = {"delete": "ids", "domain": "domains", "source": "sources"}[kind]
        values = [doc(int(str(n))).id for n in what] if kind == "delete" else what
        for each in list(model.values()):
            host, domains = host_of(each.url) or "", [str(d).lower().strip(".") for d in what]
            if (
                (kind == "delete" and each.id in values)
                or (kind == "source" and each.source in values)
                or (kind == "domain" and any(host == d or host.endswith(f".{d}") for d in domains))
            ):
                del model[each.id]
        assert delete(index, What(**{chosen: values})) == before - len(model)  # type: ignore[arg-type]


@settings(max_examples=30)
@given(st.lists(STEPS, min_size=1, max_size=6), st.integers(1, 5))
def test_it_holds_what_a_dictionary_would(steps: Sequence[tuple[str, list[object], int]], ranges: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        index, model = Path(folder) / "index", dict[bytes, Doc]()
        for number, step in enumerate(steps):
            apply(index, model, step, number)
        if not index.exists():
            return
        assert held(index) == {i: (host_of(d.url), d.source) for i, d in model.items()}
        assert info(index).documents == len(model)
        batch = [Doc(f"http://new.example/{n}", text_of(n)) for n in range(12)]
        found = {(a, b, exact) for a, b, exact, deleted in matches(index, batch, ranges) if not deleted}
        # The same words, or one of 90 changed: a Jaccard of 0.89, P = 0.999 with 14 x 8. All pairs of these are found.
        assert found == {
            (new.id, old.id, new.text == old.text)
            for new in batch for old in model.values() if old.url.endswith(f"/{new.url.rpartition('/')[2]}")
        }  # fmt: skip
        before = found
        compact(index)
        assert {each[:3] for each in matches(index, batch, ranges)} == before
        assert held(index).keys() == model.keys()
        assert info(index).gone == 0


def test_a_bucket_is_compared_with_the_same_documents_however_segments_were_merged(tmp_path: Path) -> None:
    family = [Doc(f"http://a.example/{n}", text_of(1)) for n in range(40)]
    random.Random(1).shuffle(family)
    for start in range(0, 40, 8):
        add_documents(tmp_path / "index", tmp_path / "out", family[start : start + 8])
    batch = [Doc("http://b.example/", text_of(1))]
    found = matches(tmp_path / "index", batch, most=3)
    assert {old for _, old, _, _ in found} == set(sorted(each.id for each in family)[:3])
    assert compact(tmp_path / "index")
    assert matches(tmp_path / "index", batch, most=3) == found


def test_merging_in_small_ranges_and_groups_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index"
    for start in range(0, 60, 12):
        add_documents(index, tmp_path / "out", [doc(n) for n in range(start, start + 12)])
    delete(index, What(sources=["source1"]))
    expected = held(index)
    monkeypatch.setattr(edit, "RANGE_DOCUMENTS", 7)
    monkeypatch.setattr(edit, "RANGE_KEYS", 50)
    monkeypatch.setattr(edit, "LARGE", 30)
    assert compact(index)
    assert held(index) == expected
    assert 1 < info(index).segments < 5
    while compact(index):
        assert held(index) == expected


def test_a_deleted_document_is_named_until_it_is_compacted(tmp_path: Path) -> None:
    add_documents(tmp_path / "index", tmp_path / "out", [doc(1), doc(2)])
    delete(tmp_path / "index", What(ids=[doc(1).id]))
    batch = [Doc("http://b.example/", text_of(1))]
    assert matches(tmp_path / "index", batch) == {(batch[0].id, doc(1).id, True, True)}
    compact(tmp_path / "index")
    assert matches(tmp_path / "index", batch) == set()


def test_an_index_that_is_emptied_can_be_filled_again(tmp_path: Path) -> None:
    add_documents(tmp_path / "index", tmp_path / "out", [doc(1)])
    delete(tmp_path / "index", What(sources=["source1"]))
    compact(tmp_path / "index")
    assert info(tmp_path / "index").segments == 0
    assert matches(tmp_path / "index", [Doc("http://b.example/", text_of(1))]) == set()
    add_documents(tmp_path / "index", tmp_path / "out", [doc(1), doc(2)])
    assert held(tmp_path / "index").keys() == {doc(1).id, doc(2).id}


def test_another_format_and_another_minhash_are_refused_and_nothing_changes(tmp_path: Path) -> None:
    index = tmp_path / "index"
    add_documents(index, tmp_path / "out", [doc(1)])
    with pytest.raises(ConfigError, match=r"rows 8 and 9.*make another index"):
        add(index, Store(tmp_path / "out"), "v", [], MinhashConfig(rows=9))
    values = json.loads((index / manifest.NAME).read_bytes())
    (index / manifest.NAME).write_text(json.dumps(values | {"format": 2}))
    for call in (info, compact, lambda path: add(path, Store(tmp_path / "out"), "v", [], MINHASH)):
        with pytest.raises(CurateError, match=r"format 2, expected 1.*build the index anew"):
            call(index)
    (index / manifest.NAME).write_text("{")
    with pytest.raises(CurateError, match="damaged"):
        info(index)


def test_what_is_no_index_is_said_and_not_made(tmp_path: Path) -> None:
    for call in (info, compact, lambda path: delete(path, What(sources=["a"]))):
        with pytest.raises(ConfigError, match="no index here"):
            call(tmp_path / "typo")
    assert not (tmp_path / "typo").exists()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    add_documents(tmp_path / "index", tmp_path / "out", [doc(1)])
    with lock(Store(tmp_path / "index")), pytest.raises(LockedError, match="one at a time may change an index"):
        compact(tmp_path / "index")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_document_takes_at_most_200_bytes(tmp_path: Path, preset: str) -> None:
    """20,000 documents whose hosts, dates and texts are all different: real ones share some."""
    draw = np.random.default_rng(1)
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", "S1")
    words = letters[draw.integers(0, 26, (30_000, 6))].view("S6").astype(str).ravel()
    texts = words[draw.integers(0, len(words), (20_000, 40))]
    begin = datetime(2015, 1, 1, tzinfo=UTC)
    documents = [
        Doc(
            f"https://www.{''.join(words[draw.integers(0, len(words), 2)])}.com/{n}",
            " ".join(text),
            date=begin + timedelta(seconds=int(draw.integers(0, 3 * 10**8))),
        )
        for n, text in enumerate(texts)
    ]
    shards = publish(tmp_path / "out", documents, shard_rows=5000)
    config = MinhashConfig.model_validate({"preset": preset})
    assert add(tmp_path / "index", Store(tmp_path / "out"), "v", shards, config).documents == 20_000
    on_disk = sum(path.stat().st_size for path in (tmp_path / "index").iterdir())
    assert on_disk / 20_000 <= 200
    assert info(tmp_path / "index").bytes <= on_disk
