"""The service's application by itself: strict with whatever comes, and silent about it."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bentos.api.application import Service
from bentos.api.bodies import LINGER_BYTES
from bentos.api.following import PROBLEMS
from bentos.api.settings import Settings
from driftgate.config import load_problem
from driftgate.production.channel import Challenger, Channel, write_channel
from driftgate.production.prediction_log import LABELS, PREDICTIONS, segments
from driftgate.production.predictions import read_predictions
from driftgate.production.release import Release, manifest_hash
from driftgate.workspace import PROJECT
from tests.unit.test_release import make

TOKEN = "a-token-for-tests-only"  # noqa: S105
JSON = [(b"content-type", b"application/json"), (b"authorization", b"Bearer " + TOKEN.encode())]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    service: Service,
    path: str,
    body: bytes | list[bytes] = b"",
    *,
    method: str = "POST",
    headers: list[tuple[bytes, bytes]] = JSON,
    server: str = "127.0.0.1",
) -> Answer:
    """One request as an ASGI server hands it over; a list of bodies is streamed."""
    parts = body if isinstance(body, list) else [body]
    messages = [
        {"type": "http.request", "body": part, "more_body": at < len(parts) - 1} for at, part in enumerate(parts)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": headers, "server": (server, 3000)}
    asyncio.run(service.respond(scope, receive, send))
    return Answer(sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"])


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return make(tmp_path_factory.mktemp("release") / "1", load_problem(PROJECT / "configs" / "rules.yaml"))


@pytest.fixture
def started(release: Release, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    running = []

    def start(**changes: Any) -> Service:
        chosen = {"token": TOKEN, "log": tmp_path / "log", "channel": None, "release": release.folder, **changes}
        running.append(Service(Settings(**chosen)))
        return running[-1]

    yield start
    for service in running:
        service.close()


@pytest.fixture
def service(started: Callable[..., Service]) -> Service:
    return started()


def test_one_row_is_answered_and_kept(service: Service, release: Release, tmp_path: Path) -> None:
    row = release.golden.rows[0]
    answer = ask(service, "/predict", json.dumps(row).encode())
    assert answer.status == 200
    told = answer.json
    assert told["probability"] == float(release.scorer().probability_of_rows([row])[0])
    assert sum(told["probabilities"].values()) == pytest.approx(1)
    assert told["warnings"] == []
    kept = read_predictions(tmp_path / "log")
    assert kept["prediction_id"].tolist() == [told["prediction_id"]]
    assert kept.loc[0, list(row)].to_dict() == row


def test_labels_come_late_again_and_before_their_time(service: Service, release: Release, tmp_path: Path) -> None:
    rows = release.golden.rows[:3]
    answers = ask(service, "/predict/batch", json.dumps({"instances": rows}).encode()).json["predictions"]
    ids = [found["prediction_id"] for found in answers]
    for at, value in ((2, "fails"), (0, "holds"), (2, "holds")):
        assert ask(service, "/feedback", json.dumps({"prediction_id": ids[at], "label": value}).encode()).status == 202
        time.sleep(0.002)
    kept = read_predictions(tmp_path / "log").set_index("prediction_id")
    assert kept.loc[ids, "label"].where(kept["label"].notna(), None).tolist() == ["holds", None, "holds"]
    assert read_predictions(tmp_path / "log", label="first").set_index("prediction_id").loc[ids[2], "label"] == "fails"


def test_values_unlike_the_training_are_told(service: Service, release: Release) -> None:
    row = {**release.golden.rows[0], "f1": 1e6}
    assert ask(service, "/predict", json.dumps(row).encode()).json["warnings"] == [
        "f1: a value that was not in the training data"
    ]


ROW = b'{"f1": 0.1, "f2": 1.0, "f3": -2.0, "f4": 50.0, "f5": 3}'
BAD: dict[str, tuple[bytes, int, str, str]] = {
    "unknown field": (ROW[:-1] + b', "f9": 1}', 422, "invalid", "f9"),
    "wrong type": (ROW.replace(b"0.1", b'"0.1"'), 422, "invalid", "f1"),
    "true for a number": (ROW.replace(b"0.1", b"true"), 422, "invalid", "f1"),
    "fraction for a whole number": (ROW.replace(b"3}", b"3.5}"), 422, "invalid", "f5"),
    "out of range": (ROW.replace(b"50.0", b"101"), 422, "invalid", "f4"),
    "missing field": (b'{"f1": 0.1}', 422, "invalid", "f2"),
    "null": (ROW.replace(b"0.1", b"null"), 422, "invalid", "f1"),
    "NaN": (ROW.replace(b"0.1", b"NaN"), 400, "bad_json", ""),
    "Infinity": (ROW.replace(b"0.1", b"-Infinity"), 400, "bad_json", ""),
    "beyond float32": (ROW.replace(b"0.1", b"1e39"), 422, "invalid", "f1"),
    "infinite by exponent": (ROW.replace(b"0.1", b"1e999"), 422, "invalid", "f1"),
    "beyond any float": (ROW.replace(b"0.1", b"1" * 500), 422, "invalid", ""),
    "number without end": (ROW.replace(b"0.1", b"1" * 5000), 400, "bad_json", ""),
    "key twice": (ROW[:-1] + b', "f1": 1}', 400, "duplicate_key", ""),
    "no object": (b"[1]", 422, "invalid", "body"),
    "a thousand fields": (json.dumps({f"x{at}": 1 for at in range(1000)}).encode(), 422, "invalid", "body"),
    "empty": (b"", 400, "empty_body", ""),
    "blank": (b" \n", 400, "empty_body", ""),
    "torn": (ROW[:20], 400, "bad_json", ""),
    "more after it": (ROW + b"{}", 400, "bad_json", ""),
    "bad UTF-8": (ROW.replace(b"f1", b"\xff\xfe"), 400, "bad_utf8", ""),
    "deep": (b'{"f1": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", 400, "too_deep", ""),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_body_is_refused_in_one_shape(name: str, service: Service, caplog: pytest.LogCaptureFixture) -> None:
    body, status, code, field = BAD[name]
    with caplog.at_level(logging.INFO):
        answer = ask(service, "/predict", body)
    assert (answer.status, answer.json["error"]["code"]) == (status, code), answer.body
    assert set(answer.json["error"]) == {"code", "message", "fields"}
    fields = [found["field"] for found in answer.json["error"]["fields"]]
    assert field in fields if field else not fields or code == "invalid"
    assert not caplog.records
    assert segments(service.settings.log, PREDICTIONS) == []  # type: ignore[arg-type]


def test_too_many_rows_or_bytes_are_refused(started: Callable[..., Service]) -> None:
    service = started(most_rows=3, most_bytes=1000)
    many = b'{"instances": [' + b",".join([ROW] * 4) + b"]}"
    assert ask(service, "/predict/batch", many).json["error"]["fields"][0]["field"] == "instances"
    assert ask(service, "/predict/batch", b'{"instances": []}').status == 422
    large = ask(service, "/predict", b" " * 1001)
    streamed = ask(service, "/predict", [b" " * 400] * 10)
    told = ask(service, "/predict", b"", headers=[*JSON, (b"content-length", b"99999999999999999999999")])
    assert {large.status, streamed.status, told.status} == {413}


def test_a_stream_in_parts_is_one_body(service: Service) -> None:
    assert ask(service, "/predict", [ROW[at : at + 7] for at in range(0, len(ROW), 7)]).status == 200


@pytest.mark.parametrize("kind", [b"text/plain", b"", b"application/jsonp", b"multipart/form-data; boundary=x"])
def test_another_content_type_is_refused(kind: bytes, service: Service) -> None:
    assert ask(service, "/predict", ROW, headers=[(b"content-type", kind), JSON[1]]).status == 415


def test_charset_beside_the_content_type_is_fine(service: Service) -> None:
    headers = [(b"content-type", b"Application/JSON; charset=utf-8"), JSON[1]]
    assert ask(service, "/predict", ROW, headers=headers).status == 200


@pytest.mark.parametrize(
    "header", [None, b"", b"Bearer", b"Bearer wrong", b"Basic " + TOKEN.encode(), b"Bearer " + TOKEN[:-1].encode()]
)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/feedback", "/model/info", "/metrics"])
def test_without_the_token_nothing_is_told(header: bytes | None, path: str, service: Service) -> None:
    method = "GET" if path in ("/model/info", "/metrics") else "POST"
    headers = [JSON[0], *([(b"authorization", header)] if header is not None else [])]
    answer = ask(service, path, ROW, method=method, headers=headers)
    assert (answer.status, answer.json["error"]["code"]) == (401, "token")
    assert answer.headers[b"www-authenticate"] == b"Bearer"


def test_without_a_token_only_this_machine_is_answered(started: Callable[..., Service]) -> None:
    service = started(token=None)
    assert ask(service, "/predict", ROW, headers=JSON[:1]).status == 200
    assert ask(service, "/predict", ROW, headers=JSON[:1], server="192.0.2.7").status == 403
    assert ask(service, "/predict", ROW, headers=JSON[:1], server="::1").status == 200


LABEL_TOKEN = "a-label-token-for-tests-only"  # noqa: S105


def test_labels_have_a_token_of_their_own(started: Callable[..., Service], caplog: pytest.LogCaptureFixture) -> None:
    """Who may ask can't label the answers, and who labels can't ask."""
    service = started(label_token=LABEL_TOKEN)
    assert "DRIFTGATE_LABEL_TOKEN" not in caplog.text
    told = json.dumps({"prediction_id": "0190f3c1a2b-0123456789abcdef-0", "label": "holds"}).encode()
    label = [JSON[0], (b"authorization", b"Bearer " + LABEL_TOKEN.encode())]
    assert [ask(service, "/feedback", told, headers=headers).status for headers in (JSON, label)] == [401, 202]
    assert [ask(service, "/predict", ROW, headers=headers).status for headers in (JSON, label)] == [200, 401]
    document = ask(service, "/openapi.json", method="GET").json
    assert document["paths"]["/feedback"]["post"]["security"] == [{"label_token": []}]


def test_without_a_label_token_the_other_one_is_asked_for_and_the_log_warns(
    started: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    service = started()
    assert "DRIFTGATE_LABEL_TOKEN is not set" in caplog.text
    told = json.dumps({"prediction_id": "0190f3c1a2b-0123456789abcdef-0", "label": "holds"}).encode()
    assert ask(service, "/feedback", told).status == 202


def test_the_rest_of_a_refused_body_is_read_up_to_a_bound(started: Callable[..., Service]) -> None:
    """After the answer: so that its caller gets to see it, and none can send for ever."""
    service, taken, order = started(), 0, []

    async def receive() -> Any:
        nonlocal taken
        taken += 2**20
        order.append("read")
        return {"type": "http.request", "body": b" " * 2**20, "more_body": True}

    async def send(message: Any) -> None:
        order.append(message.get("status") or message.get("more_body"))

    scope = {"type": "http", "path": "/predict", "method": "POST", "headers": JSON, "server": ("127.0.0.1", 1)}
    asyncio.run(service.respond(scope, receive, send))
    assert order[:4] == ["read", 413, True, "read"]
    assert order[-1] is None
    assert LINGER_BYTES <= taken <= LINGER_BYTES + 2 * 2**20


def test_other_paths_and_methods_have_the_same_shape(service: Service) -> None:
    assert ask(service, "/nothing").json["error"]["code"] == "no_such_path"
    wrong = ask(service, "/predict", method="GET")
    assert (wrong.status, wrong.headers[b"allow"]) == (405, b"POST")
    assert ask(service, "/", method="HEAD").body == b""


def test_a_label_of_no_class_or_id_is_refused(service: Service) -> None:
    name = "0190f3c1a2b-0123456789abcdef-0"
    for told in ({"prediction_id": name, "label": "maybe"}, {"prediction_id": "../x", "label": "holds"}):
        assert ask(service, "/feedback", json.dumps(told).encode()).status == 422
    assert segments(service.settings.log, LABELS) == []  # type: ignore[arg-type]


def test_what_can_t_be_kept_is_not_answered(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk's error as the kernel gives it; the real one is in the service's own tests."""
    monkeypatch.setattr("os.write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    answer = ask(service, "/predict", ROW)
    assert (answer.status, answer.json["error"]["code"]) == (503, "log")
    assert answer.headers[b"retry-after"] == b"10"
    ready = ask(service, "/readyz", method="GET")
    assert (ready.status, ready.json["ready"], ready.json["log"]) == (503, False, "can't be written")
    monkeypatch.undo()
    assert ask(service, "/predict", ROW).status == 200
    assert ask(service, "/readyz", method="GET").status == 200


def test_metrics_have_few_labels_whatever_is_asked(service: Service) -> None:
    def labels() -> set[str]:
        page = ask(service, "/metrics", method="GET").body.decode()
        return {line.rsplit(" ", 1)[0] for line in page.splitlines() if not line.startswith("#")}

    ask(service, "/predict", ROW)
    ask(service, "/other")
    ask(service, "/predict", b"{}")
    before = labels()
    for number in range(50):
        ask(service, f"/{number}")
        ask(service, "/predict", json.dumps({f"x{number}": number}).encode())
    assert labels() == before
    told = "\n".join(before)
    for name in ("request_seconds_bucket", "predictions_total", "refused_total", "log_seconds_count"):
        assert f"driftgate_{name}" in told


def test_a_hung_up_caller_is_no_error(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    sent: list[Any] = []
    scope = {"type": "http", "path": "/predict", "method": "POST", "headers": JSON, "server": ("127.0.0.1", 1)}
    asyncio.run(service.respond(scope, receive, sent.append))  # type: ignore[arg-type]
    assert not sent
    assert not caplog.records


def test_an_error_of_ours_hides_the_input(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service._now(), "answer", lambda rows, **_: {}["secret 0.1"])
    answer = ask(service, "/predict", ROW)
    assert (answer.status, answer.json["error"]["code"]) == (500, "internal")
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text + answer.body.decode()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
ROWS = st.dictionaries(st.sampled_from(["f1", "f2", "f3", "f4", "f5", "f9"]), VALUES, max_size=6)
BODIES = (
    st.binary(max_size=300)
    | VALUES.map(json.dumps).map(str.encode)
    | ROWS.map(json.dumps).map(str.encode)
    | ROWS.map(lambda row: json.dumps({"instances": [row]}).encode())
    | ROWS.map(lambda row: json.dumps({"prediction_id": "x", "label": "holds", **row}).encode())
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES, path=st.sampled_from(["/predict", "/predict/batch", "/feedback"]))
def test_no_body_is_an_error_of_ours(body: bytes, path: str, service: Service) -> None:
    answer = ask(service, path, body)
    assert answer.status in (200, 202, 400, 422), answer.body
    if answer.status >= 400:
        assert {"code", "message", "fields"} == set(answer.json["error"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    row=st.fixed_dictionaries(
        {
            **{name: st.floats(allow_nan=False, allow_infinity=False, width=32) for name in ("f1", "f2", "f3")},
            "f4": st.floats(0, 100),
            "f5": st.integers(1, 5),
        }
    )
)
def test_every_row_of_the_contract_is_answered_as_offline(row: dict[str, Any], service: Service) -> None:
    expected = float(service._now().release.scorer().probability_of_rows([row])[0])
    answer = ask(service, "/predict", json.dumps(row).encode())
    assert answer.status == 200, answer.body
    assert answer.json["probability"] == expected


def test_openapi_lists_every_route_with_real_examples(service: Service, release: Release) -> None:
    from openapi_spec_validator import validate

    document = ask(service, "/openapi.json", method="GET").json
    validate(document)
    assert set(service._routes) - {"/", "/openapi.json"} <= set(document["paths"])
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert content["example"] == release.golden.rows[0]
    assert document["components"]["schemas"]["Row"]["additionalProperties"] is False


def test_a_channel_swaps_and_a_broken_release_does_not(
    started: Callable[..., Service], release: Release, tmp_path: Path
) -> None:
    problem = load_problem(PROJECT / "configs" / "rules.yaml")
    other, document = make(tmp_path / "2", problem, version="2"), tmp_path / "channel.json"
    write_channel(document, Channel.of(release))
    service = started(channel=document)

    def version() -> str:
        found: str = ask(service, "/predict", ROW).json["model_version"]
        return found

    def wait(until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 15
        while not until():
            assert time.monotonic() < deadline, ask(service, "/readyz", method="GET").body
            time.sleep(0.05)

    assert version() == "1"
    write_channel(document, Channel.of(other))
    wait(lambda: version() == "2")
    (other.folder / "model.onnx").write_bytes(release.model + b" ")
    write_channel(document, Channel.of(release))
    wait(lambda: version() == "1")
    write_channel(document, Channel.of(other))
    wait(lambda: ask(service, "/readyz", method="GET").json["channel"]["error"] == "release_unreadable")
    assert version() == "1"
    assert ask(service, "/readyz", method="GET").status == 200
    document.unlink()
    wait(lambda: ask(service, "/readyz", method="GET").json["channel"]["error"] == "channel_unreadable")
    assert version() == "1"


def test_a_channel_that_says_nothing_at_the_start_leaves_the_packaged_release(
    started: Callable[..., Service], tmp_path: Path
) -> None:
    service = started(channel=tmp_path / "none.json")
    assert ask(service, "/predict", ROW).json["model_version"] == "1"
    assert ask(service, "/readyz", method="GET").json["channel"]["error"] == "channel_unreadable"


def _nothing(document: Path, release: Release) -> None: ...


def _nonsense(document: Path, release: Release) -> None:
    document.write_text("{")


def _of_another_problem(document: Path, release: Release) -> None:
    write_channel(document, Channel.of(release).model_copy(update={"name": "other"}))


def _without_its_release(document: Path, release: Release) -> None:
    write_channel(document, Channel.of(release).model_copy(update={"release": str(document.parent / "gone")}))


def _without_its_challenger(document: Path, release: Release) -> None:
    plan = Challenger(id="x", version="2", release=str(document.parent / "gone"), manifest_sha256="0" * 64)
    write_channel(document, Channel.of(release).model_copy(update={"challenger": plan}))


def _with_other_columns(document: Path, release: Release) -> None:
    problem = load_problem(PROJECT / "configs" / "rules.yaml")
    columns = {name: column for name, column in problem.contract.columns.items() if name != "f5"}
    fewer = problem.model_copy(update={"contract": problem.contract.model_copy(update={"columns": columns})})
    other = make(document.parent / "fewer", fewer, version="2")
    plan = Challenger(id="x", version="2", release=str(other.folder), manifest_sha256=manifest_hash(other.folder))
    write_channel(document, Channel.of(release).model_copy(update={"challenger": plan}))


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (_nothing, "channel_unreadable"),
        (_nonsense, "channel_unreadable"),
        (_of_another_problem, "other_problem"),
        (_without_its_release, "release_unreadable"),
        (_without_its_challenger, "challenger_unreadable"),
        (_with_other_columns, "release_unusable"),
    ],
)
def test_a_failing_channel_tells_a_code_and_no_path(
    wrong: Callable[[Path, Release], None], code: str, started: Callable[..., Service], release: Release, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Everybody may ask `/readyz`; folders of this machine are for its log alone."""
    document = tmp_path / "channel.json"
    wrong(document, release)
    service = started(channel=document)
    answer = ask(service, "/readyz", method="GET", headers=[])
    assert answer.json["channel"] == {"error": code}
    assert code in PROBLEMS
    assert b"/" not in answer.body
    assert code in caplog.text
    if "unreadable" in code:
        assert str(tmp_path) in caplog.text
