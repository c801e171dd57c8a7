"""select: the only stage that drops documents, each with a reason, by the rules of curate/decisions.py. Reads values,
never text.

    bound   per part: what a document's own values decide, and what `census` found out
    select  per part: the duplicates leave that `resolve` chose no keeper among, and what breaks a bound on a score
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import pyarrow as pa
from blake3 import blake3

from curate import decisions, keepers
from curate.config import RunConfig
from curate.config.measures import Bounds
from curate.corpus import Part, facts_of, first_numbers, read_rows, slices
from curate.decisions import columns_of
from curate.index.match import MATCHES
from curate.keepers import CLUSTERS, SAME_URL
from curate.lineage import key
from curate.runs import Range, read_range
from curate.schema import ID
from curate.shards import ShardWriter
from curate.stages import census
from curate.stages.arrange import KEPT, published_columns
from curate.stages.census import TWINS
from curate.step import Commit, Task
from curate.storage import Store
from filters import same_url

VERSION = 3

LEFT = pa.schema([("id", ID)])
"""Keepers that leave for their scores."""


def identity(config: RunConfig) -> list[object]:
    """What of the config can change a decision before duplicates are looked at."""
    bounds = [[m.column, _dumped(m.filter.keep), {k: _dumped(v) for k, v in m.by_language.items()}]
              for m in config.measured]  # fmt: skip
    return [VERSION, config.languages, bounds, same_url.VERSION if _by_url(config) else None]


def _by_url(config: RunConfig) -> bool:
    return bool(config.dedup and config.dedup.url)


def bound_tasks(
    parts: Sequence[Part], taken: Commit, config: RunConfig, published: Sequence[Commit] = ()
) -> list[Task]:
    """One task a distinct part; of the other parts its key holds what the census took from them. `published`: commits
    of the stage of this name.
    """
    what = [identity(config), taken.key, [each.key for each in published]]
    return [
        Task("bound", key("bound", what, p.texts.identity, p.measures.identity if p.measures else None, start),
             p.object, bound_part, (p, start, taken, tuple(published), config))
        for p, start in zip(parts, first_numbers(parts).tolist(), strict=False)
    ]  # fmt: skip


def _dumped(bounds: Bounds | None) -> dict[str, object] | None:
    return bounds.model_dump() if bounds else None


def bound_part(
    writer: ShardWriter,
    store: Store,
    part: Part,
    start: int,
    taken: Commit,
    published: Sequence[Commit],
    config: RunConfig,
) -> None:
    """Write kind `bounded`: the facts of each document, its number, its twin, and why it leaves here; and where the
    config compares addresses `url_hash`.
    """
    hashes = ["id", "text_hash", *(["url_hash"] if _by_url(config) else [])]
    for facts in facts_of(store, part, columns_of(config)):
        numbered = facts.with_columns(number=pl.int_range(start, start + pl.len(), dtype=pl.Int64))
        folded = _of_range(store, [taken], "folded", numbered, pl.DataFrame(schema=TWINS))
        frame = decisions.bounded(numbered, folded, census.shares(taken), config)
        if config.dedup and config.dedup.minhash and published:
            found = _of_range(store, published, "published", numbered, pl.DataFrame(schema=MATCHES))
            frame = keepers.without_published(frame, found.drop("id"), "number", config.dedup.minhash)
        decided = (frame.with_columns(keepers.url_hashes(frame)) if _by_url(config) else frame).to_arrow()
        # Polars knows no hashes of 16 bytes; `resolve` reads them by number.
        for name in hashes:
            place = decided.schema.get_field_index(name)
            decided = decided.set_column(place, pa.field(name, ID), decided.column(name).cast(ID))
        writer.write("bounded", decided)
        start += len(facts)


def _of_range(
    store: Store, commits: Sequence[Commit], kind: str, facts: pl.DataFrame, empty: pl.DataFrame
) -> pl.DataFrame:
    """The rows of a run by document number that belong to these consecutive documents."""
    numbers = Range(facts["number"][0], facts["number"][-1])
    found = list(read_range(store, [run for commit in commits for run in commit.of(kind)], numbers))
    return pl.concat([empty, *(pl.DataFrame(table).select(*empty.columns) for table in found)])


@dataclass(frozen=True)
class Judged:
    """What is known of scores."""

    scores: tuple[Commit, ...] = ()
    distilled: tuple[Commit, ...] = ()
    """Of the distinct parts, in order; empty where nothing was learned from the scores."""

    weighed: Commit | None = None
    """Once it has been asked: the commit of `weigh_task`. Bounds on scores apply only then."""

    def of_part(self, number: int) -> tuple[Commit, ...]:
        """All scores that a document of this part may have."""
        return (*self.scores, *self.distilled[number : number + 1])


def weigh_task(bounded: Sequence[Commit], resolved: Commit | None, judged: Judged, config: RunConfig) -> Task:
    """One task over all scores: what their `keep_fraction` means, whether one is missing that must not be, and which
    keepers leave.
    """
    assert config.judge
    of = [[c.key for c in bounded], resolved.key if resolved else None, [c.identity for c in judged.scores],
          [c.key for c in judged.distilled], _dumped(config.judge.keep)]  # fmt: skip
    args = (tuple(bounded), resolved, judged, config)
    return Task("weigh", key("weigh", VERSION, of), "all scores", weigh, args)


def weigh(
    writer: ShardWriter,
    store: Store,
    bounded: Sequence[Commit],
    resolved: Commit | None,
    judged: Judged,
    config: RunConfig,
) -> None:
    """Note the bound on the score that a share of documents means, and write kind `left`: ids of keepers that break a
    bound. Raises CurateError as decisions.check_missing.
    """
    keep = config.judge.keep if config.judge else None
    bound = None
    # Here alone a value of all documents is in memory at once.
    if keep and bounded and (keep.keep_fraction is not None or "stop" in keep.missing.values()):
        passed, given = zip(*_passed(store, bounded, resolved, judged, config), strict=True)
        decisions.check_missing(pl.concat(passed), pl.concat(given), keep)
        bound = decisions.score_bound(pl.concat(passed), pl.concat(given), keep)
    for number, each in enumerate(bounded if keep else ()):
        scores = _scores(store, judged, number, config)
        for facts in with_keepers(store, each, resolved, config):
            left = decisions.left_keepers(facts, scores, keep, bound) if keep else pl.Series(dtype=pl.Binary)
            writer.write("left", pa.table({"id": left.to_arrow()}, schema=LEFT))
    writer.note("bound", "" if bound is None else repr(bound))


def _passed(
    store: Store, bounded: Sequence[Commit], resolved: Commit | None, judged: Judged, config: RunConfig
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Of each part: its documents with their reasons so far, and their scores."""
    for number, each in enumerate(bounded):
        columns = ["id", "reason", "is_synthetic"]
        facts = pl.concat([
            pl.DataFrame(schema={"id": pl.Binary, "reason": pl.String, "is_synthetic": pl.Boolean}),
            *(frame.select(columns) for frame in with_keepers(store, each, resolved, config)),
        ])  # fmt: skip
        scores = _scores(store, judged, number, config).join(facts.select("id"), on="id", how="semi")
        yield facts, scores.select("id", "quality", "quality_status", "quality_source")


def _scores(store: Store, judged: Judged, number: int, config: RunConfig) -> pl.DataFrame:
    """All scores that a document of the part may have, with their status and source."""
    found = read_rows(store, judged.of_part(number), "scores")
    return decisions.no_scores(config) if found is None else found.select(decisions.no_scores(config).columns)


def tasks(
    parts: Sequence[Part], bounded: Sequence[Commit], resolved: Commit | None, judged: Judged, config: RunConfig
) -> list[Task]:
    """One task a distinct part."""
    weighed = judged.weighed.key if judged.weighed else None
    what = [VERSION, resolved.key if resolved else None, sorted(c.identity for c in judged.scores), weighed,
            _dumped(config.judge.keep) if config.judge and weighed else None,
            dedup_identity(config)]  # fmt: skip
    return [
        Task(
            "select",
            key("select", what, each.key, [c.key for c in judged.distilled[n : n + 1]]),
            part.object,
            select_part,
            (each, resolved, replace(judged, distilled=judged.distilled[n : n + 1]), config),
        )
        for n, (part, each) in enumerate(zip(parts, bounded, strict=True))
    ]


def dedup_identity(config: RunConfig) -> dict[str, object] | None:
    """What of the section `dedup` can change a decision; what texts were compared by is in the keys of the edges."""
    excluded: Any = {"minhash": {"shingle"}, "lines": True, "index": True}
    return config.dedup.model_dump(exclude=excluded) if config.dedup else None


def select_part(
    writer: ShardWriter, store: Store, bounded: Commit, resolved: Commit | None, judged: Judged, config: RunConfig
) -> None:
    """Write kind `decisions`: a row a document of the part, in order."""
    scores, weighed = _scores(store, judged, 0, config), None
    if judged.weighed:
        frames = [pl.DataFrame(LEFT.empty_table()), *slices(store, judged.weighed.of("left"))]
        noted = judged.weighed.notes["bound"]
        weighed = decisions.Weighed(float(noted) if noted else None, pl.concat(frames)["id"])
    digest = blake3()
    for facts in with_keepers(store, bounded, resolved, config):
        decided = decisions.with_scores(facts, scores, config, weighed)
        kept = decided.filter(pl.col("status") == "kept").select(published_columns(config))
        kept.rechunk().write_ipc(values := io.BytesIO())
        digest.update(values.getbuffer())
        writer.count("duplicate_id", int((decided["reason"] == "duplicate_id").sum()))
        writer.write("decisions", decided.to_arrow())
    writer.note(KEPT, digest.hexdigest(length=16))


def with_keepers(store: Store, bounded: Commit, resolved: Commit | None, config: RunConfig) -> Iterator[pl.DataFrame]:
    """The documents of a part with their clusters, in slices."""
    resolutions = [resolved] if resolved else []
    for bound in slices(store, bounded.of("bounded")):
        other = _of_range(store, resolutions, "same_url", bound, pl.DataFrame(schema=SAME_URL))
        facts = keepers.with_same_url(bound.drop("url_hash", strict=False), other)
        found = _of_range(store, resolutions, "clusters", facts, pl.DataFrame(schema=CLUSTERS))
        yield keepers.with_clusters(facts, found, config.dedup)
