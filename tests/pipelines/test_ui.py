"""`run.py ui`: both servers answer on this machine alone, to their own pages alone, and stop with the command."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any

import pytest

from bentos.server import free_port
from driftgate.workspace import PROJECT
from tests.conftest import Ran, run_cli

FOREIGN = {
    "foreign origin": {"Origin": "http://evil.example"},
    "origin of another port of this machine": {"Origin": "http://127.0.0.1:1"},
    "origin of another scheme": {"Origin": "https://{host}"},
    "origin of no page": {"Origin": "null"},
    "name that was made to point here": {"Host": "evil.example"},
    "the same with its port": {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
    "name that looks like a private address": {"Host": "10.evil.example:{port}"},
    "name that begins like this machine's": {"Host": "localhost.evil.example:{port}"},
    "name that ends in this machine's": {"Host": "evil.example:localhost"},
    "no host": {"Host": ""},
    "image in another page": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "frame in another page": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
}
OWN = {
    "a program": {},
    "the dashboard": {"Origin": "http://{host}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
    "the dashboard by its other name": {"Host": "localhost:{port}", "Origin": "http://localhost:{port}"},
    "the dashboard through a forwarded port": {"Host": "localhost:9000", "Origin": "http://localhost:9000"},
    "a link on another page": {
        "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Dashboards:
    """Both servers of `run.py ui`, and its process."""

    ports: dict[str, int]
    process: subprocess.Popen[str]


@contextmanager
def dashboards(home: Path) -> Iterator[Dashboards]:
    ports = {"mlflow": free_port(), "zenml": free_port()}
    command = [sys.executable, str(PROJECT / "run.py"), "ui"]
    command += [f"--{name}-port={port}" for name, port in ports.items()]
    environment = {**os.environ, "DRIFTGATE_HOME": str(home)}
    shown = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=PROJECT)
    assert shown.stdout is not None
    lines = [shown.stdout.readline() for _ in range(3)]
    try:
        assert [line.split() for line in lines[:2]] == [
            ["MLflow", f"http://127.0.0.1:{ports['mlflow']}"],
            ["ZenML", f"http://127.0.0.1:{ports['zenml']}"],
        ]
        yield Dashboards(ports, shown)
    finally:
        shown.send_signal(signal.SIGINT)
        shown.wait(60)


def status(port: int, path: str, headers: dict[str, str], *, method: str = "GET") -> tuple[int, HTTPMessage]:
    """Of an answer to a request with these headers, whatever Python would send by itself."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    host = f"127.0.0.1:{port}"
    told = {"Host": host, **{key: value.format(host=host, port=port) for key, value in headers.items()}}
    connection.putrequest(method, path, skip_host=True)
    for key, value in told.items():
        connection.putheader(key, value)
    connection.endheaders()
    with closing(connection):
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers


def test_both_answer_their_own_pages_alone_and_stop(main_job: Ran) -> None:
    """One start of both, since it takes some 20 seconds: with the real servers, header by header."""
    with dashboards(main_job.home) as shown:
        for port in shown.ports.values():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                assert b"<html" in answer.read().lower()
        address = f"http://127.0.0.1:{shown.ports['zenml']}/api/v1"
        # The dashboard's preview runs no scripts: a page that needs them would stay blank.
        for name, shows in (("verdict_page", "checks passed"), ("drift_report", "Columns, the worst first")):
            page = artifact_page(address, name)
            assert shows in page
            assert "<script" not in page
        assert artifact(address, "drift_page")["metadata"]["visualizations"] == []
        data = {"mlflow": "/ajax-api/2.0/mlflow/registered-models/search", "zenml": "/api/v1/info"}
        for name, port in shown.ports.items():
            for path in ("/", data[name]):
                for what, headers in OWN.items():
                    assert status(port, path, headers)[0] == 200, (name, path, what)
            for path in ("/", "/health", data[name]):
                for what, headers in FOREIGN.items():
                    code, answered = status(port, path, headers)
                    assert code == 403, (name, path, what)
                    assert "access-control-allow-origin" not in answered, (name, path, what)
            asked = {**FOREIGN["foreign origin"], "Access-Control-Request-Method": "POST"}
            assert status(port, data[name], asked, method="OPTIONS")[0] == 403
            upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
            assert status(port, "/", {**FOREIGN["foreign origin"], **upgrade, "Sec-WebSocket-Key": "eA=="})[0] == 403
    assert shown.process.returncode == 0
    for port in shown.ports.values():
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
