"""Ray's processes for one run: started with it, watched, and ended with it however it ends."""

import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants

from curate.config import ExecutionConfig
from curate.errors import ConfigError, CurateError
from curate.execution import watchers

WORKER_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"), "1")
"""A task owns one CPU: libraries that would take every core are held to one thread."""

RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's own is 15: whatever else the machine does starves such workers (1,000 documents: 15.0 s, and 7.2 s at 0).
    "RAY_worker_niceness": "0",
    # Ray's name for it is of other systems: without it all processes listen on every interface of the machine.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Ray's own is 60: for so long a call waits for a server of Ray's that is gone, before its process ends.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "30",
}
"""Settings of a Ray on this machine that is started for one run."""


OURS = ("curate", "filters", "flows")
"""Top-level packages that workers import."""


class RaySession:
    """Ray for one run: the caller's own where it runs already, else a cluster that is joined, or a local one."""

    def __init__(self, config: ExecutionConfig) -> None:
        if os.environ.get("RAY_AUTH_MODE", "token") != "token":
            raise ConfigError(
                f"RAY_AUTH_MODE={os.environ['RAY_AUTH_MODE']}: without token authentication anybody who reaches Ray "
                "runs code here; unset it (Ray's default is token), and start a cluster of your own the same way"
            )
        refuse_other_code(Path.cwd())
        self._is_ours = not ray.is_initialized()
        self._watcher: subprocess.Popen[bytes] | None = None
        self._core: dict[str, tuple[int, int]] = {}
        self._folder = ""
        if self._is_ours:
            self._begin(config)
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self.cpus = int(resources.get("CPU", 0))
        nodes: list[Any] = ray.nodes()  # type: ignore[no-untyped-call]
        self.gpus = [int(node["Resources"].get("GPU", 0)) for node in nodes if node["Alive"]]
        """Of each machine."""

    def _begin(self, config: ExecutionConfig) -> None:
        # It says on stderr that the cluster asks for a token, in every run.
        logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
        try:
            with _own_handlers():
                self._start(config)
        except BaseException as error:
            self.close()
            if not isinstance(error, Exception):
                raise
            where = f"at execution.address {config.address}" if config.address else "on this machine"
            raise CurateError(
                f"no Ray {where}: {str(error).partition(chr(10))[0][:300]} ({type(error).__name__}); see to it that "
                "it runs there, and run again"
            ) from error

    def _start(self, config: ExecutionConfig) -> None:
        if config.address:
            ray.init(address=config.address, runtime_env={"env_vars": WORKER_ENVIRONMENT}, log_to_driver=False)
            return
        # In a session of its own: Ctrl-C reaches all processes of the terminal's foreground group.
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", watchers.__file__, "ray"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        # Workers inherit the environment: a runtime_env would start an agent and cost seconds.
        ours = WORKER_ENVIRONMENT | RAY_ENVIRONMENT
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        # This process read the variable when it imported Ray. There is no other way to keep Ray on 127.0.0.1: it turns
        # that address into the machine's own (2.60).
        is_on_network, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
        try:
            context: Any = ray.init(
                "local", num_cpus=config.workers or os.cpu_count(), include_dashboard=False,
                log_to_driver=False, configure_logging=False, _node_ip_address="127.0.0.1",
            )  # fmt: skip
        finally:
            _restore(before)
            ray_constants.ENABLE_RAY_CLUSTER = is_on_network
        self._folder = context.address_info["session_dir"]
        self._tell_watcher(self._folder)
        self._core = {
            name: (pid, os.pidfd_open(pid))
            for pid, name in watchers.children(os.getpid())
            if name in {"raylet", "gcs_server"}
        }

    def check(self) -> None:
        """Raise CurateError when a process that all of Ray needs has ended: tasks would wait for it for ever."""
        for name, (_, process) in self._core.items():
            poll = select.poll()
            poll.register(process, select.POLLIN)
            if poll.poll(0):
                self._tell_watcher("and keep it")
                raise CurateError(
                    f"Ray's {name} ended, and nothing can run on without; see {self._folder}/logs, "
                    "then run again: what is finished is kept"
                )

    def close(self) -> None:
        """End what was started."""
        # They would notice within 2 s that Ray is gone.
        workers = watchers.open_children(self._core["raylet"][0]) if self._core else {}
        if self._is_ours:
            ray.shutdown()
        watchers.kill([*workers.values(), *(process for _, process in self._core.values())])
        if self._watcher and self._watcher.stdin:
            self._watcher.stdin.close()
            self._watcher.wait()

    def _tell_watcher(self, line: str) -> None:
        if self._watcher and self._watcher.stdin:
            with suppress(BrokenPipeError):
                self._watcher.stdin.write(f"{line}\n".encode())
                self._watcher.stdin.flush()


def refuse_other_code(folder: Path) -> None:
    """Raise ConfigError where `folder` has packages named as ours: Ray's workers look for modules there first, and fail
    of them without a word.
    """
    installed = Path(__file__).parents[2]
    for name in OURS:
        for found in (folder / name / "__init__.py", folder / f"{name}.py"):
            if found.is_file() and not found.resolve().is_relative_to(installed):
                raise ConfigError(
                    f"{found}: workers would import this as `{name}`, in place of {installed / name}; run from another "
                    f"folder, or use the code of this one: pip install -e {folder}"
                )


@contextmanager
def _own_handlers() -> Iterator[None]:
    """What SIGTERM did before is what it does after: Ray puts a handler of its own there."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _restore(environment: Mapping[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
