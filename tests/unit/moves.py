"""Change production in tests directly, without a command."""

from typing import Any

from driftgate.production.channel import Channel
from driftgate.production.move import Production
from driftgate.production.record import Entry
from driftgate.production.release import Release
from driftgate.workspace import Workspace


def entry(release: Release, event: str = "production", **more: Any) -> Entry:
    channel = Channel.of(release)
    told = {"previous": None, "who": "somebody", "reason": "why", "verdict": "pass", **more}
    return Entry(
        event=event, version=channel.version, release=channel.release, manifest_sha256=channel.manifest_sha256, **told
    )


def move(
    production: Production, release: Release, event: str = "production", follow: list[Any] | None = None, **more: Any
) -> None:
    with production.exclusive():
        production.recover(follow or [])
        production.move(release, entry(release, event, **more), follow=follow or [])


def workspace_of(production: Production) -> Workspace:
    return Workspace(production.channel.parents[2])
