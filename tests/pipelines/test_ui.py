"""`run.py ui`: both servers answer on this machine alone, and stop with the command."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from bentos.server import free_port
from driftgate.workspace import PROJECT
from tests.conftest import Ran, run_cli


def test_both_answer_and_stop(main_job: Ran) -> None:
    ports = {"mlflow": free_port(), "zenml": free_port()}
    command = [sys.executable, str(PROJECT / "run.py"), "ui"]
    command += [f"--{name}-port={port}" for name, port in ports.items()]
    environment = {**os.environ, "DRIFTGATE_HOME": str(main_job.home)}
    shown = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=PROJECT)
    assert shown.stdout is not None
    lines = [shown.stdout.readline() for _ in range(3)]
    assert [line.split() for line in lines[:2]] == [
        ["MLflow", f"http://127.0.0.1:{ports['mlflow']}"],
        ["ZenML", f"http://127.0.0.1:{ports['zenml']}"],
    ]
    try:
        for port in ports.values():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                assert b"<html" in answer.read().lower()
        address = f"http://127.0.0.1:{ports['zenml']}/api/v1"
        # The dashboard's preview runs no scripts: a page that needs them would stay blank.
        for name, shows in (("verdict_page", "checks passed"), ("drift_report", "Columns, the worst first")):
            page = artifact_page(address, name)
            assert shows in page
            assert "<script" not in page
        assert artifact(address, "drift_page")["metadata"]["visualizations"] == []
    finally:
        shown.send_signal(signal.SIGINT)
    assert shown.wait(60) == 0
    for port in ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert run_cli("status", home=main_job.home).code == 0


def artifact_page(address: str, name: str) -> str:
    """An HTML artifact, as ZenML's dashboard is given it."""
    with urllib.request.urlopen(
        f"{address}/artifact_versions/{artifact(address, name)['id']}/visualize", timeout=30
    ) as answer:
        return str(json.load(answer)["value"])


def artifact(address: str, name: str) -> dict[str, Any]:
    """The newest version of an artifact, as ZenML's server describes it."""
    with urllib.request.urlopen(f"{address}/artifact_versions?artifact={name}&hydrate=true", timeout=30) as answer:
        (version, *_) = json.load(answer)["items"]
    return dict(version)


def test_taken_port_is_told(main_job: Ran) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = run_cli("ui", f"--mlflow-port={port}", home=main_job.home)
    assert ran.code == 1
    assert ran.err.startswith(f"error: Port {port} on 127.0.0.1 is taken")


def test_nothing_to_look_at_is_told(tmp_path: Path) -> None:
    ran = run_cli("ui", home=tmp_path)
    assert ran.code == 1
    assert "Run `python run.py` first" in ran.err


@pytest.fixture(autouse=True)
def _no_foreign_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in [key for key in os.environ if key.startswith(("ZENML_", "MLFLOW_", "BENTOML_"))]:
        monkeypatch.delenv(key)
