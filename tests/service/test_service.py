"""The bento, served by the real `bentoml serve`: what it answers, and that it forgets nothing."""

import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from bentos.build import service_environment
from bentos.server import Served, require_free, serving
from driftgate.errors import DriftgateError
from driftgate.production.channel import Channel, write_channel
from driftgate.production.predictions import read_predictions
from driftgate.production.release import Release, read_release
from driftgate.workspace import Workspace
from tests.conftest import Ran


@pytest.fixture(scope="module")
def release(main_job: Ran) -> Release:
    return read_release(Path(main_job.document["release"]))


@pytest.fixture(scope="module")
def bento(main_job: Ran) -> Path:
    return Path(main_job.document["bento"])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Another BentoML home and working folder than those the bento was built in."""
    return Workspace(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="module")
def served(bento: Path, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("log")
    with serving(bento, workspace=workspace, environment={"DRIFTGATE_LOG": str(log)}) as found:
        yield found


def read(url: str) -> tuple[int, bytes]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status, answer.read()


def test_one_row_and_many_get_the_golden_predictions(served: Served, release: Release) -> None:
    rows, expected = release.golden.rows, release.golden.probability
    batch = served.post("/predict/batch", {"instances": rows})["predictions"]
    assert [answer["probability"] for answer in batch] == expected
    alone = float(release.scorer().probability_of_rows(rows[:1])[0])
    assert served.post("/predict", rows[0])["probability"] == alone
    named = {True: release.card.positive_name, False: release.card.negative_name}
    assert [answer["prediction"] for answer in batch] == [named[p >= release.card.threshold] for p in expected]


def test_model_info_tells_lineage_and_contract(served: Served, release: Release) -> None:
    found = served.get("/model/info")
    assert found["lineage"] == release.card.lineage.model_dump()
    assert found["verdict"]["outcome"] in ("pass", "warn")
    assert set(found["contract"]["columns"]) == set(release.contract.columns)


def test_health_and_the_page_need_no_token(served: Served) -> None:
    assert read(f"{served.address}/livez")[0] == 200
    assert json.loads(read(f"{served.address}/readyz")[1])["ready"] is True
    page = read(f"{served.address}/")[1].decode()
    for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert f"./static_content/{name}" in page
        assert read(f"{served.address}/static_content/{name}")[0] == 200
    assert "https://" not in page


def test_bad_row_is_refused_and_leaves_no_trace(served: Served, release: Release, workspace: Workspace) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        served.post("/predict", {**release.golden.rows[0], "f4": 2718.28, "secret_field": "hunter2"})
    assert raised.value.code == 422
    body = json.loads(raised.value.read())
    assert {found["field"] for found in body["error"]["fields"]} == {"f4", "secret_field"}
    logs = "".join(path.read_text() for path in workspace.logs.glob("serve-*.log"))
    for trace in ("Traceback", "2718.28", "hunter2", "secret_field", served.token):
        assert trace not in logs


def test_endless_body_is_cut_off(served: Served) -> None:
    """Streamed without a length: refused as soon as it is too large, long before it ends."""
    connection = http.client.HTTPConnection(served.address.removeprefix("http://"), timeout=30)
    sent = 0

    def parts() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(2000):
            sent += 2**17
            yield b" " * 2**17

    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {served.token}"}
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", "/predict", parts(), headers, encode_chunked=True)
    assert sent < 100 * 2**20
    assert served.post("/feedback", {"prediction_id": "0190f3c1a2b-0123456789abcdef-0", "label": "holds"})


def test_the_service_holds_no_training_library(served: Served) -> None:
    """What its worker has mapped into memory: none of the libraries that train, track or draw."""
    workers = psutil.Process(served.process.pid).children(recursive=True)
    maps = {path.path for worker in workers for path in worker.memory_maps()}
    assert any("onnxruntime" in path for path in maps)
    for library in ("sklearn", "pandas", "scipy", "pyarrow", "matplotlib"):
        assert not [path for path in maps if f"/{library}/" in path], library


def test_taken_port_is_told(served: Served) -> None:
    with pytest.raises(DriftgateError, match="is taken"):
        require_free(int(served.address.rsplit(":", 1)[1]))


@pytest.mark.parametrize(
    ("settings", "arguments", "said"),
    [
        ({}, [], "DRIFTGATE_LOG is not set"),
        ({"DRIFTGATE_LOG": "none"}, [], "DRIFTGATE_TOKEN is not set"),
        ({"DRIFTGATE_LOG": "none", "DRIFTGATE_INSECURE": "1"}, ["--host", "0.0.0.0"], "only on this machine"),  # noqa: S104
    ],
)
def test_unsafe_settings_end_the_start(
    settings: dict[str, str], arguments: list[str], said: str, bento: Path, workspace: Workspace
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", str(bento), "--port", "3999", *arguments],
        capture_output=True, text=True, timeout=60, env={**service_environment(workspace), **settings}, cwd="/",
    )  # fmt: skip
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


class Load:
    """Callers that ask without pause; what they were answered."""

    def __init__(self, served: Served, row: dict[str, Any], *, callers: int = 4) -> None:
        self.ids: list[str] = []
        self.versions: list[str] = []
        self.failed: list[str] = []
        self.halt = threading.Event()
        self._served, self._row = served, row
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(callers)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.halt.set()
        for thread in self._threads:
            thread.join(30)

    def wait(self, answers: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.ids) < answers:
            assert time.monotonic() < deadline, self.failed[:3]
            time.sleep(0.01)

    def _ask(self) -> None:
        body = json.dumps(self._row)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._served.token}"}
        connection = http.client.HTTPConnection(self._served.address.removeprefix("http://"), timeout=30)
        while not self.halt.is_set():
            try:
                connection.request("POST", "/predict", body, headers)
                answer = connection.getresponse()
                told = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failed.append(repr(error))
                return
            if answer.status != 200:
                self.failed.append(str(told))
                return
            self.ids.append(told["prediction_id"])
            self.versions.append(told["model_version"])


def writers(log: Path) -> set[str]:
    """The processes that wrote to a log."""
    return {path.stem.rsplit("-", 1)[1] for path in log.glob("predictions-*")}


def test_kill_9_under_load_loses_no_answered_prediction(
    bento: Path, release: Release, workspace: Workspace, tmp_path: Path
) -> None:
    """Two workers on one log, both killed while they answer."""
    log = tmp_path / "log"
    settings = {"DRIFTGATE_LOG": str(log), "DRIFTGATE_WORKERS": "2", "DRIFTGATE_SEGMENT_BYTES": "20000"}
    with serving(bento, workspace=workspace, environment=settings) as served:
        answered: set[str] = set()
        while len(writers(log)) < 2:  # until both are there, and have been asked
            with Load(served, release.golden.rows[0], callers=6) as load:
                load.wait(50)
            answered |= set(load.ids)
        with Load(served, release.golden.rows[0], callers=6) as load:
            load.wait(500)
            for process in psutil.Process(served.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    os.kill(process.pid, signal.SIGKILL)
            served.process.kill()
    answered |= set(load.ids)
    kept = read_predictions(log)["prediction_id"]
    assert len(answered) >= 500
    assert answered <= set(kept)
    assert kept.is_unique


def test_sigterm_drains(bento: Path, release: Release, workspace: Workspace, tmp_path: Path) -> None:
    """Whatever was asked before the end is answered: callers see closed connections, never half an answer."""
    settings = {"DRIFTGATE_LOG": str(tmp_path / "log")}
    with (
        serving(bento, workspace=workspace, environment=settings) as served,
        Load(served, release.golden.rows[0]) as load,
    ):
        load.wait(200)
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(30)
    closed = ("RemoteDisconnected", "Connection", "BrokenPipe")
    assert all(fault.startswith(closed) for fault in load.failed), load.failed
    kept = read_predictions(tmp_path / "log")["prediction_id"]
    assert set(load.ids) <= set(kept)
    assert len(kept) - len(set(load.ids)) <= len(load.failed)


def test_a_full_disk_is_503_and_not_silence(
    bento: Path, release: Release, workspace: Workspace, tmp_path: Path
) -> None:
    settings = {"DRIFTGATE_LOG": str(tmp_path / "log")}
    with serving(bento, workspace=workspace, environment=settings) as served:
        served.post("/predict", release.golden.rows[0])
        (segment,) = (tmp_path / "log").glob("predictions-*")
        worker = int(segment.stem.rsplit("-", 1)[1])
        soft, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (segment.stat().st_size + 20, hard))
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError) as raised:
                served.post("/predict", release.golden.rows[0])
            assert raised.value.code == 503
        with pytest.raises(urllib.error.HTTPError) as unready:
            served.get("/readyz")
        assert unready.value.code == 503
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (soft, hard))
        served.post("/predict", release.golden.rows[0])
    assert len(read_predictions(tmp_path / "log")) == 2


def test_a_swap_loses_no_request(bento: Path, release: Release, workspace: Workspace, tmp_path: Path) -> None:
    """Two releases in turn, under load: every request is answered by one of them, whole."""
    document, other = tmp_path / "channel.json", another(release, tmp_path / "next")
    write_channel(document, Channel.of(release))
    settings = {"DRIFTGATE_LOG": str(tmp_path / "log"), "DRIFTGATE_CHANNEL": str(document)}
    with serving(bento, workspace=workspace, environment=settings) as served:
        with Load(served, release.golden.rows[0]) as load:
            for wanted in (other, release, other):
                write_channel(document, Channel.of(wanted))
                deadline = time.monotonic() + 30
                while not load.versions or load.versions[-1] != wanted.card.version:
                    assert time.monotonic() < deadline
                    assert not load.failed
                    time.sleep(0.02)
        assert load.failed == []
        assert set(load.versions) == {release.card.version, other.card.version}
    assert set(load.ids) == set(read_predictions(tmp_path / "log")["prediction_id"])


def another(release: Release, folder: Path) -> Release:
    """The same model under the next version."""
    from driftgate.production.release import write_release

    card = release.card.model_copy(update={"version": "next"})
    return write_release(
        folder, model=release.model, contract=release.contract, card=card, ranges=release.ranges,
        rows=release.golden.rows, profile=release.profile, sbom=release.sbom or b"",
    )  # fmt: skip


@pytest.mark.slow
def test_schemathesis_finds_no_error_of_ours(served: Served, tmp_path: Path) -> None:
    """Its examples, coverage and random cases against our own document."""
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{served.address}/openapi.json",
            "--url", served.address, "--header", f"Authorization: Bearer {served.token}",
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            "--max-examples", "60", "--seed", "1", "--no-color",
        ],
        capture_output=True, text=True, timeout=500, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
