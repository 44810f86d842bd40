"""A channel: where a service looks for what to serve. A small JSON document, replaced atomically.

It names a release by its folder, and by the hash of its manifest, which in turn has the hash of every file.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from driftgate.errors import DriftgateError, first_line
from driftgate.release import Release, manifest_hash, read_release


class Channel(BaseModel):
    """What a channel says: the release's name and version, its folder, the sha256 of its manifest.

    A relative folder is below that of the document.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: str
    version: str
    release: str
    manifest_sha256: str

    @classmethod
    def of(cls, release: Release) -> Channel:
        """The document that serves a release."""
        return cls(
            name=release.card.name,
            version=release.card.version,
            release=str(release.folder.absolute()),
            manifest_sha256=manifest_hash(release.folder),
        )


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


def write_channel(path: Path, channel: Channel) -> None:
    """Replace a channel's document, whole or not at all, and durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(channel.model_dump(), file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
