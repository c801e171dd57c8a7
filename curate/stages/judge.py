"""judge: documents -> a score from an LLM against a rubric, or null and a status. Removes nothing."""

from collections import Counter
from collections.abc import Sequence

import polars as pl

from curate import lineage
from curate.config import JudgeConfig, RunConfig
from curate.corpus import read_places
from curate.judging.evaluation import calibration_of
from curate.judging.judge import judge, rubrics
from curate.llm.session import TRANSPORT, Identity, Llm
from curate.step import PASSING, ShardWriter, Task
from curate.storage import Store

VERSION = 2

TASK_DOCUMENTS = 2_000
"""Documents of one task: what is asked again when its commit is lost is in the response cache anyway."""

COLUMNS = ["id", "text", "text_hash"]


READ = {"id": pl.Binary, "text_hash": pl.Binary, "is_synthetic": pl.Boolean, "shard": pl.String, "row": pl.Int64}
"""Columns of the decisions that `tasks` looks at: about 90 bytes a kept document, in the driver."""


def tasks(kept: pl.DataFrame, config: RunConfig, identity: Identity) -> list[Task]:
    """Tasks over what `select` kept, in order of id: of real documents a sample of `max_documents`, all synthetic ones.

    The sample is drawn among real documents alone, so it stays the same when synthetic ones join them.
    """
    assert config.judge
    assert config.llm
    kept = sample(kept, config.judge.max_documents, config.seed).sort("id")
    asked = config.judge.model_dump(mode="json", include={"max_tokens", "sees"})
    by = [
        [name, rubric.hash, rubric.name, rubric.version, calibration and calibration.hash]
        for name, rubric in rubrics(config.judge).items()
        for calibration in [calibration_of(config.judge, rubric, identity)]
    ]
    what = [VERSION, by, asked, config.llm.identity(), str(identity)]
    found = []
    for start in range(0, len(kept), TASK_DOCUMENTS):
        part = kept.slice(start, TASK_DOCUMENTS)
        places = list(part.select("shard", "row").iter_rows())
        ids = [[id_.hex(), text_hash.hex()] for id_, text_hash in part.select("id", "text_hash").iter_rows()]
        name = f"documents {start}..{start + len(part)}"
        found.append(Task("judge", lineage.key("judge", what, ids), name, judge_places, (places, config.judge)))
    return found


def sample(kept: pl.DataFrame, max_documents: int | None, seed: int) -> pl.DataFrame:
    """All synthetic rows, and the `max_documents` real ones with the smallest hash(seed, id); None: all."""
    if max_documents is None:
        return kept
    real = kept.filter(~pl.col("is_synthetic"))
    ranks = pl.Series([lineage.uniform(seed, id_, "judge") for id_ in real["id"]], dtype=pl.UInt64)
    chosen = real.with_columns(rank=ranks).sort("rank", "id").head(max_documents).drop("rank")
    return pl.concat([chosen, kept.filter("is_synthetic")])


def judge_places(
    writer: ShardWriter, store: Store, llm: Llm, places: Sequence[tuple[str, int]], config: JudgeConfig
) -> None:
    """Write kind `scores` for the documents at `places` (shard, row), in that order."""
    before = Counter(llm.counts)
    documents = read_places(store, places, COLUMNS)
    writer.count("in", documents.num_rows)
    scores = judge(documents, llm, config)
    writer.write("scores", scores)
    statuses = [scores.column(name).to_pylist() for name in scores.column_names if name.endswith("_status")]
    if any(not TRANSPORT.isdisjoint(each) for each in statuses):
        given = [scores.column(name).to_pylist() for name in scores.column_names if name not in ("id", "text_hash")]
        writer.note(PASSING, lineage.key(given))
    for name, number in sorted((llm.counts - before).items()):
        writer.count(f"llm.{name}", number)
