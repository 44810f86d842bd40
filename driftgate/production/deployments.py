"""The state of staging and production, read from the channels and the record, without any framework."""

from __future__ import annotations

from pathlib import Path

from driftgate.production.channel import Channel
from driftgate.production.consistency import Observed, find_inconsistencies, observe
from driftgate.production.move import Production
from driftgate.production.record import Entry, production_history, staged
from driftgate.results.base import ErrorDetails
from driftgate.results.production import (
    ChallengerState,
    ChannelState,
    InProduction,
    OnStaging,
    ProblemState,
    RecordEntry,
    ReleasesResult,
)
from driftgate.workspace import Workspace

OURS = (
    "production.json",
    "staging.json",
    "record.jsonl",
    "intent.json",
)  # a folder with one of them is that of a problem


def releases_result(
    production: Production, *, seconds: float = 0.0, finished: Entry | None = None, warnings: list[str] | None = None
) -> ReleasesResult:
    """The state of a problem's channels, what waits for approval, and the record, the newest entry first.

    Args:
        production: The problem's production.
        seconds: How long the command took.
        finished: The entry of a change that this command finished.
        warnings: More warnings to show.
    """
    observed = observe(production)
    unfinished = production.unfinished()
    found = [*(warnings or []), *_faults(observed), *_warnings(production, observed)]
    return ReleasesResult(
        problem=production.name,
        **{**dict(_channel_state(production, observed)), "warnings": tuple(dict.fromkeys(found))},
        unfinished=unfinished.entry.version if unfinished else None,
        finished_now=finished.version if finished else None,
        record=tuple(RecordEntry.model_validate(entry) for entry in reversed(observed.record.entries)),
        seconds=seconds,
    )


def warnings_of(production: Production) -> list[str]:
    """What the record doesn't explain about production, for the result of a command that is about to change it."""
    return find_inconsistencies(production, observe(production))


def all_states(workspace: Workspace) -> dict[str, ProblemState]:
    """The state of every problem that has channels. A problem whose files can't be read has an `error`."""
    return {name: _state_or_error(name, workspace) for name in _problems(workspace)}


def _problems(workspace: Workspace) -> list[str]:
    try:
        folders = sorted(path for path in workspace.channels.iterdir() if path.is_dir() and path.name[0] != ".")
    except OSError:
        return []
    return [folder.name for folder in folders if _is_of_problem(folder)]


def _is_of_problem(folder: Path) -> bool:
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError:
        return True  # its state says why it can't be read
    return not names.isdisjoint(OURS)


def _state_or_error(name: str, workspace: Workspace) -> ProblemState:
    production = Production(name, workspace=workspace)
    observed = observe(production)
    error = None
    if observed.faults:
        causes = " ".join(fault.cause for fault in observed.faults)
        error = ErrorDetails(cause=causes, remedy=" ".join(dict.fromkeys(fault.remedy for fault in observed.faults)))
    state = {**dict(_channel_state(production, observed)), "warnings": tuple(_warnings(production, observed))}
    return ProblemState(**state, error=error)


def _faults(observed: Observed) -> list[str]:
    return [f"{fault.cause} {fault.remedy}" for fault in observed.faults]


def _warnings(production: Production, observed: Observed) -> list[str]:
    found = find_inconsistencies(production, observed)
    if observed.unfinished:
        entry = observed.unfinished.entry
        found.append(
            f"A change of {production.name} is running or was interrupted: {entry.event} {entry.version}, started "
            f"{entry.at:%Y-%m-%d %H:%M} UTC. `run.py releases` finishes it if its command has ended."
        )
    return found


def _channel_state(production: Production, observed: Observed) -> ChannelState:
    """What production and staging serve, and which version waits for approval."""
    entries, serving, staging, fault = (
        observed.entries, observed.serving, observed.on_staging, observed.channel_faults[0],
    )  # fmt: skip
    history = production_history(entries)
    last = history[-1] if history else None
    current = last if last and serving and last.manifest_sha256 == serving.manifest_sha256 else None
    proof = staged(entries, staging.version) if staging else None
    waits = (
        proof is not None and proof.event == "staged" and (serving is None or proof.version != serving.version)
        and not any(entry.version == proof.version for entry in history)
    )  # fmt: skip
    return ChannelState(
        document=str(production.channel),
        channel_error=fault.cause if fault else None,
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
