"""The deployment record: who deployed which version where, when, why, and with which verdict. Lines are only appended.

Each line contains the hash of the line before it, so changed and removed lines are detected. The hash of the last line,
the head, is also kept outside the record (in `head.json` next to it, in the production channel and in MLflow), so a changed
or missing end is detected too. The order is that of the lines, not of their times, because a clock may be set back.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from driftgate.errors import DriftgateError, first_line
from driftgate.files import flush_folder, replace_text
from driftgate.production.channel import Challenger

Event = Literal["staged", "refused", "production", "rollback", "challenged", "stepped", "unchallenged"]
IN_PRODUCTION: tuple[Event, ...] = ("production", "rollback")
TRIED: tuple[Event, ...] = ("challenged", "stepped")
BEGINNING = "0" * 64
HEAD = "head.json"
RESTORE = "Restore the record from a backup; Driftgate doesn't deploy while the record is damaged."


class Entry(BaseModel):
    """One event of a deployment.

    `staged` passed the proof on staging, `refused` did not. `production` and `rollback` moved production from `previous` to
    `version`; `reason` is the reason of the approval. `challenged` started an experiment or a canary, `stepped` gave a
    canary its next share, `unchallenged` ended either; `challenger` is the challenger in the channel after the event.
    `runs` are the ids of the deployment's runs in MLflow and ZenML. `before` is the sha256 of the line before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(default_factory=lambda: secrets.token_hex(8))
    at: dt.datetime = Field(default_factory=lambda: dt.datetime.now(dt.UTC))
    event: Event
    version: str
    previous: str | None
    who: str
    reason: str
    verdict: str | None
    runs: dict[str, str | None] = {}
    release: str
    manifest_sha256: str
    challenger: Challenger | None = None
    before: str = BEGINNING

    def line(self) -> bytes:
        """The entry as a line of the record, without the line break."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False).encode()


class Head(BaseModel):
    """The content of `head.json`: how many entries the record had at a time, and the hash of its last line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entries: int
    sha256: str
    at: dt.datetime


@dataclass(frozen=True)
class Record:
    """The readable part of a record.

    Attributes:
        entries: The entries, the oldest first; if the record is damaged, those before the damage.
        hashes: The sha256 of each entry's line.
        head: The content of `head.json`; None if it doesn't exist.
        damage: What is wrong with the record; None if nothing is.
    """

    entries: list[Entry]
    hashes: list[str]
    head: Head | None
    damage: DriftgateError | None

    @property
    def last(self) -> str:
        """The hash of the last line."""
        return self.hashes[-1] if self.hashes else BEGINNING

    @property
    def key(self) -> str | None:
        """The name of this record among others: the first characters of the hash of its first line."""
        return self.hashes[0][:12] if self.hashes else None

    def continued_by(self, entry: Entry) -> Entry:
        """An entry as the next one of this record."""
        return entry.model_copy(update={"before": self.last})


def inspect_record(path: Path) -> Record:
    """Read a record up to its first damaged line, and report the damage.

    The head is read first, so that a line appended meanwhile is not reported as damage.
    """
    head: Head | None = None
    try:
        head = _read_head(path)
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        content = b""
    except OSError as error:
        return Record([], [], head, DriftgateError(f"The record {path} can't be read: {error.strerror}.", RESTORE))
    except DriftgateError as error:
        return Record([], [], None, error)
    entries, hashes, damage = _read_lines(path, content)
    if damage is None and head and head.sha256 not in hashes:
        damage = DriftgateError(
            f"The end of the record {path} was changed or removed: {HEAD} says that it had {_number(head.entries)} on "
            f"{head.at:%Y-%m-%d %H:%M} UTC; now {_number(len(entries))} can be read, and the last one of then is missing.",
            f"Restore the record from a backup; if there is none, keep a copy and delete {path.with_name(HEAD)}.",
        )
    return Record(entries, hashes, head, damage)


def read_record(path: Path) -> list[Entry]:
    """Every entry, the oldest first; empty if there is no record yet.

    Raises:
        DriftgateError: If the record is damaged: a line is invalid, doesn't follow the line before it, or is missing.
    """
    record = inspect_record(path)
    if record.damage:
        raise record.damage
    return record.entries


def append(path: Path, entry: Entry) -> Entry:
    """Append an entry durably; an entry that is already in the record is not changed. The caller must hold the lock.

    The line is written before the head. If the command is interrupted between them, the record still contains the head.

    Returns:
        The entry as it is in the record.

    Raises:
        DriftgateError: If the record is damaged, or can't be written.
    """
    record = inspect_record(path)
    if record.damage:
        raise record.damage
    known = next((found for found in record.entries if found.id == entry.id), None)
    try:
        if known is None:
            entry = record.continued_by(entry)
            _write_line(path, entry.line())
            record = inspect_record(path)
        if record.head is None or record.head.sha256 != record.last:
            now = Head(entries=len(record.entries), sha256=record.last, at=dt.datetime.now(dt.UTC))
            replace_text(path.with_name(HEAD), now.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise DriftgateError(
            f"The record {path} can't be written: {error.strerror}.",
            "Check your write permission and the free space.",
        ) from error
    return known or entry


def production_history(entries: list[Entry]) -> list[Entry]:
    """The entries that moved production, the oldest first."""
    return [entry for entry in entries if entry.event in IN_PRODUCTION]


def staged(entries: list[Entry], version: str) -> Entry | None:
    """The newest entry of a version's proof on staging, whether it passed or not."""
    return next((entry for entry in reversed(entries) if entry.event in ("staged", "refused") and entry.version == version), None)  # fmt: skip


def _number(entries: int) -> str:
    return f"{entries} {'entry' if entries == 1 else 'entries'}"


def _read_lines(path: Path, content: bytes) -> tuple[list[Entry], list[str], DriftgateError | None]:
    entries: list[Entry] = []
    hashes: list[str] = []
    # A last line without a line break was interrupted by a crash; its change was not made.
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        if line.endswith(b"\r"):
            cause = f"Line {number} of {path} has a Windows line ending (CRLF): a program has rewritten the record."
            return entries, hashes, DriftgateError(cause, "Restore the record from a backup, or its line endings (LF).")
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError as error:
            cause = f"Line {number} of {path} can't be read: {first_line(error)}."
            return entries, hashes, DriftgateError(cause, RESTORE)
        if entry.before != (hashes[-1] if hashes else BEGINNING):
            cause = f"Line {number} of {path} doesn't follow the line before it: one of the two was changed, or lines are missing."  # fmt: skip
            return entries, hashes, DriftgateError(cause, RESTORE)
        entries.append(entry)
        hashes.append(hashlib.sha256(line).hexdigest())
    return entries, hashes, None


def _read_head(record: Path) -> Head | None:
    path = record.with_name(HEAD)
    try:
        return Head.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or first_line(error)
        raise DriftgateError(
            f"{path} can't be read: {reason}.", "Compare the record with a backup; then delete this file."
        ) from error


def _write_line(path: Path, line: bytes) -> None:
    """Write a line durably after the last complete one; an incomplete line left by a crash is overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        size = path.read_bytes().rfind(b"\n") + 1
        os.ftruncate(file, size)
        rest = line + b"\n"
        while rest:  # on a nearly full disk, a write may be partial; the next one raises the error
            written = os.pwrite(file, rest, size)
            rest, size = rest[written:], size + written
        os.fsync(file)
    finally:
        os.close(file)
    if new:
        flush_folder(path.parent)
