"""The bento, served by the real `bentoml serve`, and clients that send too much, too slowly, too often, or something else."""

import contextlib
import http.client
import json
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bentos.api.bodies import BODY_WITHIN_SECONDS, LINGER_BYTES
from bentos.api.connections import HEAD_BYTES, MOST_PIPELINED
from bentos.api.settings import SHARE_OF_DESCRIPTORS
from bentos.server import DIRECT, Served, free_port, serving
from driftgate.production.channel import Challenger, Channel, pseudonym, write_channel
from driftgate.production.predictions import read_predictions
from driftgate.production.release import Release, manifest_hash, read_release
from driftgate.workspace import Workspace
from tests.conftest import Ran
from tests.service.test_service import another

DESCRIPTORS = 1024
IDLE_SECONDS = 3
MIB = 2**20
LABEL_TOKEN = "a-label-token-for-tests"  # noqa: S105


@pytest.fixture(scope="module")
def release(main_job: Ran) -> Release:
    return read_release(Path(main_job.document["release"]))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def served(
    main_job: Ran, release: Release, workspace: Workspace, log_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A service with `ulimit -n 1024`, a short time for idle connections, and an experiment in its shadow."""
    folder = tmp_path_factory.mktemp("channel")
    other = another(release, folder / "next")
    plan = Challenger(
        id="x", version=other.card.version, release=str(other.folder), manifest_sha256=manifest_hash(other.folder)
    )
    write_channel(folder / "channel.json", Channel.of(release).model_copy(update={"challenger": plan}))
    settings = {
        "DRIFTGATE_LOG": str(log_folder), "DRIFTGATE_IDLE_SECONDS": str(IDLE_SECONDS),
        "DRIFTGATE_LABEL_TOKEN": LABEL_TOKEN, "DRIFTGATE_CHANNEL": str(folder / "channel.json"),
    }  # fmt: skip
    with contextlib.ExitStack() as stack:
        with descriptors(DESCRIPTORS):
            found = stack.enter_context(
                serving(Path(main_job.document["bento"]), workspace=workspace, environment=settings)
            )
        yield found


@contextlib.contextmanager
def descriptors(soft: int) -> Iterator[None]:
    """Let this process, and what it starts meanwhile, open so many files."""
    was = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, was)


def port_of(served: Served) -> int:
    return int(served.address.rsplit(":", 1)[1])


def connect(served: Served, timeout: float = 30) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port_of(served)), timeout=timeout)


def answer_on(connection: socket.socket) -> tuple[int, bytes]:
    """The answer on a connection that the service closes after it: status and body; 0 where there is none."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    return (int(head.split(b" ")[1]) if head else 0), body


def code_of(body: bytes) -> str:
    return str(json.loads(body)["error"]["code"])


def request_of(served: Served, row: Any, *headers: str, path: str = "/predict") -> bytes:
    body = json.dumps(row).encode()
    lines = [
        f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {served.token}", "Content-Type: application/json",
        f"Content-Length: {len(body)}", *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body


def worker(served: Served) -> psutil.Process:
    (found,) = psutil.Process(served.process.pid).children()
    return found


def metric(served: Served, name: str) -> float:
    request = urllib.request.Request(f"{served.address}/metrics", headers={"Authorization": f"Bearer {served.token}"})
    with DIRECT.open(request, timeout=10) as answer:
        page = answer.read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(name))


def log_of(workspace: Workspace) -> str:
    return "".join(path.read_text() for path in workspace.logs.glob("serve-*.log"))


CHUNKED = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\n"
)
FLOODS = {
    "many headers": (b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"".join(b"X-%05d: y\r\n" % at for at in range(6000))),
    "one header": (b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: ", b"y" * 2**16),
    "one header's name": (b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"y" * 2**16),
    "request line": (b"GET /", b"y" * 2**16),
    "blank lines": (b"", b"\r\n" * 2**15),
    "spaces before a value": (b"GET /livez HTTP/1.1\r\nX: ", b" " * 2**16),
    "trailers": (
        CHUNKED,
        b"".join(b"X-%05d: y\r\n" % at for at in range(6000)),
    ),
    "one trailer": (
        CHUNKED + b"X: ", b"y" * 2**16
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FLOODS)
def test_a_head_of_100_mb_costs_no_memory_and_stalls_nobody(name: str, served: Served) -> None:
    begin, part = FLOODS[name]
    before, slowest, done = worker(served).memory_info().rss, 0.0, threading.Event()

    def watch() -> None:
        nonlocal slowest
        while not done.is_set():
            started = time.monotonic()
            served.get("/readyz")
            slowest = max(slowest, time.monotonic() - started)

    watcher = threading.Thread(target=watch)
    watcher.start()
    sent = 0
    try:
        with connect(served) as connection:
            connection.sendall(begin.replace(b"TOKEN", served.token.encode()))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                while sent < 100 * MIB:
                    connection.sendall(part)
                    sent += len(part)
    finally:
        done.set()
        watcher.join()
    assert sent < LINGER_BYTES + 16 * MIB  # what lies in the buffers of both sides included
    assert worker(served).memory_info().rss - before < 16 * MIB
    assert slowest < 1


@pytest.mark.parametrize("name", FLOODS)
def test_a_head_above_the_limit_is_431_and_the_connection_is_closed(name: str, served: Served) -> None:
    begin, part = FLOODS[name]
    with connect(served) as connection:
        connection.sendall(begin.replace(b"TOKEN", served.token.encode()) + part * 12)
        status, body = answer_on(connection)
    assert (status, code_of(body)) == (431, "head_too_large")


def test_heads_below_the_limit_are_answered_one_after_the_other_on_one_connection(
    served: Served, release: Release
) -> None:
    row, large = release.golden.rows[0], "X: " + "y" * (HEAD_BYTES - 1000)
    with connect(served) as connection:
        for _ in range(40):
            connection.sendall(request_of(served, row, large))
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, "probability" in json.loads(answer.read())) == (200, True)
        connection.sendall(request_of(served, row, large, "Y: " + "y" * 2000))
        assert answer_on(connection)[0] == 431


@pytest.mark.parametrize("rest", [b"".join(b"X-%05d: y\r\n" % at for at in range(6000)), b"no chunk\r\n"])
def test_a_request_that_was_answered_already_gets_no_second_answer(rest: bytes, served: Served) -> None:
    """It would be taken for the answer to the next request."""
    with connect(served) as connection:
        connection.sendall(b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n \r\n")
        received = connection.recv(65536)
        assert received.startswith(b"HTTP/1.1 ")
        connection.sendall((b"0\r\n" if rest.startswith(b"X") else b"") + rest)
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                received += part
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_bad_request_behind_a_good_one_leaves_that_its_answer(served: Served, release: Release) -> None:
    with connect(served) as connection:
        connection.sendall(request_of(served, release.golden.rows[0]) + b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n")
        status, body = answer_on(connection)
    assert (status, "probability" in json.loads(body)) == (200, True)


def test_more_requests_than_may_wait_end_the_connection(served: Served) -> None:
    """Each costs far more memory than its bytes, and all of a packet are parsed at once."""
    one = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(served) as connection:
        connection.sendall(one * (MOST_PIPELINED // 2))
        answered = b""
        while answered.count(b"HTTP/1.1 200") < MOST_PIPELINED // 2:
            answered += connection.recv(65536)
    with connect(served) as connection, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(one * 5000)
        received = b""
        while part := connection.recv(65536):
            received += part
        assert received.count(b"HTTP/1.1 200") < 5000


def test_idle_connections_leave_room_for_callers(served: Served, release: Release, workspace: Workspace) -> None:
    """More connections than the service may open files, none of which sends a whole request."""
    row, held, statuses = release.golden.rows[0], [], []
    with descriptors(8192):
        try:
            for at in range(1100):
                connection = connect(served)
                held.append(connection)
                if at % 2:
                    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
                if at % 10 == 0:
                    statuses.append(served.post("/predict", row)["model_version"])
            statuses += [served.post("/predict", row)["model_version"] for _ in range(300)]
            assert worker(served).num_fds() < DESCRIPTORS
            time.sleep(1.5)  # the gauge follows once a second
            most = metric(served, "driftgate_connections_limit")
            assert most == int(DESCRIPTORS * SHARE_OF_DESCRIPTORS)
            assert metric(served, "driftgate_connections ") <= most
            assert metric(served, 'driftgate_connections_closed_total{cause="displaced"}') >= 1100 - most
        finally:
            for connection in held:
                connection.close()
    assert len(statuses) == 110 + 300
    deadline = time.monotonic() + 15  # a line each ten seconds
    while not re.search(r"closed [\d,]+ connections: .*displaced \d+", log_of(workspace)):
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("sent", "told"), [(b"", 0), (b"GET /livez HTTP/1.1\r\nHost: x\r\n", 408)], ids=["idle", "half a head"]
)
def test_connections_that_send_no_request_are_closed_in_time(sent: bytes, told: int, served: Served) -> None:
    started = time.monotonic()
    with connect(served) as connection:
        connection.sendall(sent)
        assert answer_on(connection)[0] == told
    assert IDLE_SECONDS - 0.5 < time.monotonic() - started < IDLE_SECONDS + 3


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /livez HTTP/1.1\r\nX: ",
        b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
        b"",
    ],
    ids=["head", "body of a refused request", "body that nobody reads", "blank lines"],
)
def test_a_byte_now_and_then_keeps_no_connection(begin: bytes, served: Served) -> None:
    started = time.monotonic()
    with connect(served) as connection:
        connection.sendall(begin)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - started < 30:
                connection.sendall(b"\r\n" if not begin else b"y")
                time.sleep(0.1)
    assert time.monotonic() - started < 25


def test_a_caller_that_takes_no_answer_gives_way_and_is_closed(served: Served) -> None:
    """It asks for large files on one connection, and never reads."""
    asked = b"GET /static_content/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 8
    with connect(served) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(asked)
        time.sleep(0.5)
        assert served.get("/readyz")["ready"]


@pytest.mark.slow
def test_a_caller_that_takes_no_answer_is_closed_after_a_minute(served: Served) -> None:
    before = metric(served, 'driftgate_connections_closed_total{cause="slow_answer"}')
    with connect(served, timeout=120) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /static_content/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
        time.sleep(65)
        assert metric(served, 'driftgate_connections_closed_total{cause="slow_answer"}') == before + 1


@pytest.mark.slow
def test_a_body_that_comes_byte_by_byte_is_408_in_time(served: Served) -> None:
    """With the token, so that the service waits for it."""
    head = request_of(served, {}).replace(b"Content-Length: 2", b"Content-Length: 60000")
    started = time.monotonic()
    with connect(served) as connection:
        connection.sendall(head)
        connection.settimeout(0.2)
        answer = b""
        while not answer and time.monotonic() - started < 60:
            connection.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - started < BODY_WITHIN_SECONDS + 5


UPGRADES = {
    "h2c": ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"),
    "unknown": ("Upgrade: something/2", "Connection: keep-alive, Upgrade"),
}


@pytest.mark.parametrize("name", UPGRADES)
def test_a_wish_for_another_protocol_is_answered_as_without_it(name: str, served: Served, release: Release) -> None:
    row = release.golden.rows[0]
    expected = served.post("/predict", row)["probability"]
    whole = request_of(served, row, *UPGRADES[name])
    with connect(served) as connection:
        for cut in (len(whole), len(whole) - 5, 40):  # in one packet, without the end of its body, within its head
            connection.sendall(whole[:cut])
            time.sleep(0.05)
            connection.sendall(whole[cut:])
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, json.loads(answer.read())["probability"]) == (200, expected)
        connection.sendall(whole * 3)
        received = b""
        while received.count(b'"probability":') < 3:
            received += connection.recv(65536)
    assert received.count(b"HTTP/1.1 200") == 3


def test_a_chunked_body_with_a_wish_for_h2c_is_read(served: Served, release: Release) -> None:
    body = json.dumps(release.golden.rows[0]).encode()
    head = request_of(served, {}, *UPGRADES["h2c"]).replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")[:-2]
    with connect(served) as connection:
        connection.sendall(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, "probability" in json.loads(answer.read())) == (200, True)


@pytest.mark.parametrize("method", ["POST", "GET", "CONNECT"])
def test_websocket_and_connect_are_refused_at_once(method: str, served: Served) -> None:
    wish = () if method == "CONNECT" else ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    where = "x:1" if method == "CONNECT" else "/predict"
    started = time.monotonic()
    with connect(served) as connection:
        connection.sendall("\r\n".join([f"{method} {where} HTTP/1.1", "Host: x", *wish, "", ""]).encode())
        status, body = answer_on(connection)
    assert (status, code_of(body)) == (400, "upgrade")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("path", ["/predict", "/feedback", "/nothing"])
def test_a_large_body_gets_its_refusal_with_urllib(path: str, served: Served) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {served.token}"}
    if path == "/feedback":
        headers["Authorization"] = f"Bearer {LABEL_TOKEN}"
    expected = 404 if path == "/nothing" else 413
    for _ in range(5):
        request = urllib.request.Request(served.address + path, b" " * 10 * MIB, headers)
        with pytest.raises(urllib.error.HTTPError) as raised:
            DIRECT.open(request, timeout=30)
        assert raised.value.code == expected
        assert json.loads(raised.value.read())["error"]["code"] in ("too_large", "no_such_path")


def test_a_large_body_without_the_token_gets_its_401(served: Served) -> None:
    request = urllib.request.Request(f"{served.address}/predict", b" " * 10 * MIB, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as raised:
        DIRECT.open(request, timeout=30)
    assert raised.value.code == 401


def test_a_large_body_in_chunks_gets_its_413(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(served), timeout=30)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {served.token}"}
    connection.request("POST", "/predict", (b" " * 2**17 for _ in range(80)), headers, encode_chunked=True)
    assert connection.getresponse().status == 413


@pytest.mark.parametrize("framing", [f"Content-Length: {10 * MIB}", "Transfer-Encoding: chunked"])
def test_expect_100_continue_gets_its_413(framing: str, served: Served) -> None:
    """With a length it is refused before a byte of the body is sent; without one, once the body is too large."""
    head = request_of(served, {}, "Expect: 100-continue").replace(b"Content-Length: 2", framing.encode())[:-2]
    with connect(served) as connection:
        connection.sendall(head)
        first = connection.recv(65536)
        if "chunked" in framing:
            assert first.startswith(b"HTTP/1.1 100 ")
            part = b"%x\r\n%b\r\n" % (2**17, b" " * 2**17)
            for _ in range(80):
                connection.sendall(part)
            connection.sendall(b"0\r\n\r\n")
            first = connection.recv(65536)
        assert first.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "asked",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"\x16\x03\x01\x00\xff",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_400_in_the_usual_shape(asked: bytes, served: Served) -> None:
    with connect(served) as connection:
        connection.sendall(asked)
        status, body = answer_on(connection)
    assert (status, code_of(body)) == (400, "bad_http")


def test_labels_need_the_token_of_labels(served: Served, release: Release) -> None:
    told = {"prediction_id": served.post("/predict", release.golden.rows[0])["prediction_id"], "label": "holds"}
    with pytest.raises(urllib.error.HTTPError) as raised:
        served.post("/feedback", told)
    assert raised.value.code == 401
    labeller = Served(served.address, LABEL_TOKEN, served.process)
    assert labeller.post("/feedback", told) == told
    with pytest.raises(urllib.error.HTTPError) as raised:
        labeller.post("/predict", release.golden.rows[0])
    assert raised.value.code == 401


def test_an_address_is_the_one_that_connects_whatever_it_says(
    served: Served, release: Release, log_folder: Path
) -> None:
    """In an experiment one address has a limited weight: else every request could bring another one."""
    with connect(served) as connection:
        for at in range(5):
            connection.sendall(request_of(served, release.golden.rows[0], f"X-Forwarded-For: 192.0.2.{at}"))
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            answer.read()
    assert set(read_predictions(log_folder)["peer"]) == {pseudonym("127.0.0.1", salt="x")}


AS_ANOTHER_USER = """
import json, os, sys
import zmq
os.setgroups([]); os.setgid(65534); os.setuid(65534)
context, told = zmq.Context(), []
for address in sys.argv[1:]:
    asked = context.socket(zmq.DEALER)
    asked.linger = 0
    asked.connect(address)
    asked.send(json.dumps({"id": "1", "command": "options", "properties": {"name": "service"}}).encode())
    if asked.poll(2000) and b"DRIFTGATE_TOKEN" in asked.recv():
        told.append(address)
print(json.dumps(told))
"""


def listening(served: Served) -> tuple[set[int], set[str]]:
    """Ports and socket files on which the service's processes listen."""
    found = [
        connection
        for process in (psutil.Process(served.process.pid), worker(served))
        for connection in process.net_connections("all")
    ]
    ports = {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}
    return ports, {one.laddr for one in found if isinstance(one.laddr, str) and one.laddr}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can ask as another user")
def test_no_other_user_reaches_the_process_manager(served: Served) -> None:
    """It would hand out the token, and start any program as the service's user."""
    ports, files = listening(served)
    where = [f"tcp://127.0.0.1:{port}" for port in ports - {port_of(served)}] + [f"ipc://{path}" for path in files]
    done = subprocess.run([sys.executable, "-c", AS_ANOTHER_USER, *where], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_the_service_listens_on_its_own_port_alone(served: Served) -> None:
    assert listening(served) == ({port_of(served)}, set())


def test_the_folder_of_the_metrics_is_the_service_s_alone(served: Served) -> None:
    (folder,) = {Path(file.path).parent for file in worker(served).memory_maps() if "driftgate-metrics" in file.path}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.stat().st_uid == os.getuid()


def test_a_folder_planted_in_the_temporary_folder_stays_empty(main_job: Ran, tmp_path: Path) -> None:
    """Another user made it as soon as the server's process was there, under the name that follows from it."""
    temporary, target, port = tmp_path / "temporary", tmp_path / "target", free_port()
    temporary.mkdir()
    temporary.chmod(0o1777)
    target.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("BENTOML_", "DRIFTGATE_"))}
    environment |= {
        "HOME": str(tmp_path), "TMPDIR": str(temporary), "DRIFTGATE_LOG": "none", "DRIFTGATE_INSECURE": "1",
        "BENTOML_DO_NOT_TRACK": "true",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "bentoml", "serve", main_job.document["bento"], "--port", str(port)],
        env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        started = int(psutil.Process(process.pid).create_time())
        (temporary / f"driftgate-metrics-{os.getuid()}-{process.pid}-{started}").symlink_to(target)
        served, deadline = Served(f"http://127.0.0.1:{port}", "", process), time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                if served.get("/readyz")["ready"]:
                    break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        (own,) = [path for path in temporary.glob("driftgate-metrics-*") if not path.is_symlink()]
        assert own.stat().st_mode & 0o777 == 0o700
        assert list(own.glob("*.db"))
        assert list(target.iterdir()) == []
    finally:
        process.terminate()
        process.wait(30)


def test_all_of_this_left_no_traceback_in_the_log(served: Served, workspace: Workspace) -> None:
    assert "Traceback" not in log_of(workspace)
