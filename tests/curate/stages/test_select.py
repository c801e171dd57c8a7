import json
import math
import random
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.config import RunConfig
from curate.decisions import fraction_bound, select
from curate.errors import CurateError

WORDS, ALPHA = "length.words@provider.1", "gopher.alpha_word_ratio@datatrove.1"
LANGUAGES = ("eng_Latn", "deu_Latn", "und")
DATES = (None, datetime(2020, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC))

SCHEMA = {
    "id": pl.Binary, "text_hash": pl.Binary, "url": pl.String, "source": pl.String,
    "date": pl.Datetime("ms", "UTC"), "lang": pl.String, "lang_score": pl.Float64, "license": pl.String,
    "is_synthetic": pl.Boolean, "derived_from": pl.List(pl.Binary), "offset": pl.Int64, "end": pl.Int64,
    "text_chars": pl.Int64, WORDS: pl.Float64, ALPHA: pl.Float64, "part": pl.String, "shard": pl.String,
    "row": pl.Int64,
}  # fmt: skip
EDGES = {"a": pl.Binary, "b": pl.Binary, "similarity": pl.Float64}
SCORES = {
    "id": pl.Binary, "quality": pl.Float64, "quality_entropy": pl.Float64, "quality_status": pl.String,
    "quality_source": pl.String, "quality_model": pl.String,
}  # fmt: skip

BOUNDS = [
    {"filter": "length.words", "keep": {"min": 20, "max": 100}},
    {"filter": "gopher.alpha_word_ratio", "keep": {"min": 0.8}},
]
KEEP = {"min": 2.0, "missing": {"not_sampled": "keep", "failed": "reject"}}


def config(**sections: Any) -> RunConfig:
    inputs = [{"source": source, "uri": "x"} for source in ("web", "a", "b")]
    values = {"name": "t", "inputs": inputs, "output": "o", "work": "w", **sections}
    return RunConfig.model_validate(values)


def judged_by(keep: dict[str, Any], **sections: Any) -> RunConfig:
    return config(llm={}, judge={"keep": keep}, **sections)


def name(number: int) -> bytes:
    return number.to_bytes(16, "big")


def doc(number: int, row: int | None = None, **values: Any) -> dict[str, Any]:
    """A document that passes every bound; `text` says which ones have equal texts."""
    text = values.pop("text", number)
    return {
        "id": name(number), "text_hash": name(1000 + text), "url": f"http://x/{number}", "source": "web", "date": None,
        "lang": "eng_Latn", "lang_score": 0.9, "license": None, "is_synthetic": False, "derived_from": [], "offset": 0,
        "end": 1, "text_chars": 100, WORDS: 50.0, ALPHA: 0.9, "part": "p", "shard": "s",
        "row": number if row is None else row, **values,
    }  # fmt: skip


def facts(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA)


def edges(*pairs: tuple[int, int, float]) -> pl.DataFrame:
    rows = [(*sorted((name(1000 + i), name(1000 + j))), similarity) for i, j, similarity in pairs]
    return pl.DataFrame(rows, schema=EDGES, orient="row")


def scores(values: dict[int, float | None]) -> pl.DataFrame:
    rows = [
        {"id": name(n), "quality": q, "quality_status": "unparsable" if q is None else "scored"}
        for n, q in values.items()
    ]
    return pl.DataFrame(rows, schema=SCORES)


def reasons(table: pl.DataFrame) -> list[str | None]:
    return table["reason"].to_list()


@st.composite
def corpora(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to 12 rows over 8 records and 5 texts: a record has one text, but may be stored twice with other dates."""
    text_of = draw(st.lists(st.integers(0, 4), min_size=8, max_size=8))
    size_of = draw(st.lists(st.integers(1, 3), min_size=5, max_size=5))
    rows = []
    for row, number in enumerate(draw(st.lists(st.integers(0, 7), max_size=12))):
        text = text_of[number]
        rows.append(
            doc(
                number, row, text=text, text_chars=100 * size_of[text], source="ab"[number % 2],
                date=draw(st.sampled_from(DATES)), lang=LANGUAGES[text % 3], is_synthetic=number == 7,
                part=draw(st.sampled_from(("p", "q"))),
                **{WORDS: float(draw(st.sampled_from((10, 20, 50, 100, 101)))),
                   ALPHA: draw(st.sampled_from((0.79, 0.8, 1.0)))},
            )
        )  # fmt: skip
    return rows


graphs = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.floats(0.75, 1.0)).filter(lambda e: e[0] != e[1]),
    max_size=6,
    unique_by=lambda e: tuple(sorted(e[:2])),
)


def decided(rows: list[dict[str, Any]], graph: list[tuple[int, int, float]], **sections: Any) -> pl.DataFrame:
    sections = {"measure": BOUNDS, "dedup": {"minhash": {}, "source_priority": ["b", "a"]}, **sections}
    return select(facts(rows), edges(*graph), None, config(**sections), judged=False)


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
