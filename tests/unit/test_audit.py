"""`.ci/audit` says which of three things came of it, and only a found vulnerability fails. The real `uv audit` asks."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bentos.server import free_port
from driftgate.workspace import PROJECT

ADVISORY = {
    "id": "GHSA-0000-0000-0000", "summary": "Made up", "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z", "affected": [],
}  # fmt: skip


class Advisories(BaseHTTPRequestHandler):
    """What uv asks of OSV, answered on this machine: one package is vulnerable, or none, or nothing is answered."""

    vulnerable: str | None = None
    status = 200

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        assert len(queries) > 100
        found = {"vulns": [{"id": ADVISORY["id"], "modified": ADVISORY["modified"]}]}
        self._answer({"results": [found if query["package"]["name"] == self.vulnerable else {} for query in queries]})

    def do_GET(self) -> None:
        self._answer(ADVISORY)

    def _answer(self, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def service() -> Iterator[type[Advisories]]:
    class Service(Advisories):
        address: str

    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Service.address = f"http://127.0.0.1:{server.server_address[1]}/"
        yield Service
        server.shutdown()


def audit(*options: str, **environment: str) -> tuple[int, str]:
    """Exit code, and the last line."""
    clean = {key: value for key, value in os.environ.items() if key != "GITHUB_ACTIONS"}
    done = subprocess.run(
        ["bash", str(PROJECT / ".ci" / "audit"), *options], capture_output=True, text=True, timeout=120, cwd="/",
        env={**clean, "UV_HTTP_RETRIES": "0", "NO_PROXY": "127.0.0.1", **environment},
    )  # fmt: skip
    return done.returncode, (done.stdout.splitlines() or [""])[-1]


def test_nothing_known_passes(service: Any) -> None:
    code, line = audit("--service-url", service.address)
    assert (code, line.split(":")[:2]) == (0, ["audit", " passed"])


def test_a_vulnerable_package_fails(service: Any) -> None:
    service.vulnerable = "numpy"
    code, line = audit("--service-url", service.address)
    assert (code, line.split(":")[:2]) == (1, ["audit", " failed"])
    code, line = audit("--service-url", service.address, "--ignore", ADVISORY["id"])
    assert (code, line.split(":")[:2]) == (0, ["audit", " passed"])


def test_no_network_is_told_and_does_not_fail() -> None:
    """The real service, by way of a proxy that isn't there."""
    closed = f"http://127.0.0.1:{free_port()}"
    code, line = audit(HTTPS_PROXY=closed, https_proxy=closed, ALL_PROXY=closed)
    assert (code, line.split(":")[:2]) == (0, ["audit", " not done"])


@pytest.mark.parametrize(("status", "expected"), [(503, 0), (403, 0), (400, 2)])
def test_a_service_that_refuses(status: int, expected: int, service: Any) -> None:
    """Down, or shut off by a proxy: not done. Asked in a way that it doesn't understand: an error, lest it never be done."""
    service.status = status
    code, line = audit("--service-url", service.address)
    assert code == expected
    assert line.startswith("audit: not done") is (expected == 0)


def test_a_wrong_option_is_no_network_trouble() -> None:
    assert audit("--no-such-option") == (2, "")
