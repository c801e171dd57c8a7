"""How a rubric is asked, and how what comes back becomes a score.

first_token   one constrained token; a choice's probability is that of its token. Needs log-probabilities
whole_choice  the log-probability of each choice as a whole, of any tokens; one question a choice, completions only
sampled       `samples` constrained answers, the share of each choice; for models that give no log-probabilities
reasoned      `budget` tokens of reasoning, then the choice as in first_token; chat only
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from curate.llm.answers import Answer, Content, Mode, Request, Sampling
from curate.llm.prompts import Prompt
from curate.llm.scoring import Score, expected, score

Ask = Callable[[Sequence[Request]], Sequence[Answer]]
"""Answers questions, in their order."""

Texts = Sequence[tuple[bytes, Content]]
"""Hash of each text, and the prompt around it."""

Scored = list[tuple[Score, list[Answer]]]
"""A score for each text, and the answers that it comes from."""

CHOICE_TOKENS = 16
"""Of a sampled answer, which is to be one of the choices; of a longer one the end would be missing."""


def scores(ask: Ask, rubric: Prompt, contents: Sequence[Content], text_hashes: Sequence[bytes]) -> Scored:
    """Ask about prompts that are filled with a text each. `ask` is called once or twice."""
    return _MODES[rubric.mode](ask, rubric, list(zip(text_hashes, contents, strict=True)))


def _first_token(ask: Ask, rubric: Prompt, texts: Texts) -> Scored:
    sampling = Sampling(max_tokens=1, choices=tuple(rubric.choices))
    answers = ask([_request(rubric, *text, sampling) for text in texts])
    return [(score(answer, rubric.choices), [answer]) for answer in answers]


def _whole_choice(ask: Ask, rubric: Prompt, texts: Texts) -> Scored:
    samplings = [Sampling(max_tokens=1, scored=choice) for choice in rubric.choices]
    return [(_of_whole_choices(a, rubric.choices), a) for a in _several(ask, rubric, texts, samplings)]


def _sampled(ask: Ask, rubric: Prompt, texts: Texts) -> Scored:
    one = Sampling(CHOICE_TOKENS, temperature=rubric.temperature, choices=tuple(rubric.choices), with_logprobs=False)
    samplings = [replace(one, seed=seed) for seed in range(rubric.samples)]
    return [(_of_samples(a, rubric.choices), a) for a in _several(ask, rubric, texts, samplings)]


def _reasoned(ask: Ask, rubric: Prompt, texts: Texts) -> Scored:
    thinking = Sampling(rubric.budget, temperature=rubric.temperature, seed=0)
    thoughts = ask([_request(rubric, *text, thinking) for text in texts])
    # A budget that is used up is no failure: the choice is asked for all the same.
    whole = [n for n, thought in enumerate(thoughts) if thought.status in {"ok", "truncated"}]
    choosing = Sampling(max_tokens=1, choices=tuple(rubric.choices))
    turns = [(thoughts[n].text or "", rubric.final) for n in whole]
    chosen = ask([_request(rubric, *texts[n], choosing, said) for n, said in zip(whole, turns, strict=True)])
    found: Scored = [(Score(thought.status), [thought]) for thought in thoughts]
    for n, answer in zip(whole, chosen, strict=True):
        found[n] = (score(answer, rubric.choices), [thoughts[n], answer])
    return found


_MODES: Mapping[Mode, Callable[[Ask, Prompt, Texts], Scored]] = {
    "first_token": _first_token, "whole_choice": _whole_choice, "sampled": _sampled, "reasoned": _reasoned,
}  # fmt: skip


def _request(
    rubric: Prompt, text_hash: bytes, content: Content, sampling: Sampling, turns: tuple[str, ...] = ()
) -> Request:
    return Request(text_hash, rubric.hash, rubric.form, content, sampling, turns)


def _several(ask: Ask, rubric: Prompt, texts: Texts, samplings: Sequence[Sampling]) -> list[list[Answer]]:
    """The answers to each text, asked once a sampling."""
    answers = ask([_request(rubric, *text, sampling) for text in texts for sampling in samplings])
    return [list(answers[n : n + len(samplings)]) for n in range(0, len(answers), len(samplings))]


def _of_whole_choices(answers: Sequence[Answer], choices: Mapping[str, float]) -> Score:
    failed = next((answer for answer in answers if answer.status != "ok"), None)
    if failed:
        return Score(failed.status)
    return expected([(a.logprobs or {}).get(choice) for a, choice in zip(answers, choices, strict=True)], choices)


def _of_samples(answers: Sequence[Answer], choices: Mapping[str, float]) -> Score:
    """Over all samples or none: those that are left when one failed would be another sample."""
    failed = next((answer for answer in answers if answer.status != "ok"), None)
    if failed:
        return Score(failed.status)
    drawn = Counter((answer.text or "").strip() for answer in answers)
    counts = [drawn[choice.strip()] for choice in choices]
    if sum(counts) != len(answers):
        return Score("unparsable")
    return expected([math.log(n / len(answers)) if n else -math.inf for n in counts], choices)
