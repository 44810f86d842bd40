"""A channel: where a service looks for what to serve. A small JSON document, replaced atomically.

It names a release by its folder, and by the hash of its manifest, which in turn has the hash of every file.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from driftgate.errors import DriftgateError, first_line
from driftgate.files import replace_text
from driftgate.production.release import Release, manifest_hash, read_release


class Named(Protocol):
    """Whatever names a release: its version, its folder, the sha256 of its manifest."""

    @property
    def version(self) -> str: ...
    @property
    def release(self) -> str: ...
    @property
    def manifest_sha256(self) -> str: ...


class Challenger(BaseModel):
    """A release that is tried beside the champion: an experiment.

    `share` of the requests is answered by it; None: all are answered by the champion, and it predicts them in its shadow.
    `id` names the experiment, and salts the assignment. `budget_ms` is how long its answer to one row may take, as the gate
    of its problem says. A `canary` is a deployment on its way: it ends with the process that climbs it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    id: str
    version: str
    release: str
    manifest_sha256: str
    share: float | None = Field(None, gt=0, lt=1)
    budget_ms: float = Field(100.0, gt=0)
    canary: bool = False


class Channel(BaseModel):
    """What a channel says: the release's name and version, its folder, the sha256 of its manifest; and what is tried.

    A relative folder is below that of the document. `record_head` is the sha256 of the line in the deployment record
    that explains the document; None in staging, and in documents of versions that did not write it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: str
    version: str
    release: str
    manifest_sha256: str
    challenger: Challenger | None = None
    record_head: str | None = None

    @classmethod
    def of(cls, release: Release) -> Channel:
        """The document that serves a release."""
        return cls(
            name=release.card.name,
            version=release.card.version,
            release=str(release.folder.absolute()),
            manifest_sha256=manifest_hash(release.folder),
        )

    @classmethod
    def named(cls, name: str, found: Named) -> Channel:
        """The document that serves what a challenger, or an entry of the record, names."""
        return cls(name=name, version=found.version, release=found.release, manifest_sha256=found.manifest_sha256)

    def serves_as(self, other: Channel | None) -> bool:
        """Whether a service that follows this document answers just as one that follows the other."""
        return other is not None and self.model_copy(update={"record_head": other.record_head}) == other


def read_channel(path: Path, content: bytes | None = None) -> Channel:
    """Read a channel's document.

    Args:
        path: Of the document.
        content: Its bytes, where they were read already.

    Raises:
        DriftgateError: If it is missing or can't be understood.
    """
    try:
        return Channel.model_validate_json(path.read_bytes() if content is None else content)
    except OSError as error:
        raise DriftgateError(
            f"The channel {path} can't be read: {error.strerror}.", "Name its document in DRIFTGATE_CHANNEL."
        ) from error
    except ValidationError as error:
        raise DriftgateError(
            f"The channel {path} says nothing that can be followed: {first_line(error)}.", "Write it by a deployment."
        ) from error


def release_in(channel: Channel, path: Path) -> Release:
    """The release that a channel names; manifest and files are verified by hash before anything is made of them.

    Raises:
        DriftgateError: If it is missing, altered, or another one than the channel says.
    """
    folder = path.parent / channel.release
    release = read_release(folder, manifest_sha256=channel.manifest_sha256)
    if (release.card.name, release.card.version) != (channel.name, channel.version):
        raise DriftgateError(
            f"{folder} holds {release.card.name} {release.card.version}, {path} says {channel.name} {channel.version}.",
            "Deploy again.",
        )
    return release


def challenger_in(channel: Channel, path: Path) -> Release | None:
    """The challenger that a channel names, verified in the same way; None where there is none.

    Raises:
        DriftgateError: As of `release_in`.
    """
    tried = channel.challenger
    if tried is None:
        return None
    return release_in(Channel.named(channel.name, tried), path)


def challenged(key: str, *, salt: str, share: float) -> bool:
    """Whether a request goes to the challenger: always the same for the same key and experiment.

    Args:
        key: Of the caller, or the request's id.
        salt: Of the experiment, so that two of them don't draw the same callers.
        share: Of the challenger.
    """
    return int.from_bytes(_digest(key, salt=salt)[:8], "big") < share * 2**64


def pseudonym(key: str, *, salt: str) -> str:
    """What stands for a caller's key in the prediction log: the same within an experiment, another in the next one."""
    return _digest(key, salt=salt)[8:16].hex()


def _digest(key: str, *, salt: str) -> bytes:
    return hashlib.sha256(f"{salt}:{key}".encode()).digest()


def write_channel(path: Path, channel: Channel) -> None:
    """Replace a channel's document, whole or not at all, and durably.

    Raises:
        OSError: If it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Services that were built before the field existed refuse a document with it: staging and proofs do without.
    unset = {"record_head"} if channel.record_head is None else set()
    replace_text(path, json.dumps(channel.model_dump(exclude=unset), indent=2) + "\n", mode=0o644)
