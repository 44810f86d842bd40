"""Follow a channel: load the release that its document names, check it, and swap it in with one assignment."""

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

# Problems with a channel, by the code that `/readyz` shows without a token. The log has the cause, with paths.
PROBLEMS = {
    "channel_unreadable": "the channel's document is missing or can't be read",
    "other_problem": "the channel names a release of a different problem",
    "release_unreadable": "the channel's release is missing, was changed, or doesn't match the channel",
    "challenger_unreadable": "the channel's challenger is missing, was changed, or doesn't match the channel",
    "release_unusable": "the release or its challenger can't be served: its predictions differ from those at training, "
    "or the challenger's columns differ from the champion's",
    "internal": "the service failed with an internal error when it loaded the release",
}
EVERY_SECONDS = 1.0
AGAIN_AFTER_SECONDS = 10.0


class Follower:
    """Watches a channel's document on a separate thread.

    Args:
        path: The path of the document.
        name: The problem whose releases are accepted. None means any problem.
        take: Is called with the channel's release and challenger. If it raises, the old release stays.
        failed: Is called for each failure.

    `error` is the code of the current problem, a key of `PROBLEMS`, or None.
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
        """Read the document once. Load its release if the document has changed, or to retry after a failure."""
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
                return  # only the record changed: the same objects serve on, with their counts
            stage = "other_problem"
            if self._name not in (None, channel.name):
                raise DriftgateError(
                    f"The channel names a release of {channel.name}, but this service serves {self._name}.",
                    "Let the service follow the channel of its own problem.",
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
            log.error("the channel's release was not loaded, and the old release stays: %s (%s)", cause, self.error)
        else:
            self.error, self._followed = None, channel
            log.info("serving %s %s, the release of the channel", release.card.name, release.card.version)

    def start(self) -> None:
        """Read the document every second, until `stop`."""
        self._thread = threading.Thread(target=self._watch, name="channel", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=5)

    def _watch(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self.poll()
