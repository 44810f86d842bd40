"""Following a channel: the release that its document names is loaded, tried, and swapped in by one assignment."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from driftgate.errors import DriftgateError
from driftgate.production.channel import Challenger, Channel, challenger_in, read_channel, release_in
from driftgate.production.release import Release

log = logging.getLogger("driftgate.channel")

# What can be wrong with a channel, by the code that `/readyz` answers to everybody. The log has the cause, with its paths.
PROBLEMS = {
    "channel_unreadable": "the channel's document is missing or can't be understood",
    "other_problem": "the channel names a release of another problem",
    "release_unreadable": "the release that the channel names is missing, altered or another one",
    "challenger_unreadable": "the challenger that the channel names is missing, altered or another one",
    "release_unusable": "the release, or its challenger, can't be served: it predicts otherwise than at training, or takes "
    "other columns",
    "internal": "taking the release over failed inside the service",
}
EVERY_SECONDS = 1.0
AGAIN_AFTER_SECONDS = 10.0


class Follower:
    """Watches a channel's document on a thread of its own.

    Args:
        path: The document.
        name: Of the problem whose releases are taken; None: of any.
        take: Is handed the release that the channel names, and its challenger; whatever it raises leaves all as it was.
        failed: Is told of each failure.

    `error` is the code of what is wrong, one of `PROBLEMS`; None: nothing.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str | None,
        take: Callable[[Release, Release | None, Challenger | None], None],
        failed: Callable[[], None],
    ) -> None:
        self._name, self._path, self._take, self._failed = name, path, take, failed
        self._seen: bytes | None = b""
        self._followed: Channel | None = None
        self._tried = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: str | None = None

    def poll(self) -> None:
        """Look once: a document that has changed, or that failed a while ago, is tried."""
        content: bytes | None = None
        with contextlib.suppress(OSError):
            content = self._path.read_bytes()
        due = self.error is not None and time.monotonic() - self._tried >= AGAIN_AFTER_SECONDS
        if content == self._seen and not due:
            return
        self._seen, self._tried = content, time.monotonic()
        stage = "channel_unreadable"
        try:
            channel = read_channel(self._path, content)
            if channel.serves_as(self._followed):
                self.error = None
                return  # only the record went on: what serves stays, with its counts
            stage = "other_problem"
            if self._name not in (None, channel.name):
                raise DriftgateError(
                    f"The channel names {channel.name}, this service is {self._name}.", "Name another."
                )
            stage = "release_unreadable"
            release = release_in(channel, self._path)
            stage = "challenger_unreadable"
            challenger = challenger_in(channel, self._path)
            stage = "release_unusable"
            self._take(release, challenger, channel.challenger)
        except Exception as error:
            known = error if isinstance(error, DriftgateError) else None
            self.error, cause = (stage, known.cause) if known else ("internal", type(error).__name__)
            self._failed()
            log.error("the channel is not followed, the old release stays: %s (%s)", cause, self.error)
        else:
            self.error, self._followed = None, channel
            log.info("serving %s %s, as the channel says", release.card.name, release.card.version)

    def start(self) -> None:
        """Look again every second, until `stop`."""
        self._thread = threading.Thread(target=self._watch, name="channel", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=5)

    def _watch(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self.poll()
