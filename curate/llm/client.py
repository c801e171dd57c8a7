"""An async client for servers that speak the OpenAI protocol. A question always ends in an Answer with a status.

Only what makes every further question useless is raised (ModelError): a wrong key, a wrong model, an unsafe server, or
BREAK_AFTER questions in a row that got no answer.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from curate import lineage
from curate.errors import ModelError
from curate.llm.answers import Answer, Request
from curate.llm.in_flight import MOST, InFlight
from curate.llm.protocol import CONSTRAINED, parsed, read_reply, request_body, says_too_long, says_unconstrained
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

        self.constrains = True
        """Whether the server takes CONSTRAINED; found with the first question that has choices."""

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
        jitter = request.key(self.model, None)
        path = "/completions" if request.form == "completion" else "/chat/completions"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_REQUESTS * self._request_timeout):
                for attempt in range(self._retries + 1):
                    answer, wait = await self._ask_once(f"{self.base_url}{path}", request)
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

    async def _ask_once(self, url: str, request: Request) -> tuple[Answer, float | None]:
        """The answer, and how long to wait at least before another attempt; None where another would not help."""
        body = request_body(request, self.model, constrains=self.constrains)
        try:
            async with asyncio.timeout(self._request_timeout):  # httpx's own limits start anew with every byte
                response = await self._exchange("POST", url, body)
        except (TimeoutError, httpx.TimeoutException) as error:
            return Answer("timeout", detail=type(error).__name__), 0.0
        except (httpx.TransportError, httpx.DecodingError) as error:
            return Answer("unreachable", detail=type(error).__name__), 0.0
        if response.status_code in {400, 422} and CONSTRAINED in body and says_unconstrained(response.content):
            self.constrains = False
            return await self._ask_once(url, request)
        if response.status_code != 200:
            return self._http_failure(response)
        try:
            reply = parsed(response.content)
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
        again = float(wait) if wait.isascii() and wait.isdigit() else 0.0
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


def backoff_s(attempt: int, salt: bytes) -> float:
    """Seconds before the next attempt: doubling, times 0.5 to 1.5 by a hash: a crowd does not return at once."""
    spread = lineage.uniform(attempt, salt, "backoff") / 2**64
    return min(MAX_BACKOFF_S, BACKOFF_S * 2.0**attempt) * (0.5 + spread)
