"""Clusters as they are read from a run, against how its documents were made."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import curate
from curate.changes import documents_of
from curate.errors import CurateError
from curate.reports import clusters, duplicates, run_record
from curate.result import RunResult
from curate.schema import SYNTHETIC
from flows.cli import app
from tests.curate.conftest import Doc, Inputs, SmallRun, prose
from tests.curate.inline import run_inline
from tests.curate.runs import write_config

BOUND = 0.75
SHAPES = {"single": (1, 0), "exact": (4, 0), "near": (1, 5), "mixed": (3, 3), "pair": (1, 1), "twins": (2, 0)}
"""Kind of a cluster: copies of its text, and near-copies, each with one word changed."""


class Planted(NamedTuple):
    """A finished run, and the URLs of each planted cluster."""

    result: RunResult
    clusters: dict[str, list[str]]

    @property
    def work(self) -> Path:
        return self.result.work

    @property
    def ledger(self) -> pl.DataFrame:
        return documents_of(curate.read_ledger(self.work)).collect()


def words(name: str, changed: int | None) -> str:
    """200 words that no other name has, the one that is changed shorter."""
    draw = random.Random(name)
    # Letters alone: digits are equal once a text is normalised.
    found = ["".join(draw.choices("abcdefghijklmnop", k=8)) for _ in range(200)]
    if changed is not None:
        found[20 * changed] = 3 * "uvwxyz"[changed]
    return " ".join(found)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder = tmp_path_factory.mktemp("planted")
    rows: dict[str, list[str]] = {"a": [], "b": []}
    made: dict[str, list[str]] = {}
    for shape, (copies, near) in SHAPES.items():
        for name in (f"{shape}{number}" for number in range(2)):
            texts = [words(name, None)] * copies + [words(name, 1 + n) for n in range(near)]
            made[name] = [f"http://{'ab'[n % 2]}.example/{name}/{n}" for n in range(len(texts))]
            for n, (text, url) in enumerate(zip(texts, made[name], strict=True)):
                rows["ab"[n % 2]].append(json.dumps({"text": text, "url": url}))
    rows["a"].append(json.dumps({"text": "too little", "url": "http://a.example/brief"}))
    for source, lines in rows.items():
        (folder / f"{source}.jsonl").write_text("\n".join(lines))
    inputs = [{"source": source, "uri": f"{source}.jsonl", "fields": {"url": "url"}} for source in rows]
    measure = [{"filter": "gopher.word_count", "keep": {"min": 50}}]
    result, _ = run_inline(write_config(folder, inputs, measure=measure, dedup={"minhash": {"leaders": 2}}))
    return Planted(result, made)


def test_a_row_counts_the_documents_that_it_stands_for(planted: Planted) -> None:
    published = pl.read_parquet(planted.result.output / "current/data/*.parquet")
    of = {url: name for name, urls in planted.clusters.items() for url in urls}
    counted = {of[url]: count for url, count in published.select("url", "dup_count").iter_rows()}
    assert counted == {name: len(urls) for name, urls in planted.clusters.items()}
    card = (planted.result.output / "current/README.md").read_text()
    assert "`dup_count` is how many documents of the input" in card


def test_clusters_hold_what_was_planted_and_nothing_else(planted: Planted) -> None:
    found = clusters.largest(planted.work, 1000)
    several = {name: set(urls) for name, urls in planted.clusters.items() if len(urls) > 1}
    assert sorted(map(sorted, ([m.url for m in c.members] for c in found))) == sorted(map(sorted, several.values()))
    assert [c.documents for c in found] == sorted((len(urls) for urls in several.values()), reverse=True)
    for cluster in found:
        name = cluster.members[0].url.split("/")[3]
        copies, near = SHAPES[name[:-1]]
        assert (cluster.exact + 1, cluster.near.number if cluster.near else 0) == (copies, near)
        assert cluster.texts == near + 1
        assert cluster.hosts == {f"{s}.example": n for s, n in cluster.sources.items()}
        for counted in (cluster.sources, cluster.languages, cluster.hosts, cluster.statuses):
            assert sum(counted.values()) == cluster.documents


def test_sizes_add_up_to_the_documents_that_passed(planted: Planted) -> None:
    sizes = duplicates.sizes(planted.ledger.lazy())
    clustered = planted.ledger.filter(pl.col("cluster_id").is_not_null())
    assert sum(size.documents for size in sizes) == len(clustered)
    assert sum(size.clusters for size in sizes) == clustered["cluster_id"].n_unique()
    several = [size for size in sizes if size.label != "1"]
    assert clusters.totals(planted.work) == (sum(s.clusters for s in several), sum(s.documents for s in several))


def test_every_member_is_the_keeper_or_its_copy_or_similar_enough(planted: Planted) -> None:
    rows = {row["id"].hex(): row for row in planted.ledger.iter_rows(named=True)}
    for cluster in clusters.largest(planted.work, 1000):
        keeper, *others = cluster.members
        assert keeper.id == cluster.id
        assert keeper.status == "kept"
        for member in others:
            assert member.status == "rejected"
            assert member.exact == (rows[member.id]["text_hash"] == rows[keeper.id]["text_hash"])
            assert member.exact or BOUND <= member.similarity < 1
            assert cluster.near is None or member.exact or cluster.near.min <= member.similarity <= cluster.near.max
        near = [m.similarity for m in others if not m.exact]
        assert near == sorted(near)
        if cluster.pairs:
            assert len(set(near)) <= cluster.pairs.number <= cluster.texts * (cluster.texts - 1) // 2
            assert BOUND <= cluster.pairs.min <= cluster.pairs.median <= cluster.pairs.max


def test_a_cluster_is_found_by_any_of_its_documents(planted: Planted) -> None:
    for cluster in clusters.largest(planted.work, 1000):
        for member in cluster.members:
            for document in (member.id, member.id.upper(), member.id[:12], member.url):
                assert clusters.of_document(planted.work, document) == [cluster]
    [alone] = clusters.of_document(planted.work, planted.clusters["single0"][0])
    assert (alone.documents, alone.near, alone.why, len(alone.members)) == (1, None, (), 1)


def test_what_is_in_no_cluster_is_said_why(planted: Planted) -> None:
    with pytest.raises(CurateError, match=r"brief left by gopher\.word_count before"):
        clusters.of_document(planted.work, "http://a.example/brief")
    with pytest.raises(CurateError, match=r"nearest URLs are: http://a\.example/brief"):
        clusters.of_document(planted.work, "http://a.example/breif")
    with pytest.raises(CurateError, match="not there; expected the work folder"):
        clusters.largest(planted.work.parent, 1)


def test_an_id_that_several_begin_with_wants_more_digits(small_run: Any) -> None:
    run = small_run(Inputs([Doc(f"{number} one text") for number in range(700)], settings={"dedup": {}}))
    beginnings = Counter(identity.hex()[:4] for identity in run.ledger["id"])
    [[beginning, number], *_] = beginnings.most_common(1)
    assert number > 1
    with pytest.raises(CurateError, match=rf"{number} ids in .* begin so; give more digits"):
        clusters.of_document(run.work.root, beginning)


def test_a_sample_is_drawn_by_the_seed_alone(planted: Planted) -> None:
    whole = clusters.sampled(planted.work, 1000)
    assert {c.id for c in whole} == {c.id for c in clusters.largest(planted.work, 1000)}
    assert [c.id for c in clusters.sampled(planted.work, 3)] == [c.id for c in whole[:3]]
    assert [c.documents for c in whole] != sorted((c.documents for c in whole), reverse=True)


def test_what_crossed_a_source_is_counted(planted: Planted) -> None:
    ledger = planted.ledger
    keepers = ledger.select("cluster_id", kept_source="source", keeper_hash="text_hash", own="id")
    pairs = ledger.join(keepers.filter(pl.col("own") == pl.col("cluster_id")), on="cluster_id")
    across = pairs.filter(pl.col("source") != pl.col("kept_source"))
    exact = across.filter(pl.col("text_hash") == pl.col("keeper_hash"))
    found = duplicates.crossed(ledger.lazy(), 0)
    assert (found.exact_sources, found.near_sources) == (len(exact), len(across) - len(exact))
    assert found.exact + found.near == ledger["reason"].str.starts_with("dedup.").sum()
    assert {(row.removed_from, row.kept_from): row.documents for row in found.sources} == Counter(
        across.select("source", "kept_source").iter_rows()
    )


def test_similarities_are_those_of_the_verified_pairs(planted: Planted) -> None:
    work, record = run_record.Store(planted.work), run_record.read(planted.work)
    found = duplicates.similarities(work, record, BOUND)
    assert found
    assert sum(found.counts) == found.documents == record.dedup["verified"]
    assert found.low == BOUND
    assert found.rejected == 0


def test_what_was_not_compared_is_counted_and_shown(planted: Planted) -> None:
    counts = run_record.read(planted.work).dedup
    assert counts["not_compared"] > 0  # Of two leaders in buckets of four and six.
    assert counts["largest_bucket"] == 6
    assert counts["looked_at"] == len(planted.ledger)
    assert counts["short"] == 1
    page = (planted.work / "report.html").read_text()
    for name, said in duplicates.MEANING.values():
        assert name in page
        assert said.format(leaders=2).replace("'", "&#39;") in page
    assert f"{counts['not_compared']:,} pairs were not compared" in shown(planted.work).stdout


WHY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "priority of its source": ({"source": "good"}, {"source": "web"}),
    "real before synthetic": ({}, {"object": SYNTHETIC}),
    "longest": ({"text": prose(1, 61)}, {}),
    "oldest": ({"date": datetime(2020, 1, 1, tzinfo=UTC)}, {"date": datetime(2020, 1, 2, tzinfo=UTC)}),
    "smallest id": ({}, {}),
    "shortest": ({}, {"text": prose(1, 61)}),
    "newest": ({"date": datetime(2020, 1, 2, tzinfo=UTC)}, {"date": datetime(2020, 1, 1, tzinfo=UTC)}),
}
"""Criterion -> what the keeper has, and what the other one has."""


@pytest.mark.parametrize("name", WHY)
def test_why_this_copy_was_kept_is_the_first_criterion_that_differs(name: str, small_run: Any) -> None:
    plain = Doc(prose(1), source="web")
    wins, loses = (replace(plain, url=f"http://{n}.example/", **WHY[name][n]) for n in (0, 1))
    if loses.object == SYNTHETIC:
        loses = replace(loses, parents=(wins,))
    elif name == "smallest id":
        wins, loses = sorted((wins, loses), key=lambda doc: doc.id)
    edges = [(wins, loses, 0.9)] if wins.text != loses.text else []
    inputs = [{"source": source, "uri": source} for source in ("web", "good")]
    settings = {"inputs": inputs, "dedup": {"minhash": {}, "source_priority": ["good"]}}
    ours = ["priority of its source", "real before synthetic", "longest", "oldest", "smallest id"]
    if name in ("shortest", "newest"):
        settings["dedup"]["prefer"] = [name]
        ours = [name]
    run: SmallRun = small_run(Inputs([loses, wins], edges=edges, settings=settings))
    [cluster] = clusters.largest(run.work.root, 10)
    assert (cluster.id, cluster.runner_up) == (wins.id.hex(), loses.id.hex())
    *before, decided = cluster.why
    assert decided.name == name
    assert decided.keeper != decided.runner_up
    assert [each.name for each in before] == ours[: ours.index(name)]
    assert all(each.keeper == each.runner_up and not each.decided for each in before)


def test_all_members_are_counted_where_not_all_are_listed(small_run: Any) -> None:
    first = [Doc(prose(1), f"http://{n}.example/") for n in range(30)]
    near = [Doc(prose(2, 59), f"http://near.example/{n}") for n in range(5)]
    edges = [(first[0], near[0], 0.8)]
    run = small_run(Inputs([*first, *near], edges=edges, settings={"dedup": {"minhash": {}}}))
    [cluster] = clusters.largest(run.work.root, 10)
    assert (cluster.documents, cluster.exact, cluster.near.number) == (35, 29, 5)
    assert len(cluster.members) == clusters.MEMBERS_SHOWN
    assert [m.similarity for m in cluster.members[1:6]] == [0.8] * 5
    assert sum(cluster.hosts.values()) == 35
    assert "22 others" in " ".join(cluster.hosts) or len(cluster.hosts) == clusters.LABELS_SHOWN + 1
    assert len(clusters.side_by_side(run.work.root, cluster)) == 1, "five copies of one text are compared once"


def shown(work: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["dedup", "clusters", str(work), *options])


def texts_of(planted: Planted) -> Iterator[str]:
    for line in (planted.work.parent / "a.jsonl").read_text().splitlines():
        yield from json.loads(line)["text"].split()


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_no_text_is_shown_unless_asked_for(planted: Planted, options: list[str]) -> None:
    plain, asked = shown(planted.work, *options).stdout, shown(planted.work, *options, "--texts").stdout
    assert not any(word in plain for word in texts_of(planted))
    assert any(word in asked for word in texts_of(planted))


def test_json_has_a_version_and_all_that_the_table_says(planted: Planted) -> None:
    found = json.loads(shown(planted.work, "--json", "--top", "3").stdout)
    assert found["clusters_version"] == clusters.VERSION
    assert len(found["clusters"]) == 3
    assert (found["clusters_in_all"], found["documents_in_all"]) == clusters.totals(planted.work)
    table = shown(planted.work, "--top", "3").stdout
    for cluster in found["clusters"]:
        assert all(member["id"] in table for member in cluster["members"])
    drawn = json.loads(shown(planted.work, "--json", "--sample", "2").stdout)
    assert [c["id"] for c in drawn["clusters"]] == [c.id for c in clusters.sampled(planted.work, 2)]


def test_what_differs_is_marked(planted: Planted) -> None:
    document = planted.clusters["pair0"][0]
    asked = shown(planted.work, "--id", document, "--texts").stdout
    whole, changed = words("pair0", None).split(), words("pair0", 1).split()
    assert f"[-{whole[20]}-]" in asked
    assert f"{{+{changed[20]}+}}" in asked
    assert "words: 199 in both, 1 in the keeper alone, 1 in the other" in asked


def test_options_that_exclude_each_other_are_refused(planted: Planted) -> None:
    done = shown(planted.work, "--top", "1", "--sample", "1")
    assert done.exit_code == 2
    assert "exclude each other" in done.stderr
