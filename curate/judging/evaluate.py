"""A rubric asked about a gold set, and how far its scores agree with the labels."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from curate import lineage
from curate.config import JudgeConfig
from curate.judging import metrics
from curate.judging.calibration import Calibration, fit
from curate.judging.evaluation import Agreement, Evaluation, Slice
from curate.judging.gold import PARTS, Gold, GoldText, content_hash
from curate.judging.judge import Judgement, judgements, stop_if_too_many_failed
from curate.judging.metrics import Floats
from curate.llm.prompts import Prompt
from curate.llm.scoring import SCORED
from curate.llm.session import Llm

LENGTHS = (400, 800)
"""Characters at which the buckets of length part."""

Judged = Sequence[tuple[GoldText, Judgement]]


def evaluate(rubric: Prompt, gold: Gold, llm: Llm, config: JudgeConfig) -> Evaluation:
    """Ask and measure. Raises JudgeError when more than `max_failed_share` of the texts got no score, ModelError when
    the server is given up.
    """
    texts = [text.text for text in gold.texts]
    found = judgements(texts, [lineage.text_hash(text) for text in texts], rubric, llm, config)
    stop_if_too_many_failed(found, config)
    judged = list(zip(gold.texts, found, strict=True))
    of_part = {part: [each for each in judged if each[0].part == part] for part in PARTS}
    calibration = _fitted(of_part["choose"], rubric)
    return Evaluation(
        gold=gold.hash,
        prompt=rubric.hash,
        rubric=rubric.name,
        version=rubric.version,
        model=llm.identity.model,
        revision=llm.identity.revision,
        max_tokens=config.max_tokens,
        sees=config.sees,
        parts={
            part: _agreement(of_part[part], rubric, None if part == "choose" else calibration)
            for part in PARTS
            if of_part[part]
        },
        prompt_tokens=_mean_tokens(found, "prompt_tokens"),
        completion_tokens=_mean_tokens(found, "completion_tokens"),
        calibration=calibration,
    )


def _fitted(judged: Judged, rubric: Prompt) -> Calibration | None:
    scored, scores, labels = _arrays(judged)
    if not scored:
        return None
    low, high = _scale(rubric)
    return fit(scores, low + labels * (high - low), content_hash(scored))


def _agreement(judged: Judged, rubric: Prompt, calibration: Calibration | None) -> Agreement:
    scored, scores, labels = _arrays(judged)
    low, high = _scale(rubric)
    shares = (scores - low) / (high - low)
    groups = [text.group or text.id for text in scored]
    measured = partial(metrics.interval, labels=labels, groups=groups)
    kappa = partial(metrics.weighted_kappa, values=[(value - low) / (high - low) for value in rubric.choices.values()])
    calibrated_error = metrics.Interval(None)
    if calibration:
        mapped = np.array([calibration.apply(score) for score in scores])
        calibrated_error = measured(metrics.calibration_error, (mapped - low) / (high - low))
    return Agreement(
        statuses=Counter(judgement.score.status for _, judgement in judged),
        auc=measured(metrics.auc, shares),
        spearman=measured(metrics.spearman, shares),
        kappa=measured(kappa, shares),
        calibration_error=measured(metrics.calibration_error, shares),
        calibrated_error=calibrated_error,
        by_language=_slices(scored, shares, labels, lambda text: text.lang),
        by_length=_slices(scored, shares, labels, _length),
        by_kind=_by_kind(scored, shares, labels),
    )


def _slices(
    texts: Sequence[GoldText], scores: Floats, labels: Floats, name: Callable[[GoldText], str]
) -> Mapping[str, Slice]:
    """AUC by what a text is called, the most texts first."""
    names = [name(text) for text in texts]
    return {
        key: _slice(texts, scores, labels, [n for n, each in enumerate(names) if each == key])
        for key, _ in sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    }


def _by_kind(texts: Sequence[GoldText], scores: Floats, labels: Floats) -> Mapping[str, Slice]:
    good = [n for n, text in enumerate(texts) if text.is_good]
    kinds = sorted({text.kind for text in texts if not text.is_good})
    bad = {kind: [n for n, text in enumerate(texts) if text.kind == kind and not text.is_good] for kind in kinds}
    return {
        kind: Slice(texts=len(places), auc=_slice(texts, scores, labels, good + places).auc)
        for kind, places in bad.items()
    }


def _slice(texts: Sequence[GoldText], scores: Floats, labels: Floats, places: Sequence[int]) -> Slice:
    groups = [texts[n].group or texts[n].id for n in places]
    return Slice(texts=len(places), auc=metrics.interval(metrics.auc, scores[places], labels[places], groups))


def _length(text: GoldText) -> str:
    short, long = LENGTHS
    length = len(text.text)
    return f"under {short}" if length < short else f"{short} to {long - 1}" if length < long else f"{long} and more"


def _arrays(judged: Judged) -> tuple[list[GoldText], Floats, Floats]:
    """The texts that got a score, with their scores and labels."""
    scored = [(text, judgement.score.value) for text, judgement in judged if judgement.score.status == SCORED]
    scores = np.array([value for _, value in scored], dtype=np.float64)
    return [text for text, _ in scored], scores, np.array([text.label for text, _ in scored], dtype=np.float64)


def _scale(rubric: Prompt) -> tuple[float, float]:
    return min(rubric.choices.values()), max(rubric.choices.values())


def _mean_tokens(found: Sequence[Judgement], name: str) -> float | None:
    """Tokens of all questions about a text, over the texts whose every question was counted."""
    counts = [[getattr(answer, name) for answer in judgement.answers] for judgement in found]
    known = [sum(each) for each in counts if each and None not in each]
    return round(sum(known) / len(known), 1) if known else None
