"""A running service as deployments see it: another problem's, one that isn't ready, one that is down, one that talks nonsense."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from bentos import proof
from bentos.api.following import PROBLEMS
from bentos.server import Served, free_port
from driftgate.errors import DriftgateError
from operations import running_service
from operations.running_service import require_service, wait_for_version

Answers = Callable[[int, dict[str, Any]], str]


@pytest.fixture
def answers() -> Iterator[Answers]:
    """Start a server that gives one answer; its address."""
    running = []

    def start(status: int, told: dict[str, Any]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(told).encode())

            def log_message(self, *_: Any) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Handler)
        running.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def told(version: str = "2", *, ready: bool = True, error: str | None = None) -> dict[str, Any]:
    return {"ready": ready, "release": {"name": "rules", "version": version}, "channel": {"error": error}}


def test_a_service_of_another_problem_is_told_before_anything_moves(answers: Answers) -> None:
    address = answers(200, told())
    require_service(address, "rules")
    with pytest.raises(DriftgateError, match="serves rules, not flights"):
        require_service(address, "flights")
    with pytest.raises(DriftgateError, match="not the address of a service"):
        require_service("localhost:3000", "rules")
    require_service(f"http://127.0.0.1:{free_port()}", "rules")  # down: it will take the release over later


@pytest.mark.parametrize(
    ("status", "says", "error"),
    [
        (200, told(), None),
        (503, told(ready=False), "it can't write its prediction log"),
        (200, told("1"), "it still serves another version"),
        (200, told("1", error="release_unreadable"), f"{PROBLEMS['release_unreadable']}; its log names the file"),
        (
            200,
            told("1", error="in words, as of a service of an older version"),
            "in words, as of a service of an older version",
        ),
        (200, {"release": "nonsense"}, "it still serves another version"),
    ],
)
def test_what_a_service_says_of_itself(
    status: int, says: dict[str, Any], error: str | None, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_service, "WITHIN_SECONDS", 1.0)
    found = wait_for_version(answers(status, says), "2")
    assert (found.answers, found.error) == (True, error)


def test_an_answer_that_is_cut_off_is_a_failed_request() -> None:
    """The load of a proof counts it, rather than end without a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def nonsense() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"nonsense\r\n\r\n")

        threading.Thread(target=nonsense, daemon=True).start()
        served = Served(f"http://127.0.0.1:{server.getsockname()[1]}", "token", None)  # type: ignore[arg-type]
        ids, failed = proof._load(served, [{"f1": 1.0}])
        server.shutdown(socket.SHUT_RDWR)
    assert ids == []
    assert failed > 0
