"""The record of deployments: who moved which version where, when, why, and on which verdict. Lines are only appended.

Each entry carries the hash of the one before it: a line that was changed or taken out is told. Order is that of the
lines, not of the clock, which may be set back.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from driftgate.errors import DriftgateError, first_line

Event = Literal["staged", "refused", "production", "rollback", "challenged", "unchallenged"]
IN_PRODUCTION: tuple[Event, ...] = ("production", "rollback")
BEGINNING = "0" * 64


class Entry(BaseModel):
    """One deployment.

    `staged` passed the proof on staging, `refused` did not; `challenged` began an experiment, `unchallenged` ended it. `production` and `rollback` moved production there from
    `previous`; `reason` is the approval's. `runs` are the ids of the deployment's runs in MLflow and ZenML.
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
    before: str = BEGINNING


def read_record(path: Path) -> list[Entry]:
    """Every entry, the oldest first; none where there is no record yet.

    Raises:
        DriftgateError: If a line can't be understood, or doesn't follow the one before it.
    """
    if not path.exists():
        return []
    remedy = "Restore the record from a backup; nothing is deployed on a record that was changed."
    entries, expected = [], BEGINNING
    lines = path.read_bytes().split(b"\n")
    # A last line without its end was torn by a crash: what it told was not done.
    for number, line in enumerate(lines[:-1], start=1):
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError as error:
            raise DriftgateError(f"Line {number} of {path} can't be read: {first_line(error)}.", remedy) from error
        if entry.before != expected:
            raise DriftgateError(f"Line {number} of {path} doesn't follow the line before it.", remedy)
        entries.append(entry)
        expected = hashlib.sha256(line).hexdigest()
    return entries


def append(path: Path, entry: Entry) -> Entry:
    """Add an entry, durably; one that is there already is left as it is.

    Returns:
        The entry as it stands in the record.
    """
    entries = read_record(path)
    for known in entries:
        if known.id == entry.id:
            return known
    path.parent.mkdir(parents=True, exist_ok=True)
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    last = whole.rstrip(b"\n").rsplit(b"\n", 1)[-1]
    entry = entry.model_copy(update={"before": hashlib.sha256(last).hexdigest() if last else BEGINNING})
    line = json.dumps(entry.model_dump(mode="json"), ensure_ascii=False).encode() + b"\n"
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(file, len(whole))
        os.pwrite(file, line, len(whole))
        os.fsync(file)
    finally:
        os.close(file)
    return entry


def production_history(entries: list[Entry]) -> list[Entry]:
    """The entries that moved production, the oldest first."""
    return [entry for entry in entries if entry.event in IN_PRODUCTION]


def staged(entries: list[Entry], version: str) -> Entry | None:
    """The newest entry of a version's proof on staging, whether it passed or not."""
    return next((entry for entry in reversed(entries) if entry.event in ("staged", "refused") and entry.version == version), None)  # fmt: skip
