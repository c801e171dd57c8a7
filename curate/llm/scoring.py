"""Log-probabilities over a rubric's choices -> one score. Never a number where the answer is in doubt."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curate.llm.answers import STATUSES, Answer

SCORED = "scored"
NOT_SAMPLED = "not_sampled"
FAILURES = tuple(status for status in STATUSES if status != "ok")
"""`quality_status` is one of SCORED, NOT_SAMPLED and these."""


@dataclass(frozen=True)
class Score:
    """`value` and `entropy_bits` are None unless `status` is scored."""

    status: str
    value: float | None = None
    entropy_bits: float | None = None


def score(answer: Answer, choices: Mapping[str, float]) -> Score:
    """Expected value over `choices` (answer -> value), and the entropy of their distribution, 0..log2(n) bits.

    The distribution is normalised over the whole choices: the server also returns pieces of them (" y" of " yes"),
    which are ignored. G-Eval (Liu et al., 2023); DIFFERS: log-probabilities of one token instead of twenty samples.
    """
    if answer.status != "ok":
        return Score(answer.status)
    # A piece may be the likeliest token; anything else was not among the choices.
    if not answer.text or not any(choice.startswith(answer.text) for choice in choices):
        return Score("unparsable")
    return expected([(answer.logprobs or {}).get(choice) for choice in choices], choices)


def expected(logprobs: Sequence[float | None], choices: Mapping[str, float]) -> Score:
    """The same from a log-probability a choice, in their order; unparsable where one is missing."""
    known = [p for p in logprobs if p is not None and not math.isnan(p) and p <= 0.0]
    if len(known) != len(choices) or not math.isfinite(top := max(known)):
        return Score("unparsable")
    weights = [math.exp(p - top) for p in known]
    shares = [weight / math.fsum(weights) for weight in weights]
    value = math.fsum(share * worth for share, worth in zip(shares, choices.values(), strict=True))
    return Score(SCORED, value, -math.fsum(share * math.log2(share) for share in shares if share > 0.0))
