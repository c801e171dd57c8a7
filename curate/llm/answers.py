"""What is asked of a model and what comes back: Request, Answer, and the list of statuses."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal, get_args

from curate import lineage

Status = Literal[
    "ok",           # a whole answer
    "refused",      # the server or the model declined by name (content filter, refusal field)
    "truncated",    # the answer was cut at max_tokens
    "unparsable",   # a whole answer that is none of the choices
    "malformed",    # HTTP 200, and the body is no completion: broken JSON, no choices, no log-probabilities, NaN
    "over_long",    # prompt and answer do not fit the model; not asked, or the server said so
    "http_error",   # any other HTTP status; `detail` has it
    "timeout",      # no whole reply in time
    "unreachable",  # no connection, or it broke
    "engine_died",  # the server died of this question alone, twice; not asked a third time in this run
]  # fmt: skip

STATUSES: tuple[str, ...] = get_args(Status)

DEFINITIVE = frozenset({"ok", "refused", "truncated", "unparsable"})
"""What the model itself said: cached. The rest may pass, and is asked again by the next run."""

TOP_LOGPROBS = 20
"""The most that vLLM gives unless told otherwise: the choices and pieces of them."""

Form = Literal["completion", "chat"]
Mode = Literal["first_token", "whole_choice", "sampled", "reasoned"]


@dataclass(frozen=True)
class Sampling:
    """Everything besides the prompt that decides an answer."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    """The answer is one of these; empty: free text."""

    with_logprobs: bool = True
    """Whether an answer among choices comes with their log-probabilities."""

    scored: str | None = None
    """Nothing is answered: how likely is this as the continuation of the prompt? For completions."""


@dataclass(frozen=True)
class Content:
    """A prompt with a document in it, made when it is looked at.

    An answer that is cached needs no prompt: to cut a text by its tokens takes 0.5 ms, to look an answer up 0.1 ms.
    """

    identity: tuple[str | int, ...]
    """What decides it, besides the document's text and the prompt."""

    make: Callable[[], tuple[str, float]] = field(compare=False, repr=False)
    """The content, and the share of the document's characters that stand in it, 0..1."""

    @classmethod
    def plain(cls, text: str) -> "Content":
        """One that is there already."""
        return cls((lineage.text_hash(text).hex(),), lambda: (text, 1.0))

    @cached_property
    def made(self) -> tuple[str, float]:
        """As `make`, once."""
        return self.make()


@dataclass(frozen=True)
class Request:
    """One question about one document."""

    text_hash: bytes
    """Of the document: what a purge looks for."""

    prompt_hash: str
    form: Form
    content: Content
    sampling: Sampling
    turns: tuple[str, ...] = field(default=(), repr=False)
    """Of a chat that went on: what the model answered, and the next question."""

    @property
    def messages(self) -> tuple[str, ...]:
        """What was said in turn, by the user first; for a completion the prompt alone."""
        return (self.content.made[0], *self.turns)

    def key(self, model: str, revision: str | None) -> bytes:
        """16 bytes by which the answer is cached; a document that is cut elsewhere is another question."""
        said = [lineage.text_hash(turn).hex() for turn in self.turns]
        what = [self.text_hash.hex(), self.prompt_hash, self.form, self.content.identity, said, model, revision]
        return bytes.fromhex(lineage.key("answer", *what, _values(self.sampling)))


@lru_cache(maxsize=64)
def _values(sampling: Sampling) -> dict[str, Any]:
    return asdict(sampling)


@dataclass(frozen=True)
class Answer:
    """One reply; `text` and `logprobs` only where the status is definitive."""

    status: Status
    text: str | None = field(default=None, repr=False)
    logprobs: Mapping[str, float] | None = None
    """Token -> natural logarithm of its probability as the first token of the answer, for choices; or what was to be
    scored -> that of it as a whole.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    seen: float | None = None
    """Share of the document's characters that stood in the prompt, 0..1."""

    detail: str | None = None
    """HTTP status or name of the error; never part of a body."""

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> "Answer":
        """Raises TypeError or ValueError when `values` is not what `to_json` gave."""
        answer = cls(**values)
        if answer.status not in STATUSES:
            raise ValueError(f"unknown status {answer.status!r}")
        return answer
