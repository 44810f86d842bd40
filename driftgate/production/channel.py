"""A channel: a small JSON document that names the release to serve. Services watch it; it is replaced atomically.

It names the release by its folder and by the hash of its manifest, which contains the hash of every file.
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
    """Any object that names a release: its version, its folder, the sha256 of its manifest."""

    @property
    def version(self) -> str: ...
    @property
    def release(self) -> str: ...
    @property
    def manifest_sha256(self) -> str: ...


class Challenger(BaseModel):
    """A release that is tested in production next to the champion.

    `share` is the share of requests that it answers. None means shadow mode: the champion answers all requests, and the
    challenger predicts them too. `id` names the experiment and salts the assignment. `budget_ms` is the time limit for its
    answer to one row, in milliseconds, from the gate of the problem. A `canary` is part of a deployment; it ends when the
    process of the deployment ends.
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
    """The content of a channel: name, version, folder and manifest sha256 of the release; and the challenger, if any.

    A relative folder is relative to the folder of the document. `record_head` is the sha256 of the line in the deployment
    record that explains the document; None in staging, and in documents of older Driftgate versions.
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
        """The document that serves the release of a challenger or of a record entry."""
        return cls(name=name, version=found.version, release=found.release, manifest_sha256=found.manifest_sha256)

    def serves_as(self, other: Channel | None) -> bool:
        """Whether services that follow this document and the other one give the same answers."""
        return other is not None and self.model_copy(update={"record_head": other.record_head}) == other


def read_channel(path: Path, content: bytes | None = None) -> Channel:
    """Read a channel's document.

    Args:
        path: Path of the document.
        content: Its bytes, if they were already read.

    Raises:
        DriftgateError: If it is missing or invalid.
    """
    try:
        return Channel.model_validate_json(path.read_bytes() if content is None else content)
    except OSError as error:
        raise DriftgateError(
            f"The channel {path} can't be read: {error.strerror}.", "Set DRIFTGATE_CHANNEL to its document."
        ) from error
    except ValidationError as error:
        raise DriftgateError(
            f"The channel {path} is not a valid channel document: {first_line(error)}.", "Deploy again to rewrite it."
        ) from error


def release_in(channel: Channel, path: Path) -> Release:
    """The release that a channel names; the hashes of manifest and files are verified before they are used.

    Raises:
        DriftgateError: If it is missing, altered, or not the release that the channel names.
    """
    folder = path.parent / channel.release
    release = read_release(folder, manifest_sha256=channel.manifest_sha256)
    if (release.card.name, release.card.version) != (channel.name, channel.version):
        raise DriftgateError(
            f"{folder} has {release.card.name} {release.card.version}, but {path} names {channel.name} {channel.version}.",
            "Deploy again.",
        )
    return release


def challenger_in(channel: Channel, path: Path) -> Release | None:
    """The challenger that a channel names, verified in the same way; None if there is none.

    Raises:
        DriftgateError: For the same reasons as `release_in`.
    """
    tried = channel.challenger
    if tried is None:
        return None
    return release_in(Channel.named(channel.name, tried), path)


def challenged(key: str, *, salt: str, share: float) -> bool:
    """Whether a request goes to the challenger; the same key and experiment always give the same result.

    Args:
        key: Key of the caller, or the id of the request.
        salt: Id of the experiment, so that two experiments don't assign the same callers.
        share: Share of the challenger, between 0 and 1.
    """
    return int.from_bytes(_digest(key, salt=salt)[:8], "big") < share * 2**64


def pseudonym(key: str, *, salt: str) -> str:
    """The pseudonym of a caller's key in the prediction log; it differs between experiments."""
    return _digest(key, salt=salt)[8:16].hex()


def _digest(key: str, *, salt: str) -> bytes:
    return hashlib.sha256(f"{salt}:{key}".encode()).digest()


def write_channel(path: Path, channel: Channel) -> None:
    """Replace a channel's document atomically and durably.

    Raises:
        OSError: If it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Services that were built before the field existed refuse a document with it, so staging and proofs leave it out.
    unset = {"record_head"} if channel.record_head is None else set()
    replace_text(path, json.dumps(channel.model_dump(exclude=unset), indent=2) + "\n", mode=0o644)
