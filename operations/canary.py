"""Canary deployment: the new version answers a growing share of the requests; a fault at any step undoes the canary."""

from __future__ import annotations

import logging
import os
import time
import urllib.request

from driftgate.errors import DriftgateError
from driftgate.production import experiments
from driftgate.production.move import Production
from operations.running_service import channel_problem, readiness

log = logging.getLogger("driftgate.deploy")

LOADED_WITHIN_SECONDS = 20.0
SILENT_SECONDS = 5.0
EVERY_SECONDS = 0.5
FAULTS = ('driftgate_refused_total{code="internal"}', 'driftgate_refused_total{code="log"}')


def roll_out(
    production: Production, version: str, *, steps: tuple[int, ...], hold: float, service: str, budget_ms: float,
    who: str, reason: str,
) -> None:  # fmt: skip
    """Let a version answer a growing share of the requests, and watch the service at each step.

    The caller must hold the lock of `Production.exclusive`.

    Args:
        production: The problem's production, which must serve a release.
        version: A version that passed its proof on staging.
        steps: Growing shares in percent; the caller does the last step of 100.
        hold: Seconds to watch each step.
        budget_ms: Longest time that the version may take to answer one row, in milliseconds.
        service: Address of a running service that follows production. If `DRIFTGATE_TOKEN` is set, its internal errors
            are watched too.
        who: Who deploys.
        reason: Reason for the record.

    Raises:
        DriftgateError: If the service stops answering, can't write its log, has internal errors, or disables the version
            because it fails or is slow. Production then serves the previous release for all requests. An interruption
            has the same effect; after a `kill -9`, the next command on the problem undoes the canary.
    """
    shares = [step for step in steps if step < 100]
    if not shares:
        return
    planned = experiments.plan(production, version, share=shares[0] / 100, budget_ms=budget_ms, canary=True)
    why = f"canary: {reason}"
    for step in shares:
        fault = "it was interrupted"
        try:
            if step == shares[0]:
                experiments.begin(production, planned, who=who, reason=why)
            else:
                experiments.widen(production, planned, share=step / 100, who=who, reason=why)
            log.info("canary    %d %% for %.0f s", step, hold)
            fault = _watch(service, version, share=step / 100, hold=hold) or ""
        finally:
            if fault:
                undone = f"canary at {step} %: {fault}"
                experiments.stop_if_running(production, planned.challenger, who="driftgate", reason=undone)
        if fault:
            raise DriftgateError(
                f"The canary of {production.name} {version} at {step} % was undone: {fault}.",
                "Production serves the previous release; read the service's log for the cause.",
            )


def parse_steps(text: str) -> tuple[int, ...]:
    """Parse shares in percent, such as `5,25,100`.

    Raises:
        ValueError: If they are not whole numbers from 1 to 100, or don't grow.
    """
    steps = tuple(int(part) for part in text.split(","))
    if not steps or any(not 1 <= step <= 100 for step in steps) or list(steps) != sorted(set(steps)):
        raise ValueError("shares in percent must grow, from 1 to 100")
    return steps


def parse_hold(text: str) -> float:
    """Parse a time such as 30s, 10m or 1h, and return its seconds.

    Raises:
        ValueError: If the text has another form, or the time isn't between zero and a week.
    """
    units = {"s": 1, "m": 60, "h": 3600}
    if text[-1:] not in units:
        raise ValueError("give a time such as 30s, 10m or 1h")
    seconds = float(text[:-1]) * units[text[-1]]
    if not 0 < seconds < 7 * 24 * 3600:
        raise ValueError("give a time of less than a week")
    return seconds


def _watch(service: str, version: str, *, share: float, hold: float) -> str | None:
    """Watch a service for `hold` seconds, and return its fault; None if it has none."""
    started = last_answer = time.monotonic()
    loaded, errors = False, _count_errors(service)
    while time.monotonic() - started < hold or not loaded:
        state = readiness(service)
        if state is not None:
            last_answer = time.monotonic()
            experiment = state.get("experiment") or {}
            same_share = abs((experiment.get("share") or 0) - share) < 1e-9
            loaded = loaded or (experiment.get("challenger") == version and same_share)
            if experiment.get("shut_off"):
                return f"the service shut it off: {experiment['shut_off']}"
            if not state.get("ready"):
                return "the service can't write its prediction log"
            if problem := channel_problem(state):
                return f"the service did not load it: {problem}"
        if time.monotonic() - last_answer > SILENT_SECONDS:
            return "the service does not answer"
        if not loaded and time.monotonic() - started > LOADED_WITHIN_SECONDS:
            return "the service did not load it"
        now = _count_errors(service)
        if errors is not None and now is not None and now > errors:
            return f"the service had {now - errors:.0f} internal errors"
        time.sleep(EVERY_SECONDS)
    return None


def _count_errors(service: str) -> float | None:
    """Number of requests that failed because of the service so far; None if its metrics can't be read."""
    token = os.environ.get("DRIFTGATE_TOKEN", "")
    request = urllib.request.Request(f"{service}/metrics", headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310
            page = answer.read().decode()
    except (OSError, ValueError):
        return None
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(FAULTS))
