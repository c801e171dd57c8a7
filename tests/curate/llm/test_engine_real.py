"""The real vLLM under fire, from a model folder with code planted in it: minutes."""

import contextlib
import json
import os
import pickle
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curate.config import LlmConfig
from curate.llm.answers import Content, Request, Sampling
from curate.llm.cache import ResponseCache
from curate.llm.packaged import NAME, resolve
from curate.llm.session import Llm
from tests.curate.llm.processes import engine_of, listens, living, meanwhile, server_of, wait_until

CONCURRENCY, BATCH = 4, 16
CANARY = "The canary sings in the third sentence"

PLANTED = """
from pathlib import Path
Path({marker!r}).touch()
from transformers import LlamaConfig as Config, LlamaForCausalLM as Model, PreTrainedTokenizerFast as Tokenizer
"""


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.marker,)


def planted_model(folder: Path, marker: Path) -> Path:
    """The packaged model; its configs name code that lies beside them, and so does a pickle: both make `marker`."""
    packaged = resolve(NAME).path
    assert packaged
    shutil.copytree(packaged, folder, copy_function=shutil.copy)
    for name, classes in (("config.json", ("AutoConfig", "AutoModelForCausalLM")),
                          ("tokenizer_config.json", ("AutoTokenizer",))):  # fmt: skip
        values = json.loads((folder / name).read_text())
        values["auto_map"] = {
            each: f"planted.{each.removeprefix('Auto').removesuffix('ForCausalLM')}" for each in classes
        }
        (folder / name).write_text(json.dumps(values))
    (folder / "planted.py").write_text(PLANTED.format(marker=str(marker)))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Touch(marker)))
    return folder


def questions(batch: str) -> list[Request]:
    sampling = Sampling(max_tokens=40, temperature=0.7, seed=3)
    return [
        Request(
            f"{batch}{n}".encode(),
            "p",
            "completion",
            Content.plain(f"{CANARY}. {batch} {n}: once upon a time"),
            sampling,
        )
        for n in range(BATCH)
    ]


@contextlib.contextmanager
def fire(llm: Llm, number: int, victim: Callable[[int], int]) -> Iterator[None]:
    """Send the signal `number` to a process of the engine's group when some of the block's answers are there."""
    assert llm._server
    group, port = llm._server.pid or 0, llm._server.port
    before = llm.cache.stats()["entries"]

    def act() -> None:
        with contextlib.closing(ResponseCache(llm.cache.path.parent)) as cache:
            assert wait_until(lambda: before + 2 <= cache.stats()["entries"] < before + BATCH, 120)
        os.kill(victim(group), number)
        assert wait_until(lambda: not living(group) and not listens(port), llm.config.request_timeout + 10 + 10)

    with meanwhile(act):
        yield


@pytest.mark.slow
def test_the_real_engine_killed_and_stopped_answers_all_and_logs_and_runs_nothing_of_others(tmp_path: Path) -> None:
    """FAULTS 23, 44: a death costs a start and what was in flight; no prompt is in a log; no code of the model ran."""
    marker = tmp_path / "planted code has run"
    config = LlmConfig(
        model=str(planted_model(tmp_path / "model", marker)), concurrency=CONCURRENCY, request_timeout=30, retries=1
    )
    with contextlib.closing(Llm(config, tmp_path / "cache")) as llm:
        llm.ask(questions("first"))
        for starts, number, victim in ((2, signal.SIGKILL, engine_of), (3, signal.SIGSTOP, server_of)):
            before = llm.counts["sent"]
            with fire(llm, number, victim):
                statuses = {answer.status for answer in llm.ask(questions(f"{starts}"))}
            assert statuses <= {"ok", "truncated"}
            assert llm.counts["server_starts"] == starts
            assert BATCH <= llm.counts["sent"] - before <= BATCH + CONCURRENCY
        too_long = Request(b"long", "p", "completion", Content.plain(CANARY * 10_000), Sampling(max_tokens=5))
        assert llm._client
        assert llm._runner.run(llm._client.ask(too_long)).status == "over_long"
        assert llm._server
        group = llm._server.pid or 0
        os.kill(group, signal.SIGKILL)  # the watcher itself; `close` finds the engine all the same
    assert wait_until(lambda: not living(group), 10)
    logs = [path.read_text(errors="replace") for path in (tmp_path / "cache" / "logs").iterdir()]
    assert len(logs) == 3
    assert all("EngineCore" in log and CANARY not in log for log in logs)
    assert not marker.exists()
