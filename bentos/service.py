"""What `bentoml serve` starts: the service of one release, or of a channel. docs/reference/settings.md lists its settings."""

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
    """Refuse to start, with one line instead of a traceback, where the settings don't allow it."""
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
        _require_settings()  # so that it is the process that the user sees which says what is missing
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
        """Stop following the channel, and end the segments of the log."""
        self._answers.close()


class _Direct(type(Service)):  # type: ignore[misc]
    """BentoML's service, with our application in front of BentoML's middleware instead of behind it.

    Its time-out wraps every request in a task, and holds a timer for it for a minute after its answer: a quarter of a
    gigabyte at 5,000 requests a second. It can be set, but not left out (docs/decisions/0003-service.md).

    A worker calls `to_asgi` right before it starts uvicorn, so the limits on connections are installed here too.
    """

    __slots__ = ()
    guard: Guard | None = None

    def to_asgi(self, is_main: bool = True) -> Front:
        settings = _require_settings()
        _Direct.guard = Guard(most=settings.connections, idle_seconds=settings.idle_seconds)
        install(_Direct.guard)
        # uvicorn would believe `X-Forwarded-For` from anybody on this machine. A proxy's address is to be named.
        os.environ.setdefault("FORWARDED_ALLOW_IPS", "")
        return Front(super().to_asgi(is_main=is_main))


Service.__class__ = _Direct  # type: ignore[method-assign]
