"""A Prefect server on 127.0.0.1: `curate ui` in the foreground, or a temporary one for one run without PREFECT_API_URL.

The database of both is in PREFECT_HOME, else ~/.prefect.
"""

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from typing import NoReturn

import httpx
import typer

from curate.credentials import IN_ADDRESS
from curate.errors import ConfigError, CurateError
from curate.llm import watch

HOST = "127.0.0.1"
"""Prefect asks nobody for a password: nothing but this machine may reach it."""

START_S = 120.0
"""A server makes its tables first: 5 s to 13 s on two idle cores."""

STOP_S = 7.0
"""For a temporary server to end; its watchers end it in 6 s."""

LEAVE_S = 20.0
"""For the last log lines and events, once all else is done."""

QUIET = {
    "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A box that asks for an e-mail address covers the first page.
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}  # fmt: skip


def prepare_environment() -> None:
    """What Prefect must find in the environment before it is imported."""
    os.environ.update(QUIET)
    # Prefect's own 60 s and 5 held the end of a run for 14 minutes when the server hung: twice 6 requests and 62 s.
    os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "4")
    # Else every event that a dead server did not take is written to stderr, whole.
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")


def choose_server() -> None:
    """Check the server that Prefect's settings name; else start one for this process. It ends with us, however we end.

    Prefect's own temporary server outlives a run that is killed, and Ctrl-C in a terminal ends it before the run.
    """
    from prefect.context import refresh_global_settings_context
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url:
        if IN_ADDRESS.search(settings.api.url):
            raise ConfigError(
                "PREFECT_API_URL holds credentials, which Prefect logs; set PREFECT_API_AUTH_STRING instead"
            )
        return
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    log = settings.home / "temporary_server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    child = subprocess.Popen(
        [sys.executable, "-I", watch.__file__, str(log), *_command(port)],
        env=os.environ | environment(port),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    atexit.register(child.communicate, timeout=STOP_S)
    os.environ["PREFECT_API_URL"] = environment(port)["PREFECT_API_URL"]
    deadline = time.monotonic() + START_S
    while not _answers(os.environ["PREFECT_API_URL"]):
        if child.poll() is not None or time.monotonic() > deadline:
            raise CurateError(f"the temporary Prefect server did not start in {START_S:.0f} s; see {log} and run again")
        time.sleep(0.2)
    refresh_global_settings_context()


def leave_in_time(code: int) -> None:
    """End this process LEAVE_S from now if it has not ended by then: Prefect offers its last log lines and events to a
    server that hangs for half an hour."""
    timer = threading.Timer(LEAVE_S, _leave, [code])
    timer.daemon = True
    timer.start()


def _leave(code: int) -> None:
    sys.stderr.write(f"curate: Prefect's server did not take the end of the log in {LEAVE_S:.0f} s; left it\n")
    sys.stderr.flush()
    os._exit(code)


def _answers(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def environment(port: int) -> dict[str, str]:
    """What the server needs to know; its pages ask `PREFECT_SERVER_UI_API_URL` for their data."""
    api = f"http://{HOST}:{port}/api"
    return QUIET | {
        "PREFECT_API_URL": api, "PREFECT_SERVER_UI_API_URL": api, "PREFECT_CLI_PROMPT": "false",
        "PREFECT_SERVER_API_HOST": HOST, "PREFECT_SERVER_API_PORT": str(port),
    }  # fmt: skip


def serve(port: int) -> NoReturn:
    """Become the server: this process is replaced, so signals reach it and no child stays behind."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            message = f"port {port}: {os.strerror(error.errno or 0)}; a server may run there already: try --port"
            raise ConfigError(f"{message} {port + 1 if port < 65535 else 4200}") from None
    typer.echo(f"Prefect: http://{HOST}:{port}   (Ctrl-C ends it)")
    typer.echo(f"to see a run there: PREFECT_API_URL=http://{HOST}:{port}/api curate run CONFIG --prefect")
    sys.stdout.flush()
    os.execve(sys.executable, _command(port), os.environ | environment(port))


def _command(port: int) -> list[str]:
    return [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
