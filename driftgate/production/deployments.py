"""What serves where, since when and on which evidence: read from the channels and the record, without any framework."""

from __future__ import annotations

from typing import Any

from driftgate.production.move import Production
from driftgate.production.record import Entry, production_history, staged
from driftgate.workspace import Workspace


def releases_document(production: Production, *, finished: Entry | None = None) -> dict[str, Any]:
    """The state of a problem's channels, what waits for approval, and the record, the newest entry first.

    Args:
        production: Of the problem.
        finished: A move that was finished just now.
    """
    entries = production.record()
    unfinished = production.unfinished()
    return {
        "problem": production.name,
        **state(production, entries),
        "checks": [],
        "unfinished": unfinished.entry.version if unfinished else None,
        "finished_now": finished.version if finished else None,
        "record": [entry.model_dump(mode="json") for entry in reversed(entries)],
    }


def state(production: Production, entries: list[Entry]) -> dict[str, Any]:
    """What production and staging serve, and what waits for approval, by a problem's channels and its record."""
    history = production_history(entries)
    serving, staging = production.serving(), production.on_staging()
    current = next((entry for entry in reversed(history) if serving and entry.version == serving.version), None)
    proof = staged(entries, staging.version) if staging else None
    waits = (
        proof is not None and proof.event == "staged" and (serving is None or proof.version != serving.version)
        and not any(entry.version == proof.version for entry in history)
    )  # fmt: skip
    return {
        "channel": "production",
        "document": str(production.channel),
        "version": serving.version if serving else None,
        "previous": current.previous if current else None,
        "verdict": (current.verdict if current else None) or "none",
        "production": {
            "version": serving.version,
            "since": current.at.isoformat(timespec="seconds") if current else None,
            "by": current.who if current else None,
            "reason": current.reason if current else None,
            "verdict": current.verdict if current else None,
        } if serving else None,
        "staging": {"version": staging.version, "verdict": proof.verdict if proof else None} if staging else None,
        "waits_for_approval": proof.version if waits and proof else None,
        "experiment": serving.challenger.model_dump() if serving and serving.challenger else None,
    }  # fmt: skip


def all_states(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """The state of every problem that has channels."""
    folders = sorted(workspace.channels.glob("*/")) if workspace.channels.exists() else []
    found = [Production(folder.name, workspace=workspace) for folder in folders]
    return {production.name: state(production, production.record()) for production in found}
