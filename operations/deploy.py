"""Deploy and roll back for a person or CI, and publish each change to MLflow and ZenML."""

from __future__ import annotations

import datetime as dt
import getpass
import logging
import os
import time
from typing import NoReturn

from driftgate.config import Problem
from driftgate.errors import DriftgateError, first_line
from driftgate.production import experiments
from driftgate.production.channel import Channel, release_in
from driftgate.production.deployments import warnings_of
from driftgate.production.move import Busy, Follow, Production
from driftgate.production.record import (
    IN_PRODUCTION,
    Entry,
    Event,
    append,
    inspect_record,
    production_history,
    staged,
)
from driftgate.production.release import Release
from driftgate.results.base import now
from driftgate.results.production import DeploymentResult, MoveResult, ServiceState
from driftgate.workspace import Workspace
from operations import canary
from operations.running_service import require_service, wait_for_version

log = logging.getLogger("driftgate.deploy")

CLOCK_SKEW = dt.timedelta(hours=1)  # how much later than now a proof may be dated, because clocks of machines differ


def deploy_to_staging(
    problem: Problem, *, model: str | None, who: str | None, workspace: Workspace, wait: float = 0.0
) -> DeploymentResult:
    """Prove a version on staging, and write the verdict to the record.

    Args:
        problem: The problem of the model.
        model: Alias or version; None: the candidate.
        who: Name for the record; None: the current user.
        workspace: The workspace.
        wait: Seconds to wait until another deployment ends.

    Raises:
        DriftgateError: If there is no such version, another deployment is running, or the run failed for a reason other
            than the gate.
    """
    from driftgate.drift import batches
    from driftgate.evidence import registry
    from pipelines import launch, outcome, runs

    production = Production(problem.name, workspace=workspace)
    started = time.monotonic()
    with production.exclusive(wait=wait):
        recover(production, workspace=workspace)
        production.record()  # a damaged record is an error before the proof, not after it
        warnings = warnings_of(production)
        version = registry.resolve_version(problem.name, model or registry.CANDIDATE, workspace=workspace)
        release = registry.release_of(problem.name, version, workspace=workspace)
        problem = batches.as_released(problem, release)
        launch.set_up(workspace)
        from pipelines.deployment import deployment

        name = launch.run_name(runs.DEPLOYMENT, problem)
        launch.run_pipeline(deployment, name, workspace=workspace, problem=problem, model=version)
        run = runs.read_outcome(name)
        verdict = run.verdict
        channel = Channel.of(release)
        entry = Entry(
            event="refused" if verdict.outcome == "block" else "staged", version=channel.version, previous=None,
            who=who or current_user(), reason="proved on staging", verdict=verdict.outcome, runs=run.ids.model_dump(),
            release=channel.release, manifest_sha256=channel.manifest_sha256,
        )  # fmt: skip
        append(production.record_path, entry)
        publish_record_head(production, workspace=workspace)
        result = outcome.deployment_result(
            problem, run, production=production, version=version, seconds=launch.elapsed(started), warnings=warnings
        )
        return launch.recorded(result, name, workspace=workspace)


def deploy_to_production(
    problem: Problem,
    *,
    model: str | None,
    reason: str,
    who: str | None,
    service: str | None,
    workspace: Workspace,
    steps: tuple[int, ...] = (),
    hold: float = 600.0,
    wait: float = 0.0,
) -> MoveResult:
    """Deploy a version to production after it passed its proof on staging and a person approved it.

    Args:
        problem: The problem of the model.
        model: The version; None: the one on staging.
        reason: Reason for the approval.
        who: Who approves; None: the current user.
        service: Address of a running service that follows production. If it doesn't report that it serves the version,
            production is rolled back.
        workspace: The workspace.
        steps: Shares in percent of a canary; empty: no canary.
        hold: Seconds to watch each step of the canary.
        wait: Seconds to wait until another deployment ends.

    Raises:
        DriftgateError: If the version has no passing proof of its present files, or a canary step failed and was undone.
    """
    production = Production(problem.name, workspace=workspace)
    started = time.monotonic()
    if service:
        require_service(service, problem.name)
    with production.exclusive(wait=wait):
        recover(production, workspace=workspace)
        warnings = warnings_of(production)
        follow = followers(production, workspace=workspace)
        release = _approved(production, model, days=problem.gate.proof_days)
        before = production.serving()
        if steps and before and service:
            canary.roll_out(
                production, release.card.version, steps=steps, hold=hold, service=service.rstrip("/"),
                budget_ms=problem.gate.service_latency_ms, who=who or current_user(), reason=reason,
            )  # fmt: skip
        entry = deployment_entry(production, release, event="production", who=who, reason=reason)
        try:
            production.move(release, entry, follow=follow)
        except BaseException:
            experiments.end_cut_off_canary(production)  # the deployment that was to replace it failed
            raise
        state = wait_for_version(service, release.card.version) if service else None
        if state and state.error and before:
            _revert(production, before, release, fault=state.error, service=state.address, follow=follow)
        return _move_result(production, entry, started, service=state, warnings=warnings)


def _revert(
    production: Production, before: Channel, release: Release, *, fault: str, service: str, follow: list[Follow]
) -> NoReturn:
    """Move production back to what it served before, because the service didn't load the new release."""
    previous = release_in(before, production.channel)
    reason = f"the service did not load it: {fault}"
    entry = deployment_entry(production, previous, event="rollback", who="driftgate", reason=reason)
    production.move(previous, entry, follow=follow)
    raise DriftgateError(
        f"The service at {service} did not load {production.name} {release.card.version}: {fault}.",
        f"Production serves {before.version} again; read the service's log for the cause.",
    )


def roll_back(
    name: str, *, to: str | None, leaving: str | None, reason: str, who: str | None, service: str | None,
    workspace: Workspace, wait: float = 0.0,
) -> MoveResult:  # fmt: skip
    """Roll production back to a release that it served before.

    Args:
        name: Name of the problem.
        to: The version to serve; None: the one that served before.
        leaving: The version that production must serve now, or nothing is changed; None: any version.
        reason: Reason for the record.
        who: Name for the record; None: the current user.
        service: Address of a running service, to wait for.
        workspace: The workspace.
        wait: Seconds to wait until another deployment ends.

    Raises:
        DriftgateError: If production doesn't serve `leaving`, there is no earlier release, or its files have changed since.
    """
    production = Production(name, workspace=workspace)
    started = time.monotonic()
    if service:
        require_service(service, name)
    with production.exclusive(wait=wait):
        production.settle()  # without the registry, because the aliases are about to change again
        serving, warnings = production.serving(), warnings_of(production)
        if leaving and (serving is None or serving.version != leaving):
            now = serving.version if serving else "nothing"
            raise DriftgateError(f"Production serves {now}, not {name} {leaving}.", "Nothing was changed.")
        release = production.rollback_target(to)
        entry = deployment_entry(production, release, event="rollback", who=who, reason=reason)
        production.move(release, entry, follow=followers(production, workspace=workspace))
        state = wait_for_version(service, release.card.version) if service else None
        return _move_result(production, entry, started, service=state, warnings=warnings)


def recover(production: Production, *, workspace: Workspace) -> Entry | None:
    """Finish or undo the change of an interrupted command. The caller must hold the lock of `Production.exclusive`.

    Returns:
        The entry of a change that was finished now; None if there was none.
    """
    finished = production.recover(followers(production, workspace=workspace))
    undone = experiments.end_cut_off_canary(production, follow=followers(production, workspace=workspace))
    if undone:
        log.warning("the canary of %s %s was interrupted and is undone", production.name, undone.version)
    for warning in warnings_of(production):
        log.warning("%s", warning)
    return finished


def recover_if_interrupted(production: Production, *, workspace: Workspace) -> tuple[Entry | None, list[str]]:
    """Finish or undo the change of an interrupted command, unless another command is running.

    Returns:
        The entry of a change that was finished now, and the errors of a change that could not be finished.
    """
    if not production.cut_off():
        return None, []
    try:
        with production.exclusive():
            return recover(production, workspace=workspace), []
    except Busy:
        return None, []  # the command is still running
    except DriftgateError as error:
        return None, [f"{error.cause} {error.remedy}"]


def followers(production: Production, *, workspace: Workspace) -> list[Follow]:
    """Return what to publish after a change: MLflow's aliases, the stage in ZenML's model control plane, the record's head.

    A deployment is unfinished until the champion's alias and the stage are published. The challenger's alias and the
    record's head only warn if they fail.
    """

    def aliases(entry: Entry) -> None:
        from driftgate.evidence import registry

        if entry.event not in IN_PRODUCTION:
            _publish_challenger(production, workspace=workspace)
            return
        registry.set_alias(production.name, registry.CHAMPION, entry.version, workspace=workspace)
        _alias_challenger(production, workspace=workspace)

    def stage(entry: Entry) -> None:
        if entry.event in IN_PRODUCTION:
            _set_stage(production.name, f"v{entry.version}")  # ZenML takes no number for a name

    def head(_: Entry) -> None:
        publish_record_head(production, workspace=workspace)

    return [aliases, stage, head]


def publish_record_head(production: Production, *, workspace: Workspace) -> None:
    """Write the hash of the record's last line to MLflow, which a person who edits the record may be unable to change."""
    from driftgate.evidence import registry

    record = inspect_record(production.record_path)
    if record.key is None or record.damage:
        return
    try:
        published = registry.record_head(production.name, record.key, workspace=workspace)
        if published is not None and published not in record.hashes:
            log.warning("the record of %s lacks an entry whose hash is in the registry", production.name)
        registry.set_record_head(production.name, record.key, record.last, workspace=workspace)
    except Exception as error:
        log.warning("the record's head could not be published to the registry: %s", first_line(error))


def _publish_challenger(production: Production, *, workspace: Workspace) -> None:
    """Publish the challenger's alias. Only the channel decides what serves, so a failure of the registry is a warning."""
    try:
        _alias_challenger(production, workspace=workspace)
    except Exception as error:
        log.warning("the challenger's alias could not be published to the registry: %s", first_line(error))


def _alias_challenger(production: Production, *, workspace: Workspace) -> None:
    from driftgate.evidence import registry

    serving = production.serving()
    challenger = serving.challenger if serving else None
    if challenger:
        registry.set_alias(production.name, registry.CHALLENGER, challenger.version, workspace=workspace)
    else:
        registry.drop_alias(production.name, registry.CHALLENGER, workspace=workspace)


def _set_stage(name: str, version: str) -> None:
    """Set the version's stage in ZenML's model control plane to production; create the version if it is missing."""
    from zenml.client import Client
    from zenml.enums import ModelStages

    client = Client()
    try:
        client.get_model(name)
    except KeyError:
        client.create_model(name)
    try:
        client.get_model_version(name, version)
    except KeyError:
        client.create_model_version(name, name=version)
    client.update_model_version(name, version, stage=ModelStages.PRODUCTION, force=True)


def _approved(production: Production, model: str | None, *, days: float) -> Release:
    """Return the release to deploy. Its files must be those that passed the proof, within the last `days` days."""
    channel = production.on_staging()
    version = model or (channel.version if channel else None)
    remedy = "Prove it first: `run.py deploy --to staging`."
    if version is None:
        raise DriftgateError(f"Staging has no release of {production.name}.", remedy)
    proof = staged(production.record(), version)
    if proof is None:
        raise DriftgateError(f"{production.name} {version} has no proof on staging.", remedy)
    if proof.event == "refused":
        raise DriftgateError(
            f"{production.name} {version} was blocked on staging.", "Read its verdict with `run.py releases`."
        )
    age = dt.datetime.now(dt.UTC) - proof.at
    if age < -CLOCK_SKEW:
        raise DriftgateError(
            f"The proof of {production.name} {version} is dated {proof.at:%Y-%m-%d %H:%M} UTC, which is in the future.",
            "Set the clock, or prove it again: `run.py deploy --to staging`.",
        )
    if age > dt.timedelta(days=days):
        raise DriftgateError(
            f"The proof of {production.name} {version} is {age.days} days old; gate.proof_days allows {days:g}.", remedy
        )
    release = release_in(Channel.named(production.name, proof), production.channel)
    release.scorer()
    return release


def deployment_entry(production: Production, release: Release, *, event: Event, who: str | None, reason: str) -> Entry:
    """Make the record's entry for a deployment or a rollback to a release.

    A deployment has the verdict and runs of the proof on staging. A rollback has those of the version's last deployment,
    because a later proof of the same version may have been refused as the newest data drifted.
    """
    channel, before, entries = Channel.of(release), production.serving(), production.record()
    served = [entry for entry in production_history(entries) if entry.version == channel.version]
    proof = served[-1] if event == "rollback" and served else staged(entries, channel.version)
    return Entry(
        event=event, version=channel.version, previous=before.version if before else None, who=who or current_user(),
        reason=reason, verdict=proof.verdict if proof else None, runs=proof.runs if proof else {},
        release=channel.release, manifest_sha256=channel.manifest_sha256,
    )  # fmt: skip


def current_user() -> str:
    """Name of the person who acts: in a GitHub workflow the person who started it, else the user of this machine."""
    return os.environ.get("GITHUB_ACTOR") or getpass.getuser()


def _move_result(
    production: Production, entry: Entry, started: float, *, service: ServiceState | None, warnings: list[str]
) -> MoveResult:
    """Make the result of a change of production; `warnings` are about the state before it."""
    return MoveResult(
        problem=production.name,
        verdict=entry.verdict or "none",
        checks=(),
        event=entry.event,
        version=entry.version,
        previous=entry.previous,
        who=entry.who,
        reason=entry.reason,
        document=str(production.channel),
        service=service,
        warnings=tuple(warnings),
        seconds=round(time.monotonic() - started, 1),
        finished_at=now(),
    )
