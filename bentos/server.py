"""Start a bento with `bentoml serve`, and send requests to it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bentos.build import service_environment
from driftgate.errors import DriftgateError
from driftgate.workspace import Workspace

HOST = "127.0.0.1"
READY_WITHIN_SECONDS = 120
STOP_WITHIN_SECONDS = 15
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # without a proxy: the service is on this machine


def free_port() -> int:
    """Find a TCP port that no process listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def require_free(port: int) -> None:
    """Raise a DriftgateError if a process already listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DriftgateError(
                f"Port {port} on {HOST} is taken: {error.strerror}.",
                "Stop the process that listens there, or choose another port.",
            ) from error


@dataclass(frozen=True)
class Served:
    """A running service: its address, the token that it requires, and its process."""

    address: str
    token: str
    process: subprocess.Popen[bytes]

    def post(self, path: str, body: Any) -> Any:
        """POST JSON, and read the JSON answer."""
        return self._ask(path, json.dumps(body).encode())

    def get(self, path: str) -> Any:
        """GET a JSON answer."""
        return self._ask(path, None)

    def _ask(self, path: str, body: bytes | None) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.address + path, body, headers)
        with DIRECT.open(request, timeout=60) as answer:
            return json.load(answer)


@contextmanager
def serving(
    bento: Path,
    *,
    workspace: Workspace,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Iterator[Served]:
    """Serve a bento on this machine, with a new token, until the `with` block ends.

    Args:
        bento: The bento's folder.
        workspace: The service's log file is written to its folder for logs.
        port: The port to listen on; None means any free port.
        environment: More settings of the service. Without `DRIFTGATE_LOG`, predictions aren't logged.
        python: The interpreter that runs the service. It needs only the bento's requirements.

    Yields:
        The service, once it is ready.

    Raises:
        DriftgateError: If the port is taken, the service ends, or it isn't ready in time. The error names the log file.
    """
    port = port or free_port()
    require_free(port)
    workspace.logs.mkdir(parents=True, exist_ok=True)
    log = workspace.logs / f"serve-{bento.parent.name}-{bento.name}.log"
    command = [python, "-m", "bentoml", "serve", str(bento), "--host", HOST, "--port", str(port)]
    settings = {"DRIFTGATE_TOKEN": secrets.token_urlsafe(32), "DRIFTGATE_LOG": "none", **(environment or {})}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**_without_settings(workspace), **settings},
            cwd=workspace.root, start_new_session=True,
        )  # fmt: skip
    served = Served(f"http://{HOST}:{port}", settings["DRIFTGATE_TOKEN"], process)
    try:
        _wait_until_ready(process, served.address, log)
        yield served
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _without_settings(workspace: Workspace) -> dict[str, str]:
    """The environment without `DRIFTGATE_` settings, which may be meant for another service started from this shell."""
    kept = ("DRIFTGATE_HOME",)
    found = service_environment(workspace)
    return {key: value for key, value in found.items() if not key.startswith("DRIFTGATE_") or key in kept}


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DriftgateError(f"`bentoml serve` ended with code {process.returncode}.", f"See its log, {log}.")
        try:
            with DIRECT.open(f"{address}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise DriftgateError(f"The service was not ready within {READY_WITHIN_SECONDS} s.", f"See its log, {log}.")
