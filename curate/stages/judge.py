"""judge: documents -> a score from an LLM against a rubric, or null and a status. Removes nothing."""

from collections import Counter
from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from curate import lineage
from curate.config import JudgeConfig, RunConfig
from curate.corpus import read_places
from curate.errors import JudgeError
from curate.llm import prompts, scoring
from curate.llm.answers import Request, Sampling
from curate.llm.prompts import Prompt
from curate.llm.session import TRANSPORT, Identity, Llm
from curate.schema import SCORES
from curate.step import PASSING, ShardWriter, Task
from curate.storage import Store

VERSION = 1

TASK_DOCUMENTS = 2_000
"""Documents of one task: what is asked again when its commit is lost is in the response cache anyway."""

COLUMNS = ["id", "text", "text_hash"]


def judge(documents: pa.Table, llm: Llm, config: JudgeConfig) -> pa.Table:
    """Rows of `schema.SCORES`, one a document (id, text, text_hash); equal texts are asked about once.

    Raises JudgeError when more than `max_failed_share` of the questions gave no score.
    """
    prompt = prompts.load(config.rubric, "judge")
    llm.documents.check_choices(prompt)
    requests: dict[bytes, Request] = {}
    for text, text_hash in zip(*(documents.column(name).to_pylist() for name in ("text", "text_hash")), strict=True):
        if text_hash not in requests:
            requests[text_hash] = question(text, text_hash, prompt, llm, config)
    answers = llm.ask(list(requests.values()))
    scores = {key: scoring.score(answer, prompt.choices) for key, answer in zip(requests, answers, strict=True)}
    stop_if_too_many_failed([score.status for score in scores.values()], [a.detail for a in answers], config)
    return scores_table(documents, scores, f"{llm.identity}/{prompt.name}@{prompt.version}")


def question(text: str, text_hash: bytes, prompt: Prompt, llm: Llm, config: JudgeConfig) -> Request:
    """One token, constrained to the rubric's choices, the likeliest one."""
    prepared = llm.documents.prepare(text, config.max_tokens)
    llm.counts["cut"] += prepared.cut
    sampling = Sampling(max_tokens=1, choices=tuple(prompt.choices))
    return Request(text_hash, prompt.hash, prompt.form, prompt.render(prepared.text), sampling)


def stop_if_too_many_failed(statuses: Sequence[str], details: Sequence[str | None], config: JudgeConfig) -> None:
    """Raise JudgeError with the number of each status (and HTTP status) above `max_failed_share`."""
    failed = Counter(
        f"{status} ({detail})" if detail else status
        for status, detail in zip(statuses, details, strict=True)
        if status != scoring.SCORED
    )
    if failed.total() > config.max_failed_share * len(statuses):
        listed = ", ".join(f"{number} {status}" for status, number in sorted(failed.items()))
        raise JudgeError(
            f"judge: {failed.total()} of {len(statuses)} questions gave no score: {listed}. Allowed is a share of "
            f"{config.max_failed_share} (judge.max_failed_share). Look at the model server and its log, then run "
            "again: what was answered is kept"
        )


def scores_table(documents: pa.Table, scores: dict[bytes, scoring.Score], model: str) -> pa.Table:
    """The scores by text hash, spread over the documents."""
    found = [scores[text_hash] for text_hash in documents.column("text_hash").to_pylist()]
    is_scored = [score.status == scoring.SCORED for score in found]
    columns = {
        "id": documents.column("id"),
        "text_hash": documents.column("text_hash"),
        "quality": [score.value for score in found],
        "quality_entropy": [score.entropy_bits for score in found],
        "quality_status": [score.status for score in found],
        "quality_source": ["judge" if scored else None for scored in is_scored],
        "quality_model": [model if scored else None for scored in is_scored],
    }
    return pa.table(columns, schema=SCORES)


READ = {"id": pl.Binary, "text_hash": pl.Binary, "is_synthetic": pl.Boolean, "shard": pl.String, "row": pl.Int64}
"""Columns of the decisions that `tasks` looks at: about 90 bytes a kept document, in the driver."""


def tasks(kept: pl.DataFrame, config: RunConfig, identity: Identity) -> list[Task]:
    """Tasks over what `select` kept, in order of id: of real documents a sample of `max_documents`, all synthetic ones.

    The sample is drawn among real documents alone, so it stays the same when synthetic ones join them.
    """
    assert config.judge
    assert config.llm
    kept = sample(kept, config.judge.max_documents, config.seed).sort("id")
    asked = config.judge.model_dump(mode="json", exclude={"rubric", "max_documents", "keep", "max_failed_share"})
    rubric = prompts.load(config.judge.rubric, "judge")
    what = [VERSION, rubric.hash, rubric.name, rubric.version, asked, config.llm.identity(), str(identity)]
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
    if not TRANSPORT.isdisjoint(scores.column("quality_status").to_pylist()):
        given = zip(*(scores.column(name).to_pylist() for name in ("quality", "quality_status")), strict=True)
        writer.note(PASSING, lineage.key([list(pair) for pair in given]))
    for name, number in sorted((llm.counts - before).items()):
        writer.count(f"llm.{name}", number)
