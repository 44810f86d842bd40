"""Changing what production serves, all or none.

Services follow the channel's document: replacing it is the one moment at which production changes. Every change (a
deployment, a rollback, the start, step or end of an experiment or a canary) takes the same way. First the intent is
written: the new document and the record's next entry. Then the document is replaced, then the entry is appended, then
the registry is updated. The next command finds the intent that a crash left. It finishes the change if the document was
replaced, and forgets it otherwise. So a rollback needs no registry: production changes first.
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
DRAFTS = (".*.part", ".production.json-*", ".staging.json-*")  # what a killed command leaves of a file it was writing


class Busy(DriftgateError):
    """Another command changes the problem's production at this moment."""


class Intent(BaseModel):
    """What a change is about to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry: Entry
    to: Channel


class Production:
    """A problem's channels, its deployment record, and every change of production.

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
        """Hold the problem's lock; the system releases it when the process dies. Drafts of killed commands are removed.

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
                    log.info("another deployment of %s is under way: waiting up to %.0f s", self.name, wait)
                lock.acquire(timeout=wait)
        except Timeout as error:
            raise Busy(
                f"Another deployment of {self.name} is under way.",
                "Wait until it ends, or give --wait; `run.py releases` shows what serves.",
            ) from error
        except OSError as error:
            raise DriftgateError(
                f"The folder {self._folder} can't be locked: {error.strerror}.",
                "Give yourself the right to write there, and free space if its disk is full.",
            ) from error
        return lock

    def _remove_drafts(self) -> None:
        # Only who holds the lock writes here: whatever draft there is belongs to a command that is gone.
        for path in [path for pattern in DRAFTS for path in self._folder.glob(pattern)]:
            with contextlib.suppress(OSError):
                path.unlink()
                log.warning("removed %s, which a command that was cut off had left", path)

    def record(self) -> list[Entry]:
        """Every entry of the deployment record, the oldest first."""
        return read_record(self.record_path)

    def serving(self) -> Channel | None:
        """What production serves by its channel; None where nothing is, or the document can't be understood."""
        return _channel(self.channel)

    def on_staging(self) -> Channel | None:
        """What staging serves by its channel."""
        return _channel(self.staging)

    def unfinished(self) -> Intent | None:
        """A change that is under way, or that a crash or an unreachable registry left behind; it is only read."""
        try:
            return Intent.model_validate_json(self._intent.read_bytes())
        except (OSError, ValidationError):
            return None

    def cut_off(self) -> bool:
        """Whether there may be something to recover: an intent, or a canary whose command may be gone."""
        serving = self.serving()
        return self.unfinished() is not None or bool(serving and serving.challenger and serving.challenger.canary)

    def recover(self, follow: Sequence[Follow]) -> Entry | None:
        """Finish or forget what was left behind; to be called by whoever is `exclusive`.

        Returns:
            The entry of a change that was finished now.
        """
        intent = self.settle()
        if intent is None:
            return None
        log.warning(
            "finishing a change of %s that was cut off: %s %s", self.name, intent.entry.event, intent.entry.version
        )
        self._follow_up(intent.entry, follow)
        return intent.entry

    def settle(self) -> Intent | None:
        """Make the record explain the channel, without any registry; to be called by whoever is `exclusive`.

        Returns:
            The change whose document had been replaced: its entry is in the record now. One that had not begun is
            forgotten.
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
        log.warning("an unfinished change of %s is forgotten: it had not begun", self.name)
        return None

    def move(self, release: Release, entry: Entry, *, follow: Sequence[Follow]) -> None:
        """Make production serve a release, to all callers; see `change`."""
        self.change(Channel.of(release), entry, follow=follow)

    def change(self, to: Channel, entry: Entry, *, follow: Sequence[Follow] = ()) -> None:
        """Replace production's channel and record it, all or none; to be called by whoever is `exclusive`.

        What a change before left unfinished is recorded first.

        Args:
            to: The new document.
            entry: What the record will say.
            follow: What comes after, each done again by the next command if it fails or is cut off: it must bear that.

        Raises:
            DriftgateError: If the record was damaged or the channel can't be replaced: production is as before. Or if
                what follows failed: production has changed, and the next command finishes the rest.
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
                "Mend the disk, then `run.py releases` finishes it." if changed
                else "Production serves what it did; free space or give yourself the right to write, and try again.",
            ) from error  # fmt: skip
        try:
            append(self.record_path, entry)
        except DriftgateError as error:
            raise DriftgateError(
                f"Production of {self.name} has changed, but its record doesn't say so yet: {error.cause}",
                f"{error.remedy} Then `run.py releases` finishes it.",
            ) from error
        self._follow_up(entry, follow)

    def _follow_up(self, entry: Entry, follow: Sequence[Follow]) -> None:
        for step in follow:
            try:
                step(entry)
            except Exception as error:
                raise DriftgateError(
                    f"Production serves {self.name} {entry.version}, but the registry doesn't say so yet: {error}",
                    "`run.py releases` finishes it as soon as the registry can be reached.",
                ) from error
        with contextlib.suppress(OSError):  # what stays is done again by the next command, which changes nothing
            self._intent.unlink()

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
            behind = _stack(history)
            if served and behind and behind[-1].manifest_sha256 == served.manifest_sha256:
                behind.pop()  # else production serves what the record doesn't explain: back to what it does
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
