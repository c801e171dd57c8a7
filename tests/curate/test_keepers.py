import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.decisions import select
from tests.curate.decided import (
    BOUNDS,
    DATES,
    WORDS,
    config,
    corpora,
    decided,
    doc,
    edges,
    facts,
    graphs,
    name,
    reasons,
)


def policy(row: dict[str, Any]) -> tuple[Any, ...]:
    dated = (1, 0) if row["date"] is None else (0, row["date"].timestamp())
    return ("ba".index(row["source"]), row["is_synthetic"], -row["text_chars"], dated, row["id"])


@given(corpora(), graphs)
def test_a_removed_document_is_like_a_better_one_that_stays(rows, graph):
    table = decided(rows, graph)
    by_id = {r["id"]: r for r in table.iter_rows(named=True) if r["reason"] != "duplicate_id"}
    similarity = {frozenset((name(1000 + i), name(1000 + j))): s for i, j, s in graph}
    passed = [r for r in by_id.values() if r["reason"] is None or r["reason"].startswith("dedup.")]
    for row in passed:
        keeper = by_id[row["cluster_id"]]
        assert keeper["reason"] is None
        assert keeper["cluster_id"] == keeper["id"]
        assert row["dup_count"] == sum(r["cluster_id"] == row["cluster_id"] for r in passed)
        if row["id"] == keeper["id"]:
            assert row["similarity"] is None
            continue
        assert policy(keeper) < policy(row)
        if row["text_hash"] == keeper["text_hash"]:
            assert row["reason"] == f"dedup.exact_copy_of={keeper['id'].hex()}"
            assert row["similarity"] == 1.0
        else:
            assert row["similarity"] == similarity[frozenset((row["text_hash"], keeper["text_hash"]))]
            assert row["reason"] == f"dedup.similarity={row['similarity']} >= 0.75 to {keeper['id'].hex()}"
    kept = [r["text_hash"] for r in passed if r["reason"] is None]
    assert len(set(kept)) == len(kept)
    assert not any(pair <= set(kept) for pair in similarity)
    for row in table.iter_rows(named=True):
        if row["reason"] and not row["reason"].startswith("dedup."):
            assert row["cluster_id"] is None


@given(corpora(), graphs, st.randoms(use_true_random=False))
def test_order_of_rows_and_edges_does_not_matter(rows, graph, chance: random.Random):
    shuffled, turned = list(rows), [(j, i, s) for i, j, s in graph]
    chance.shuffle(shuffled)
    chance.shuffle(turned)
    one = decided(rows, graph).sort("part", "row")
    other = decided(shuffled, turned).sort("part", "row")
    assert one.equals(other)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"source": "b"}, {"source": "a", "text_chars": 999}),
        ({}, {"is_synthetic": True, "text_chars": 999}),
        ({"text_chars": 101}, {"date": DATES[1]}),
        ({"date": DATES[1]}, {"date": DATES[2]}),
        ({"date": DATES[2]}, {"date": None}),
        ({}, {}),
    ],
)
def test_keeper_policy_in_order(better, worse):
    rows = [doc(2, text=2, **worse), doc(1, text=1, **better)]
    settings = config(dedup={"minhash": {}, "source_priority": ["b"]})
    table = select(facts(rows), edges((1, 2, 0.9)), None, settings, judged=False)
    assert reasons(table) == [f"dedup.similarity=0.9 >= 0.75 to {name(1).hex()}", None]


@pytest.mark.parametrize(
    ("prefer", "kept"),
    [([], 1), (["shortest"], 2), (["longest"], 3), (["newest"], 1), (["oldest", "longest"], 2), (["source"], 4),
     (["real", "newest", "source"], 3)],
)  # fmt: skip
def test_the_first_criterion_that_tells_two_apart_decides(prefer, kept):
    rows = [
        doc(1, text=1, date=DATES[2], text_chars=50, is_synthetic=True),
        doc(2, text=1, date=DATES[1], text_chars=40),
        doc(3, text=1, date=DATES[2], text_chars=60),
        doc(4, text=1, source="b", text_chars=50),
    ]
    settings = config(dedup={"source_priority": ["b"], "prefer": prefer})
    table = select(facts(rows), None, None, settings, judged=False)
    assert table.filter(pl.col("status") == "kept")["id"].to_list() == [name(kept)]


def test_a_document_that_failed_a_bound_removes_nobody():
    rows = [doc(1, text_chars=900, **{WORDS: 5.0}), doc(2)]
    settings = config(measure=BOUNDS, dedup={"minhash": {}})
    table = select(facts(rows), edges((1, 2, 1.0)), None, settings, judged=False)
    assert reasons(table) == ["length.words=5.0 < 20.0", None]


def test_a_chain_leaves_both_ends():
    rows = [doc(n, text_chars=1000 - n) for n in (1, 2, 3)]
    table = select(facts(rows), edges((1, 2, 0.8), (2, 3, 0.8)), None, config(dedup={"minhash": {}}), judged=False)
    assert [r is None for r in reasons(table)] == [True, False, True]


def test_equal_texts_fold_without_minhash_and_stay_without_dedup():
    rows = [doc(1, text=5), doc(2, text=5)]
    exact = select(facts(rows), None, None, config(dedup={}), judged=False)
    assert reasons(exact) == [None, f"dedup.exact_copy_of={name(1).hex()}"]
    off = select(facts(rows), None, None, config(), judged=False)
    assert reasons(off) == [None, None]
    assert off["cluster_id"].to_list() == [name(1), name(2)]
    assert off.columns == exact.columns


@given(corpora(), graphs, st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_of_one_address_the_best_stays_and_its_copies_leave_as_copies(rows, graph, page_of):
    addresses = (None, "http://www.x.org/a/", "https://x.org/a?utm_source=b", "http://x.org/b")
    rows = [row | {"url": addresses[page_of[int.from_bytes(row["id"], "big")]]} for row in rows]
    settings = {"dedup": {"minhash": {}, "url": True, "source_priority": ["b", "a"]}}
    table = decided(rows, graph, **settings)
    passed = [r for r in table.iter_rows(named=True) if r["reason"] is None or r["reason"].startswith("dedup.")]
    by_id = {r["id"].hex(): r for r in passed}
    pages = {"http://www.x.org/a/": "a", "https://x.org/a?utm_source=b": "a", "http://x.org/b": "b"}
    for row in passed:
        same = [r for r in passed if r["url"] and row["url"] and pages[r["url"]] == pages[row["url"]]]
        best = min(same, key=policy) if same else row
        leaves = best["text_hash"] != row["text_hash"]
        assert (row["reason"] or "").startswith("dedup.same_url_as=") == leaves
        if leaves:
            assert row["reason"] == f"dedup.same_url_as={best['id'].hex()}"
            assert (row["cluster_id"], row["similarity"]) == (None, None)
        else:
            assert by_id[row["cluster_id"].hex()]["reason"] is None
    left = [r["id"] for r in passed if r["cluster_id"] is None]
    without = decided([row for row in rows if row["id"] not in left], graph, **settings)
    seen = ["part", "row", "id", "reason", "cluster_id", "dup_count", "similarity"]
    staying = table.filter(~pl.col("id").is_in(left))
    assert without.select(seen).sort(seen[:2]).equals(staying.select(seen).sort(seen[:2]))
