"""Starting a bento with the real `bentoml serve`, and asking it."""

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
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business on this machine


def free_port() -> int:
    """A TCP port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def require_free(port: int) -> None:
    """Raise a DriftgateError if something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DriftgateError(
                f"Port {port} on {HOST} is taken: {error.strerror}.", "Stop what listens there, or choose another port."
            ) from error


@dataclass(frozen=True)
class Served:
    """A running service: where it answers, and the token it asks for."""

    address: str
    token: str
    process: subprocess.Popen[bytes]

    def post(self, path: str, body: Any) -> Any:
        """POST JSON, and read JSON back."""
        return self._ask(path, json.dumps(body).encode())

    def get(self, path: str) -> Any:
        """GET JSON."""
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
    """Serve a bento on this machine, for as long as the block lasts, under a token of its own.

    Args:
        bento: Its folder.
        workspace: Where its log goes.
        port: None: any free one.
        environment: More settings of the service; without a `DRIFTGATE_LOG`, predictions aren't kept.
        python: The interpreter that serves it; it needs the bento's requirements alone.

    Yields:
        The service, once it says that it is ready.

    Raises:
        DriftgateError: If the port is taken, or the service ends or isn't ready in time; names its log.
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
    """The environment without the settings of a service that somebody serves from this shell."""
    kept = ("DRIFTGATE_HOME",)
    found = service_environment(workspace)
    return {key: value for key, value in found.items() if not key.startswith("DRIFTGATE_") or key in kept}


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DriftgateError(f"`bentoml serve` ended with code {process.returncode}.", f"Its log is {log}.")
        try:
            with DIRECT.open(f"{address}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise DriftgateError(f"The service was not ready within {READY_WITHIN_SECONDS} s.", f"Its log is {log}.")
