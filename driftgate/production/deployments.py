"""What serves where, since when and on which evidence: read from the channels and the record, without any framework."""

from __future__ import annotations

from driftgate.production.channel import Channel
from driftgate.production.move import Production
from driftgate.production.record import Entry, production_history, staged
from driftgate.results.production import (
    ChallengerState,
    ChannelState,
    InProduction,
    OnStaging,
    RecordEntry,
    ReleasesResult,
)
from driftgate.workspace import Workspace


def releases_result(production: Production, *, seconds: float = 0.0, finished: Entry | None = None) -> ReleasesResult:
    """The state of a problem's channels, what waits for approval, and the record, the newest entry first.

    Args:
        production: Of the problem.
        seconds: How long the command took.
        finished: A move that was finished just now.
    """
    entries = production.record()
    unfinished = production.unfinished()
    return ReleasesResult(
        problem=production.name,
        **dict(channel_state(production, entries)),
        unfinished=unfinished.entry.version if unfinished else None,
        finished_now=finished.version if finished else None,
        record=tuple(RecordEntry.model_validate(entry) for entry in reversed(entries)),
        seconds=seconds,
    )


def channel_state(production: Production, entries: list[Entry]) -> ChannelState:
    """What production and staging serve, and what waits for approval, by a problem's channels and its record."""
    history = production_history(entries)
    serving, staging = production.serving(), production.on_staging()
    current = next((entry for entry in reversed(history) if serving and entry.version == serving.version), None)
    proof = staged(entries, staging.version) if staging else None
    waits = (
        proof is not None and proof.event == "staged" and (serving is None or proof.version != serving.version)
        and not any(entry.version == proof.version for entry in history)
    )  # fmt: skip
    return ChannelState(
        document=str(production.channel),
        version=serving.version if serving else None,
        previous=current.previous if current else None,
        verdict=(current.verdict if current else None) or "none",
        production=_in_production(serving, current) if serving else None,
        staging=OnStaging(version=staging.version, verdict=proof.verdict if proof else None) if staging else None,
        waits_for_approval=proof.version if waits and proof else None,
        experiment=ChallengerState.model_validate(serving.challenger) if serving and serving.challenger else None,
    )


def _in_production(serving: Channel, current: Entry | None) -> InProduction:
    return InProduction(
        version=serving.version,
        since=current.at.replace(microsecond=0) if current else None,
        by=current.who if current else None,
        reason=current.reason if current else None,
        verdict=current.verdict if current else None,
    )


def all_states(workspace: Workspace) -> dict[str, ChannelState]:
    """The state of every problem that has channels."""
    folders = sorted(workspace.channels.glob("*/")) if workspace.channels.exists() else []
    found = [Production(folder.name, workspace=workspace) for folder in folders]
    return {production.name: channel_state(production, production.record()) for production in found}
