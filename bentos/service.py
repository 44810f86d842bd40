"""What `bentoml serve` starts: the service of one release, or of a channel. docs/reference/settings.md lists its settings."""

from __future__ import annotations

import logging
import sys

import bentoml

from bentos.api.application import Front
from bentos.api.application import Service as Answers
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


if "serve" in sys.argv[1:2]:
    _require_settings()  # so that it is the process that the user sees which says what is missing


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
        self._answers = Answers(_require_settings())
        Front.running = self._answers

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Stop following the channel, and end the segments of the log."""
        self._answers.close()


class _Direct(type(Service)):  # type: ignore[misc]
    """BentoML's service, with our application in front of BentoML's middleware instead of behind it.

    Its time-out wraps every request in a task, and holds a timer for it for a minute after its answer: a quarter of a
    gigabyte at 5,000 requests a second. It can be set, but not left out (docs/decisions/0003-service.md).
    """

    __slots__ = ()

    def to_asgi(self, is_main: bool = True) -> Front:
        return Front(super().to_asgi(is_main=is_main))


Service.__class__ = _Direct  # type: ignore[method-assign]
