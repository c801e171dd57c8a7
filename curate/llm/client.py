"""An async client for servers that speak the OpenAI protocol. A question always ends in an Answer with a status.

Only what makes every further question useless is raised (ModelError): a wrong key, a wrong model, an unsafe server, or
BREAK_AFTER questions in a row that got no answer.
"""

import asyncio
import contextlib
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn

import httpx

from curate import lineage
from curate.errors import ModelError
from curate.llm.answers import TOP_LOGPROBS, Answer, Request, Sampling, Status
from curate.llm.in_flight import MOST, InFlight
from curate.llm.server import is_safe

RETRYABLE_HTTP = frozenset({408, 429, 500, 502, 503, 504})
PUSHED_BACK = frozenset({"HTTP 429", "HTTP 503"})
DEADLINE_REQUESTS = 3
"""All attempts at one question together may take this many times `request_timeout`."""

BACKOFF_S, MAX_BACKOFF_S = 0.5, 30.0
BREAK_AFTER = 8
"""Questions in a row that got no answer by all their attempts, after which the server is given up."""

MAX_REPLY_BYTES = 16_000_000
NOT_SENT = "not sent: the server was gone"
NOT_ADMITTED = "not sent: the budget is used up"


class OtherModel(ModelError):
    """The server does not serve the model."""


class OpenAiClient:
    """Use from one event loop; close it there."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        concurrency: int | None = None,
        request_timeout: float = 120,
        retries: int = 4,
        is_healthy: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """`request_timeout` in seconds; `concurrency` None: as many as make it faster.

        Connects with the first question. Where `is_healthy` is given, it is asked after every failed attempt.
        """
        self.base_url = base_url.rstrip("/")
        self.model = model
        self._api_key = api_key
        self._request_timeout = request_timeout
        self._retries = retries
        self._in_flight = InFlight(concurrency)
        self._is_healthy = is_healthy
        self._asking = asyncio.Lock()
        self.is_gone = False
        """Whether `is_healthy` said no: what is asked from then on is not sent."""

        self._lost_in_a_row = 0
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=request_timeout,
            limits=httpx.Limits(max_connections=concurrency or MOST, max_keepalive_connections=concurrency or MOST),
            follow_redirects=False,  # the key goes to no other host
            trust_env=False,
        )

    async def close(self) -> None:
        """Ends the connections."""
        await self._http.aclose()

    async def check_server(self) -> None:
        """Raise ModelError unless the server, somebody else's, serves the model; a vLLM must have its holes fixed."""
        listed = await self._get(f"{self.base_url}/models")
        try:
            served = [entry["id"] for entry in listed["data"]]
            is_vllm = any(entry.get("owned_by") == "vllm" for entry in listed["data"])
        except (KeyError, TypeError, AttributeError):
            raise ModelError(f"{self.base_url}/models: the reply is no list of models; check llm.endpoint") from None
        if self.model not in served:
            names = self._without_key(", ".join(map(str, served)))[:500] or "nothing"
            raise OtherModel(f"{self.base_url} serves {names}; llm.model is {self.model!r}: name one that is served")
        if is_vllm:
            reply = await self._get(f"{self.base_url.removesuffix('/v1')}/version")
            version = self._without_key(str(reply.get("version") if isinstance(reply, dict) else None))[:50]
            if not is_safe(version):
                raise ModelError(f"{self.base_url} is vLLM {version}; expected 0.32 or later, which fixes known holes")

    def _without_key(self, said: str) -> str:
        """What a server says of itself; it knows our key, and this may enter a log."""
        return said.replace(self._api_key, "***") if self._api_key else said

    async def ask(self, request: Request, admit: Callable[[], bool] = lambda: True) -> Answer:
        """The answer to one question, after retries where they may help. Raises ModelError when none can be had.

        `admit` is called when its turn has come; where it says no, nothing is sent.
        """
        async with self._in_flight.slot():
            if self.is_gone:
                return Answer("unreachable", detail=NOT_SENT)
            if not admit():
                return Answer("unreachable", detail=NOT_ADMITTED)
            answer, is_lost = await self._ask_until_done(request)
            self._in_flight.answered((answer.prompt_tokens or 0) + (answer.completion_tokens or 0))
            self._lost_in_a_row = self._lost_in_a_row + 1 if is_lost and not self.is_gone else 0
            if self._lost_in_a_row >= BREAK_AFTER:
                raise ModelError(
                    f"{self.base_url}: {BREAK_AFTER} questions in a row got no answer, the last one {answer.status} "
                    f"({answer.detail}). Look at the server; where it is slow, raise llm.request_timeout or lower "
                    "llm.concurrency. Then run again: what was answered is kept"
                )
            return answer

    async def _ask_until_done(self, request: Request) -> tuple[Answer, bool]:
        """The answer, and whether all attempts were lost."""
        answer = Answer("timeout", detail="deadline of all attempts")
        body = request_body(request, self.model)
        jitter = request.key(self.model, None)
        path = "/completions" if request.form == "completion" else "/chat/completions"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_REQUESTS * self._request_timeout):
                for attempt in range(self._retries + 1):
                    answer, wait = await self._ask_once(f"{self.base_url}{path}", body, request)
                    if wait is None:
                        return answer, False
                    if answer.status == "timeout" or answer.detail in PUSHED_BACK:
                        self._in_flight.pushed_back()
                    if await self._has_gone() or attempt == self._retries:
                        break
                    await asyncio.sleep(max(min(wait, MAX_BACKOFF_S), backoff_s(attempt, jitter)))
        return answer, True

    async def _has_gone(self) -> bool:
        """Whether the server is known to be dead; asks unless it is."""
        async with self._asking:
            if not self.is_gone and self._is_healthy is not None:
                self.is_gone = not await self._is_healthy()
            return self.is_gone

    async def _ask_once(self, url: str, body: dict[str, Any], request: Request) -> tuple[Answer, float | None]:
        """The answer, and how long to wait at least before another attempt; None where another would not help."""
        try:
            async with asyncio.timeout(self._request_timeout):  # httpx's own limits start anew with every byte
                response = await self._exchange("POST", url, body)
        except (TimeoutError, httpx.TimeoutException) as error:
            return Answer("timeout", detail=type(error).__name__), 0.0
        except (httpx.TransportError, httpx.DecodingError) as error:
            return Answer("unreachable", detail=type(error).__name__), 0.0
        if response.status_code != 200:
            return self._http_failure(response)
        try:
            reply = json.loads(response.content, parse_constant=refuse_constant)
        except (ValueError, RecursionError):
            return Answer("malformed", detail="no JSON"), 0.0
        return read_reply(reply, request), None

    async def _exchange(self, method: str, url: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """The whole response, at most MAX_REPLY_BYTES of it."""
        async with self._http.stream(method, url, json=body) as response:
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > MAX_REPLY_BYTES:
                    raise httpx.DecodingError("reply too large")
        return httpx.Response(response.status_code, headers=response.headers, stream=None, content=bytes(content))

    def _http_failure(self, response: httpx.Response) -> tuple[Answer, float | None]:
        code = response.status_code
        if code in {401, 403}:
            raise ModelError(f"{self.base_url}: HTTP {code}; set CURATE_LLM_API_KEY to a key that the server accepts")
        if code == 400 and says_too_long(response.content):
            return Answer("over_long", detail="HTTP 400"), None
        wait = response.headers.get("retry-after", "")
        again = float(wait) if wait.isdigit() else 0.0
        return Answer("http_error", detail=f"HTTP {code}"), again if code in RETRYABLE_HTTP else None

    async def _get(self, url: str) -> Any:
        """The JSON object at `url`. Raises ModelError once the retries are used up."""
        reason = ""
        for attempt in range(self._retries + 1):
            try:
                async with asyncio.timeout(self._request_timeout):
                    response = await self._exchange("GET", url)
            except (TimeoutError, httpx.RequestError, httpx.InvalidURL) as error:
                reason = f"no answer ({type(error).__name__}); is the server running, and is llm.endpoint right?"
            else:
                if response.status_code == 200:
                    return json_object(response, url)
                self._http_failure(response)
                reason = f"HTTP {response.status_code}; llm.endpoint is the base URL and usually ends in /v1"
                if response.status_code not in RETRYABLE_HTTP:
                    break
            await asyncio.sleep(backoff_s(attempt, url.encode()))
        raise ModelError(f"{url}: {reason}")


def json_object(response: httpx.Response, url: str) -> Any:
    """The body as JSON. Raises ModelError."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        raise ModelError(f"{url}: the reply is no JSON; check llm.endpoint") from None


def refuse_constant(name: str) -> NoReturn:
    """JSON has no NaN and no Infinity; Python would take them."""
    raise ValueError(name)


def backoff_s(attempt: int, salt: bytes) -> float:
    """Seconds before the next attempt: doubling, times 0.5 to 1.5 by a hash: a crowd does not return at once."""
    spread = lineage.uniform(attempt, salt, "backoff") / 2**64
    return min(MAX_BACKOFF_S, BACKOFF_S * 2.0**attempt) * (0.5 + spread)


def says_too_long(body: bytes) -> bool:
    """Whether an error is about the context length; the words are vLLM's and OpenAI's."""
    text = body[:10_000].lower()
    return b"context length" in text or b"context_length_exceeded" in text or b"maximum model length" in text


def request_body(request: Request, model: str) -> dict[str, Any]:
    """The JSON of a question. Nothing of the document stands anywhere but in the prompt."""
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
    return body | choice_fields(request.form, sampling)


def choice_fields(form: str, sampling: Sampling) -> dict[str, Any]:
    """What makes the server answer with one of the choices and say how likely each was; empty for free text."""
    if sampling.scored:
        return {"echo": True, "logprobs": 1}
    if not sampling.choices:
        return {}
    if not sampling.with_logprobs:
        return {"structured_outputs": {"choice": list(sampling.choices)}}
    asked = {"logprobs": TOP_LOGPROBS} if form == "completion" else {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
    return {"structured_outputs": {"choice": list(sampling.choices)}, **asked}


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
