"""judge: documents -> scores from an LLM by the run's rubrics, or null and a status. Removes nothing."""

from collections import Counter
from collections.abc import Sequence

import polars as pl

from curate import lineage
from curate.config import RunConfig
from curate.corpus import read_places, slices
from curate.judging.evaluation import calibration_of
from curate.judging.judge import judge, rubrics
from curate.llm.session import TRANSPORT, Identity, Llm
from curate.shards import Shard, ShardWriter
from curate.stages import sample
from curate.step import PASSING, Commit, Task
from curate.storage import Store

VERSION = 3

TASK_DOCUMENTS = 2_000
"""Documents of one task, about: what is asked again when its commit is lost is in the response cache anyway."""

COLUMNS = ["id", "text", "text_hash"]

DIGEST = "digest"
"""Name of the commit's note that holds a digest of the real documents' scores."""


def tasks(decisions: Sequence[Commit], chosen: Commit | None, config: RunConfig, identity: Identity) -> list[Task]:
    """Tasks over stretches of the decisions; asked about are the kept documents that `chosen` names: sample.chosen.

    How long a stretch is depends on the share that is chosen, so that a task has enough to ask.
    """
    assert config.judge
    assert config.llm
    asked = config.judge.model_dump(mode="json", include={"max_tokens", "sees", "by"})
    by = [
        [name, rubric.hash, rubric.name, rubric.version, calibration and calibration.hash]
        for name, rubric in rubrics(config.judge).items()
        for calibration in [calibration_of(config.judge, rubric, identity)]
    ]
    what = [VERSION, by, asked, config.seed, config.llm.identity(), str(identity), chosen.key if chosen else None]
    rows = sum(commit.rows("decisions") for commit in decisions)
    number = chosen.counts.get("chosen", 0) if chosen else rows
    stretch = max(1, rows * TASK_DOCUMENTS // max(1, number))
    return [
        Task("judge", lineage.key("judge", what, identity_of, shard.name.rpartition("/")[2], start, stretch),
             f"{shard.name} from row {start}", judge_stretch, (shard, start, stretch, chosen, config))
        for commit in decisions
        for identity_of in [[sample.identity(commit, config), [shard.rows for shard in commit.of("decisions")]]]
        for shard in commit.of("decisions")
        for start in range(0, shard.rows, stretch)
    ]  # fmt: skip


def judge_stretch(
    writer: ShardWriter, store: Store, llm: Llm, shard: Shard, start: int, rows: int, chosen: Commit | None,
    config: RunConfig,
) -> None:  # fmt: skip
    """Write kind `scores` for the chosen documents among `rows` rows of a shard of decisions, and row for row kind
    `places` (shard, row).
    """
    assert config.judge
    before = Counter(llm.counts)
    asked = sample.chosen(store, chosen, _kept(store, shard, start, rows), config)
    writer.count("in", len(asked))
    if asked.is_empty():
        writer.note(DIGEST, lineage.key([]))
        return
    places = asked.select("shard", "row", "is_synthetic")
    scores = judge(read_places(store, list(places.select("shard", "row").iter_rows()), COLUMNS), llm, config.judge)
    writer.write("scores", scores)
    writer.write("places", places.to_arrow())
    given = [[value.hex() if isinstance(value, bytes) else value for value in column.to_pylist()] for column in scores]
    writer.note(DIGEST, lineage.key(given))
    statuses = [scores.column(name).to_pylist() for name in scores.column_names if name.endswith("_status")]
    if any(not TRANSPORT.isdisjoint(each) for each in statuses):
        writer.note(PASSING, lineage.key(given))
    for name, number in sorted((llm.counts - before).items()):
        writer.count(f"llm.{name}", number)


def _kept(store: Store, shard: Shard, start: int, rows: int) -> pl.DataFrame:
    """Kept rows among some of a shard, with all that `sample.chosen` looks at."""
    found, first = [], 0
    for frame in slices(store, [shard]):
        found.append(frame[max(start - first, 0) : max(start + rows - first, 0)].filter(pl.col("status") == "kept"))
        first += len(frame)
        if first >= start + rows:
            break
    return pl.concat(found)
