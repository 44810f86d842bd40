"""Steps about drift: the reference profile, the comparison of new rows with it, and the verdict of a drift check."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import pandas as pd
from zenml import get_step_context, step
from zenml.types import HTMLString

from driftgate.config import Problem
from driftgate.data.contract_check import find_batch_violations
from driftgate.data.violations import contract_verdict
from driftgate.drift.batches import BatchInfo, read_file, read_log, read_window
from driftgate.drift.check import DriftAnalysis, check_drift, newest_window
from driftgate.drift.profile import Profile, fit_profile, profile_of
from driftgate.evidence import registry
from driftgate.evidence.page import verdict_page
from driftgate.evidence.provenance import provenance
from driftgate.evidence.tracking import Tracker
from driftgate.production.scoring import Scorer
from driftgate.training.importance import Importance
from driftgate.training.tuned import Trained
from driftgate.verdict import Verdict
from driftgate.workspace import Workspace, show_path
from steps import announce
from steps.pages import InteractivePage, page_location


@step
def profile_reference(
    development: pd.DataFrame,
    out_of_fold: pd.DataFrame,
    importance: dict[str, Importance],
    trained: Trained,
    problem: Problem,
) -> Annotated[Profile, "profile"]:
    """Fit the reference profile: counts of the training rows, and drift limits from their own past."""
    effects = {name: column.effect for name, column in importance.items()}
    return fit_profile(development, problem, out_of_fold=out_of_fold, effects=effects, threshold=trained.threshold)


@step(experiment_tracker=True)
def check_newest(
    holdout: pd.DataFrame, profile: Profile, onnx: bytes, trained: Trained, problem: Problem
) -> tuple[
    Annotated[DriftAnalysis, "drift"],
    Annotated[HTMLString, "drift_report"],
    Annotated[InteractivePage, "drift_page"],
]:
    """Compare the newest window before the as-of date with the reference; without a timestamp, the whole holdout."""
    current, seen, window = newest_window(holdout, problem)
    announce("drift", f"{len(current):,} newest rows, compared with the reference")
    scorer, tracker = Scorer(onnx, problem.contract), Tracker.of_active_run(workspace=Workspace.current())
    analysis, pages = check_drift(
        current, problem, profile=profile, scorer=scorer, threshold=trained.threshold, seen=seen,
        window=window, interactive=page_location(tracker),
    )  # fmt: skip
    tracker.log_drift(analysis, pages.interactive)
    return analysis, HTMLString(pages.static), InteractivePage(pages.interactive)


@step(experiment_tracker=True)
def load_batch(
    problem: Problem, model: str, current: str | None, log: str | None, since: str | None, until: str | None
) -> tuple[Annotated[pd.DataFrame, "current"], Annotated[pd.DataFrame, "seen"], Annotated[BatchInfo, "batch"]]:
    """Read the rows to compare with a model's reference, and log the run's inputs to MLflow."""
    source = current or log
    announce("load", show_path(source) if source else problem.data.path)
    workspace = Workspace.current()
    first, end = (dt.date.fromisoformat(day) if day else None for day in (since, until))
    release = registry.release_of(problem.name, model, workspace=workspace)
    if current:
        rows, seen, batch = read_file(Path(current), problem, release=release, workspace=workspace)
    elif log:
        rows, seen, batch = read_log(Path(log), problem, release=release, since=first, until=end)
    else:
        rows, seen, batch = read_window(problem, release=release, since=first, until=end, workspace=workspace)
    left_out = batch.left_out.text(labels=False)
    announce("rows", f"{batch.rows:,} read" + (f"; {left_out}" if left_out else ""))
    tracker = Tracker.of_active_run(workspace=workspace)
    tracker.start_drift(problem, batch, provenance(), zenml_run=str(get_step_context().pipeline_run.id))
    return rows, seen, batch


@step
def check_batch(current: pd.DataFrame, batch: BatchInfo, problem: Problem) -> Annotated[Verdict, "contract_verdict"]:
    """Check every rule of the contract on the new rows."""
    announce("contract", f"{len(current):,} rows")
    release = registry.release_of(problem.name, batch.model, workspace=Workspace.current())
    violations = find_batch_violations(current, problem, classes=profile_of(release).classes)
    return contract_verdict(violations, problem, rows=len(current))


@step(experiment_tracker=True)
def compare_batch(
    current: pd.DataFrame, seen: pd.DataFrame, batch: BatchInfo, contract_verdict: Verdict, problem: Problem
) -> tuple[
    Annotated[DriftAnalysis, "drift"],
    Annotated[HTMLString, "drift_report"],
    Annotated[InteractivePage, "drift_page"],
]:
    """Compare the rows with the reference. The model predicts only rows that satisfy the contract."""
    announce("drift", f"compared with {problem.name} {batch.model}, {len(seen):,} rows seen since its training")
    workspace = Workspace.current()
    release = registry.release_of(problem.name, batch.model, workspace=workspace)
    tracker = Tracker.of_active_run(workspace=workspace)
    analysis, pages = check_drift(
        current,
        problem,
        profile=profile_of(release),
        scorer=release.scorer() if contract_verdict.outcome != "block" else None,
        threshold=release.card.threshold,
        seen=seen,
        window=(batch.since, batch.until) if batch.since and batch.until else None,
        interactive=page_location(tracker),
        timed=not batch.logged,
    )
    tracker.log_drift(analysis, pages.interactive)
    kind = "windows" if batch.since else "files"
    tracker.log_timeline(analysis, name=f"{problem.name} {batch.model}, {kind}")
    return analysis, HTMLString(pages.static), InteractivePage(pages.interactive)


@step(experiment_tracker=True)
def decide_drift(
    contract_verdict: Verdict, analysis: DriftAnalysis, batch: BatchInfo, problem: Problem
) -> tuple[Annotated[Verdict, "verdict"], Annotated[HTMLString, "verdict_page"]]:
    """Make and store the verdict of a drift check. The next step enforces it."""
    verdict = Verdict(problem=problem.name, checks=(*contract_verdict.checks, *analysis.checks(problem)))
    announce("verdict", verdict.summary)
    facts = {"rows": batch.source, "md5": batch.md5, "model": f"{problem.name} {batch.model}"}
    page = verdict_page(verdict, facts=facts)
    Tracker.of_active_run(workspace=Workspace.current()).log_verdict(verdict, page)
    return verdict, HTMLString(page)
