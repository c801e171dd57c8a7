import random
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from curate import minhash
from curate.config import ExecutionConfig, MinhashConfig
from curate.lineage import text_hash
from curate.shingles import shingles_of
from curate.stages import dedup
from curate.storage import Store
from curate.text.buffers import text_buffers
from tests.curate.stages_harness import document, part, rows_of, run_inline

WORDS = [f"{a}{b}" for a in "bcdfghklmnprst" for b in ("a", "e", "i", "o", "u", "ar", "el", "in")]


def edited(text: str, share: float, rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) if rng.random() < share else word for word in text.split())


def families(seed: int, originals: int = 25) -> list[str]:
    """Originals, each with copies that have 1, 3 and 30 % of their words replaced."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(40, 200))) for _ in range(originals)]
    return [t for text in texts for t in (text, *(edited(text, share, rng) for share in (0.01, 0.03, 0.3)))]


def similarity(a: str, b: str) -> float:
    """Jaccard of 5-word shingles, written without the code under test; right for words of plain letters."""
    sets = [{tuple(t.split()[i : i + 5]) for i in range(max(1, len(t.split()) - 4))} for t in (a, b)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def edges(
    store: Store, splits: Sequence[Sequence[str]], config: MinhashConfig, partitions: int | None = None
) -> pl.DataFrame:
    parts = [part(store, f"object {i}", [document(text) for text in texts]) for i, texts in enumerate(splits)]

    execution = ExecutionConfig(partitions=partitions, batch_documents=7)
    signed = dedup.signed_parts(parts, run_inline(store, dedup.sign_tasks(parts, config, execution)))
    candidates = run_inline(store, dedup.candidate_tasks(signed, config, execution))
    found = run_inline(store, dedup.verify_tasks(store, signed, candidates, config))
    rows = rows_of(store, found, "edges")
    return rows.select("a", "b", "similarity").sort("a", "b") if len(rows) else rows


def test_an_edge_is_a_pair_at_or_above_the_bound_with_its_exact_similarity(tmp_path: Path) -> None:
    texts = families(1)
    found = edges(Store(tmp_path), [texts[::2], texts[1::2]], MinhashConfig())
    truth = {
        tuple(sorted((text_hash(a), text_hash(b)))): s
        for a, b in combinations(texts, 2)
        if (s := similarity(a, b)) >= 0.75
    }
    got = {(a, b): s for a, b, s in found.iter_rows()}
    assert got.items() <= truth.items()
    expected = sum(minhash.probability(s, 14, 8) for s in truth.values())
    spread = 5 * np.sqrt(len(truth))
    assert len(truth) > 30
    assert len(got) >= expected - spread


@pytest.mark.parametrize("partitions", [2, 4, 16])
def test_ranges_of_keys_change_no_edge(tmp_path: Path, partitions: int) -> None:
    texts = families(2)
    one = edges(Store(tmp_path / "1"), [texts], MinhashConfig())
    several = edges(Store(tmp_path / "n"), [texts], MinhashConfig(), partitions)
    assert one.equals(several)
    assert len(one) > 20


def test_neither_do_the_splits_nor_their_order(tmp_path: Path) -> None:
    texts = families(3)
    shuffled = random.Random(0).sample(texts, len(texts))
    one = edges(Store(tmp_path / "1"), [texts], MinhashConfig())
    other = edges(Store(tmp_path / "2"), [shuffled[:10], shuffled[10:11], [], shuffled[11:]], MinhashConfig())
    assert one.equals(other)


def test_verification_is_cut_into_slices_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = families(4)
    whole = edges(Store(tmp_path / "1"), [texts], MinhashConfig())
    for name, value in {
        "FEW_PAIRS": 7,
        "PAIRS_PER_TASK": 7,
        "PAIRS_GROUP_ROWS": 4,
        "BLOCK_BITS": 2,
        "SLICE_BYTES": 2000,
    }.items():
        monkeypatch.setattr(dedup, name, value)
    assert edges(Store(tmp_path / "2"), [texts], MinhashConfig()).equals(whole)


def test_texts_without_words_and_equal_texts_have_no_edge(tmp_path: Path) -> None:
    same = " ".join(WORDS[:60])
    assert edges(Store(tmp_path), [["!!!", "...", "?", same], [same, "-"]], MinhashConfig()).is_empty()


def test_a_corpus_without_a_document(tmp_path: Path) -> None:
    assert edges(Store(tmp_path), [[]], MinhashConfig()).is_empty()


def test_texts_that_differ_in_case_and_punctuation_alone_are_near_duplicates(tmp_path: Path) -> None:
    text = " ".join(WORDS[:60])
    found = edges(Store(tmp_path), [[text], [text.upper() + "!"]], MinhashConfig())
    assert found["similarity"].to_list() == [1.0]


def test_a_large_bucket_costs_leaders_not_squares(tmp_path: Path) -> None:
    template = " ".join(WORDS)
    texts = [f"{template} page {WORDS[i]}" for i in range(60)]
    store = Store(tmp_path)
    found = edges(store, [texts], MinhashConfig(leaders=4))
    # Each of the buckets that the 14 bands make of the template costs at most 4 pairs a text, not all 1,770.
    assert len(found) < 1770 / 3
    # Every text has an edge to the leader that all are compared with.
    degree = pl.concat([found["a"], found["b"]]).value_counts()["count"]
    assert degree.max() == 59


@pytest.mark.parametrize(
    "settings",
    [{"preset": "dolma3"}, {"preset": "nemo"}, {"shingle": {"normalise": ["lower"]}}, {"min_shingles": 100}],
    ids=["dolma3", "nemo", "fewer steps", "short texts"],
)
def test_edges_are_of_the_shingles_that_the_config_asks_for(tmp_path: Path, settings: dict[str, Any]) -> None:
    texts = list(dict.fromkeys(families(5, originals=6)))
    config = MinhashConfig(**settings, bands=60, rows=3, min_similarity=0.5)
    found = edges(Store(tmp_path), [texts], config)
    buffers = text_buffers(pa.chunked_array([pa.array(texts, pa.large_string())]))
    pairs = np.array(list(combinations(range(len(texts)), 2)))
    exact = minhash.overlaps(*minhash.shingle_sets(*buffers, shingles_of(config)), pairs).jaccard
    truth = {
        tuple(sorted((text_hash(texts[i]), text_hash(texts[j])))): s
        for (i, j), s in zip(pairs.tolist(), exact, strict=True)
        if s >= 0.5
    }
    assert {(a, b): s for a, b, s in found.iter_rows()} == truth
