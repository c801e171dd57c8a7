"""What judging would ask, take and cost, estimated from a sample of the inputs before anything is spent.

The sample's documents go through the cheap bounds, and those that pass through the rubrics: the very questions that a
run would ask are made, and counted instead of sent. Duplicates are not looked for, so with deduplication it errs high;
what a synthesis writes, which is judged too, is not in it, and neither are the tokens of a server's chat template.
"""

import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from curate import lineage
from curate.config import JudgeConfig, RunConfig
from curate.decisions import select
from curate.errors import ConfigError
from curate.judging.judge import judgements, rubrics, with_safe_turns
from curate.judging.modes import scores
from curate.llm.answers import Answer, Request
from curate.llm.budget import CHARS_PER_TOKEN
from curate.llm.prompts import Prompt
from curate.llm.session import Llm
from curate.sample import Sample

NAME = "judge_plan.json"
"""File of the work folder, for the report of the run to compare its bill with."""

MEASURED = 20
"""Questions that are asked to measure a rate."""

NORMAL_95 = 1.96


@dataclass(frozen=True)
class Questions:
    """What one rubric would ask about all documents that are judged."""

    rubric: str
    mode: str
    requests: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class JudgePlan:
    """Estimates for a run; tokens and requests are of what the response cache does not have."""

    sampled: int
    documents: int
    """Of all inputs, by the share of their bytes that the sample comes from."""

    passing: int
    """Of those: by the cheap bounds."""

    judged: int
    """Of those: within judge.max_documents, and judge.distil.ask_again."""

    cached_share: float
    """Of the sample's questions: those that are answered already."""

    rubrics: dict[str, Questions]
    """Name of the score -> what it takes."""

    prompt_tokens_error: int
    """Half of the 95 % interval, from drawing other documents."""

    is_exact: bool
    """Whether the model's own tokenizer counted; else a token is 4 characters."""

    replicas: int
    money: float | None
    tokens_per_second: float | None
    """Of one replica, prompts and answers."""

    over: tuple[str, ...] = ()
    """Caps of llm.budget that it would pass."""

    @property
    def requests(self) -> int:
        """Of all rubrics, as the other sums."""
        return sum(each.requests for each in self.rubrics.values())

    @property
    def prompt_tokens(self) -> int:
        """With what stands around the documents."""
        return sum(each.prompt_tokens for each in self.rubrics.values())

    @property
    def completion_tokens(self) -> int:
        """At most."""
        return sum(each.completion_tokens for each in self.rubrics.values())

    @property
    def seconds(self) -> float | None:
        """Of asking, by all replicas at a time, the start of their servers apart; None without a rate."""
        if not self.tokens_per_second:
            return None
        return (self.prompt_tokens + self.completion_tokens) / self.tokens_per_second / self.replicas

    def to_json(self) -> dict[str, Any]:
        """JSON values, the sums too."""
        sums = ("requests", "prompt_tokens", "completion_tokens", "seconds")
        return asdict(self) | {name: getattr(self, name) for name in sums}


def plan(config: RunConfig, sample: Sample, llm: Llm, tokens_per_second: float | None = None) -> JudgePlan:
    """Of a config with a judge; sends nothing. Raises ConfigError."""
    judge, texts = config.judge, passing(config, sample)
    if judge is None or config.llm is None:
        raise ConfigError("the config has no `judge`: there is nothing to plan; add one, see configs/quickstart.yaml")
    number = sample.facts.height
    documents = round(sample.extracted / sample.share) if sample.share else 0
    passed = round(documents * len(texts) / number) if number else 0
    again = judge.distil.ask_again if judge.distil else 0
    judged = min(passed, judge.max_documents + again) if judge.max_documents else passed
    found, squares = dict[str, Questions](), 0.0
    asked = Counter[bool]()
    for name, rubric in rubrics(judge).items():
        counted = _counted(rubric, texts, llm, judge)
        is_known = counted.is_known
        asked.update(is_known)
        weights = [judged / len(texts) * (not each) for each in is_known] if texts else []
        found[name] = Questions(
            rubric.name,
            rubric.mode,
            round(sum(weights)),
            _sum(counted.prompt, weights),
            _sum(counted.completion, weights),
        )
        squares += _error(counted.prompt, len(texts), judged)
    total = JudgePlan(
        number, documents, passed, judged, asked[True] / max(1, asked.total()), found, round(math.sqrt(squares)),
        llm.documents.tokenizer is not None, config.llm.replicas, None, tokens_per_second,
    )  # fmt: skip
    prices = config.llm.prices
    money = prices.of(total.prompt_tokens, total.completion_tokens) if prices else None
    whole = replace(total, money=money)
    caps = config.llm.budget.model_dump(exclude_none=True) if config.llm.budget else {}
    takes = {
        "requests": whole.requests,
        "tokens": whole.prompt_tokens + whole.completion_tokens,
        "money": money or 0.0,
        "seconds": whole.seconds or 0.0,
    }
    return replace(whole, over=tuple(name for name, cap in caps.items() if takes[name] > cap))


def passing(config: RunConfig, sample: Sample) -> list[tuple[bytes, str]]:
    """Text hash and text of the sample's documents that the cheap bounds keep, equal texts once."""
    decided = select(sample.facts, None, None, config.model_copy(update={"dedup": None}), judged=False)
    is_kept = decided["status"] == "kept"
    hashes = pl.Series(sample.documents.column("text_hash").to_pylist(), dtype=pl.Binary)
    texts = pl.Series(sample.documents.column("text").to_pylist(), dtype=pl.String)
    return list(dict(zip(hashes.filter(is_kept), texts.filter(is_kept), strict=True)).items())


def measured_rate(config: RunConfig, sample: Sample, llm: Llm) -> float | None:
    """Tokens a second of one replica, prompts and answers, by MEASURED documents that are asked about and kept in the
    cache; None where it knew them all. Few questions keep no server busy: it errs low.
    """
    assert config.judge
    [rubric, *_] = rubrics(config.judge).values()
    texts = passing(config, sample)[: MEASURED + 1]
    given, hashes = [text for _, text in texts], [text_hash for text_hash, _ in texts]
    judgements(given[:1], hashes[:1], rubric, llm, config.judge)  # starts the server
    before, began = Counter(llm.counts), time.monotonic()
    judgements(given[1:], hashes[1:], rubric, llm, config.judge)
    seconds, new = time.monotonic() - began, llm.counts - before
    return (new["prompt_tokens"] + new["completion_tokens"]) / seconds if new["sent"] else None


def save(plan: JudgePlan, config: RunConfig) -> None:
    """Put it into the work folder."""
    config.work.mkdir(parents=True, exist_ok=True)
    values = {"config": _key(config), "plan": plan.to_json()}
    (config.work / NAME).write_text(json.dumps(values, indent=1))


def saved(config: RunConfig) -> dict[str, Any] | None:
    """The plan of the work folder as `to_json` gave it; None where there is none for this config."""
    path: Path = config.work / NAME
    if not path.exists():
        return None
    values = json.loads(path.read_text())
    plan: dict[str, Any] = values["plan"]
    return plan if values["config"] == _key(config) else None


def _key(config: RunConfig) -> str:
    return lineage.key("judge plan", config.identity())


@dataclass
class _Counted:
    """Answers questions from the cache, else with nothing, and keeps their sizes."""

    llm: Llm
    is_known: list[bool] = field(default_factory=list)
    prompt: list[int] = field(default_factory=list)
    completion: list[int] = field(default_factory=list)

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """As Llm.ask: what a question takes at most, and an answer of that length."""
        safe = with_safe_turns(self.llm.documents, requests)
        keys = [request.key(self.llm.identity.model, self.llm.identity.revision) for request in safe]
        known = self.llm.cache.get_many(keys)
        self.is_known += [key in known for key in keys]
        for request in safe:
            self.prompt.append(sum(self._count(said) for said in request.messages))
            choices = request.sampling.choices
            longest = max((self._count(choice) for choice in choices), default=request.sampling.max_tokens)
            self.completion.append(min(longest, request.sampling.max_tokens))
        return [known.get(key) or _answer(request) for key, request in zip(keys, safe, strict=True)]

    def _count(self, text: str) -> int:
        counted = self.llm.documents.count(text)
        return len(text) // CHARS_PER_TOKEN + 1 if counted is None else counted


def _counted(rubric: Prompt, texts: Sequence[tuple[bytes, str]], llm: Llm, judge: JudgeConfig) -> _Counted:
    counted = _Counted(llm)
    contents = [llm.documents.content(rubric, text, judge.max_tokens, judge.sees) for _, text in texts]
    scores(counted.ask, rubric, contents, [text_hash for text_hash, _ in texts])
    return counted


def _answer(request: Request) -> Answer:
    if scored := request.sampling.scored:
        return Answer("ok", "", {scored: -1.0})
    if choices := request.sampling.choices:
        return Answer("ok", choices[0], dict.fromkeys(choices, -1.0))
    return Answer("truncated", " a" * request.sampling.max_tokens)


def _sum(values: Sequence[int], weights: Sequence[float]) -> int:
    return round(sum(value * weight for value, weight in zip(values, weights, strict=True)))


def _error(values: Sequence[int], texts: int, judged: int) -> float:
    """Square of half the 95 % interval of the sum over `judged` documents, from so many values of a sample of texts."""
    if texts < 2:
        return 0.0
    several = len(values) / texts
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return (NORMAL_95 * judged * several) ** 2 * variance / texts
