"""Fixtures for the whole suite: one real vLLM for everybody who needs a model."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from curate.config import LlmConfig
from curate.llm.packaged import NAME, resolve
from curate.llm.server import VllmServer


@dataclass(frozen=True)
class Endpoint:
    """A running OpenAI-compatible server: what `llm.endpoint` and `llm.model` take."""

    base_url: str
    model: str


@pytest.fixture(scope="session")
def llm_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A real vLLM with the packaged model, started by the first test that asks for it (about 45 s)."""
    server = VllmServer(resolve(NAME), LlmConfig(), tmp_path_factory.mktemp("vllm") / "vllm.log")
    server.start()
    try:
        yield Endpoint(server.base_url, NAME)
    finally:
        server.stop()
