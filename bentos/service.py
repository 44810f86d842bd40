"""The service that `bentoml serve` starts. docs/reference/settings.md lists its settings."""

from __future__ import annotations

import logging
import os
import sys

import bentoml
from bentoml._internal.context import server_context

from bentos.api.application import Front
from bentos.api.application import Service as Answers
from bentos.api.connections import Guard, install
from bentos.api.control import keep_control_private
from bentos.api.metrics import make_folder
from bentos.api.settings import PACKAGED, Settings, require_loopback, workers
from driftgate.errors import DriftgateError
from driftgate.production.release import read_release

logging.getLogger("driftgate").setLevel(logging.INFO)


def _require_settings() -> Settings:
    """Read the settings. If they are wrong, end the process with a short message instead of a traceback."""
    try:
        settings = Settings.read()
        workers()
        if settings.token is None:
            require_loopback()
    except DriftgateError as error:
        sys.exit(f"error: {error.cause}\n       {error.remedy}")
    return settings


if server_context.worker_index is None:
    keep_control_private()
    if "serve" in sys.argv[1:2]:
        _require_settings()  # here, so that the process in the user's terminal prints the error
        make_folder()


@bentoml.service(
    name=read_release(PACKAGED).card.name if PACKAGED.exists() else "driftgate",
    http={"host": "127.0.0.1"},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
    logging={"access": {"enabled": False}},
    workers=workers() if "serve" in sys.argv[1:2] else 1,
)
class Service:
    """Predictions of one verified release."""

    def __init__(self) -> None:
        try:
            self._answers = Answers(_require_settings())
        except DriftgateError as error:
            sys.exit(f"error: {error.cause}\n       {error.remedy}")
        Front.running = self._answers
        if _Direct.guard:
            _Direct.guard.metrics = self._answers.metrics

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Stop following the channel, and close the log's segments."""
        self._answers.close()


class _Direct(type(Service)):  # type: ignore[misc]
    """BentoML's service, with our application before BentoML's middleware instead of behind it.

    BentoML's time-out middleware wraps every request in a task, and keeps a timer for a minute after the answer. At
    5,000 requests per second, the timers need 250 MB. The time-out can be changed, but not disabled
    (docs/decisions/0003-service.md).

    A worker calls `to_asgi` right before it starts uvicorn, so the connection limits are installed here too.
    """

    __slots__ = ()
    guard: Guard | None = None

    def to_asgi(self, is_main: bool = True) -> Front:
        settings = _require_settings()
        _Direct.guard = Guard(most=settings.connections, idle_seconds=settings.idle_seconds)
        install(_Direct.guard)
        # By default, uvicorn trusts `X-Forwarded-For` from every process on this machine. Here, users name their proxy.
        os.environ.setdefault("FORWARDED_ALLOW_IPS", "")
        return Front(super().to_asgi(is_main=is_main))


Service.__class__ = _Direct  # type: ignore[method-assign]
