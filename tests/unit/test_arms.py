"""Champion and challenger in one service: sticky, fair, and no challenger can do harm."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from bentos.api import arms
from bentos.api.application import Service
from bentos.api.settings import Settings
from driftgate.config import load_problem
from driftgate.production.channel import Challenger, Channel, challenged, write_channel
from driftgate.production.prediction_log import SHADOW
from driftgate.production.predictions import read_predictions
from driftgate.production.release import Release, manifest_hash
from driftgate.workspace import PROJECT
from tests.unit.test_api import JSON, ROW, TOKEN, Answer, ask
from tests.unit.test_release import make


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, Release]:
    problem, folder = load_problem(PROJECT / "configs" / "rules.yaml"), tmp_path_factory.mktemp("releases")
    return make(folder / "1", problem), make(folder / "2", problem, version="2")


@pytest.fixture
def started(releases: tuple[Release, Release], tmp_path: Path) -> Iterator[Callable[[float | None], Service]]:
    running = []

    def start(share: float | None) -> Service:
        champion, other = releases
        plan = Challenger(
            id="abc", version="2", release=str(other.folder), manifest_sha256=manifest_hash(other.folder), share=share
        )
        write_channel(tmp_path / "channel.json", Channel.of(champion).model_copy(update={"challenger": plan}))
        service = Service(
            Settings(token=TOKEN, log=tmp_path / "log", channel=tmp_path / "channel.json", release=champion.folder)
        )
        running.append(service)
        return service

    yield start
    for service in running:
        service.close()


def predict(service: Service, key: str | None = None) -> Answer:
    return ask(service, "/predict", ROW, headers=[*JSON, *([(b"x-assignment-key", key.encode())] if key else [])])


def test_the_share_is_the_one_that_was_asked_for() -> None:
    hits = sum(challenged(f"caller {number}", salt="abc", share=0.2) for number in range(20_000))
    assert stats.binomtest(hits, 20_000, 0.2).pvalue > 0.001
    again = sum(challenged(f"caller {number}", salt="other", share=0.2) for number in range(20_000))
    assert again != hits


def test_a_key_always_meets_the_same_arm(started: Callable[..., Service], tmp_path: Path) -> None:
    service = started(0.5)
    met: dict[str, set[str]] = {}
    for _ in range(4):
        for number in range(20):
            key = f"caller {number}"
            met.setdefault(key, set()).add(predict(service, key).json["model_version"])
    assert all(len(versions) == 1 for versions in met.values())
    assert {version for versions in met.values() for version in versions} == {"1", "2"}
    kept = read_predictions(tmp_path / "log")
    assert {(row.arm, row.version) for row in kept.itertuples()} == {("champion", "1"), ("challenger", "2")}
    assert kept.groupby("caller")["arm"].nunique().tolist() == [1] * 20
    assert not kept["caller"].str.contains("caller").any()  # never the key itself


def test_the_shadow_knows_callers_too(started: Callable[..., Service], tmp_path: Path) -> None:
    service = started(None)
    for number in range(6):
        predict(service, f"caller {number % 2}")
    assert read_predictions(tmp_path / "log")["caller"].nunique() == 2


@pytest.mark.parametrize("share", [None, 0.5])
def test_an_experiment_logs_addresses_by_pseudonym(
    share: float | None, started: Callable[[float | None], Service], tmp_path: Path
) -> None:
    """One network of IPv6 is one address: a caller has all of it."""
    service = started(share)
    clients = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "::ffff:192.0.2.1", "local"]
    for client in clients:
        scope = {"type": "http", "path": "/predict", "method": "POST", "headers": JSON, "client": (client, 1)}
        messages = [{"type": "http.request", "body": ROW}]

        async def receive() -> Any:
            return messages.pop()  # noqa: B023

        async def send(_: Any) -> None: ...

        asyncio.run(service.respond(scope, receive, send))
    kept = read_predictions(tmp_path / "log")["peer"].tolist()
    assert (kept[0], kept[2], len(set(kept))) == (kept[4], kept[3], 4)
    assert not set(kept) & set(clients)


def test_rows_that_wait_for_the_shadow_are_bounded(
    started: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold memory; what doesn't fit is left out, and its caller has had the answer."""
    monkeypatch.setattr(arms, "MOST_WAITING_ROWS", 250)
    service = started(None)
    challenger, held = service._serving()._challenger, threading.Event()
    assert challenger is not None
    real = challenger.answer
    monkeypatch.setattr(challenger, "answer", lambda *rows, **told: (held.wait(20), real(*rows, **told))[1])
    body = json.dumps({"instances": [json.loads(ROW)] * 100}).encode()
    assert [ask(service, "/predict/batch", body).status for _ in range(5)] == [200] * 5
    held.set()
    deadline = time.monotonic() + 10
    while len(kept := read_predictions(tmp_path / "log", kind=SHADOW)) < 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    assert len(kept) == len(read_predictions(tmp_path / "log", kind=SHADOW)) == 200


def test_without_a_key_the_request_draws(started: Callable[..., Service], tmp_path: Path) -> None:
    service = started(0.5)
    assert {predict(service).json["model_version"] for _ in range(40)} == {"1", "2"}
    assert read_predictions(tmp_path / "log")["caller"].isna().all()


def test_the_shadow_predicts_what_was_answered_and_answers_nothing(
    started: Callable[..., Service], tmp_path: Path
) -> None:
    service = started(None)
    answers = [predict(service).json for _ in range(20)]
    assert {found["model_version"] for found in answers} == {"1"}
    deadline = time.monotonic() + 10
    while len(shadow := read_predictions(tmp_path / "log", kind=SHADOW)) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert set(shadow["prediction_id"]) == {found["prediction_id"] for found in answers}
    assert set(shadow["arm"]) == {"shadow"}
    assert set(shadow["version"]) == {"2"}
    assert len(read_predictions(tmp_path / "log")) == 20


def broken(*_: Any, **__: Any) -> Any:
    raise ValueError("secret")


def asleep(*_: Any, **__: Any) -> Any:
    time.sleep(4)


@pytest.mark.parametrize("fault", [broken, asleep], ids=["raises", "sleeps"])
def test_a_challenger_that_fails_is_replaced_by_the_champion_and_shut_off(
    fault: Callable[..., Any], started: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arms, "WITHIN_SECONDS", 0.1)
    service = started(0.999999)
    challenger = service._serving()._challenger
    assert challenger is not None
    monkeypatch.setattr(challenger, "answer", fault)
    started_at = time.monotonic()
    answers = [predict(service) for _ in range(6)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.json["model_version"] for answer in answers} == {"1"}
    assert time.monotonic() - started_at < 3
    told = ask(service, "/readyz", method="GET").json["experiment"]
    assert told["shut_off"].startswith("ValueError" if fault is broken else "no answer within 0.1 s")
    assert "driftgate_challenger_failures" in ask(service, "/metrics", method="GET").body.decode()


@pytest.mark.parametrize("share", [None, 0.999999])
def test_a_slow_challenger_is_shut_off(
    share: float | None, started: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers well within the second that a caller is let wait, but not within the gate's budget."""
    service = started(share)
    challenger = service._serving()._challenger
    assert challenger is not None
    quick = challenger.answer
    slow = [*[0.15] * 8, *[0.0] * 60, *[0.15] * 4]

    def answer(*rows: Any, **told: Any) -> Any:
        time.sleep(slow.pop(0) if slow else 0)
        return quick(*rows, **told)

    monkeypatch.setattr(challenger, "answer", answer)
    for _ in range(68):
        assert predict(service).status == 200
    wait_for(lambda: len(slow) == 4)
    assert ask(service, "/readyz", method="GET").json["experiment"]["shut_off"] is None
    for _ in range(4):
        assert predict(service).status == 200
    wait_for(lambda: ask(service, "/readyz", method="GET").json["experiment"]["shut_off"])
    told = ask(service, "/readyz", method="GET").json["experiment"]["shut_off"]
    assert told == "slower than 100 ms, too often"


def wait_for(done: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("fault", [broken, asleep], ids=["raises", "sleeps"])
def test_a_failing_shadow_neither_delays_nor_alters_an_answer(
    fault: Callable[..., Any], started: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arms, "MOST_WAITING", 5)
    monkeypatch.setattr(arms, "STUCK_SECONDS", 0.3)
    service = started(None)
    challenger = service._serving()._challenger
    assert challenger is not None
    before = predict(service).json["probability"]
    monkeypatch.setattr(challenger, "answer", fault)
    started_at = time.monotonic()
    assert {predict(service).json["probability"] for _ in range(30)} == {before}
    assert time.monotonic() - started_at < 3
    deadline = time.monotonic() + 5
    while (told := ask(service, "/readyz", method="GET").json["experiment"])["shut_off"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
        assert predict(service).json["probability"] == before
    assert told["shut_off"].startswith("ValueError" if fault is broken else "it is stuck")


def test_a_challenger_of_other_columns_is_not_taken(
    releases: tuple[Release, Release], started: Callable[..., Service], tmp_path: Path
) -> None:
    from driftgate.contract import Contract

    service = started(0.5)
    champion, other = releases
    columns = dict(list(champion.contract.columns.items())[:-1])
    strange = Release(**{**other.__dict__, "contract": Contract(columns=columns)})
    with pytest.raises(Exception, match="columns differ"):
        service._take(champion, strange, service._serving().plan)
    assert predict(service).status == 200


@pytest.mark.parametrize("share", [None, 0.999999])
def test_a_swap_in_the_middle_of_a_request_loses_nothing(
    share: float | None, started: Callable[..., Service], tmp_path: Path
) -> None:
    """The request began with an experiment that ended before it came to the challenger: the champion answers."""
    service = started(share)
    service._serving().close()
    answer = predict(service)
    assert (answer.status, answer.json["model_version"]) == (200, "1")
    assert service._serving().off is None
    assert len(read_predictions(tmp_path / "log")) == 1


def test_many_at_once_are_all_answered(started: Callable[..., Service], tmp_path: Path) -> None:
    """Both arms, on the loop and on threads, at the same time."""
    service = started(0.5)
    body = json.dumps({"instances": [json.loads(ROW)] * 300}).encode()
    sent: list[Any] = []

    async def one(path: str, content: bytes) -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": content}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                sent.append(message["status"])

        scope = {"type": "http", "path": path, "method": "POST", "headers": JSON, "server": ("127.0.0.1", 1)}
        await service.respond(scope, receive, send)

    async def all_of_them() -> None:
        jobs = [one("/predict", ROW) for _ in range(60)] + [one("/predict/batch", body) for _ in range(6)]
        await asyncio.gather(*jobs)

    asyncio.run(all_of_them())
    assert sent == [200] * 66
    kept = read_predictions(tmp_path / "log")
    assert len(kept) == 60 + 6 * 300
    assert kept["prediction_id"].is_unique
