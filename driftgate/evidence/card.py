"""The model card of a release: what the model is, where it comes from, and its verdict."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from driftgate.config import Problem
from driftgate.data.table import DataVersion
from driftgate.evidence.provenance import provenance
from driftgate.production.release import Card, Lineage
from driftgate.training.evaluation import Evaluation
from driftgate.training.tuned import Trained
from driftgate.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd


def make_card(
    problem: Problem,
    *,
    number: str,
    trained: Trained,
    evaluation: Evaluation,
    verdict: Verdict,
    version: DataVersion,
    development: pd.DataFrame,
    mlflow_run: str,
    zenml_run: str,
) -> Card:
    """Make the model card of a release.

    Args:
        problem: The problem that the model solves.
        number: The model's version in the registry.
        trained: Its family, settings and threshold.
        evaluation: Its metrics on the holdout.
        verdict: The verdict of the gate.
        version: The data version it was trained on.
        development: The rows it was fitted on; the newest one gives the end of the training data.
        mlflow_run: The run's id in MLflow.
        zenml_run: The run's id in ZenML.
    """
    timestamp = problem.data.timestamp
    lineage = Lineage(
        **provenance().model_dump(),
        data_path=version.path,
        data_md5=version.md5,
        data_rows=version.rows,
        as_of=version.as_of.isoformat() if version.as_of else None,
        trained_until=development[timestamp].max().isoformat() if timestamp else None,
        mlflow_run=mlflow_run,
        zenml_run=zenml_run,
        trained_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
    return Card(
        name=problem.name,
        version=number,
        description=problem.description,
        **trained.model_dump(include={"family", "settings", "members", "calibrated", "calibration", "threshold"}),
        classes=problem.target.class_names,
        metrics={name: found.model_dump() for name, found in evaluation.metrics.items()},
        holdout_rows=evaluation.rows,
        lineage=lineage,
        verdict=verdict.model_dump(mode="json"),
    )
