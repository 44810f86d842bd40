"""A canary that goes wrong is undone: a service that says so, falls silent, or has errors of its own."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from driftgate.config import load_problem
from driftgate.errors import DriftgateError
from driftgate.production import experiments
from driftgate.production.channel import Channel, read_channel
from driftgate.production.deployments import warnings_of
from driftgate.production.move import Busy, Production
from driftgate.production.release import Release
from driftgate.workspace import PROJECT, Workspace
from operations import canary
from operations.deploy import deploy_to_production


@contextmanager
def service(contested: Production, **says: Any) -> Iterator[str]:
    """Stands for a running service: it follows the channel, and says what it is told to."""

    class Handler(BaseHTTPRequestHandler):
        asked = 0

        def do_GET(self) -> None:
            Handler.asked += 1
            tried = read_channel(contested.channel).challenger
            experiment = tried and {"challenger": tried.version, "share": tried.share, "shut_off": says.get("shut_off")}
            told = {"ready": says.get("ready", True), "channel": {"error": says.get("error")}, "experiment": experiment}
            if says.get("deaf"):
                told["experiment"] = None
            body = json.dumps(told).encode()
            if self.path == "/metrics":
                number = Handler.asked if says.get("errors") else 0
                body = f'driftgate_refused_total{{code="internal"}} {number}\n'.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def roll_out(contested: Production, address: str) -> None:
    with contested.exclusive():
        canary.roll_out(
            contested, "2", steps=(5, 25, 100), hold=0.6, service=address, budget_ms=100, who="somebody", reason="why"
        )


def test_each_step_is_held_and_the_last_is_left_to_the_move(contested: Production) -> None:
    with service(contested) as address:
        roll_out(contested, address)
    serving = contested.serving()
    assert serving is not None
    assert serving.challenger is not None
    assert serving.challenger.share == 0.25


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "shut off": ({"shut_off": "ValueError"}, "shut it off: ValueError"),
    "log": ({"ready": False}, "can't write its prediction log"),
    "not taken": ({"error": "altered"}, "did not load it: altered"),
    "deaf": ({"deaf": True}, "did not load it"),
    "errors": ({"errors": True}, "internal errors"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_undoes_it(
    name: str, contested: Production, releases: dict[str, Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary, "LOADED_WITHIN_SECONDS", 1.0)
    says, told = FAULTS[name]
    with service(contested, **says) as address, pytest.raises(DriftgateError, match="was undone") as raised:
        roll_out(contested, address)
    assert told in raised.value.cause
    assert Channel.of(releases["1"]).serves_as(contested.serving())
    assert [found.event for found in contested.record()[-2:]] == ["challenged", "unchallenged"]


def test_silence_undoes_it(
    contested: Production, releases: dict[str, Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary, "SILENT_SECONDS", 0.6)
    with pytest.raises(DriftgateError, match="does not answer"):
        roll_out(contested, "http://127.0.0.1:9")
    assert Channel.of(releases["1"]).serves_as(contested.serving())


def test_an_interrupted_climb_is_undone(
    contested: Production, releases: dict[str, Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(canary, "_watch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        roll_out(contested, "http://127.0.0.1:9")
    assert Channel.of(releases["1"]).serves_as(contested.serving())
    assert contested.record()[-1].reason == "canary at 5 %: it was interrupted"


def test_a_climb_that_was_cut_off_is_undone_by_whoever_comes_next(
    contested: Production, releases: dict[str, Release], tmp_path: Path
) -> None:
    """A process killed in the middle of a step: its lock is gone, its share still stands."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom driftgate.production.move import Production\n"
        "from driftgate.workspace import Workspace\nfrom operations import canary\n"
        "production = Production('rules', workspace=Workspace(Path(sys.argv[1])))\n"
        "with production.exclusive():\n"
        "    canary.roll_out(production, '2', steps=(50, 100), hold=60, service=sys.argv[2], budget_ms=9,"
        " who='w', reason='r')\n"
    )
    with service(contested) as address:
        child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), address], cwd=PROJECT)
        deadline = time.monotonic() + 60
        while (serving := contested.serving()) is None or serving.challenger is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(Busy), contested.exclusive():
            pass
        child.kill()
        child.wait()
    assert serving.challenger.canary
    with contested.exclusive():
        assert experiments.end_cut_off_canary(contested) == serving.challenger
        assert experiments.end_cut_off_canary(contested) is None
    assert Channel.of(releases["1"]).serves_as(contested.serving())
    assert contested.record()[-1].event == "unchallenged"


def test_a_deployment_that_is_interrupted_after_its_canary_ends_it(
    contested: Production, releases: dict[str, Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    problem = load_problem(PROJECT / "configs" / "rules.yaml")
    monkeypatch.setattr(Production, "move", interrupt)
    with service(contested) as address, pytest.raises(KeyboardInterrupt):
        deploy_to_production(
            problem, model="2", reason="why", who="w", service=address, steps=(25, 100), hold=0.6,
            workspace=Workspace(contested.channel.parents[2]),
        )  # fmt: skip
    assert Channel.of(releases["1"]).serves_as(contested.serving())
    assert [found.event for found in contested.record()[-2:]] == ["challenged", "unchallenged"]


def test_each_step_is_in_the_record_with_its_share(contested: Production) -> None:
    with service(contested) as address:
        roll_out(contested, address)
    assert [(found.event, found.challenger and found.challenger.share) for found in contested.record()[-2:]] == [
        ("challenged", 0.05), ("stepped", 0.25),
    ]  # fmt: skip
    assert warnings_of(contested) == []


def test_an_experiment_is_no_canary(contested: Production) -> None:
    with contested.exclusive():
        planned = experiments.plan(contested, "2", share=0.2)
        experiments.begin(contested, planned, who="w", reason="r")
        assert experiments.end_cut_off_canary(contested) is None
    assert experiments.running(contested)[1] == planned.challenger


@pytest.mark.parametrize("text", ["", "0", "5,5", "25,5", "101", "x", "5,,25"])
def test_steps_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"share|invalid literal"):
        canary.parse_steps(text)


def test_steps_and_times_are_read() -> None:
    assert canary.parse_steps("5,25,100") == (5, 25, 100)
    assert [canary.parse_hold(text) for text in ("30s", "10m", "1.5h")] == [30, 600, 5400]
    for text in ("10", "soon", "-1m", "0s", "nans"):
        with pytest.raises(ValueError, match=r"time|float"):
            canary.parse_hold(text)
