"""Deploying and going back, as a person or CI starts it; and what production, registry and ZenML are told of it."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import json
import logging
import os
import time
import urllib.request
from pathlib import Path
from typing import Any

from driftgate.channel import Channel, release_in
from driftgate.config import Problem
from driftgate.errors import DriftgateError
from driftgate.production import Follow, Production
from driftgate.record import Entry, append, staged
from driftgate.release import Release
from driftgate.workspace import Workspace
from pipelines import canary

log = logging.getLogger("driftgate.deploy")

SERVICE_WITHIN_SECONDS = 20.0
EVERY_SECONDS = 0.2


def deploy_to_staging(problem: Problem, *, model: str | None, who: str | None, workspace: Workspace) -> dict[str, Any]:
    """Prove a version on staging, and put the verdict on record.

    Args:
        problem: Whose model.
        model: Alias or version; None: the candidate.
        who: Is recorded; None: the user of this machine.
        workspace: Where everything is.

    Raises:
        DriftgateError: If there is no such version, another deployment is under way, or the run failed for another
            reason than the gate.
    """
    from driftgate import arrivals, tracking
    from pipelines import documents, launch, runs

    production = Production(problem.name, workspace=workspace)
    started = time.monotonic()
    with production.alone():
        production.settle(followers(problem.name, workspace=workspace))
        version = tracking.resolve_version(problem.name, model or tracking.CANDIDATE, workspace=workspace)
        release = tracking.release_of(problem.name, version, workspace=workspace)
        problem = arrivals.as_released(problem, release)
        launch.set_up(workspace)
        from pipelines.deployment import deployment

        name = launch.run_name(runs.DEPLOYMENT, problem)
        launch.run(deployment, name, workspace=workspace, problem=problem, model=version)
        found, ids = runs.outcome(name)
        verdict = found["verdict"]
        entry = _entry(
            release, event="refused" if verdict.outcome == "block" else "staged", previous=None, who=who,
            reason="proved on staging", verdict=verdict.outcome, runs=ids,
        )  # fmt: skip
        append(production.record_path, entry)
        document = documents.deployment_document(problem, found, ids, production=production, version=version)
        return launch.kept(document, name, started, workspace=workspace)


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
) -> dict[str, Any]:
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

    Raises:
        DriftgateError: If the version has no passing proof of just these files, or a step failed and was undone.
    """
    production = Production(problem.name, workspace=workspace)
    started = time.monotonic()
    with production.alone():
        follow = followers(problem.name, workspace=workspace)
        production.settle(follow)
        release, proof = _approved(production, model)
        before = production.serving()
        if steps and before and service:
            address = service.rstrip("/")
            canary.climb(
                production, release.card.version, steps=steps, hold=hold, service=address, who=who or _user(),
                reason=reason,
            )  # fmt: skip
        entry = _entry(
            release, event="production", previous=before.version if before else None, who=who, reason=reason,
            verdict=proof.verdict, runs=proof.runs,
        )  # fmt: skip
        production.move(release, entry, follow=follow)
        said = _look(service, release.card.version) if service else None
        if said and said["error"] and before:
            back = release_in(before, production.channel)
            undo = _entry(
                back, event="rollback", previous=release.card.version, who="driftgate",
                reason=f"the service did not take it over: {said['error']}", verdict=None, runs={},
            )  # fmt: skip
            production.move(back, undo, follow=follow)
            raise DriftgateError(
                f"The service at {service} did not take {problem.name} {release.card.version} over: {said['error']}",
                f"Production serves {before.version} again.",
            )
        return _document(production, entry, started, service=said)


def roll_back(
    name: str, *, to: str | None, reason: str, who: str | None, service: str | None, workspace: Workspace
) -> dict[str, Any]:
    """Go back to a release that was in production.

    Args:
        name: Of the problem.
        to: A version; None: the one that served before.
        reason: Is recorded.
        who: Is recorded; None: the user of this machine.
        service: Address of a running service, which is waited for.
        workspace: Where everything is.

    Raises:
        DriftgateError: If there is no way back, or its files are not those of then.
    """
    production = Production(name, workspace=workspace)
    started = time.monotonic()
    with production.alone():
        release, before = production.way_back(to), production.serving()
        unfinished = production.unfinished()
        if unfinished is not None and production.serving() == unfinished.to:
            append(production.record_path, unfinished.entry)  # its aliases are about to change again
        entry = _entry(
            release, event="rollback", previous=before.version if before else None, who=who, reason=reason,
            verdict=None, runs={},
        )  # fmt: skip
        production.move(release, entry, follow=followers(name, workspace=workspace))
        said = _look(service, release.card.version) if service else None
        return _document(production, entry, started, service=said)


def prove_production(problem: Problem, *, service: str | None, workspace: Workspace) -> dict[str, Any]:
    """Prove what production serves: start its bento as a follower of production, and ask it the golden rows.

    Args:
        problem: Whose production.
        service: Address of the running service; it must say that it serves the version. It is asked no rows: its
            log is of what callers asked.
        workspace: Where everything is.

    Raises:
        DriftgateError: If nothing is in production, its release is altered, or its bento can't be served.
    """
    from bentos.build import build_bento
    from bentos.proof import differing, golden_answers
    from bentos.server import serving
    from driftgate.gate import Verdict, production_checks
    from pipelines.documents import production_document

    started, production = time.monotonic(), Production(problem.name, workspace=workspace)
    channel = production.serving()
    if channel is None:
        raise DriftgateError(f"Nothing of {problem.name} is in production.", "`run.py deploy --to production` first.")
    release = release_in(channel, production.channel)
    bento = workspace.bentoml / "bentos" / problem.name / channel.version
    bento = bento if bento.exists() else build_bento(release, workspace=workspace)
    log.info("serving %s %s as production is", problem.name, channel.version)
    with serving(bento, workspace=workspace, environment={"DRIFTGATE_CHANNEL": str(production.channel)}) as served:
        answers = golden_answers(served, release)
    # A challenger may have answered for its share; it is judged by its experiment.
    own = sum(answer["model_version"] == channel.version for answer in answers)
    differ = differing(answers, release) if own == len(answers) else len(answers) - own
    said = _look(service, channel.version) if service else None
    verdict = Verdict(problem=problem.name, checks=tuple(production_checks(rows=own, differ=differ, said=said)))
    document = production_document(problem, verdict, version=channel.version, service=said)
    return {**document, "seconds": round(time.monotonic() - started, 1)}


def followers(name: str, *, workspace: Workspace) -> list[Follow]:
    """What follows a move: the champion's alias in MLflow, the stage in ZenML's model control plane."""

    def alias(entry: Entry) -> None:
        from driftgate import tracking

        tracking.set_alias(name, tracking.CHAMPION, entry.version, workspace=workspace)

    def stage(entry: Entry) -> None:
        _set_stage(name, f"v{entry.version}")  # ZenML takes no number for a name

    return [alias, stage]


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


def _approved(production: Production, model: str | None) -> tuple[Release, Entry]:
    """The release to deploy, and the proof that allows it."""
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
    release = release_in(Channel.named(production.name, proof), production.channel)  # the very files that were proved
    release.scorer()
    return release, proof


def _entry(
    release: Release, *, event: Any, previous: str | None, who: str | None, reason: str, verdict: str | None,
    runs: dict[str, str | None],
) -> Entry:  # fmt: skip
    channel = Channel.of(release)
    return Entry(
        event=event, version=channel.version, previous=previous, who=who or _user(), reason=reason, verdict=verdict,
        runs=runs, release=channel.release, manifest_sha256=channel.manifest_sha256,
    )  # fmt: skip


def _user() -> str:
    """Who acts: in a workflow of GitHub whoever started it, else the user of this machine."""
    return os.environ.get("GITHUB_ACTOR") or getpass.getuser()


def _look(service: str, version: str) -> dict[str, Any]:
    """Wait until a running service says that it serves a version; `error` is None if it does, or if nobody answers."""
    if not service.startswith(("http://", "https://")):
        raise DriftgateError(f"{service} is no address of a service.", "Give one such as http://127.0.0.1:3000.")
    deadline, heard, problem = time.monotonic() + SERVICE_WITHIN_SECONDS, False, None
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{service.rstrip('/')}/readyz", timeout=2) as answer:  # noqa: S310
                told = json.load(answer)
            heard, problem = True, (told.get("channel") or {}).get("error")
            if told["release"]["version"] == version:
                return {"address": service, "answers": True, "version": version, "error": None}
        except (OSError, ValueError, KeyError):
            if not heard and time.monotonic() > deadline - SERVICE_WITHIN_SECONDS + 3:
                log.warning("no service answers at %s; it takes the release over when it starts", service)
                return {"address": service, "answers": False, "version": None, "error": None}
        time.sleep(EVERY_SECONDS)
    told_version = "it still serves another version"
    return {"address": service, "answers": True, "version": None, "error": problem or told_version}


def _document(
    production: Production, entry: Entry, started: float, *, service: dict[str, Any] | None
) -> dict[str, Any]:
    """What came of a move, for terminal and machines."""
    return {
        "problem": production.name,
        "verdict": entry.verdict or "none",
        "checks": [],
        "event": entry.event,
        "channel": "production",
        "version": entry.version,
        "previous": entry.previous,
        "who": entry.who,
        "reason": entry.reason,
        "document": str(production.channel),
        "service": service,
        "seconds": round(time.monotonic() - started, 1),
        "finished_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def experiment(
    name: str,
    *,
    action: str,
    challenger: str | None,
    share: float | None,
    who: str | None,
    reason: str,
    log_folder: Path,
    workspace: Workspace,
) -> dict[str, Any]:
    """Start, look at, stop or promote an experiment in production.

    Args:
        name: Of the problem.
        action: `start`, `status`, `stop` or `promote`.
        challenger: The version to start with.
        share: Of the requests that it answers; None: it predicts in the shadow.
        who: Is recorded; None: the user of this machine.
        reason: Likewise.
        log_folder: Of the prediction log.
        workspace: Where everything is.

    Raises:
        DriftgateError: As of `driftgate.experiments`.
    """
    from driftgate import experiments

    production, started = Production(name, workspace=workspace), time.monotonic()
    told: dict[str, Any] = {"problem": name, "action": action}
    follow = followers(name, workspace=workspace)
    with contextlib.nullcontext() if action == "status" else production.alone():
        if action != "status":
            production.settle(follow)
        if action == "start":
            _, told["labels_needed"] = experiments.start(
                production, challenger or "", share=share, who=who or _user(), reason=reason
            )
        serving, plan = experiments.running(production)
        told |= {"champion": serving.version, "challenger": plan.version, "mode": "split" if plan.share else "shadow"}
        told["share"] = plan.share
        if action in ("status", "promote"):
            standing = experiments.standing(production, log_folder)
            told["standing"] = {**standing.model_dump(mode="json"), "decision": standing.decision}
        if action == "stop":
            experiments.stop(production, who=who or _user(), reason=reason)
        if action == "promote":
            release, gain = experiments.winner(production, standing), standing.gain
            why = f"{reason}: gain {gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}) after {gain.labels:,} labels"
            entry = _entry(
                release, event="production", previous=serving.version, who=who, reason=why, verdict="pass", runs={}
            )
            production.move(release, entry, follow=follow)
    return {**told, "seconds": round(time.monotonic() - started, 1)}
