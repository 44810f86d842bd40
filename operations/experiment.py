"""Start, show, stop or promote an experiment in production."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from driftgate.config import Problem
from driftgate.production import experiments
from driftgate.production.channel import Challenger, Channel
from driftgate.production.deployments import warnings_of
from driftgate.production.move import Production
from driftgate.results.experiment import ExperimentProgress, ExperimentResult
from driftgate.workspace import Workspace
from operations.deploy import current_user, deployment_entry, followers, recover, recover_if_interrupted


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
) -> ExperimentResult:
    """Start, show, stop or promote an experiment.

    Args:
        problem: The problem of the experiment.
        action: `start`, `status`, `stop` or `promote`.
        challenger: The version to try, for `start`.
        share: Share of the requests that the challenger answers; None: it predicts in shadow mode.
        who: Name for the record; None: the current user.
        reason: Reason for the record.
        log_folder: Folder of the prediction log.
        workspace: The workspace.

    Raises:
        DriftgateError: For the reasons that `driftgate.production.experiments` documents.
    """
    production, started = Production(problem.name, workspace=workspace), time.monotonic()
    needed: dict[str, int | None] | None = None
    unfinished: list[str] = []
    if action == "status":
        _, unfinished = recover_if_interrupted(production, workspace=workspace)
    with contextlib.nullcontext() if action == "status" else production.exclusive():
        if action != "status":
            recover(production, workspace=workspace)
        warnings = [*unfinished, *warnings_of(production)]
        follow = followers(production, workspace=workspace)
        if action == "start":
            budget_ms = problem.gate.service_latency_ms
            planned = experiments.plan(production, challenger or "", share=share, budget_ms=budget_ms)
            # The power analysis comes before the experiment's first request.
            needed = experiments.power_analysis(planned.champion, planned.tried, share=share)
            experiments.begin(production, planned, who=who or current_user(), reason=reason, follow=follow)
        serving, running = experiments.running(production)
        standing = None
        if action in ("status", "promote"):
            standing = experiments.standing(production, log_folder, caller_share=problem.gate.caller_share)
        if action == "stop":
            experiments.stop(production, who=who or current_user(), reason=reason, follow=follow)
        if standing and action == "promote":
            _promote(production, standing, who=who, reason=reason, workspace=workspace)
        now = production.serving() or serving
    return _result(
        problem.name, action, serving=serving, now=now, running=running, labels_needed=needed, standing=standing,
        warnings=warnings, started=started,
    )  # fmt: skip


def _result(
    problem: str, action: str, *, serving: Channel, now: Channel, running: Challenger,
    labels_needed: dict[str, int | None] | None, standing: experiments.ExperimentStatus | None, warnings: list[str],
    started: float,
) -> ExperimentResult:  # fmt: skip
    """Make the result of a command on an experiment. `serving` is production before the command, `now` after it."""
    return ExperimentResult(
        problem=problem,
        verdict="none",
        checks=(),
        action=action,
        version=now.version,
        previous=serving.version if now.version != serving.version else None,
        champion=serving.version,
        challenger=running.version,
        mode="split" if running.share else "shadow",
        share=running.share,
        labels_needed=labels_needed,
        standing=ExperimentProgress.model_validate(standing) if standing else None,
        warnings=tuple(warnings),
        seconds=round(time.monotonic() - started, 1),
    )


def _promote(
    production: Production,
    standing: experiments.ExperimentStatus,
    *,
    who: str | None,
    reason: str,
    workspace: Workspace,
) -> None:
    """Deploy the challenger to production if the experiment shows that it is better."""
    release, gain = experiments.winner(production, standing), standing.gain
    why = f"{reason}: gain {gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}) after {gain.labels:,} labels"
    entry = deployment_entry(production, release, event="production", who=who, reason=why.removeprefix(": "))
    production.move(release, entry, follow=followers(production, workspace=workspace))
