"""A running service, asked from outside: which release it serves, and whether it is ready."""

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
SILENT_SECONDS = 3.0  # after which one that never answered counts as down
EVERY_SECONDS = 0.2


def readiness(service: str) -> dict[str, Any] | None:
    """What a service says on `/readyz`, ready or not; None where nothing answers."""
    try:
        with urllib.request.urlopen(f"{service.rstrip('/')}/readyz", timeout=2) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        try:
            return dict(json.load(error))
        except (ValueError, TypeError):
            return None
    except (OSError, ValueError):
        return None


def require_service(service: str, name: str) -> None:
    """See that an address can be that of a service of a problem, before anything is moved.

    Raises:
        DriftgateError: If it is no address, or another problem's service answers there. One that is down is no error.
    """
    if not service.startswith(("http://", "https://")):
        raise DriftgateError(f"{service} is no address of a service.", "Give one such as http://127.0.0.1:3000.")
    serves = _release(readiness(service)).get("name", name)
    if serves != name:
        raise DriftgateError(f"The service at {service} serves {serves}, not {name}.", "Give the address of its own.")


def wait_for_version(service: str, version: str) -> ServiceState:
    """Wait until a service serves a version and is ready; `error` is None if it is, or if nothing answers at all."""
    deadline, heard, problem = time.monotonic() + WITHIN_SECONDS, False, "it still serves another version"
    silent = time.monotonic() + SILENT_SECONDS
    while time.monotonic() < deadline:
        told = readiness(service)
        if told is not None:
            heard, trouble = True, channel_problem(told)
            takes = _release(told).get("version") == version
            if takes and told.get("ready"):
                return ServiceState(address=service, answers=True, version=version, error=None)
            problem = "it can't write its prediction log" if takes else trouble or "it still serves another version"
        elif not heard and time.monotonic() > silent:
            log.warning("no service answers at %s; it takes the release over when it starts", service)
            return ServiceState(address=service, answers=False, version=None, error=None)
        time.sleep(EVERY_SECONDS)
    return ServiceState(address=service, answers=True, version=None, error=problem)


def channel_problem(told: dict[str, Any]) -> str | None:
    """What a service says is wrong with the channel that it follows; None: nothing.

    Args:
        told: On `/readyz`. It has a code there; the service's log names files and folders.
    """
    channel = told.get("channel")
    code = channel.get("error") if isinstance(channel, dict) else None
    if not code:
        return None
    return f"{PROBLEMS[code]}; its log names the file" if code in PROBLEMS else str(code)


def _release(told: dict[str, Any] | None) -> dict[str, Any]:
    found = (told or {}).get("release")
    return found if isinstance(found, dict) else {}
