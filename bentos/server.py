"""Starting a bento with the real `bentoml serve`, and asking it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bentos.build import service_environment
from driftgate.errors import DriftgateError
from driftgate.workspace import Workspace

HOST = "127.0.0.1"
READY_WITHIN_SECONDS = 120
STOP_WITHIN_SECONDS = 15


def free_port() -> int:
    """A TCP port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def demand_free(port: int) -> None:
    """Raise a DriftgateError if something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DriftgateError(
                f"Port {port} on {HOST} is taken: {error.strerror}.", "Stop what listens there, or choose another port."
            ) from error


@contextmanager
def serving(bento: Path, *, workspace: Workspace, port: int | None = None) -> Iterator[str]:
    """Serve a bento on this machine, for as long as the block lasts.

    Yields:
        The address, once the service says that it is ready.

    Raises:
        DriftgateError: If the port is taken, or the service ends or isn't ready in time; names its log.
    """
    port = port or free_port()
    demand_free(port)
    workspace.logs.mkdir(parents=True, exist_ok=True)
    log = workspace.logs / f"serve-{bento.parent.name}-{bento.name}.log"
    command = [sys.executable, "-m", "bentoml", "serve", str(bento), "--host", HOST, "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=service_environment(workspace), cwd=workspace.root
        )
    address = f"http://{HOST}:{port}"
    try:
        _wait_until_ready(process, address, log)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def post(url: str, body: Any) -> Any:
    """POST JSON, and read JSON back."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DriftgateError(f"`bentoml serve` ended with code {process.returncode}.", f"Its log is {log}.")
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise DriftgateError(f"The service was not ready within {READY_WITHIN_SECONDS} s.", f"Its log is {log}.")
