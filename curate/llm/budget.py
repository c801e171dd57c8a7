"""Caps on what a run asks and spends, kept by estimates before each question and by the server's counts after it."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from curate.config import LlmConfig
from curate.config.models import BudgetConfig
from curate.errors import BudgetReached
from curate.llm.answers import Answer

CHARS_PER_TOKEN = 4
"""Of a prompt, without a tokenizer; English has about 4.2."""

UNCHARGED = frozenset({"http_error", "unreachable", "over_long"})
"""Statuses that cost no tokens. A reply without counts has any other status at its estimate."""

COUNTED = ("sent", "prompt_tokens", "completion_tokens", "milliseconds")
"""Counts of an Llm that make up a bill."""


def spent(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """COUNTED, summed over the counts of commits, where they are `llm.<name>`."""
    bill: Counter[str] = Counter()
    for each in counts:
        bill.update({name: each[f"llm.{name}"] for name in COUNTED if f"llm.{name}" in each})
    return bill


def with_share(config: LlmConfig, bill: Mapping[str, int]) -> LlmConfig:
    """The config of one replica: of each cap its part of what `bill` leaves. Replicas ask side by side, so each has all
    of the seconds that are left, and the bill's are divided.
    """
    if config.budget is None:
        return config
    used, whole = _used(bill, config), dict[str, float]()
    for name, cap in config.budget.model_dump(exclude_none=True).items():
        left = cap - used[name] / config.replicas if name == "seconds" else (cap - used[name]) / config.replicas
        whole[name] = max(0.0, left) if name == "money" else max(0, int(left))
    return config.model_copy(update={"budget": config.budget.model_copy(update=whole)})


class Meter:
    """What one Llm has asked and spent, with what is in flight at its largest. Use from one thread."""

    def __init__(self, config: LlmConfig) -> None:
        self._config = config
        self._caps = (config.budget or BudgetConfig()).model_dump(exclude_none=True)
        self._bill: Counter[str] = Counter()
        self._in_flight: Counter[str] = Counter()
        self._since: float | None = None
        self._reached: str | None = None

    @property
    def is_capped(self) -> bool:
        """Whether there is a budget at all."""
        return bool(self._caps)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The clock of `seconds` goes inside. Raises BudgetReached at the end where a cap kept a question back."""
        self._since = time.monotonic()
        self._reached = None
        try:
            yield
        finally:
            self._bill["milliseconds"] += int(1000 * (time.monotonic() - self._since))
            self._since = None
        if (name := self._stopped_by()) is not None:
            cap = self._caps[name]
            raise BudgetReached(
                f"llm.budget.{name}: another question could pass the cap of {cap:,g}"
                f"{' for each replica' if self._config.replicas > 1 else ''}. Nothing was published; what was answered "
                f"is kept. Raise llm.budget.{name} or lower judge.max_documents, and run again to go on"
            )

    def _stopped_by(self) -> str | None:
        return self._reached

    def reserve(self, prompt_tokens: int, max_tokens: int) -> bool:
        """Whether a question of so many tokens at most may be sent; it is then in flight until `settle`."""
        wanted = Counter(sent=1, prompt_tokens=prompt_tokens, completion_tokens=max_tokens)
        elapsed = 0 if self._since is None else int(1000 * (time.monotonic() - self._since))
        used = _used(self._bill + self._in_flight + wanted + Counter(milliseconds=elapsed), self._config)
        self._reached = self._reached or next((name for name, cap in self._caps.items() if used[name] > cap), None)
        if self._reached is None:
            self._in_flight += wanted
        return self._reached is None

    def settle(self, prompt_tokens: int, max_tokens: int, answer: Answer) -> None:
        """Put what the answer cost into the place of what was reserved."""
        self._in_flight -= Counter(sent=1, prompt_tokens=prompt_tokens, completion_tokens=max_tokens)
        is_free = answer.prompt_tokens is None and answer.status in UNCHARGED
        prompt = prompt_tokens if answer.prompt_tokens is None else answer.prompt_tokens
        completion = max_tokens if answer.completion_tokens is None else answer.completion_tokens
        self._bill.update(
            sent=1, prompt_tokens=0 if is_free else prompt, completion_tokens=0 if is_free else completion
        )


def _used(bill: Mapping[str, int], config: LlmConfig) -> dict[str, float]:
    """A bill in the units of BudgetConfig."""
    prompt, completion = bill.get("prompt_tokens", 0), bill.get("completion_tokens", 0)
    money = config.prices.of(prompt, completion) if config.prices else 0.0
    seconds = bill.get("milliseconds", 0) / 1000
    return {"requests": bill.get("sent", 0), "tokens": prompt + completion, "money": money, "seconds": seconds}
