"""Steps that make the model: tuning, calibration and final fit, export."""

from typing import Annotated

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from zenml import step
from zenml.integrations.sklearn import materializers  # noqa: F401  # registers how ZenML stores a model

from driftgate.config import Problem
from driftgate.data.table import DataVersion, features_of
from driftgate.evidence.tracking import Tracker
from driftgate.training import export, tuning
from driftgate.training.finished import FinishedFits
from driftgate.training.modelling import predict_probability, seed_everything
from driftgate.training.parity import ParityResult
from driftgate.training.tuning import Trained, Tuned
from driftgate.workspace import Workspace
from steps import announce


@step(experiment_tracker=True)
def tune(development: pd.DataFrame, version: DataVersion, problem: Problem) -> Annotated[Tuned, "tuned"]:
    """Choose the model family and its hyperparameters on the development rows."""
    announce("tune", f"{sum(candidate.trials for candidate in problem.tuning.candidates)} trials")
    seed_everything(problem.seed)
    workspace = Workspace.current()
    finished = FinishedFits.of_run(problem, version, workspace=workspace)
    tuned = tuning.tune(development, problem, finished=finished)
    Tracker.of_active_run(workspace=workspace).log_tuning(tuned)
    return tuned


@step
def calibrate(
    development: pd.DataFrame, version: DataVersion, tuned: Tuned, problem: Problem
) -> tuple[Annotated[BaseEstimator, "model"], Annotated[Trained, "trained"], Annotated[pd.DataFrame, "out_of_fold"]]:
    """Calibrate the best model, choose its threshold on the validation rows, and refit it on all development rows."""
    announce("calibrate", problem.calibration.method)
    seed_everything(problem.seed)
    finished = FinishedFits.of_run(problem, version, workspace=Workspace.current())
    model, trained, out_of_fold = tuning.train(development, problem, tuned=tuned, finished=finished)
    finished.remove()  # from here on, nothing needs them
    return model, trained, out_of_fold  # ZenML counts the outputs in this line


@step(experiment_tracker=True)
def export_model(
    model: BaseEstimator, trained: Trained, holdout: pd.DataFrame, problem: Problem
) -> tuple[
    Annotated[bytes, "onnx"],
    Annotated[ParityResult, "parity"],
    Annotated[float, "latency_p99_ms"],
    Annotated[float, "rows_per_second"],
    Annotated[str, "model_uri"],
]:
    """Convert the model to ONNX, and check on the whole holdout that both make the same predictions."""
    announce("export", f"{trained.family} to ONNX, compared on {len(holdout):,} rows")
    features, contract = features_of(holdout, problem.contract), problem.contract
    onnx = export.to_onnx(model, contract)
    parity = export.parity(model, onnx, features, contract=contract, threshold=trained.threshold)
    latency = export.single_row_p99_ms(onnx, features, contract=contract)
    speed = export.batch_rows_per_second(onnx, features, contract=contract)
    example = features.head(5)
    probability: np.ndarray = predict_probability(model, example)
    tracker = Tracker.of_active_run(workspace=Workspace.current())
    tracker.log_speed(latency_p99_ms=latency, rows_per_second=speed)
    model_uri = tracker.log_model(export.for_tables(onnx, contract, problem.target.class_names), example, probability)
    return onnx, parity, latency, speed, model_uri
