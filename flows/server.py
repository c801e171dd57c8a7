"""`curate ui`: a Prefect server on 127.0.0.1, in the foreground. Its database is in PREFECT_HOME, else ~/.prefect."""

import os
import socket
import sys
from typing import NoReturn

import typer

from curate.errors import ConfigError

HOST = "127.0.0.1"
"""Prefect asks nobody for a password: nothing but this machine may reach it."""

QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


def prepare_environment() -> None:
    """What Prefect must find in the environment before it is imported."""
    os.environ.update(QUIET)
    os.environ.setdefault("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "true")
    # A server for one run makes its tables first: 13 s on two idle cores; Prefect's own limit is 20 s.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")


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
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    os.execve(sys.executable, command, os.environ | environment(port))
