"""Going to production in steps: a growing share of the requests, each step watched, or all of it undone."""

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

TAKEN_WITHIN_SECONDS = 20.0
SILENT_SECONDS = 5.0
EVERY_SECONDS = 0.5
FAULTS = ('driftgate_refused_total{code="internal"}', 'driftgate_refused_total{code="log"}')


def roll_out(
    production: Production, version: str, *, steps: tuple[int, ...], hold: float, service: str, budget_ms: float,
    who: str, reason: str,
) -> None:  # fmt: skip
    """Let a version answer a growing share of production, and watch the service meanwhile; to be called by who is `exclusive`.

    Args:
        production: Of the problem; something serves there.
        version: Has passed its proof on staging.
        steps: Shares in percent, growing; 100 is left to the caller.
        hold: Seconds that each step is watched.
        budget_ms: How long the version's answer to one row may take.
        service: Address of a running service that follows production. With `DRIFTGATE_TOKEN` set, its own errors are
            watched too.
        who: Deploys.
        reason: For the record.

    Raises:
        DriftgateError: If the service falls silent, can't write its log, has errors of its own, or shuts the version off,
            for failing or for being slow; production serves what it did before, to all. So it does when the climb is
            interrupted; after a `kill -9` the next command on the problem sees to that.
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
                "Production serves what it did before; the service's log may tell more.",
            )


def parse_steps(text: str) -> tuple[int, ...]:
    """Shares in percent, such as `5,25,100`.

    Raises:
        ValueError: If they are no whole numbers from 1 to 100, or don't grow.
    """
    steps = tuple(int(part) for part in text.split(","))
    if not steps or any(not 1 <= step <= 100 for step in steps) or list(steps) != sorted(set(steps)):
        raise ValueError("shares in percent must grow, from 1 to 100")
    return steps


def parse_hold(text: str) -> float:
    """Seconds, from a number with `s`, `m` or `h` behind it.

    Raises:
        ValueError: If it is something else.
    """
    units = {"s": 1, "m": 60, "h": 3600}
    if text[-1:] not in units:
        raise ValueError("give a time such as 30s, 10m or 1h")
    seconds = float(text[:-1]) * units[text[-1]]
    if not 0 < seconds < 7 * 24 * 3600:
        raise ValueError("give a time of less than a week")
    return seconds


def _watch(service: str, version: str, *, share: float, hold: float) -> str | None:
    """Watch a service for a while; what is wrong with it, or None."""
    begun, heard, taken, errors = time.monotonic(), time.monotonic(), False, _errors(service)
    while time.monotonic() - begun < hold or not taken:
        told = readiness(service)
        if told is not None:
            heard = time.monotonic()
            tried = told.get("experiment") or {}
            taken = taken or (tried.get("challenger") == version and abs((tried.get("share") or 0) - share) < 1e-9)
            if tried.get("shut_off"):
                return f"the service shut it off: {tried['shut_off']}"
            if not told.get("ready"):
                return "the service can't write its prediction log"
            if problem := channel_problem(told):
                return f"the service did not take it over: {problem}"
        if time.monotonic() - heard > SILENT_SECONDS:
            return "the service does not answer"
        if not taken and time.monotonic() - begun > TAKEN_WITHIN_SECONDS:
            return "the service did not take it over"
        now = _errors(service)
        if errors is not None and now is not None and now > errors:
            return f"the service had {now - errors:.0f} errors of its own"
        time.sleep(EVERY_SECONDS)
    return None


def _errors(service: str) -> float | None:
    """Requests that failed by the service's own fault, so far; None where it doesn't tell."""
    token = os.environ.get("DRIFTGATE_TOKEN", "")
    request = urllib.request.Request(f"{service}/metrics", headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310
            page = answer.read().decode()
    except (OSError, ValueError):
        return None
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(FAULTS))
