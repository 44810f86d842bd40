"""Starting, looking at, stopping and promoting an experiment in production, as a person starts it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from driftgate.config import Problem
from driftgate.production import experiments
from driftgate.production.move import Production
from driftgate.workspace import Workspace
from operations.deploy import followers, movement_entry, publish_challenger, recover, user


def experiment(
    problem: Problem,
    *,
    action: str,
    challenger: str | None,
    share: float | None,
    who: str | None,
    reason: str,
    log_folder: Path,
    workspace: Workspace,
) -> dict[str, Any]:
    """Start, look at, stop or promote an experiment.

    Args:
        problem: Whose production.
        action: `start`, `status`, `stop` or `promote`.
        challenger: The version to start with.
        share: Of the requests that it answers; None: it predicts in the shadow.
        who: Is recorded; None: the user of this machine.
        reason: Likewise.
        log_folder: Of the prediction log.
        workspace: Where everything is.

    Raises:
        DriftgateError: As of `driftgate.production.experiments`.
    """
    production, started = Production(problem.name, workspace=workspace), time.monotonic()
    told: dict[str, Any] = {}
    with contextlib.nullcontext() if action == "status" else production.exclusive():
        if action != "status":
            recover(production, workspace=workspace)
        if action == "start":
            told["labels_needed"] = _start(
                production, problem, challenger or "", share=share, who=who or user(), reason=reason
            )
        serving, tried = experiments.running(production)
        standing = None
        if action in ("status", "promote"):
            standing = experiments.standing(production, log_folder, caller_share=problem.gate.caller_share)
            told["standing"] = {**standing.model_dump(mode="json"), "decision": standing.decision}
        if action == "stop":
            experiments.stop(production, who=who or user(), reason=reason)
        if standing and action == "promote":
            _promote(production, standing, who=who, reason=reason, workspace=workspace)
        elif action != "status":
            publish_challenger(production, workspace=workspace)
        now = production.serving() or serving
    return {
        "problem": problem.name,
        "verdict": "none",
        "checks": [],
        "action": action,
        "channel": "production",
        "version": now.version,
        "previous": serving.version if now.version != serving.version else None,
        "champion": serving.version,
        "challenger": tried.version,
        "mode": "split" if tried.share else "shadow",
        "share": tried.share,
        **told,
        "seconds": round(time.monotonic() - started, 1),
    }


def _start(
    production: Production, problem: Problem, challenger: str, *, share: float | None, who: str, reason: str
) -> dict[str, int | None]:
    """Begin, once the power analysis is made: what it says comes before the first request."""
    planned = experiments.plan(production, challenger, share=share, budget_ms=problem.gate.service_latency_ms)
    needed = experiments.power_analysis(planned.champion, planned.tried, share=share)
    experiments.begin(production, planned, who=who, reason=reason)
    return needed


def _promote(
    production: Production,
    standing: experiments.ExperimentStatus,
    *,
    who: str | None,
    reason: str,
    workspace: Workspace,
) -> None:
    release, gain = experiments.winner(production, standing), standing.gain
    why = f"{reason}: gain {gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}) after {gain.labels:,} labels"
    entry = movement_entry(production, release, event="production", who=who, reason=why.removeprefix(": "))
    production.move(release, entry, follow=followers(production, workspace=workspace))
