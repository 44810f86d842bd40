"""Steps that evaluate a trained model: metrics, leaks, the verdict."""

from typing import Annotated

import pandas as pd
from sklearn.base import BaseEstimator
from zenml import step
from zenml.types import HTMLString

from driftgate import gate
from driftgate.config import Problem
from driftgate.data.table import DataVersion, features_of, labels_of
from driftgate.drift.check import DriftAnalysis
from driftgate.evidence import registry
from driftgate.evidence.page import verdict_page
from driftgate.evidence.provenance import provenance
from driftgate.evidence.tracking import Tracker
from driftgate.training import plots
from driftgate.training.champion import score_champion
from driftgate.training.evaluation import Evaluation, evaluate, resamples_of
from driftgate.training.importance import Importance, importances
from driftgate.training.leakage import ColumnLeak, column_leaks
from driftgate.training.modelling import predict_probability
from driftgate.training.parity import ParityResult
from driftgate.training.tuned import Trained
from driftgate.verdict import Verdict
from driftgate.workspace import Workspace
from steps import announce


@step(experiment_tracker=True)
def evaluate_model(
    model: BaseEstimator, trained: Trained, holdout: pd.DataFrame, version: DataVersion, problem: Problem
) -> tuple[
    Annotated[Evaluation, "evaluation"],
    Annotated[dict[str, bytes], "plots"],
    Annotated[dict[str, Importance], "importance"],
]:
    """Evaluate on the holdout, once: metrics with confidence intervals, slices, plots, and the champion on the same rows."""
    workspace = Workspace.current()
    features, labels = features_of(holdout, problem.contract), labels_of(holdout, problem)
    probability = predict_probability(model, features)
    wanted, resamples = problem.gate.bootstrap, resamples_of(probability, wanted=problem.gate.bootstrap)
    fewer = f" instead of {wanted:,}, which would take long" if resamples < wanted else ""
    announce("evaluate", f"{len(holdout):,} holdout rows, {resamples:,} bootstrap samples{fewer}")
    release = registry.champion_release(problem.name, workspace=workspace)
    champion = score_champion(holdout, problem, release=release) if release else None
    evaluation = evaluate(labels, probability, holdout, problem, threshold=trained.threshold, champion=champion)
    importance = importances(model, features, labels, problem, threshold=trained.threshold)
    figures = plots.training_plots(labels, probability, evaluation, problem, importance=importance)
    tracker = Tracker.of_active_run(workspace=workspace)
    tracker.log_data_set(holdout, problem, version, context="holdout")
    pictures = {name: plots.png(figure) for name, figure in figures.items()}
    tracker.log_evaluation(evaluation, pictures)
    return evaluation, pictures, importance


@step
def look_for_leaks(development: pd.DataFrame, problem: Problem) -> Annotated[list[ColumnLeak], "leaks"]:
    """Measure how well each column alone predicts the target."""
    features, labels = features_of(development, problem.contract), labels_of(development, problem)
    confidence, classes = problem.gate.confidence, len(problem.target.class_names)
    return column_leaks(features, labels, problem.contract, confidence=confidence, seed=problem.seed, classes=classes)


@step(experiment_tracker=True)
def decide(
    contract_verdict: Verdict,
    leaks: list[ColumnLeak],
    evaluation: Evaluation,
    pictures: dict[str, bytes],
    parity: ParityResult,
    latency_p99_ms: float,
    analysis: DriftAnalysis,
    version: DataVersion,
    problem: Problem,
) -> tuple[Annotated[Verdict, "verdict"], Annotated[HTMLString, "verdict_page"]]:
    """Compare every measured value with its limit, and store the verdict. The next step enforces it."""
    checks = [
        *contract_verdict.checks,
        *gate.leakage_checks(leaks, problem),
        *gate.performance_checks(evaluation, problem),
        gate.champion_check(evaluation, problem),
        gate.slice_check(evaluation, problem),
        *gate.calibration_checks(evaluation, problem),
        *gate.parity_checks(parity, problem),
        gate.latency_check(latency_p99_ms, problem),
        *analysis.checks(problem),
    ]
    verdict = Verdict(problem=problem.name, checks=tuple(checks))
    announce("verdict", verdict.summary)
    facts = {"data": f"{version.path}, md5 {version.md5}", "as of": str(version.as_of)}
    facts["commit"] = provenance().commit or "none"
    page = verdict_page(verdict, evaluation=evaluation, plots=pictures, facts=facts)
    Tracker.of_active_run(workspace=Workspace.current()).log_verdict(verdict, page)
    return verdict, HTMLString(page)
