"""Llm: one model with its server or endpoint, client, tokenizer and response cache. Nothing starts before it must.

with contextlib.closing(Llm(config, cache_folder)) as llm:
    answers = llm.ask(requests)
"""

import asyncio
import logging
import os
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from curate.config import LlmConfig
from curate.errors import ModelError
from curate.llm import packaged
from curate.llm.answers import DEFINITIVE, Answer, Request
from curate.llm.cache import ResponseCache
from curate.llm.client import OpenAiClient
from curate.llm.prompts import Documents
from curate.llm.server import VllmServer

log = logging.getLogger(__name__)

API_KEY_VARIABLE = "CURATE_LLM_API_KEY"
MAX_RESTARTS = 2
"""Times that a server of ours which died is started again, in the life of an Llm."""

TRANSPORT = frozenset({"http_error", "timeout", "unreachable"})


@dataclass(frozen=True)
class Identity:
    """Which model answers: what keys and `generator` hold."""

    model: str
    revision: str | None
    """None: an endpoint's model whose revision the config does not say."""

    def __str__(self) -> str:
        """`model@revision`."""
        return f"{self.model}@{self.revision or 'unknown'}"


class Llm:
    """Use from one thread that runs no event loop."""

    def __init__(self, config: LlmConfig, cache_folder: Path) -> None:
        """Opens the cache and starts nothing; the log of a server of ours goes into `logs` below the cache."""
        self.config = config
        self.identity = self.identity_of(config)
        self.cache = ResponseCache(cache_folder)
        self.counts: Counter[str] = Counter()
        """Since the start: asked, from_cache, sent, prompt_tokens, completion_tokens, server_starts."""

        self._log_folder = cache_folder / "logs"
        self._runner = asyncio.Runner()
        self._server: VllmServer | None = None
        self._client: OpenAiClient | None = None

    @staticmethod
    def identity_of(config: LlmConfig) -> Identity:
        """Which model will answer; starts nothing, converts nothing, hashes a local folder once."""
        found = packaged.identify(config.model, config.revision)
        return Identity(found.name, found.revision)

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
        """One answer a request, in order. A definitive one is committed to the cache, then read from there."""
        keys = [request.key(self.identity.model, self.identity.revision) for request in requests]
        self.counts["asked"] += len(requests)
        cached = self.cache.get_many(keys)
        missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in cached}
        self.counts["from_cache"] += sum(key in cached for key in keys)
        failed = self._fetch(missing) if missing else {}
        cached |= self.cache.get_many(key for key in missing if key not in failed)
        return [cached[key] if key in cached else failed[key] for key in keys]

    def _fetch(self, missing: dict[bytes, Request]) -> dict[bytes, Answer]:
        """Ask the server and cache what is definitive; the rest is returned."""
        failed: dict[bytes, Answer] = {}
        fitting = {}
        for key, request in missing.items():
            tokens = self.documents.count(request.content)
            if tokens is not None and tokens + request.sampling.max_tokens > self.config.max_model_len:
                failed[key] = Answer("over_long", prompt_tokens=tokens)
            else:
                fitting[key] = request
        for _ in range(MAX_RESTARTS + 1):
            if not fitting:
                break
            self._runner.run(self._send_all(fitting, failed))
            fitting = {key: missing[key] for key in failed if failed[key].status in TRANSPORT}
            if self._server is None or not fitting or self._server.is_healthy():
                break
            if self.counts["server_starts"] > MAX_RESTARTS:
                break
            log.warning("the model server died; starting it again")
            self._disconnect()
        return failed

    async def _send_all(self, requests: dict[bytes, Request], failed: dict[bytes, Answer]) -> None:
        """Put each answer into the cache, else into `failed`, as soon as it is there."""
        client = await self._connected()

        async def send(key: bytes, request: Request) -> None:
            answer = await client.ask(request)
            self.counts["sent"] += 1
            if answer.status in DEFINITIVE:
                self.cache.put_many({key: (request.text_hash, answer)})
                self.counts["prompt_tokens"] += answer.prompt_tokens or 0
                self.counts["completion_tokens"] += answer.completion_tokens or 0
                failed.pop(key, None)
            else:
                failed[key] = answer

        try:
            async with asyncio.TaskGroup() as group:
                for key, request in requests.items():
                    group.create_task(send(key, request))
        except* ModelError as errors:
            raise errors.exceptions[0] from None

    async def _connected(self) -> OpenAiClient:
        """The client of a server that runs and serves the model."""
        if self._client is not None:
            return self._client
        config, shared = self.config, self.config.endpoint is not None
        if config.endpoint is not None:
            url, api_key = config.endpoint, os.environ.get(API_KEY_VARIABLE)
        else:
            model = packaged.resolve(config.model, config.revision)
            log_file = self._log_folder / f"vllm-{os.getpid()}.log"
            self._server = VllmServer(model, config, log_file, secrets.token_hex(16))
            self.counts["server_starts"] += 1
            self._server.start()
            url, api_key = self._server.base_url, self._server.api_key
        client = OpenAiClient(
            url,
            self.identity.model,
            api_key=api_key,
            concurrency=config.concurrency,
            request_timeout=config.request_timeout,
            retries=config.retries,
        )
        try:
            await client.check_server(shared=shared)
        except BaseException:
            await client.close()
            raise
        self._client = client
        return client

    def _disconnect(self) -> None:
        if self._client is not None:
            self._runner.run(self._client.close())
            self._client = None
        if self._server is not None:
            self._server.stop()
            self._server = None
