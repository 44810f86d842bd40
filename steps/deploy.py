"""Steps of a deployment: the release and its bento, the proof on staging, the newest data, the verdict."""

import tempfile
from pathlib import Path
from typing import Annotated

from zenml import get_step_context, step
from zenml.types import HTMLString

from bentos.build import ensure_bento
from bentos.proof import prove
from bentos.server import serving
from driftgate.config import Problem
from driftgate.data.contract_check import find_batch_violations
from driftgate.data.violations import contract_verdict
from driftgate.drift import batches
from driftgate.drift.check import DriftAnalysis, check_drift
from driftgate.drift.profile import profile_of
from driftgate.evidence import registry
from driftgate.evidence.page import verdict_page
from driftgate.evidence.provenance import provenance
from driftgate.evidence.tracking import Tracker
from driftgate.gate import proof_checks
from driftgate.production.channel import Channel, write_channel
from driftgate.production.move import Production
from driftgate.production.proof import Proof
from driftgate.verdict import Verdict
from driftgate.workspace import Workspace
from steps import announce
from steps.pages import InteractivePage, page_location


@step(experiment_tracker=True)
def prepare_release(problem: Problem, model: str) -> tuple[Annotated[str, "release"], Annotated[str, "bento"]]:
    """Verify the release by its hashes, and build its bento if it is missing."""
    workspace = Workspace.current()
    announce("release", f"{problem.name} {model}")
    tracker = Tracker.of_active_run(workspace=workspace)
    tracker.start_deployment(problem, model, provenance(), zenml_run=str(get_step_context().pipeline_run.id))
    release = registry.release_of(problem.name, model, workspace=workspace)
    return str(release.folder), str(ensure_bento(release, workspace=workspace))


@step
def prove_on_staging(release: str, bento: str, problem: Problem, model: str) -> Annotated[Proof, "proof"]:
    """Move the staging channel to the release, serve the bento with this channel, and test the service."""
    workspace = Workspace.current()
    announce("staging", "bentoml serve: golden rows, bad requests, latency, load, log")
    deployed = registry.release_of(problem.name, model, workspace=workspace)
    channel = Production(problem.name, workspace=workspace).staging
    write_channel(channel, Channel.of(deployed))
    with tempfile.TemporaryDirectory(prefix="staging-") as folder:
        log = Path(folder) / "log"
        settings = {"DRIFTGATE_CHANNEL": str(channel), "DRIFTGATE_LOG": str(log)}
        with serving(Path(bento), workspace=workspace, environment=settings) as served:
            return prove(served, deployed, log=log)


@step(experiment_tracker=True)
def check_newest_data(
    problem: Problem, model: str
) -> tuple[
    Annotated[Verdict | None, "contract_verdict"],
    Annotated[DriftAnalysis | None, "drift"],
    Annotated[HTMLString, "drift_report"],
    Annotated[InteractivePage | None, "drift_page"],
]:
    """Check the newest window of the problem's data by the contract, and compare it with the reference.

    Without a timestamp there is no newest window, so nothing is checked. The model predicts only rows that satisfy the
    contract.
    """
    if problem.data.timestamp is None:
        return None, None, HTMLString("<p>The problem has no timestamp, so there is no newest window.</p>"), None
    workspace = Workspace.current()
    release = registry.release_of(problem.name, model, workspace=workspace)
    rows, seen, batch = batches.read_window(problem, release=release, since=None, until=None, workspace=workspace)
    announce("drift", f"{len(rows):,} newest rows, compared with {problem.name} {model}")
    profile = profile_of(release)
    violations = find_batch_violations(rows, problem, classes=profile.classes)
    contract = contract_verdict(violations, problem, rows=len(rows))
    scorer = release.scorer() if contract.outcome != "block" else None
    tracker = Tracker.of_active_run(workspace=workspace)
    analysis, pages = check_drift(
        rows, problem, profile=profile, scorer=scorer, threshold=release.card.threshold, seen=seen,
        window=(batch.since, batch.until) if batch.since and batch.until else None,
        interactive=page_location(tracker, report=False),
    )  # fmt: skip
    tracker.log_drift(analysis, pages.interactive)
    return contract, analysis, HTMLString(pages.static), InteractivePage(pages.interactive)


@step(experiment_tracker=True)
def decide_deployment(
    proof: Proof, contract: Verdict | None, analysis: DriftAnalysis | None, problem: Problem, model: str
) -> tuple[Annotated[Verdict, "verdict"], Annotated[HTMLString, "verdict_page"]]:
    """Make and store the verdict of a deployment. The next step enforces it."""
    data_checks = [*(contract.checks if contract else ()), *(analysis.checks(problem) if analysis else ())]
    checks = [*proof_checks(proof, problem), *data_checks]
    verdict = Verdict(problem=problem.name, checks=tuple(checks))
    announce("verdict", verdict.summary)
    page = verdict_page(verdict, facts={"model": f"{problem.name} {model}", "commit": provenance().commit or "none"})
    Tracker.of_active_run(workspace=Workspace.current()).log_verdict(verdict, page)
    return verdict, HTMLString(page)
