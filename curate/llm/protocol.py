"""The OpenAI protocol: a Request as the JSON that is sent, and what comes back as an Answer. Sends nothing itself."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from curate.llm.answers import TOP_LOGPROBS, Answer, Request, Sampling, Status

CONSTRAINED = "structured_outputs"
"""vLLM's field for an answer that is one of the choices."""

UNKNOWN = (
    b"unrecognized", b"unknown", b"unexpected", b"unsupported", b"not supported", b"not permitted", b"not allowed",
    b"invalid", b"extra",
)  # fmt: skip


def says_too_long(body: bytes) -> bool:
    """Whether an error is about the context length; the words are vLLM's and OpenAI's."""
    text = body[:10_000].lower()
    return b"context length" in text or b"context_length_exceeded" in text or b"maximum model length" in text


def says_unconstrained(body: bytes) -> bool:
    """Whether an error says that the server does not know CONSTRAINED, as OpenAI's own does."""
    text = body[:10_000].lower()
    return CONSTRAINED.encode() in text and any(word in text for word in UNKNOWN)


def request_body(request: Request, model: str, *, constrains: bool = True) -> dict[str, Any]:
    """The JSON of a question. Nothing of the document stands anywhere but in the prompt.

    Where the server `constrains` nothing, the choices are looked for among the likeliest of all tokens.
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "frequency_penalty": sampling.frequency_penalty,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if request.form == "completion":
        body["prompt"] = request.messages[0] + (sampling.scored or "")
    else:
        roles = ("user", "assistant")
        body["messages"] = [{"role": roles[n % 2], "content": said} for n, said in enumerate(request.messages)]
    fields = choice_fields(request.form, sampling)
    return body | {name: value for name, value in fields.items() if constrains or name != CONSTRAINED}


def choice_fields(form: str, sampling: Sampling) -> dict[str, Any]:
    """What makes the server answer with one of the choices and say how likely each was; empty for free text."""
    if sampling.scored:
        return {"echo": True, "logprobs": 1}
    if not sampling.choices:
        return {}
    if not sampling.with_logprobs:
        return {CONSTRAINED: {"choice": list(sampling.choices)}}
    asked = {"logprobs": TOP_LOGPROBS} if form == "completion" else {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
    return {CONSTRAINED: {"choice": list(sampling.choices)}, **asked}


def parsed(body: bytes) -> Any:
    """JSON. Raises ValueError or RecursionError."""
    return json.loads(body, parse_constant=refuse_constant)


def refuse_constant(name: str) -> NoReturn:
    """JSON has no NaN and no Infinity; Python would take them."""
    raise ValueError(name)


def read_reply(reply: Any, request: Request) -> Answer:
    """An HTTP 200 body -> Answer; `malformed` where it is not what the protocol says."""
    reader: Callable[[Any], tuple[Any, Any, Any]] = read_completion if request.form == "completion" else read_chat
    try:
        choice, usage = reply["choices"][0], reply.get("usage") or {}
        tokens = as_count(usage.get("prompt_tokens")), as_count(usage.get("completion_tokens"))
        if scored := request.sampling.scored:
            return Answer("ok", "", scored_logprob(choice["logprobs"], scored, tokens[1]), *tokens)
        text, tops, refusal = reader(choice)
        finish = choice.get("finish_reason")
        if isinstance(text, str):
            # A server that cuts by UTF-16 units leaves halves of characters, which can be neither hashed nor stored.
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if finish == "content_filter" or refusal:
            return Answer("refused", text or "", None, *tokens, finish)
        if not isinstance(text, str):
            return Answer("malformed", detail="no text")
        logprobs = as_logprobs(tops) if request.sampling.choices and request.sampling.with_logprobs else None
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        return Answer("malformed", detail=type(error).__name__)
    return Answer(status_of(text, finish, request.sampling.choices), text, logprobs, *tokens, finish)


def status_of(text: str, finish: Any, choices: Sequence[str]) -> Status:
    """One constrained token ends by length as a rule, and may be a piece of a choice."""
    if choices:
        return "ok" if text and any(choice.startswith(text) for choice in choices) else "unparsable"
    return "truncated" if finish == "length" else "ok"


def scored_logprob(echo: Any, scored: str, completion_tokens: int | None) -> dict[str, float]:
    """What was to be scored -> the sum of its tokens' log-probabilities in an echoed prompt. Raises ValueError where
    its tokens are not there, or one of them reaches into the prompt: that is another question.
    """
    end = len(echo["tokens"]) - (1 if completion_tokens is None else completion_tokens)
    start, found = end, ""
    while start and len(found) < len(scored):
        start -= 1
        found = echo["tokens"][start] + found
    if found != scored:
        raise ValueError("no token ends where the prompt does")
    values = as_logprobs([(str(n), echo["token_logprobs"][n]) for n in range(start, end)])
    return {scored: sum(values.values())}


def read_completion(choice: Any) -> tuple[Any, Any, Any]:
    """Text, (token, log-probability) pairs of the first token, refusal."""
    tops = (choice.get("logprobs") or {}).get("top_logprobs")
    return choice["text"], list(tops[0].items()) if tops else None, None


def read_chat(choice: Any) -> tuple[Any, Any, Any]:
    """As `read_completion`, for the chat form."""
    message = choice["message"]
    content = (choice.get("logprobs") or {}).get("content")
    tops = [(top["token"], top["logprob"]) for top in content[0]["top_logprobs"]] if content else None
    return message.get("content"), tops, message.get("refusal")


def as_logprobs(tops: Any) -> dict[str, float]:
    """Token -> log-probability. Raises TypeError or ValueError for anything that is none."""
    if tops is None:
        raise ValueError("no log-probabilities")
    for _, value in tops:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value > 1e-6:
            raise ValueError("not a log-probability")
    return {str(token): min(float(value), 0.0) for token, value in tops}


def as_count(value: Any) -> int | None:
    """A number of tokens; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
