"""How many ranges and slices a run goes through changes nothing that it leaves."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.curate.inline import run_inline
from tests.curate.runs import published_bytes, write_config
from tests.curate.small_corpus import OBJECTS, STEPS, text_of, write_corpus

SMALL = {
    "curate.equal.RANGE_HASHES": 7, "curate.stages.dedup.RANGE_KEYS": 50, "curate.stages.dedup.RUN_KEYS": 60,
    "curate.stages.dedup.FEW_PAIRS": 5, "curate.stages.dedup.PAIRS_PER_TASK": 5,
    "curate.stages.dedup.PAIRS_GROUP_ROWS": 2,
    "curate.stages.dedup.BLOCK_BITS": 2, "curate.stages.dedup.SLICE_BYTES": 1_000, "curate.clusters.PAIRS_AT_ONCE": 3,
    "curate.corpus.SLICE_ROWS": 2, "curate.stages.arrange.RUN_BYTES": 700, "curate.stages.arrange.GROUP_BYTES": 300,
    "curate.stages.resolve.RUN_ROWS": 2,
}  # fmt: skip
"""Every size of a range or slice, so small that a corpus of 48 documents has many."""


def config_of(corpus: Path, folder: Path, **sections: object) -> Path:
    source = {"source": "small", "uri": str(corpus), "fields": {"url": "url"}}
    return write_config(folder, [source], **{"measure": STEPS} | sections)


class Base:
    """A run as it comes, and what it left."""

    def __init__(self, root: Path) -> None:
        self.corpus = root / "corpus"
        write_corpus(self.corpus)
        copies = [{"text": text_of(n % 3), "url": f"http://b.example/{n % 4}"} for n in range(20)]
        (self.corpus / "copies.jsonl").write_text("".join(json.dumps(copy) + "\n" for copy in copies))
        self.result, _ = run_inline(config_of(self.corpus, root / "run"))
        self.published = published_bytes(root / "run" / "out")
        self.ledger = ledger(root / "run" / "work")


def ledger(work: Path) -> pl.DataFrame:
    return pl.read_parquet([*sorted((work / "ledger").glob("*.parquet"))]).sort("object", "offset").drop("shard")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    made = Base(tmp_path_factory.mktemp("ranges"))
    assert {"dedup.similarity", "dedup.exact_copy_of", "duplicate_id"} <= made.result.reasons.keys()
    return made


@pytest.mark.parametrize("small", [False, True], ids=["as they come", "small"])
@pytest.mark.parametrize("partitions", [1, 4, 16])
def test_ranges_and_slices_change_nothing(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, partitions: int, *, small: bool
) -> None:
    for name, value in SMALL.items() if small else ():
        monkeypatch.setattr(name, value)
    run_inline(config_of(base.corpus, tmp_path, execution={"partitions": partitions}))
    assert published_bytes(tmp_path / "out") == base.published
    assert ledger(tmp_path / "work").equals(base.ledger)


def test_neither_do_names_and_order_of_the_objects(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(name, value)
    (tmp_path / "corpus").mkdir()
    for number, path in enumerate(sorted(base.corpus.iterdir())):
        shutil.copy(path, tmp_path / "corpus" / f"renamed-{OBJECTS - number}.jsonl")
    run_inline(config_of(tmp_path / "corpus", tmp_path))
    assert published_bytes(tmp_path / "out") == base.published


def test_parts_by_range_of_ids_hold_every_kept_document_once_and_in_order(base: Base, tmp_path: Path) -> None:
    run_inline(config_of(base.corpus, tmp_path, publish={"shard_bytes": 2_000}))
    parts = [pl.read_parquet(path)["id"].to_list() for path in sorted((tmp_path / "out/current/data").iterdir())]
    assert len(parts) > 3
    ids = [id_ for part in parts for id_ in part]
    assert ids == sorted(ids)
    whole = pl.read_parquet(sorted((base.corpus.parent / "run/out/current/data").iterdir()))
    assert ids == whole["id"].to_list()
