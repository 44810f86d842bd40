"""One training run from the rows of a table to the verdict, through the entry points of the steps; without ZenML."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from driftgate.config import Problem
from driftgate.data.table import DataVersion, read_rows
from driftgate.drift.check import DriftAnalysis, check_drift, newest_window
from driftgate.production.scoring import Scorer
from driftgate.training.evaluation import Evaluation
from driftgate.training.preflight import require_trainable
from driftgate.verdict import Check, Verdict
from driftgate.workspace import Workspace
from tests.tables import shop_content


@dataclass(frozen=True)
class Journey:
    """What a run came to."""

    problem: Problem
    version: DataVersion
    development: pd.DataFrame
    holdout: pd.DataFrame
    evaluation: Evaluation
    verdict: Verdict
    page: str
    plots: dict[str, bytes]
    metrics: dict[str, float]  # as MLflow has them

    def check(self, name: str) -> Check:
        return next(check for check in self.verdict.checks if check.name == name)


def problem_of(frame: pd.DataFrame, folder: Path, **changes: Any) -> Problem:
    """The problem of a table whose columns are `id`, `target`, perhaps `group`, and numbers."""
    frame.to_parquet(folder / "table.parquet")
    columns = [name for name in frame if name not in ("id", "target", "group")]
    candidate = {"family": "logistic_regression", "trials": 1, "search": {"C": {"low": 0.5, "high": 2.0}}}
    content: dict[str, Any] = {
        "data": {"path": str(folder / "table.parquet"), "row_id": "id", "timestamp": None},
        "contract": {name: {"type": "number", "nullable": True} for name in columns},
        "split": {"method": "random", "holdout": 0.2, "folds": 3},
        "tuning": {"metric": "log_loss", "candidates": [candidate]},
        "calibration": {"method": "none"},
        "gate": {
            "performance": {"log_loss": 1.0},
            "champion": {"metric": "log_loss", "margin": 0.01},
            "bootstrap": 200,
        },
    }
    target = {"column": "target", "positive": None, **changes.pop("target", {})}
    gate = content["gate"] | changes.pop("gate", {})
    return Problem.model_validate(shop_content(**content | {"target": target, "gate": gate} | changes))


def train(problem: Problem, home: Path) -> Journey:
    """Run the steps, each on what the others gave."""
    import mlflow

    from driftgate.evidence.tracking import client, ensure_experiment
    from steps import data, gate, model

    workspace = Workspace(home)
    require_trainable(problem, as_of=None, workspace=workspace)
    os.environ["DRIFTGATE_HOME"] = str(home)
    frame, version = read_rows(problem, md5="", as_of=None)
    mlflow.set_tracking_uri(workspace.mlflow_uri)
    with mlflow.start_run(experiment_id=ensure_experiment("training", workspace=workspace)) as run:
        contract = data.check_contract.entrypoint(frame, version, problem)
        development, holdout = data.split_rows.entrypoint(frame, version, problem)
        leaks = gate.look_for_leaks.entrypoint(development, problem)
        tuned = model.tune.entrypoint(development, version, problem)
        fitted, trained, out_of_fold = model.calibrate.entrypoint(development, version, tuned, problem)
        evaluation, plots, importance = gate.evaluate_model.entrypoint(fitted, trained, holdout, version, problem)
        onnx, parity, latency, _, _ = model.export_model.entrypoint(fitted, trained, holdout, problem)
        from steps.drift import profile_reference

        profile = profile_reference.entrypoint(development, out_of_fold, importance, trained, problem)
        analysis = _drift(holdout, problem, profile=profile, onnx=onnx, threshold=trained.threshold)
        verdict, page = gate.decide.entrypoint(
            contract, leaks, evaluation, plots, parity, latency, analysis, version, problem
        )
    metrics = client(workspace).get_run(run.info.run_id).data.metrics
    return Journey(problem, version, development, holdout, evaluation, verdict, str(page), plots, metrics)


def _drift(holdout: pd.DataFrame, problem: Problem, *, profile: Any, onnx: bytes, threshold: float) -> DriftAnalysis:
    """The drift check without the step, which needs a run of ZenML for the address of its page."""
    current, seen, window = newest_window(holdout, problem)
    analysis, _ = check_drift(
        current, problem, profile=profile, scorer=Scorer(onnx, problem.contract), threshold=threshold, seen=seen,
        window=window, interactive="",
    )  # fmt: skip
    return analysis
