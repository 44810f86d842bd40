"""The staging test: send valid and invalid requests to the real service, and check its answers."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from bentos.server import DIRECT, Served
from driftgate.production.prediction_log import PREDICTIONS, segments
from driftgate.production.proof import Proof, answered_probability
from driftgate.production.release import Release

CALLERS, LOAD_SECONDS, TIMED_CALLS, WARM_UP_CALLS = 4, 2.0, 300, 30


def prove(served: Served, release: Release, *, log: Path) -> Proof:
    """Test a service: golden rows, bad requests, latency, load, and the prediction log.

    Args:
        served: The service. It follows the staging channel.
        release: The release that it should serve.
        log: The service's prediction log. It contains only the predictions of this test.
    """
    rows = release.golden.rows
    answers = golden_answers(served, release)
    ids = [answer["prediction_id"] for answer in answers]
    probes = _probes(served, rows[0])
    p99, timed = _latency(served, rows)
    answered, refused = _load(served, rows)
    ids += timed + answered
    kept = _kept(log)
    return Proof(
        version=served.get("/model/info")["version"],
        golden_rows=len(rows),
        golden_differ=differing(answers, release),
        probes=len(probes),
        probes_failed=tuple(name for name, passed in probes.items() if not passed),
        p99_ms=p99,
        answered=len(answered),
        failed=refused,
        lost=sum(name not in kept for name in ids),
    )


def golden_answers(served: Served, release: Release) -> list[dict[str, Any]]:
    """Get a service's answers to the golden rows of a release."""
    found: list[dict[str, Any]] = served.post("/predict/batch", {"instances": release.golden.rows})["predictions"]
    return found


def differing(answers: list[dict[str, Any]], release: Release) -> int:
    """Count the golden answers that differ from the probabilities at training, even in the last bit."""
    classes = release.card.classes
    return release.golden.differing([answered_probability(answer, classes) for answer in answers])


def _probes(served: Served, row: dict[str, object]) -> dict[str, bool]:
    """Send bad requests. Returns whether each got the expected status."""
    good, token = json.dumps(row), f"Bearer {served.token}"
    first = next(iter(row))
    missing = {key: value for key, value in row.items() if key != first}
    asked = {
        "unknown field": (json.dumps({**row, "no_such_field": 1}), token, 422),
        "wrong type": (json.dumps({**row, first: [1]}), token, 422),
        "missing field": (json.dumps(missing), token, 422),
        "NaN": (good[:-1] + ', "x": NaN}', token, 400),
        "key twice": (good[:-1] + f', "{first}": 1}}', token, 400),
        "empty body": ("", token, 400),
        "no JSON": ("{", token, 400),
        "wrong token": (good, "Bearer wrong", 401),
    }
    return {name: _status(served, body, bearer) == status for name, (body, bearer, status) in asked.items()}


def _status(served: Served, body: str, bearer: str) -> int:
    headers = {"Content-Type": "application/json", "Authorization": bearer}
    request = urllib.request.Request(f"{served.address}/predict", body.encode(), headers)
    try:
        with DIRECT.open(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _latency(served: Served, rows: list[dict[str, object]]) -> tuple[float, list[str]]:
    """Time single requests. Returns the 99th percentile in milliseconds and the prediction ids."""
    seconds, ids = [], []
    for call in range(WARM_UP_CALLS + TIMED_CALLS):
        started = time.perf_counter()
        ids.append(served.post("/predict", rows[call % len(rows)])["prediction_id"])
        seconds.append(time.perf_counter() - started)
    timed = sorted(seconds[WARM_UP_CALLS:])
    return timed[int(0.99 * len(timed))] * 1000, ids


def _load(served: Served, rows: list[dict[str, object]]) -> tuple[list[str], int]:
    """Send requests from several threads at once. Returns the prediction ids and the number of failed requests."""
    ids: list[str] = []
    failures: list[str] = []
    end = time.monotonic() + LOAD_SECONDS

    def ask() -> None:
        at = 0
        while time.monotonic() < end:
            try:
                ids.append(served.post("/predict", rows[at % len(rows)])["prediction_id"])
            except (OSError, HTTPException, ValueError, KeyError) as error:
                failures.append(type(error).__name__)
            at += 1

    callers = [threading.Thread(target=ask) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return ids, len(failures)


def _kept(log: Path) -> set[str]:
    """The prediction ids in a prediction log."""
    found = set()
    for segment in segments(log, PREDICTIONS):
        for line in segment.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            found |= {f"{record['request']}-{at}" for at in range(len(record["probability"]))}
    return found
