"""Documents -> scores by a run's rubrics, or null and a status. Knows neither stages nor tasks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from curate.config import JudgeConfig
from curate.errors import ConfigError, JudgeError
from curate.judging.calibration import Calibration
from curate.judging.evaluation import calibration_of
from curate.judging.modes import scores
from curate.llm import prompts
from curate.llm.answers import Answer, Request
from curate.llm.prompts import Documents, Prompt
from curate.llm.scoring import SCORED, Score
from curate.llm.session import Llm
from curate.schema import SCORE, SCORES, with_scores

QUALITY = "quality"
"""Name of the score that decides."""


@dataclass(frozen=True)
class Judgement:
    """What one rubric made of one text."""

    score: Score
    answers: Sequence[Answer]

    @property
    def seen(self) -> float | None:
        """Share of the text's characters that the judge saw, 0..1."""
        return self.answers[0].seen


def rubrics(config: JudgeConfig) -> dict[str, Prompt]:
    """Name of the score's column -> its rubric, the one that decides first. Raises ConfigError."""
    named = {QUALITY: config.rubric} | {f"score_{name}": rubric for name, rubric in config.further.items()}
    found = {column: prompts.load(rubric, "judge", config.variables) for column, rubric in named.items()}
    known = {name for rubric in found.values() for name in rubric.variables}
    if unknown := sorted(set(config.variables) - known):
        raise ConfigError(
            f"judge.variables: no rubric has {', '.join(unknown)}; expected {' or '.join(sorted(known)) or 'none'}"
        )
    return found


def judge(documents: pa.Table, llm: Llm, config: JudgeConfig) -> pa.Table:
    """Rows of `schema.SCORES`, one a document (id, text, text_hash), with all scores; equal texts are asked about once.

    Raises JudgeError when more than `max_failed_share` of a rubric's texts got no score.
    """
    hashes = documents.column("text_hash").to_pylist()
    texts = dict(zip(hashes, documents.column("text").to_pylist(), strict=True))
    columns: dict[str, Any] = {"id": documents.column("id"), "text_hash": documents.column("text_hash")}
    for name, rubric in rubrics(config).items():
        found = dict(zip(texts, judgements(list(texts.values()), list(texts), rubric, llm, config), strict=True))
        stop_if_too_many_failed(list(found.values()), config)
        model = f"{llm.identity}/{rubric.name}@{rubric.version}"
        if calibration := calibration_of(config, rubric, llm.identity):
            found = {text_hash: calibrated(each, calibration) for text_hash, each in found.items()}
            model += f"/calibrated@{calibration.hash[:12]}"
        columns |= {name + part: values for part, values in _columns([found[h] for h in hashes], model).items()}
    schema = with_scores(SCORES, config.further)
    return pa.table([pa.array(columns[f.name], f.type) if isinstance(columns[f.name], list) else columns[f.name]
                     for f in schema], schema=schema)  # fmt: skip


def judgements(
    texts: Sequence[str], text_hashes: Sequence[bytes], rubric: Prompt, llm: Llm, config: JudgeConfig
) -> list[Judgement]:
    """One a text, in their order."""
    llm.documents.check_choices(rubric)
    contents = [llm.documents.content(rubric, text, config.max_tokens, config.sees) for text in texts]
    return [Judgement(*each) for each in scores(partial(_ask, llm), rubric, contents, text_hashes)]


def _ask(llm: Llm, requests: Sequence[Request]) -> list[Answer]:
    """Ask; what the model said before goes back to it as plain text, as a document can make it say anything."""
    return llm.ask(with_safe_turns(llm.documents, requests))


def with_safe_turns(documents: Documents, requests: Sequence[Request]) -> list[Request]:
    """The same, with turns that hold no special token."""
    safe = documents.safe
    return [replace(each, turns=tuple(map(safe, each.turns))) if each.turns else each for each in requests]


def stop_if_too_many_failed(found: Sequence[Judgement], config: JudgeConfig) -> None:
    """Raise JudgeError with the number of each status (and HTTP status) above `max_failed_share`."""
    failed = Counter(_reason(each) for each in found if each.score.status != SCORED)
    if failed.total() > config.max_failed_share * len(found):
        listed = ", ".join(f"{number} {status}" for status, number in sorted(failed.items()))
        raise JudgeError(
            f"judge: {failed.total()} of {len(found)} questions gave no score: {listed}. Allowed is a share of "
            f"{config.max_failed_share} (judge.max_failed_share). Look at the model server and its log, then run "
            "again: what was answered is kept"
        )


def calibrated(judgement: Judgement, calibration: Calibration) -> Judgement:
    """With the score that the calibration makes of it; its entropy stays that of the model's answer."""
    value = judgement.score.value
    mapped = None if value is None else calibration.apply(value)
    return replace(judgement, score=replace(judgement.score, value=mapped))


def _reason(judgement: Judgement) -> str:
    status = judgement.score.status
    detail = next((a.detail for a in judgement.answers if a.status == status and a.detail), None)
    return f"{status} ({detail})" if detail else status


def _columns(found: Sequence[Judgement], model: str) -> Mapping[str, list[Any]]:
    """Values of SCORE's columns."""
    is_scored = [each.score.status == SCORED for each in found]
    values: dict[str, list[Any]] = {
        "": [each.score.value for each in found],
        "_entropy": [each.score.entropy_bits for each in found],
        "_seen": [each.seen for each in found],
        "_status": [each.score.status for each in found],
        "_source": ["judge" if scored else None for scored in is_scored],
        "_model": [model if scored else None for scored in is_scored],
    }
    return {name: values[name] for name in SCORE.names}
