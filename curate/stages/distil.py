"""distil: what the judge said of a sample -> a score of every kept document, by a model that learned from it.

train   over all scores: the model, and how far it agrees with the judge
distil  per part: a score and its uncertainty for every kept document
unsure  over all parts: the documents that the judge is asked about as well, those nearest to the bound
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from curate.config import RunConfig
from curate.config.measures import ScoreBounds
from curate.corpus import read_places, read_rows, slices
from curate.decisions import fraction_bound
from curate.errors import JudgeError
from curate.judging import distil
from curate.judging.judge import rubrics
from curate.judging.metrics import Interval
from curate.lineage import key
from curate.llm.scoring import SCORED
from curate.schema import SCORES, with_scores
from curate.shards import ShardWriter, take_rows
from curate.stages.arrange import KEPT
from curate.stages.judge import DIGEST
from curate.step import Commit, Task
from curate.storage import Store

VERSION = 1

VALUES, AGREEMENT = "values", "agreement"
"""Names of the notes of `train`: the score that each class stands for, and distil.Agreement, as JSON."""

BATCH = 1_000
"""Texts that are scored at once."""


def train_task(scores: Sequence[Commit], config: RunConfig) -> Task:
    """One task over all that the judge said of real documents."""
    assert config.judge
    assert config.judge.distil
    what = [VERSION, distil.VERSION, sorted(commit.notes[DIGEST] for commit in scores), config.seed,
            config.judge.distil.model_dump(mode="json", include={"held_out", "min_agreement"})]  # fmt: skip
    return Task("train", key("train", *what), "all scores", train, (tuple(scores), config))


def train(writer: ShardWriter, store: Store, scores: Sequence[Commit], config: RunConfig) -> None:
    """Write the file `model`; note VALUES and AGREEMENT. Raises JudgeError below the agreement that is asked for."""
    assert config.judge
    assert config.judge.distil
    given, places = (read_rows(store, scores, kind) for kind in ("scores", "places"))
    if given is None or places is None:
        raise JudgeError("judge.distil: the judge was asked about no document; raise judge.max_documents")
    both = pl.concat([given.select("id", "quality", "quality_status"), places], how="horizontal")
    both = both.filter((pl.col("quality_status") == SCORED) & ~pl.col("is_synthetic")).unique("id").sort("id")
    texts = read_places(store, list(both.select("shard", "row").iter_rows()), ["text"]).column("text").to_pylist()
    least = config.judge.distil.min_agreement
    try:
        learned = distil.learn(
            texts, both["quality"].to_numpy(), both["id"].to_list(), config.seed, config.judge.distil.held_out
        )
    except ValueError as error:
        raise JudgeError(f"judge.distil: {error}; raise judge.max_documents or lower judge.distil.held_out") from None
    found = learned.agreement
    if least is not None and not (found.spearman.value or 0.0) >= least:
        raise JudgeError(
            f"judge.distil: of {found.documents} held-out documents the model has a rank correlation with the judge "
            f"of {found.spearman} (AUC {found.auc}); asked for is {least} (judge.distil.min_agreement). Raise "
            "judge.max_documents, or lower the bound to go on all the same; what was answered is kept"
        )
    writer.attach("model", "bin", learned.model)
    writer.note(VALUES, json.dumps(learned.values))
    writer.note(AGREEMENT, json.dumps(found.to_json()))
    writer.count("learned_from", len(both) - found.documents)
    writer.count("held_out", found.documents)


def note(model: Commit) -> str:
    """What a reader of the scores must know of this commit of `train`."""
    found = json.loads(model.notes[AGREEMENT])
    ordered, told_apart = (Interval(**found[name]) for name in ("spearman", "auc"))
    learned_from, held_out = model.counts["learned_from"], found["documents"]
    return (
        "Documents that the judge was not asked about have scores of a fastText model (`quality_source`: distilled), "
        f"learned from {learned_from} of the judge's. On {held_out} held out its rank correlation with the judge is "
        f"{ordered}, and it tells what the judge puts above its mean with AUC {told_apart}."
    )


def score_tasks(decisions: Sequence[Commit], model: Commit, config: RunConfig) -> list[Task]:
    """One task a part."""
    what = [VERSION, distil.VERSION, model.key, config.further_scores]
    return [
        Task("distil", key("distil", what, commit.notes[KEPT]), commit.key, score_part, (commit, model, config))
        for commit in decisions
    ]


def score_part(writer: ShardWriter, store: Store, decided: Commit, model: Commit, config: RunConfig) -> None:
    """Write kind `scores`: one row a kept document, `quality_source` distilled."""
    assert config.judge
    [file] = model.of("model")
    learned = _loaded(str(store.path(file.name)), tuple(json.loads(model.notes[VALUES])))
    rubric = next(iter(rubrics(config.judge).values()))
    said_by = f"fasttext@{model.key[:12]}/{rubric.name}@{rubric.version}"
    schema = with_scores(SCORES, config.further_scores)
    for rows in _kept(store, decided):
        values, entropy = learned.scores(take_rows(
            store, rows["shard"][0], rows["row"].to_numpy().astype(np.int64), ["text"]
        ).column("text").to_pylist())  # fmt: skip
        columns = {
            "id": rows["id"].to_arrow(), "text_hash": rows["text_hash"].to_arrow(), "quality": pa.array(values),
            "quality_entropy": pa.array(entropy), "quality_status": pa.repeat(SCORED, len(rows)),
            "quality_source": pa.repeat("distilled", len(rows)), "quality_model": pa.repeat(said_by, len(rows)),
        }  # fmt: skip
        arrays = [columns[f.name].cast(f.type) if f.name in columns else pa.nulls(len(rows), f.type) for f in schema]
        writer.write("scores", pa.table(arrays, schema=schema))
        writer.count("distilled", len(rows))


def _kept(store: Store, decided: Commit) -> Iterator[pl.DataFrame]:
    """The kept rows of a part, BATCH at a time, those of one shard of texts together."""
    for frame in slices(store, decided.of("decisions"), ["id", "text_hash", "status", "shard", "row"]):
        for rows in frame.filter(pl.col("status") == "kept").partition_by("shard", maintain_order=True):
            yield from rows.iter_slices(BATCH)


@lru_cache(maxsize=1)
def _loaded(path: str, values: tuple[float, ...]) -> distil.Distilled:
    return distil.Distilled(Path(path), values)


def unsure_task(distilled: Sequence[Commit], scores: Sequence[Commit], config: RunConfig) -> Task:
    """One task over all parts."""
    assert config.judge
    assert config.judge.distil
    keep = config.judge.keep.model_dump(mode="json") if config.judge.keep else None
    what = [VERSION, [c.key for c in distilled], [c.identity for c in scores], config.judge.distil.ask_again, keep]
    return Task("unsure", key("unsure", *what), "all documents", unsure, (tuple(distilled), tuple(scores), config))


def unsure(
    writer: ShardWriter, store: Store, distilled: Sequence[Commit], scores: Sequence[Commit], config: RunConfig
) -> None:
    """Write kind `chosen`: ids of the documents nearest to a bound on the score, else of the most uncertain, that the
    judge was not asked about. In memory: 32 bytes a kept document.
    """
    assert config.judge
    assert config.judge.distil
    columns = ["id", "quality", "quality_entropy"]
    found = pl.concat([frame for c in distilled for frame in slices(store, c.of("scores"), columns)])
    asked = read_rows(store, scores, "scores")
    open_ = found if asked is None else found.join(asked.select("id"), on="id", how="anti")
    limits = _limits(found["quality"], config.judge.keep)
    distance = pl.min_horizontal([(pl.col("quality") - limit).abs() for limit in limits]) if limits else -pl.col(
        "quality_entropy"
    )  # fmt: skip
    nearest = open_.with_columns(distance=distance).sort("distance", "id").head(config.judge.distil.ask_again)
    writer.write("chosen", nearest.select(pl.col("id").sort()).to_arrow())
    writer.count("chosen", len(nearest))


def _limits(values: pl.Series, keep: ScoreBounds | None) -> list[float]:
    """The bounds on the score, one that a share means taken over these values."""
    if keep is None:
        return []
    share = None if keep.keep_fraction is None else fraction_bound(values, keep.keep_fraction)
    return [limit for limit in (keep.min, keep.max, share) if limit is not None]
