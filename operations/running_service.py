"""Read the state of a running service: which release it serves, and whether it is ready."""

from __future__ import annotations

import json
import logging
import time
import urllib.error
import urllib.request
from typing import Any

from bentos.api.following import PROBLEMS
from driftgate.errors import DriftgateError
from driftgate.results.production import ServiceState

log = logging.getLogger("driftgate.deploy")

WITHIN_SECONDS = 20.0
SILENT_SECONDS = 3.0  # after this time, a service that never answered counts as down
EVERY_SECONDS = 0.2


def readiness(service: str) -> dict[str, Any] | None:
    """Return the document of a service's `/readyz`, ready or not; None if there is no answer."""
    try:
        with urllib.request.urlopen(f"{service.rstrip('/')}/readyz", timeout=2) as answer:  # noqa: S310
            state: dict[str, Any] = json.load(answer)
            return state
    except urllib.error.HTTPError as error:
        try:
            return dict(json.load(error))
        except (ValueError, TypeError):
            return None
    except (OSError, ValueError):
        return None


def require_service(service: str, name: str) -> None:
    """Check that an address can be that of a problem's service, before production changes.

    Raises:
        DriftgateError: If it isn't a web address, or another problem's service answers there. No answer is no error.
    """
    if not service.startswith(("http://", "https://")):
        raise DriftgateError(
            f"{service} is not the address of a service.", "Give an address such as http://127.0.0.1:3000."
        )
    serves = _release(readiness(service)).get("name", name)
    if serves != name:
        raise DriftgateError(
            f"The service at {service} serves {serves}, not {name}.", f"Give the address of a service of {name}."
        )


def wait_for_version(service: str, version: str) -> ServiceState:
    """Wait until a service serves a version and is ready. `error` is None if it does, or if there is no answer at all."""
    deadline, answered, problem = time.monotonic() + WITHIN_SECONDS, False, "it still serves another version"
    down_after = time.monotonic() + SILENT_SECONDS
    while time.monotonic() < deadline:
        state = readiness(service)
        if state is not None:
            answered, channel_fault = True, channel_problem(state)
            serves = _release(state).get("version") == version
            if serves and state.get("ready"):
                return ServiceState(address=service, answers=True, version=version, error=None)
            other = channel_fault or "it still serves another version"
            problem = "it can't write its prediction log" if serves else other
        elif not answered and time.monotonic() > down_after:
            log.warning("no service answers at %s; it will load the release when it starts", service)
            return ServiceState(address=service, answers=False, version=None, error=None)
        time.sleep(EVERY_SECONDS)
    return ServiceState(address=service, answers=True, version=None, error=problem)


def channel_problem(state: dict[str, Any]) -> str | None:
    """Return the fault that a service reports of the channel that it follows; None if there is none.

    Args:
        state: The document of `/readyz`. It has only a code; the service's log names files and folders.
    """
    channel = state.get("channel")
    code = channel.get("error") if isinstance(channel, dict) else None
    if not code:
        return None
    return f"{PROBLEMS[code]}; its log names the file" if code in PROBLEMS else str(code)


def _release(state: dict[str, Any] | None) -> dict[str, Any]:
    release = (state or {}).get("release")
    return release if isinstance(release, dict) else {}
