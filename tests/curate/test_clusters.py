import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import clusters


@st.composite
def graphs(draw):
    n = draw(st.integers(1, 14))
    numbers = st.integers(0, n - 1)
    edges = draw(st.lists(st.tuples(numbers, numbers).filter(lambda edge: edge[0] != edge[1]), max_size=40))
    rank = draw(st.permutations(range(n)))
    cut = draw(st.integers(0, len(edges)))
    arrays = [np.array(some, np.int64).reshape(-1, 2) for some in (edges[:cut], edges[cut:])]
    return arrays, np.array(rank, np.int64)


def greedy(edges, rank):
    """The definition: from the best rank on, keep what has no edge to a keeper."""
    joined = [edge for some in edges for edge in some.tolist()]
    near = [{y for edge in joined for x, y in (edge, edge[::-1]) if x == i} for i in range(len(rank))]
    keeper, kept = list(range(len(rank))), set()
    for i in np.argsort(rank).tolist():
        keeper[i] = min(near[i] & kept, key=lambda j: rank[j], default=i)
        kept |= {i} if keeper[i] == i else set()
    return keeper


@given(graphs())
@settings(deadline=None)  # the first call compiles
def test_keepers_are_those_of_the_sequential_walk(graph):
    assert clusters.keepers(*graph).tolist() == greedy(*graph)


@given(graphs())
@settings(deadline=None)  # the first call compiles
def test_a_removed_document_has_an_edge_to_its_keeper_and_no_two_keepers_share_one(graph):
    edges, rank = graph
    keeper = clusters.keepers(edges, rank)
    joined = {frozenset(edge) for some in edges for edge in some.tolist()}
    for i in range(len(rank)):
        assert keeper[i] == i or frozenset((i, int(keeper[i]))) in joined
    assert not any(keeper[x] == x and keeper[y] == y for some in edges for x, y in some)


@given(graphs(), st.randoms(use_true_random=False))
@settings(deadline=None)  # the first call compiles
def test_keepers_do_not_depend_on_numbers_or_on_the_order_of_edges(graph, random):
    edges, rank = np.concatenate(graph[0]), graph[1]
    number = np.array(random.sample(range(len(rank)), len(rank)))
    other_rank = np.empty_like(rank)
    other_rank[number] = rank
    other_edges = number[edges][random.sample(range(len(edges)), len(edges)), ::-1]
    keeper = clusters.keepers([edges], rank)
    np.testing.assert_array_equal(number[keeper], clusters.keepers([other_edges], other_rank)[number])


def test_keepers_of_a_long_chain_alternate():
    n = 100_001
    chain = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    np.testing.assert_array_equal(clusters.keepers([chain], np.arange(n)), np.arange(n) // 2 * 2)


@given(graphs(), st.data())
@settings(deadline=None)  # the first call compiles
def test_a_document_is_resolved_to_one_with_its_text_or_with_a_text_joined_to_its_own(graph, data):
    edges, rank = graph
    text = np.array(data.draw(st.lists(st.integers(0, len(rank)), min_size=len(rank), max_size=len(rank))), np.int64)
    claims = clusters.Claims(text, (rank // 2, rank))
    resolved = clusters.resolve(claims, edges)
    joined = {frozenset(edge) for some in edges for edge in some.tolist()}
    for i, keeper in enumerate(resolved.keeper.tolist()):
        assert resolved.keeper[keeper] == keeper
        assert resolved.exact[i] == (text[i] == text[keeper])
        assert resolved.exact[i] or frozenset((int(text[i]), int(text[keeper]))) in joined
        assert rank[keeper] <= rank[i] or not resolved.exact[i]
    known = {x for edge in joined for x in edge}
    similarity = clusters.similarities(claims, resolved, [(some, some.sum(axis=1) / 100) for some in edges])
    for i, keeper in enumerate(resolved.keeper.tolist()):
        assert similarity[i] == (1.0 if resolved.exact[i] else (text[i] + text[keeper]) / 100)
    kept = set(resolved.keeper.tolist())
    kept_texts = {int(text[k]) for k in kept}
    expected = set()
    for x, y in (pair for edge in joined for pair in (tuple(edge), tuple(edge)[::-1])):
        if x in kept_texts and y in set(text.tolist()) - kept_texts and x in known:
            keeper_of_y = int(text[resolved.keeper[np.flatnonzero(text == y)[0]]])
            expected |= {tuple(sorted((x, keeper_of_y)))} if x != keeper_of_y else set()
    found = clusters.neighbours_of_removed(claims, resolved, edges)
    assert [tuple(pair) for pair in found.tolist()] == sorted(expected)


@st.composite
def tables(draw):
    n = draw(st.integers(1, 12))
    rows = draw(st.lists(st.tuples(st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.integers(0, n - 1)), max_size=40))
    rank = draw(st.permutations(range(n)))
    keys, docs = np.array([r[0] for r in rows], np.uint64), np.array([r[1] for r in rows], np.int64)
    return keys, docs, np.array(rank, np.int64) * 7 - 20


def all_pairs(keys, docs, rank, *, leaders):
    found = clusters.candidate_pairs(keys, docs, rank, leaders=leaders)
    arrays = [np.empty((0, 2), np.int64), *found.pairs]
    return np.unique(np.concatenate(arrays), axis=0), found.not_compared


def expected_pairs(keys, docs, rank, leaders):
    pairs, left_out = set(), 0
    for key in set(keys.tolist()):
        bucket = sorted({int(d) for k, d in zip(keys, docs, strict=True) if k == key}, key=lambda d: rank[d])
        compared = {frozenset(p) for p in combinations(bucket, 2) if p[0] in bucket[:leaders]}
        pairs |= {tuple(sorted(p)) for p in compared}
        left_out += len(bucket) * (len(bucket) - 1) // 2 - len(compared)
    return sorted(pairs), left_out


@given(tables(), st.integers(1, 5))
@settings(deadline=None)  # the first call compiles
def test_candidates_are_the_leaders_of_each_bucket_with_all_others(table, leaders):
    pairs, left_out = all_pairs(*table, leaders=leaders)
    assert ([tuple(p) for p in pairs.tolist()], left_out) == expected_pairs(*table, leaders)
    assert pairs.dtype == np.int64
    assert pairs.shape[1:] == (2,)


@given(tables(), st.randoms(use_true_random=False))
@settings(deadline=None)  # the first call compiles
def test_candidates_do_not_depend_on_the_order_of_rows(table, random):
    keys, docs, rank = table
    order = random.sample(range(len(keys)), len(keys))
    pairs, left_out = all_pairs(keys, docs, rank, leaders=2)
    again, left_out_again = all_pairs(keys[order], docs[order], rank, leaders=2)
    np.testing.assert_array_equal(pairs, again)
    assert left_out == left_out_again


def test_a_crowded_bucket_costs_its_leaders_only():
    n = 20_000
    pairs, left_out = all_pairs(np.full(n, 5, np.uint64), np.arange(n), np.arange(n)[::-1], leaders=16)
    assert len(pairs) == 16 * (n - 16) + 16 * 15 // 2
    assert left_out == n * (n - 1) // 2 - len(pairs)
    assert (pairs[:, 1] >= n - 16).all()


EDGE = np.array([[0, 1]])
ROWS = np.array([3, 3], np.uint64), np.array([0, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clusters.keepers([EDGE], np.array([4, 4])), "documents [0, 1] share rank 4"),
        (lambda: clusters.keepers([EDGE + 1], np.arange(2)), "edges: got document numbers 1..2, expected 0..1"),
        (lambda: clusters.keepers([EDGE * 0], np.arange(2)), "edges[0]: joins document 0 to itself"),
        (lambda: clusters.candidate_pairs(*ROWS, np.array([4, 4])), "documents [0, 1] share rank 4"),
        (lambda: clusters.candidate_pairs(*ROWS, np.arange(1)), "docs: got document numbers 0..1, expected 0..0"),
        (lambda: clusters.candidate_pairs(ROWS[0][:1], ROWS[1], np.arange(2)), "got 1 keys and 2 docs"),
        (lambda: clusters.candidate_pairs(*ROWS, np.arange(2), leaders=0), "leaders: got 0, expected at least 1"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
