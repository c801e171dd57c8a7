import json
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.decisions import fraction_bound, select
from curate.errors import CurateError
from tests.curate.decided import (
    ALPHA,
    BOUNDS,
    KEEP,
    WORDS,
    config,
    corpora,
    decided,
    doc,
    edges,
    facts,
    graphs,
    judged_by,
    reasons,
    scores,
)


@given(corpora())
def test_equal_ids_fold_into_the_oldest(rows):
    table = decided(rows, [])
    assert table["id"].to_list() == [row["id"] for row in rows]
    stays = table.filter(pl.col("reason").ne_missing("duplicate_id"))
    assert sorted(stays["id"]) == sorted({row["id"] for row in rows})
    for row in stays.iter_rows(named=True):
        dates = [r["date"] for r in rows if r["id"] == row["id"] and r["date"]]
        assert row["date"] == (min(dates) if dates else None)


@given(corpora(), st.sampled_from([None, ["eng_Latn"], ["deu_Latn", "und"]]))
def test_the_first_broken_rule_is_the_reason(rows, languages):
    for row in decided(rows, [], languages=languages).iter_rows(named=True):
        broken = []
        if languages and row["lang"] not in languages:
            broken.append(f"language={row['lang']}")
        if row[WORDS] < 20:
            broken.append(f"length.words={row[WORDS]} < 20.0")
        if row[WORDS] > 100:
            broken.append(f"length.words={row[WORDS]} > 100.0")
        if row[ALPHA] < 0.8:
            broken.append(f"gopher.alpha_word_ratio={row[ALPHA]} < 0.8")
        if row["reason"] != "duplicate_id":
            by_rule = row["reason"] if row["reason"] and not row["reason"].startswith("dedup.") else None
            assert by_rule == (broken[0] if broken else None)
        assert row["status"] == ("kept" if row["reason"] is None else "rejected")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_value_in_a_reason_reads_back(value):
    settings = config(measure=[{"filter": "length.words", "keep": {"min": 1e9}}])
    [reason] = reasons(select(facts([doc(1, **{WORDS: value})]), None, None, settings, judged=False))
    if value >= 1e9:
        assert reason is None
    else:
        assert float(reason.partition("=")[2].partition(" < ")[0]) == value
        assert float(reason.partition(" < ")[2]) == 1e9


@given(corpora(), graphs, st.dictionaries(st.integers(0, 7), st.one_of(st.none(), st.floats(1, 5))))
def test_judging_only_takes_away_and_orphans_follow_their_keeper(rows, graph, given_scores):
    settings = judged_by(KEEP, measure=BOUNDS, dedup={"minhash": {}})
    table, links = facts(rows), edges(*graph)
    before = select(table, links, None, settings, judged=False)
    after = select(table, links, scores(given_scores), settings, judged=True)
    by_id = {r["id"]: r for r in after.iter_rows(named=True) if r["reason"] != "duplicate_id"}
    for was, now in zip(before.iter_rows(named=True), after.iter_rows(named=True), strict=True):
        assert was["cluster_id"] == now["cluster_id"]
        if was["reason"] is None:
            assert now["quality_status"] is not None
            quality, status = now["quality"], now["quality_status"]
            missing = None if status == "not_sampled" else f"judge.quality=missing ({status})"
            expected = missing if quality is None else f"judge.quality={quality} < 2.0" if quality < 2 else None
            assert now["reason"] == expected
        elif was["reason"].startswith("dedup."):
            keeper_left = by_id[now["cluster_id"]]["reason"] is not None
            orphaned = f"dedup.keeper_rejected={now['cluster_id'].hex()}"
            assert now["reason"] == (orphaned if keeper_left else was["reason"])
        else:
            assert now["reason"] == was["reason"]


@pytest.mark.parametrize(("status", "key"), [(None, "not_sampled"), ("unparsable", "failed")])
@pytest.mark.parametrize("action", ["keep", "reject", "stop"])
def test_missing_score_by_status(status, key, action):
    other = {"not_sampled": "failed", "failed": "not_sampled"}[key]
    settings = judged_by({"min": 2.0, "missing": {key: action, other: "keep"}})
    given_scores = scores({} if status is None else {1: None})
    if action == "stop":
        with pytest.raises(CurateError, match=f"1 documents have no score .{status or 'not_sampled'}"):
            select(facts([doc(1)]), None, given_scores, settings, judged=True)
        return
    table = select(facts([doc(1)]), None, given_scores, settings, judged=True)
    expected = None if action == "keep" else f"judge.quality=missing ({status or 'not_sampled'})"
    assert reasons(table) == [expected]
    assert table["quality"].to_list() == [None]


def test_a_stop_ignores_documents_that_left_before():
    settings = judged_by({"min": 2.0, "missing": {"not_sampled": "stop", "failed": "stop"}}, measure=BOUNDS)
    table = select(facts([doc(1, **{WORDS: 1.0}), doc(2)]), None, scores({2: 3.0}), settings, judged=True)
    assert table["status"].to_list() == ["rejected", "kept"]


@given(st.lists(st.floats(-10, 10), max_size=40), st.floats(0, 1))
def test_keep_fraction_keeps_the_top_rounded_up(values, fraction):
    bound = fraction_bound(pl.Series(values, dtype=pl.Float64), fraction)
    if not values:
        assert bound is None
        return
    kept = sorted((v for v in values if v >= bound), reverse=True)
    wanted = sorted(values, reverse=True)[: math.ceil(fraction * len(values))]
    assert kept[: len(wanted)] == wanted
    assert all(v == bound for v in kept[len(wanted) :])


@pytest.mark.parametrize(("fraction", "rows", "kept"), [(0.07, 100, 7), (0.29, 100, 29), (0.1, 30, 3), (0.55, 20, 11)])
def test_keep_fraction_is_the_decimal_that_the_config_says(fraction, rows, kept):
    """0.07 * 100 is 7.000000000000001 in floating point: rounded up, an eighth document stayed."""
    values = pl.Series(range(rows), dtype=pl.Float64)
    bound = fraction_bound(values, fraction)
    assert (values >= bound).sum() == kept


def test_keep_fraction_of_nothing_and_of_zero():
    settings = config(measure=[{"filter": "length.words", "keep": {"keep_fraction": 0.0}}])
    assert select(facts([]), None, None, settings, judged=False).is_empty()
    table = select(facts([doc(1)]), None, None, settings, judged=False)
    assert reasons(table) == ["length.words=50.0 < inf"]


def test_keep_fraction_does_not_count_a_record_twice():
    measure = [{"filter": "length.words", "keep": {"keep_fraction": 0.5}}]
    rows = [doc(1, 0, **{WORDS: 90.0}), doc(1, 1, **{WORDS: 90.0}), doc(2, **{WORDS: 40.0})]
    table = select(facts(rows), None, None, config(measure=measure), judged=False)
    assert [r["reason"] for r in table.iter_rows(named=True)] == [None, "duplicate_id", "length.words=40.0 < 90.0"]


def test_decisions_are_json_safe_in_their_reasons():
    rows = [doc(1, lang='x"\\\n')]
    [reason] = reasons(select(facts(rows), None, None, config(languages=["eng_Latn"]), judged=False))
    assert json.loads(json.dumps(reason)) == 'language=x"\\\n'


OWN = {
    "de": {"length.words": {"min": 5}, "gopher.alpha_word_ratio": {"min": None}},
    "und": {"length.words": {"max": 40}},
}


@given(corpora())
def test_a_document_meets_the_bounds_of_its_language(rows):
    table = decided(rows, [], dedup=None, by_language=OWN)
    limits = {"eng_Latn": (20.0, 100.0, 0.8), "deu_Latn": (5.0, 100.0, None), "und": (20.0, 40.0, 0.8)}
    for row in table.filter(pl.col("reason").ne_missing("duplicate_id")).iter_rows(named=True):
        low, high, alpha = limits[row["lang"]]
        words, share = row[WORDS], row[ALPHA]
        expected = (
            f"length.words={words} < {low}" if words < low
            else f"length.words={words} > {high}" if words > high
            else f"gopher.alpha_word_ratio={share} < {alpha}" if alpha is not None and share < alpha
            else None
        )  # fmt: skip
        assert row["reason"] == expected


def test_a_document_without_a_language_meets_the_bounds_of_all_others():
    table = decided([doc(1, lang=None, **{WORDS: 10.0})], [], by_language=OWN)
    assert reasons(table) == ["length.words=10.0 < 20.0"]


def test_a_measure_without_bounds_may_be_bounded_in_one_language():
    rows = [doc(1), doc(2, lang="deu_Latn")]
    measure, table = [{"filter": "length.words"}], {"de": {"length.words": {"max": 40}}}
    assert reasons(decided(rows, [], measure=measure, by_language=table)) == [None, "length.words=50.0 > 40.0"]
