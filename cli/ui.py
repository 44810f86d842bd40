"""Run MLflow's pages and ZenML's dashboard on this machine until the user stops them."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

from bentos.server import HOST, require_free
from driftgate.errors import DriftgateError
from driftgate.workspace import PROJECT, Workspace

READY_WITHIN_SECONDS = 120
# A web page of another origin must not read the operator's files through a browser on this machine.
GUARD = ("--http", "cli.own_origin:OwnOriginProtocol", "--ws", "none")
LOCAL_HOSTS = (
    "127.0.0.1,127.0.0.1:*,localhost,localhost:*"  # MLflow's own default allows `10.*`, also as a domain's name
)
MLFLOW_ENVIRONMENT = {
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # otherwise MLflow starts about twelve helper processes
}


def run_dashboards(*, mlflow_port: int, zenml_port: int) -> None:
    """Start both, print their addresses, and stop both on Ctrl-C or SIGTERM.

    ZenML's server reads the workspace's database directly, so the client's configuration doesn't change.

    Raises:
        DriftgateError: If there is no run yet, a port is in use, or a server doesn't start.
    """
    workspace = Workspace.current()
    workspace.set_environment()
    database = _zenml_database(Path(os.environ["ZENML_CONFIG_PATH"]))
    if not database.exists():
        raise DriftgateError("The workspace has no run yet.", "Run `python run.py` first.")
    require_free(mlflow_port)
    require_free(zenml_port)
    workspace.prepare()
    servers = {
        f"http://{HOST}:{mlflow_port}": _start(
            "mlflow", ["mlflow", "server", "--backend-store-uri", workspace.mlflow_uri, "--artifacts-destination",
                       str(workspace.mlflow_artifacts), "--host", HOST, "--port", str(mlflow_port), "--workers", "1",
                       "--allowed-hosts", LOCAL_HOSTS, "--uvicorn-opts", " ".join(GUARD)],
            workspace, MLFLOW_ENVIRONMENT,
        ),
        f"http://{HOST}:{zenml_port}": _start(
            "zenml", ["uvicorn", "zenml.zen_server.zen_server_api:app", "--host", HOST, "--port", str(zenml_port),
                      *GUARD],
            workspace, _zenml_environment(workspace, database, port=zenml_port),
        ),
    }  # fmt: skip
    stopped = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        for name, (address, process) in zip(("MLflow", "ZenML"), servers.items(), strict=True):
            _wait(name, address, process, stopped, workspace)
            print(f"{name:<7} {address}", flush=True)
        print("Press Ctrl-C to stop both.", flush=True)
        while not stopped.wait(1):
            if any(process.poll() is not None for process in servers.values()):
                raise DriftgateError("A dashboard server stopped unexpectedly.", f"Read its log in {workspace.logs}.")
    finally:
        for process in servers.values():
            process.terminate()
        for process in servers.values():
            process.wait(20)


def _zenml_database(config: Path) -> Path:
    return config / "local_stores" / "default_zen_store" / "zenml.db"


def _zenml_environment(workspace: Workspace, database: Path, *, port: int) -> dict[str, str]:
    """The environment of ZenML's server. The server has its own configuration and shares only the database."""
    return {
        "ZENML_CONFIG_PATH": str(workspace.root / "zenml-server"),
        "ZENML_STORE_TYPE": "sql",
        "ZENML_STORE_URL": f"sqlite:///{database}",
        "ZENML_SERVER_AUTH_SCHEME": "NO_AUTH",
        "ZENML_SERVER_DEPLOYMENT_TYPE": "local",
        "ZENML_SERVER_AUTO_ACTIVATE": "true",
        "ZENML_SERVER_CORS_ALLOW_ORIGINS": f"http://{HOST}:{port},http://localhost:{port}",  # by default, every origin
        "ZENML_SERVER_JWT_SECRET_KEY": secrets.token_hex(32),
        # Without it, ZenML refuses to show HTML artifacts. ZenML's own local server sets it too.
        "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS": "true",
    }


def _start(name: str, command: list[str], workspace: Workspace, extra: dict[str, str]) -> subprocess.Popen[bytes]:
    # The servers run in another folder, and must be able to import the guard from this project.
    python_path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    with (workspace.logs / f"ui-{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": python_path, **extra},
            cwd=workspace.root,
            start_new_session=True,
        )


def _wait(
    name: str, address: str, process: subprocess.Popen[bytes], stopped: threading.Event, workspace: Workspace
) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline and not stopped.is_set():
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    if not stopped.is_set():
        raise DriftgateError(f"{name} did not start.", f"Read its log in {workspace.logs}.")
