import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import clusters
from curate.clusters import Status


@st.composite
def graphs(draw):
    n = draw(st.integers(1, 14))
    numbers = st.integers(0, n - 1)
    edges = draw(st.lists(st.tuples(numbers, numbers).filter(lambda edge: edge[0] != edge[1]), max_size=40))
    rank = draw(st.permutations(range(n)))
    eligible = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return np.array(edges, np.int64).reshape(-1, 2), np.array(rank, np.int64), np.array(eligible)


def greedy(edges, rank, eligible):
    """The definition: from the best rank on, keep what has no edge to a keeper."""
    near = [{int(y) for edge in edges for x, y in (edge, edge[::-1]) if x == i} for i in range(len(rank))]
    keeper, status = list(range(len(rank))), [Status.INELIGIBLE] * len(rank)
    for i in np.argsort(rank).tolist():
        if eligible[i]:
            kept = [j for j in near[i] if status[j] == Status.KEEPER]
            keeper[i] = min(kept, key=lambda j: rank[j], default=i)
            status[i] = Status.REMOVED if kept else Status.KEEPER
    return keeper, status


@given(graphs())
@settings(deadline=None)  # the first call compiles
def test_keepers_are_those_of_the_sequential_walk(graph):
    got = clusters.keepers(*graph)
    assert (got.keeper.tolist(), got.status.tolist()) == greedy(*graph)


@given(graphs())
@settings(deadline=None)  # the first call compiles
def test_a_removed_document_has_an_edge_to_its_keeper_and_no_two_keepers_share_one(graph):
    edges, rank, eligible = graph
    keeper, status = clusters.keepers(edges, rank, eligible)
    joined = {frozenset(edge) for edge in edges.tolist()}
    for i in np.flatnonzero(status == Status.REMOVED).tolist():
        assert frozenset([i, int(keeper[i])]) in joined
        assert status[keeper[i]] == Status.KEEPER
        assert rank[keeper[i]] < rank[i]
    assert not any(status[x] == status[y] == Status.KEEPER for x, y in edges)
    np.testing.assert_array_equal(status == Status.INELIGIBLE, ~eligible)


@given(graphs(), st.randoms(use_true_random=False))
@settings(deadline=None)  # the first call compiles
def test_keepers_do_not_depend_on_numbers_or_on_the_order_of_edges(graph, random):
    edges, rank, eligible = graph
    number = np.array(random.sample(range(len(rank)), len(rank)))
    other_rank, other_eligible = np.empty_like(rank), np.empty_like(eligible)
    other_rank[number], other_eligible[number] = rank, eligible
    other_edges = number[edges][random.sample(range(len(edges)), len(edges)), ::-1]
    keeper, status = clusters.keepers(edges, rank, eligible)
    other_keeper, other_status = clusters.keepers(other_edges, other_rank, other_eligible)
    np.testing.assert_array_equal(number[keeper], other_keeper[number])
    np.testing.assert_array_equal(status, other_status[number])


def test_keepers_of_a_long_chain_alternate():
    n = 100_001
    chain = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    keeper, status = clusters.keepers(chain, np.arange(n), np.ones(n, np.bool_))
    np.testing.assert_array_equal(status == Status.KEEPER, np.arange(n) % 2 == 0)
    np.testing.assert_array_equal(keeper, np.arange(n) // 2 * 2)


def test_when_the_best_copy_is_not_eligible_the_next_one_stays():
    edges = np.array([[0, 1], [0, 2], [1, 2]])
    keeper, status = clusters.keepers(edges, np.array([0, 1, 2]), np.array([False, True, True]))
    assert keeper.tolist() == [0, 1, 1]
    assert status.tolist() == [Status.INELIGIBLE, Status.KEEPER, Status.REMOVED]


@st.composite
def tables(draw):
    n = draw(st.integers(1, 12))
    rows = draw(st.lists(st.tuples(st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.integers(0, n - 1)), max_size=40))
    rank = draw(st.permutations(range(n)))
    keys, docs = np.array([r[0] for r in rows], np.uint64), np.array([r[1] for r in rows], np.int64)
    return keys, docs, np.array(rank, np.int64) * 7 - 20


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
    pairs, left_out = clusters.candidate_pairs(*table, leaders=leaders)
    assert ([tuple(p) for p in pairs.tolist()], left_out) == expected_pairs(*table, leaders)
    assert pairs.dtype == np.int64
    assert pairs.shape[1:] == (2,)


@given(tables(), st.randoms(use_true_random=False))
@settings(deadline=None)  # the first call compiles
def test_candidates_do_not_depend_on_the_order_of_rows(table, random):
    keys, docs, rank = table
    order = random.sample(range(len(keys)), len(keys))
    pairs, left_out = clusters.candidate_pairs(keys, docs, rank, leaders=2)
    again, left_out_again = clusters.candidate_pairs(keys[order], docs[order], rank, leaders=2)
    np.testing.assert_array_equal(pairs, again)
    assert left_out == left_out_again


def test_a_crowded_bucket_costs_its_leaders_only():
    n = 20_000
    pairs, left_out = clusters.candidate_pairs(np.full(n, 5, np.uint64), np.arange(n), np.arange(n)[::-1], leaders=16)
    assert len(pairs) == 16 * (n - 16) + 16 * 15 // 2
    assert left_out == n * (n - 1) // 2 - len(pairs)
    assert (pairs[:, 1] >= n - 16).all()


EDGE = np.array([[0, 1]])
ROWS = np.array([3, 3], np.uint64), np.array([0, 1])
ALL = np.ones(2, np.bool_)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clusters.keepers(EDGE, np.array([4, 4]), ALL), "documents [0, 1] share rank 4"),
        (lambda: clusters.keepers(EDGE + 1, np.arange(2), ALL), "edges: got document numbers 1..2, expected 0..1"),
        (lambda: clusters.keepers(EDGE * 0, np.arange(2), ALL), "edges[0]: joins document 0 to itself"),
        (lambda: clusters.keepers(EDGE, np.arange(2), ALL[:1]), "eligible: got 1 entries, expected one for each of 2"),
        (lambda: clusters.candidate_pairs(*ROWS, np.array([4, 4])), "documents [0, 1] share rank 4"),
        (lambda: clusters.candidate_pairs(*ROWS, np.arange(1)), "docs: got document numbers 0..1, expected 0..0"),
        (lambda: clusters.candidate_pairs(ROWS[0][:1], ROWS[1], np.arange(2)), "got 1 keys and 2 docs"),
        (lambda: clusters.candidate_pairs(*ROWS, np.arange(2), leaders=0), "leaders: got 0, expected at least 1"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
