"""Atomic changes of what production serves.

Services follow the channel's document, so production changes when the document is replaced. Every change (a deployment, a
rollback, the start, step or end of an experiment or a canary) has the same steps. First the intent is written: the new
document and the next entry of the record. Then the document is replaced, the entry is appended, and the registry is
updated. If a crash interrupts the change, the next command finds the intent. It finishes the change if the document was
replaced, and discards the intent otherwise. A rollback doesn't need the registry, because production changes first.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from driftgate.errors import DriftgateError
from driftgate.files import replace_text
from driftgate.production.channel import Channel, read_channel, release_in, write_channel
from driftgate.production.record import Entry, append, inspect_record, production_history, read_record
from driftgate.production.release import Release
from driftgate.workspace import Workspace

log = logging.getLogger("driftgate.deploy")

Follow = Callable[[Entry], None]
DRAFTS = (".*.part", ".production.json-*", ".staging.json-*")  # partly written files of killed commands


class Busy(DriftgateError):
    """Another command is changing the problem's production."""


class Intent(BaseModel):
    """The change that a command is about to make."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry: Entry
    to: Channel


class Production:
    """A problem's channels, its deployment record, and every change of production.

    Args:
        name: Name of the problem.
        workspace: The workspace that has the channels.
    """

    def __init__(self, name: str, *, workspace: Workspace) -> None:
        self.name = name
        self._folder = workspace.channels / name
        self.staging, self.channel = self._folder / "staging.json", self._folder / "production.json"
        self.record_path, self._intent = self._folder / "record.jsonl", self._folder / "intent.json"

    @contextmanager
    def exclusive(self, *, wait: float = 0.0) -> Iterator[None]:
        """Hold the problem's lock, and remove drafts of killed commands. The system releases the lock if the process dies.

        Args:
            wait: Seconds to wait while another command holds it.

        Raises:
            Busy: If another command holds it.
            DriftgateError: If the folder can't be written.
        """
        lock = self._acquire(wait)
        try:
            self._remove_drafts()
            yield
        finally:
            lock.release()

    def _acquire(self, wait: float) -> FileLock:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._folder / "lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if wait:
                    log.info("another deployment of %s is running: waiting up to %.0f s", self.name, wait)
                lock.acquire(timeout=wait)
        except Timeout as error:
            raise Busy(
                f"Another deployment of {self.name} is running.",
                "Wait until it ends, or use --wait; `run.py releases` shows what is in production.",
            ) from error
        except OSError as error:
            raise DriftgateError(
                f"The folder {self._folder} can't be locked: {error.strerror}.",
                "Check your write permission and the free space.",
            ) from error
        return lock

    def _remove_drafts(self) -> None:
        # Only the holder of the lock writes here, so every draft belongs to a command that has ended.
        for path in [path for pattern in DRAFTS for path in self._folder.glob(pattern)]:
            with contextlib.suppress(OSError):
                path.unlink()
                log.warning("removed %s, which an interrupted command had left", path)

    def record(self) -> list[Entry]:
        """Every entry of the deployment record, the oldest first."""
        return read_record(self.record_path)

    def serving(self) -> Channel | None:
        """The channel of production; None if there is none, or its document is invalid."""
        return _channel(self.channel)

    def on_staging(self) -> Channel | None:
        """The channel of staging; None if there is none, or its document is invalid."""
        return _channel(self.staging)

    def unfinished(self) -> Intent | None:
        """A change that is running, or that a crash or an unreachable registry left unfinished."""
        try:
            return Intent.model_validate_json(self._intent.read_bytes())
        except (OSError, ValidationError):
            return None

    def cut_off(self) -> bool:
        """Whether there may be something to recover: an intent, or a canary whose command may have ended."""
        serving = self.serving()
        return self.unfinished() is not None or bool(serving and serving.challenger and serving.challenger.canary)

    def recover(self, follow: Sequence[Follow]) -> Entry | None:
        """Finish or discard an interrupted change. The caller must hold the lock (`exclusive`).

        Returns:
            The entry of the change that was finished; None if there was none.
        """
        intent = self.settle()
        if intent is None:
            return None
        log.warning("finishing an interrupted change of %s: %s %s", self.name, intent.entry.event, intent.entry.version)
        self._follow_up(intent.entry, follow)
        return intent.entry

    def settle(self) -> Intent | None:
        """Record an interrupted change that replaced the document, or discard it; this doesn't need the registry.

        The caller must hold the lock (`exclusive`).

        Returns:
            The change that had replaced the document; its entry is now in the record. None if there was none, or if it had
            not replaced the document.
        """
        intent = self.unfinished()
        if intent is not None and self.serving() == intent.to:
            append(self.record_path, intent.entry)
            return intent
        try:
            self._intent.unlink()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DriftgateError(f"{self._intent} can't be removed: {error.strerror}.", "Remove it.") from error
        if intent is None:
            # Whether it had begun can't be known from it; if it had, the record doesn't explain the channel, and that is reported.
            log.warning("removed %s: it can't be read; check what serves with `run.py releases`", self._intent)
        else:
            log.warning("discarded an interrupted change of %s: it had not changed production", self.name)
        return None

    def move(self, release: Release, entry: Entry, *, follow: Sequence[Follow]) -> None:
        """Make production serve a release, to all callers; see `change`."""
        self.change(Channel.of(release), entry, follow=follow)

    def change(self, to: Channel, entry: Entry, *, follow: Sequence[Follow] = ()) -> None:
        """Replace production's channel and record the change, atomically. The caller must hold the lock (`exclusive`).

        An interrupted change from before is recorded first.

        Args:
            to: The new document.
            entry: The entry for the record.
            follow: Functions to call afterwards. If one fails or is interrupted, the next command calls it again, so they
                must be idempotent.

        Raises:
            DriftgateError: If the record is damaged or the channel can't be replaced; then production is unchanged. Or if a
                function in `follow` failed; then production has changed, and the next command finishes the rest.
        """
        self.settle()
        record = inspect_record(self.record_path)
        if record.damage:
            raise record.damage
        entry = record.continued_by(entry)
        to = to.model_copy(update={"record_head": hashlib.sha256(entry.line()).hexdigest()})
        try:
            replace_text(self._intent, Intent(entry=entry, to=to).model_dump_json(indent=2))
            write_channel(self.channel, to)
        except OSError as error:
            changed = self.serving() == to
            raise DriftgateError(
                f"The production channel of {self.name} {'may not last' if changed else 'was not replaced'}: "
                f"{error.strerror}.",
                "Repair the disk, then `run.py releases` finishes the change." if changed
                else "Production is unchanged. Check your write permission and the free space, then try again.",
            ) from error  # fmt: skip
        try:
            append(self.record_path, entry)
        except DriftgateError as error:
            raise DriftgateError(
                f"Production of {self.name} has changed, but the change is not in the record yet: {error.cause}",
                f"{error.remedy} Then `run.py releases` finishes the change.",
            ) from error
        self._follow_up(entry, follow)

    def _follow_up(self, entry: Entry, follow: Sequence[Follow]) -> None:
        for step in follow:
            try:
                step(entry)
            except Exception as error:
                raise DriftgateError(
                    f"Production serves {self.name} {entry.version}, but the registry is not updated yet: {error}",
                    "Run `run.py releases` when the registry can be reached; it finishes the change.",
                ) from error
        with contextlib.suppress(OSError):  # else the next command repeats the steps, which changes nothing
            self._intent.unlink()

    def rollback_target(self, to: str | None) -> Release:
        """The release that a rollback would restore, verified with the hash that it had in production.

        Args:
            to: A version; None: the version that was in production before the present one.

        Raises:
            DriftgateError: If there is none, it was never in production, or its files were altered since.
        """
        history = production_history(self.record())
        served = self.serving()
        if to is None:
            behind = _stack(history)
            if served and behind and behind[-1].manifest_sha256 == served.manifest_sha256:
                behind.pop()  # else production serves an unrecorded release: go back to the recorded one
            wanted = behind[-1] if behind else None
        else:
            wanted = next((entry for entry in reversed(history) if entry.version == to), None)
        if wanted is None or (served and wanted.manifest_sha256 == served.manifest_sha256):
            others = dict.fromkeys(entry.version for entry in history if not served or entry.version != served.version)
            if wanted is not None:
                cause = f"Production serves {self.name} {wanted.version} already."
            elif to:
                cause = f"{self.name} {to} was never in production."
            else:
                cause = f"No version of {self.name} was in production before the present one."
            raise DriftgateError(cause, f"Choose a version with --to: {', '.join(others) or 'there is none'}.")
        release = release_in(Channel.named(self.name, wanted), self.channel)
        release.scorer()  # verifies the golden rows bit by bit
        return release


def _stack(history: list[Entry]) -> list[Entry]:
    """The versions to roll back through: a deployment pushes its version, a rollback pops all above its version."""
    stack: list[Entry] = []
    for entry in history:
        if entry.event == "rollback" and entry.version in [below.version for below in stack]:
            while stack[-1].version != entry.version:
                stack.pop()
        elif stack and stack[-1].version == entry.version:
            stack[-1] = entry  # deployed again: it doesn't count twice
        else:
            stack.append(entry)
    return stack


def _channel(path: Path) -> Channel | None:
    try:
        return read_channel(path)
    except DriftgateError:
        return None
