"""Moving production from one release to another, all or none.

The channel's document is what services follow: replacing it is the one moment at which production changes. What is to
happen is written down before (the intent), and what follows it, the record's entry, the aliases in the registry, is
done after. Whoever comes next finds an intent that a crash left, and finishes it where the document was replaced, or
forgets it where it was not. So going back needs no registry: production moves first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from driftgate.errors import DriftgateError
from driftgate.files import replace_text
from driftgate.production.channel import Channel, read_channel, release_in, write_channel
from driftgate.production.record import Entry, append, production_history, read_record
from driftgate.production.release import Release
from driftgate.workspace import Workspace

log = logging.getLogger("driftgate.deploy")

Follow = Callable[[Entry], None]


class Busy(DriftgateError):
    """Somebody else deploys the problem at this moment."""


class Intent(BaseModel):
    """What a move is about to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry: Entry
    to: Channel


class Production:
    """A problem's channels, its record, and the move between releases.

    Args:
        name: Of the problem.
        workspace: Where all of it is.
    """

    def __init__(self, name: str, *, workspace: Workspace) -> None:
        self.name = name
        self._folder = workspace.channels / name
        self.staging, self.channel = self._folder / "staging.json", self._folder / "production.json"
        self.record_path, self._intent = self._folder / "record.jsonl", self._folder / "intent.json"

    @contextmanager
    def exclusive(self, *, wait: float = 0.0) -> Iterator[None]:
        """Let nobody else deploy this problem meanwhile; the system lets go when the process dies.

        Args:
            wait: Seconds to wait for somebody who does already.

        Raises:
            Busy: If somebody does already.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / "lock")
        try:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if wait:
                    log.info("another deployment of %s is under way: waiting up to %.0f s", self.name, wait)
                lock.acquire(timeout=wait)
        except Timeout as error:
            raise Busy(
                f"Another deployment of {self.name} is under way.",
                "Wait until it ends, or give --wait; `run.py releases` tells.",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def record(self) -> list[Entry]:
        """Every deployment, the oldest first."""
        return read_record(self.record_path)

    def serving(self) -> Channel | None:
        """What production serves by its channel; None where nothing is, or the document can't be understood."""
        return _channel(self.channel)

    def on_staging(self) -> Channel | None:
        """What staging serves by its channel."""
        return _channel(self.staging)

    def unfinished(self) -> Intent | None:
        """A move that a crash, or an unreachable registry, left behind."""
        try:
            return Intent.model_validate_json(self._intent.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            # Written whole before anything else happens: what can't be read was never begun.
            self._intent.unlink(missing_ok=True)
            return None

    def recover(self, follow: Sequence[Follow]) -> Entry | None:
        """Finish or forget what was left behind; to be called by who is `exclusive`.

        Returns:
            The entry of a move that was finished now.
        """
        intent = self.unfinished()
        if intent is None:
            return None
        if self.serving() != intent.to:
            log.warning("an unfinished move to %s %s is forgotten: it had not begun", self.name, intent.entry.version)
            self._intent.unlink()
            return None
        log.warning("finishing the move to %s %s", self.name, intent.entry.version)
        self._complete(intent, follow)
        return intent.entry

    def move(self, release: Release, entry: Entry, *, follow: Sequence[Follow]) -> None:
        """Make production serve a release; to be called by who is `exclusive`, after `recover`.

        Args:
            release: Verified.
            entry: What the record will say.
            follow: What comes after, each done again by the next command if it fails or is cut off: it must stand that.

        Raises:
            DriftgateError: If something that follows failed: production has moved, and the rest will be finished.
        """
        intent = Intent(entry=entry, to=Channel.of(release))
        replace_text(self._intent, intent.model_dump_json(indent=2))
        write_channel(self.channel, intent.to)
        self._complete(intent, follow)

    def _complete(self, intent: Intent, follow: Sequence[Follow]) -> None:
        append(self.record_path, intent.entry)
        for step in follow:
            try:
                step(intent.entry)
            except Exception as error:
                raise DriftgateError(
                    f"Production serves {self.name} {intent.entry.version}, but the registry doesn't say so yet: {error}",
                    "`run.py releases` finishes it as soon as the registry can be reached.",
                ) from error
        self._intent.unlink(missing_ok=True)

    def rollback_target(self, to: str | None) -> Release:
        """The release that a rollback goes to; verified against the hash it had in production.

        Args:
            to: A version; None: the one that served before.

        Raises:
            DriftgateError: If there is none, it was never in production, or its files are not those of then.
        """
        history = production_history(self.record())
        served = self.serving()
        if to is None:
            behind = _stack(history)[:-1] if served else _stack(history)
            wanted = behind[-1] if behind else None
        else:
            wanted = next((entry for entry in reversed(history) if entry.version == to), None)
        if wanted is None or (served and wanted.version == served.version):
            others = dict.fromkeys(entry.version for entry in history if not served or entry.version != served.version)
            if wanted is not None:
                cause = f"Production serves {self.name} {wanted.version} already."
            elif to:
                cause = f"{self.name} {to} was never in production."
            else:
                cause = f"No version of {self.name} was in production before the one that is."
            raise DriftgateError(cause, f"Versions to go back to: {', '.join(others) or 'none'}; choose with --to.")
        release = release_in(Channel.named(self.name, wanted), self.channel)
        release.scorer()  # its golden rows, to the last bit
        return release


def _stack(history: list[Entry]) -> list[Entry]:
    """What lies behind each version: a deployment goes on top, a rollback takes off what is above its version."""
    stack: list[Entry] = []
    for entry in history:
        if entry.event == "rollback" and entry.version in [below.version for below in stack]:
            while stack[-1].version != entry.version:
                stack.pop()
        elif stack and stack[-1].version == entry.version:
            stack[-1] = entry  # moved to where it was: nothing more lies behind it
        else:
            stack.append(entry)
    return stack


def _channel(path: Path) -> Channel | None:
    try:
        return read_channel(path)
    except DriftgateError:
        return None
