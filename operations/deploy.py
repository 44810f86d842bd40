"""Deploying and rolling back, as a person or CI starts it; and what MLflow and ZenML are told of it."""

from __future__ import annotations

import datetime as dt
import getpass
import logging
import os
import time

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

CLOCK_SKEW = dt.timedelta(hours=1)  # by which a proof may be dated later than now: clocks of machines differ


def deploy_to_staging(
    problem: Problem, *, model: str | None, who: str | None, workspace: Workspace, wait: float = 0.0
) -> DeploymentResult:
    """Prove a version on staging, and put the verdict on record.

    Args:
        problem: Whose model.
        model: Alias or version; None: the candidate.
        who: Is recorded; None: the user of this machine.
        workspace: Where everything is.
        wait: Seconds to wait for another deployment to end.

    Raises:
        DriftgateError: If there is no such version, another deployment is under way, or the run failed for another
            reason than the gate.
    """
    from driftgate.drift import batches
    from driftgate.evidence import registry
    from pipelines import launch, outcome, runs

    production = Production(problem.name, workspace=workspace)
    started = time.monotonic()
    with production.exclusive(wait=wait):
        recover(production, workspace=workspace)
        production.record()  # one that was damaged is found before the proof, not after it
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
            who=who or user(), reason="proved on staging", verdict=verdict.outcome, runs=run.ids.model_dump(),
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
    """Move production to a version that passed its proof on staging, by somebody's approval.

    Args:
        problem: Whose model.
        model: The version; None: the one on staging.
        reason: Of the approval.
        who: Approves; None: the user of this machine.
        service: Address of a running service that follows production: it must say that it serves the version, else
            production goes back.
        workspace: Where everything is.
        steps: Shares in percent to go through first, each watched at the service; empty: at once.
        hold: Seconds that each of them lasts.
        wait: Seconds to wait for another deployment to end.

    Raises:
        DriftgateError: If the version has no passing proof of just these files, or a step failed and was undone.
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
            address = service.rstrip("/")
            canary.roll_out(
                production, release.card.version, steps=steps, hold=hold, service=address,
                budget_ms=problem.gate.service_latency_ms, who=who or user(), reason=reason,
            )  # fmt: skip
        entry = deployment_entry(production, release, event="production", who=who, reason=reason)
        try:
            production.move(release, entry, follow=follow)
        except BaseException:
            experiments.end_cut_off_canary(production)  # if it could not be replaced by the whole
            raise
        said = wait_for_version(service, release.card.version) if service else None
        if said and said.error and before:
            back = release_in(before, production.channel)
            reason = f"the service did not take it over: {said.error}"
            undo = deployment_entry(production, back, event="rollback", who="driftgate", reason=reason)
            production.move(back, undo, follow=follow)
            raise DriftgateError(
                f"The service at {service} did not take {problem.name} {release.card.version} over: {said.error}",
                f"Production serves {before.version} again.",
            )
        return _move_result(production, entry, started, service=said, warnings=warnings)


def roll_back(
    name: str, *, to: str | None, leaving: str | None, reason: str, who: str | None, service: str | None,
    workspace: Workspace, wait: float = 0.0,
) -> MoveResult:  # fmt: skip
    """Go back to a release that was in production.

    Args:
        name: Of the problem.
        to: A version; None: the one that served before.
        leaving: The version that production must serve, else nothing is done; None: any.
        reason: Is recorded.
        who: Is recorded; None: the user of this machine.
        service: Address of a running service, which is waited for.
        workspace: Where everything is.
        wait: Seconds to wait for another deployment to end.

    Raises:
        DriftgateError: If production serves another version than `leaving`, there is no way back, or its files are not those of then.
    """
    production = Production(name, workspace=workspace)
    started = time.monotonic()
    if service:
        require_service(service, name)
    with production.exclusive(wait=wait):
        production.settle()  # without the registry; the aliases are about to change again
        serving, warnings = production.serving(), warnings_of(production)
        if leaving and (serving is None or serving.version != leaving):
            now = serving.version if serving else "nothing"
            raise DriftgateError(f"Production serves {now}, not {name} {leaving}.", "Nothing was changed.")
        release = production.rollback_target(to)
        entry = deployment_entry(production, release, event="rollback", who=who, reason=reason)
        production.move(release, entry, follow=followers(production, workspace=workspace))
        said = wait_for_version(service, release.card.version) if service else None
        return _move_result(production, entry, started, service=said, warnings=warnings)


def recover(production: Production, *, workspace: Workspace) -> Entry | None:
    """Finish or undo what a command that was cut off has left; to be called by whoever is `exclusive`.

    Returns:
        The entry of a change that was finished now.
    """
    finished = production.recover(followers(production, workspace=workspace))
    undone = experiments.end_cut_off_canary(production, follow=followers(production, workspace=workspace))
    if undone:
        log.warning("the canary of %s %s was cut off; it is undone", production.name, undone.version)
    for warning in warnings_of(production):
        log.warning("%s", warning)
    return finished


def recover_if_cut_off(production: Production, *, workspace: Workspace) -> tuple[Entry | None, list[str]]:
    """Finish or undo what a command that was cut off has left, unless another command is under way.

    Returns:
        The entry of a change that was finished now, and why something could not be finished.
    """
    if not production.cut_off():
        return None, []
    try:
        with production.exclusive():
            return recover(production, workspace=workspace), []
    except Busy:
        return None, []  # nothing was cut off: it is under way
    except DriftgateError as error:
        return None, [f"{error.cause} {error.remedy}"]


def followers(production: Production, *, workspace: Workspace) -> list[Follow]:
    """What follows a change: the aliases in MLflow, the stage in ZenML's model control plane, the record's head in MLflow.

    Without them a deployment is not finished; an experiment is, and so is the record: they only warn.
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
    """Keep the hash of the record's last line in MLflow, too, where who edits the record may not write."""
    from driftgate.evidence import registry

    record = inspect_record(production.record_path)
    if record.key is None or record.damage:
        return
    try:
        known = registry.record_head(production.name, record.key, workspace=workspace)
        if known is not None and known not in record.hashes:
            log.warning("the record of %s lacks an entry that the registry has the hash of", production.name)
        registry.set_record_head(production.name, record.key, record.last, workspace=workspace)
    except Exception as error:
        log.warning("the registry doesn't have the record's head yet: %s", first_line(error))


def _publish_challenger(production: Production, *, workspace: Workspace) -> None:
    """Let the registry say what is tried; the channel alone counts, so that a registry that is down stops nothing."""
    try:
        _alias_challenger(production, workspace=workspace)
    except Exception as error:
        log.warning("the registry doesn't say yet what is tried: %s", first_line(error))


def _alias_challenger(production: Production, *, workspace: Workspace) -> None:
    from driftgate.evidence import registry

    serving = production.serving()
    tried = serving.challenger if serving else None
    if tried:
        registry.set_alias(production.name, registry.CHALLENGER, tried.version, workspace=workspace)
    else:
        registry.drop_alias(production.name, registry.CHALLENGER, workspace=workspace)


def _set_stage(name: str, version: str) -> None:
    """Let ZenML's model control plane show the version in production; it is made there if it isn't known."""
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
    """The release to deploy: the very files that passed their proof, not longer ago than so many days."""
    channel = production.on_staging()
    version = model or (channel.version if channel else None)
    remedy = "Prove it first: `run.py deploy --to staging`."
    if version is None:
        raise DriftgateError(f"Nothing of {production.name} is on staging.", remedy)
    proof = staged(production.record(), version)
    if proof is None:
        raise DriftgateError(f"{production.name} {version} has no proof on staging.", remedy)
    if proof.event == "refused":
        raise DriftgateError(f"{production.name} {version} was blocked on staging.", "Its verdict: `run.py releases`.")
    age = dt.datetime.now(dt.UTC) - proof.at
    if age < -CLOCK_SKEW:
        raise DriftgateError(
            f"The proof of {production.name} {version} is dated {proof.at:%Y-%m-%d %H:%M} UTC, which is still to come.",
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
    """What the record will say of a deployment or rollback to a release: on the evidence of its proof on staging, or of when it served.

    A version that once served may have been proved again since, and refused, as the newest data drifts.
    """
    channel, before, entries = Channel.of(release), production.serving(), production.record()
    served = [entry for entry in production_history(entries) if entry.version == channel.version]
    proof = served[-1] if event == "rollback" and served else staged(entries, channel.version)
    return Entry(
        event=event, version=channel.version, previous=before.version if before else None, who=who or user(),
        reason=reason, verdict=proof.verdict if proof else None, runs=proof.runs if proof else {},
        release=channel.release, manifest_sha256=channel.manifest_sha256,
    )  # fmt: skip


def user() -> str:
    """Who acts: in a workflow of GitHub whoever started it, else the user of this machine."""
    return os.environ.get("GITHUB_ACTOR") or getpass.getuser()


def _move_result(
    production: Production, entry: Entry, started: float, *, service: ServiceState | None, warnings: list[str]
) -> MoveResult:
    """The result of a move of production; `warnings` are about what it served before."""
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
