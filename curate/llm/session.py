"""Llm: one model with its server or endpoint, client, tokenizer and response cache. Nothing starts before it must.

with contextlib.closing(Llm(config, cache_folder)) as llm:
    answers = llm.ask(requests)
"""

import asyncio
import logging
import os
import secrets
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from tokenizers import Tokenizer

from curate.config import LlmConfig
from curate.errors import ModelError
from curate.llm import packaged
from curate.llm.answers import DEFINITIVE, Answer, Request
from curate.llm.budget import CHARS_PER_TOKEN, Meter
from curate.llm.cache import ResponseCache
from curate.llm.canary import Canaries
from curate.llm.client import NOT_ADMITTED, NOT_SENT, OpenAiClient
from curate.llm.prompts import Documents
from curate.llm.server import VllmServer

log = logging.getLogger(__name__)

API_KEY_VARIABLE = "CURATE_LLM_API_KEY"
MAX_RESTARTS = 9
"""Times that a server of ours which died is started again, in the life of an Llm; a prompt that kills it costs 3."""

DEATHS_ALONE = 2
"""Servers that may die while a question is asked alone; the first may have died of something else."""

UNKNOWN = "unknown"
"""What stands for a revision that nobody said."""

TAKEN_OUT = "the answer was taken out of the cache by another process"

TRANSPORT = frozenset({"http_error", "timeout", "unreachable"})


@dataclass(frozen=True)
class Identity:
    """Which model answers: what keys and `generator` hold."""

    model: str
    revision: str | None
    """None: an endpoint's model whose revision the config does not say. With `+dtype` and `+quantization` where the
    config asks for others than weights as they are in bfloat16.
    """

    def __str__(self) -> str:
        """`model@revision`."""
        return f"{self.model}@{self.revision or UNKNOWN}"


class Llm:
    """Use from one thread that runs no event loop."""

    def __init__(self, config: LlmConfig, cache_folder: Path) -> None:
        """Opens the cache and starts nothing; the log of a server of ours goes into `logs` below the cache."""
        self.config = config
        self.identity = self.identity_of(config)
        self.cache = ResponseCache(cache_folder)
        self.counts: Counter[str] = Counter()
        """Since the start: asked, from_cache, cut (answers about a part of a document), sent, prompt_tokens,
        completion_tokens, milliseconds of asking, server_starts."""

        self._log_folder = cache_folder / "logs"
        self._runner = asyncio.Runner()
        self._server: VllmServer | None = None
        self._client: OpenAiClient | None = None
        self._given_up: str | None = None
        self._meter = Meter(config)
        self._canaries = Canaries(self.cache)

    @staticmethod
    def identity_of(config: LlmConfig) -> Identity:
        """Which model will answer; starts nothing, converts nothing, hashes a local folder once."""
        found = packaged.identify(config.model, config.revision)
        other = [how for how in (config.dtype, config.quantization) if how not in ("bfloat16", None)]
        revision = "+".join([found.revision or UNKNOWN, *other]) if other else found.revision
        return Identity(found.name, revision)

    def close(self) -> None:
        """Stops what was started; a second call does nothing."""
        self._disconnect()
        self._runner.close()
        self.cache.close()

    @cached_property
    def documents(self) -> Documents:
        """Makes documents safe and short for this model; the packaged model is converted for its tokenizer."""
        folder = packaged.resolve(self.config.model, self.config.revision).path
        if folder is None:
            return Documents(None)
        file = folder / "tokenizer.json"
        if not file.exists():
            raise ModelError(f"{folder}: no tokenizer.json; save the tokenizer in its fast form there")
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_truncation()  # Counting and cutting are ours.
        tokenizer.no_padding()
        return Documents(tokenizer)

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer a request, in order. A definitive one is committed to the cache, then read from there.

        Raises ModelError when the server is given up, or is not the model that it was: no answer leaves here before the
        canary questions that follow it. From then on at once, whenever the cache does not suffice. Raises BudgetReached
        when all that may be sent was sent.
        """
        keys = [request.key(self.identity.model, self.identity.revision) for request in requests]
        self.counts["asked"] += len(requests)
        cached = self.cache.get_many(keys)
        missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in cached}
        self.counts["from_cache"] += sum(key in cached for key in keys)
        failed = self._asked(missing) if missing else {}
        cached |= self.cache.get_many(key for key in missing if key not in failed)
        # Another process may have taken one out since: a purge, or a model that was found to be another.
        gone = Answer("unreachable", detail=TAKEN_OUT)
        answers = [cached.get(key) or failed.get(key, gone) for key in keys]
        self.counts["cut"] += sum(answer.seen is not None and answer.seen < 1.0 for answer in answers)
        return answers

    def _asked(self, missing: dict[bytes, Request]) -> dict[bytes, Answer]:
        """Those that failed; the others are in the cache then, and the model was found to be what it was."""
        if self._given_up:
            raise ModelError(f"not asked, as the model was given up before: {self._given_up}")
        began = time.monotonic()
        try:
            with self._meter.running():
                failed = self._fetch(missing)
                if self._client is not None:
                    self._runner.run(self._canaries.confirm(self._client, is_ours=self._server is not None))
        except ModelError as error:
            self._given_up = str(error).partition("\n")[0]
            raise
        finally:
            self.counts["milliseconds"] += int(1000 * (time.monotonic() - began))
        return failed

    def _fetch(self, missing: dict[bytes, Request]) -> dict[bytes, Answer]:
        """Ask the server and cache what is definitive; the rest is returned.

        When a server of ours dies, a question it was at may be why: those are asked after the others, one at a time.
        """
        failed: dict[bytes, Answer] = {}
        batches = deque([self._fitting(missing, failed)])
        deaths: Counter[bytes] = Counter()
        while batches:
            batch = batches.popleft()
            if not self._send(batch, failed):
                continue
            lost = {key: batch[key] for key in batch if key in failed and failed[key].status in TRANSPORT}
            unsent = {key: request for key, request in lost.items() if failed[key].detail == NOT_SENT}
            batches.extendleft([unsent] if unsent else [])
            for key in (key for key in lost if key not in unsent):
                deaths[key] += len(batch) == 1
                if deaths[key] == DEATHS_ALONE:
                    failed[key] = Answer("engine_died")
                else:
                    batches.append({key: batch[key]})
        return failed

    def _fitting(self, missing: dict[bytes, Request], failed: dict[bytes, Answer]) -> dict[bytes, Request]:
        """What fits into the model with its answer; what does not goes into `failed`."""
        fitting = {}
        for key, request in missing.items():
            counted = [self.documents.count(said) for said in request.messages]
            tokens = None if None in counted else sum(n for n in counted if n is not None)
            if tokens is not None and tokens + request.sampling.max_tokens > self.config.max_model_len:
                failed[key] = Answer("over_long", prompt_tokens=tokens, seen=request.content.made[1])
            else:
                fitting[key] = request
        return fitting

    def _send(self, batch: dict[bytes, Request], failed: dict[bytes, Answer]) -> bool:
        """Ask all of `batch`; whether the server died meanwhile, and is gone."""
        if not batch:
            return False
        if self._server is not None and not self._server.is_alive():
            self._disconnect()
        self._runner.run(self._send_all(batch, failed))
        if self._server is None or self._client is None or not self._client.is_gone:
            return False
        log.warning("the model server died; its log is %s", self._server.log_file)
        self._disconnect()
        return True

    async def _send_all(self, requests: dict[bytes, Request], failed: dict[bytes, Answer]) -> None:
        """Put each answer into the cache, else into `failed`, as soon as it is there."""
        client = await self._connected()
        await self._canaries.meet(client, {request.form for request in requests.values()})

        async def send(key: bytes, request: Request) -> None:
            most = self._at_most(request)
            answer = await client.ask(request, lambda: self._meter.reserve(*most))
            if answer.detail not in (NOT_SENT, NOT_ADMITTED):
                self._meter.settle(*most, answer)
                self.counts["sent"] += 1
            answer = replace(answer, seen=request.content.made[1])
            if answer.status in DEFINITIVE:
                put = {key: (request.text_hash, answer)}
                if self.cache.put_many(put, model=str(self.identity), prompt_hash=request.prompt_hash):
                    self._canaries.unconfirmed.append(key)
                self.counts["prompt_tokens"] += answer.prompt_tokens or 0
                self.counts["completion_tokens"] += answer.completion_tokens or 0
                failed.pop(key, None)
            else:
                failed[key] = answer

        ended: list[BaseException] = []
        try:
            async with asyncio.TaskGroup() as group:
                for key, request in requests.items():
                    group.create_task(send(key, request))
        except* ModelError as errors:
            ended.extend(errors.exceptions)
        if ended:  # Python before 3.11.4 makes a group again of what is raised inside `except*`.
            raise ended[0] from None

    def _at_most(self, request: Request) -> tuple[int, int]:
        """Tokens of the prompt (about, without a tokenizer) and of the longest answer; nothing without a budget."""
        if not self._meter.is_capped:
            return 0, 0
        said = "".join(request.messages)
        counted = self.documents.count(said)
        return counted if counted is not None else len(said) // CHARS_PER_TOKEN + 1, request.sampling.max_tokens

    async def _connected(self) -> OpenAiClient:
        """The client of a server that runs and serves the model."""
        if self._client is not None:
            return self._client
        config = self.config
        if config.endpoint is None:
            self._server = self._started()
            url, api_key = self._server.base_url, self._server.api_key
        else:
            url, api_key = config.endpoint, os.environ.get(API_KEY_VARIABLE)
        client = OpenAiClient(
            url,
            self.identity.model,
            api_key=api_key,
            concurrency=config.concurrency,
            request_timeout=config.request_timeout,
            retries=config.retries,
            is_healthy=partial(asyncio.to_thread, self._server.is_healthy) if self._server else None,
        )
        if config.endpoint is not None:
            try:
                await client.check_server()
            except BaseException:
                await client.close()
                raise
        self._client = client
        return client

    def _started(self) -> VllmServer:
        """A new server of ours that answers. Raises ModelError when too many have died."""
        number = self.counts["server_starts"]
        if number > MAX_RESTARTS:
            raise ModelError(
                f"the model server died {number} times; its logs are {self._log_folder}/vllm-{os.getpid()}-*.log. "
                "Run again: what was answered is kept"
            )
        self.counts["server_starts"] += 1
        model = packaged.resolve(self.config.model, self.config.revision)
        log_file = self._log_folder / f"vllm-{os.getpid()}-{number}.log"
        server = VllmServer(model, self.config, log_file, secrets.token_hex(16))
        server.start()
        return server

    def _disconnect(self) -> None:
        if self._client is not None:
            self._runner.run(self._client.close())
            self._client = None
            self._canaries.forget_server()
        if self._server is not None:
            self._server.stop()
            self._server = None
