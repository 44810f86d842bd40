"""The exported model predicts as scikit-learn does, in our own scorer and in MLflow's."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from driftgate.config import Problem
from driftgate.contract import Column, Contract
from driftgate.data.table import features_of, labels_of
from driftgate.production.scoring import Scorer
from driftgate.training import export, modelling
from tests.families import FAMILIES


@pytest.fixture
def mixed(problem: Problem, rows: pd.DataFrame) -> tuple[Problem, pd.DataFrame]:
    """The rules with a category, missing values of both kinds, and columns named as parts of a graph could be."""
    rows = rows.assign(f3=rows["f3"].mask(rows["f5"] == 1), kind=np.where(rows["f1"] > 0, "high", "low"))
    rows.loc[rows.index % 7 == 0, "kind"] = None
    columns = problem.contract.columns | {"f3": Column(type="number", nullable=True)}
    columns["kind"] = Column(type="category", nullable=True)
    for number, name in enumerate(("positive", "both", "axis_1", "model_f1", "column_f1", "label", "probabilities")):
        rows[name] = rows["f2"] + number
        columns[name] = Column(type="number")
    return problem.model_copy(update={"contract": Contract(columns=columns)}), rows


@pytest.mark.parametrize("calibrated", [None, "one", "ensemble"])
@pytest.mark.parametrize("family", FAMILIES)
def test_onnx_predicts_as_scikit_learn(
    family: str, calibrated: str | None, mixed: tuple[Problem, pd.DataFrame], tmp_path: Path
) -> None:
    import mlflow

    problem, rows = mixed
    calibration = problem.calibration.model_copy(update={"ensemble": calibrated == "ensemble"})
    problem = problem.model_copy(update={"calibration": calibration})
    features, labels = features_of(rows, problem.contract), labels_of(rows, problem)
    model = modelling.build_model(problem, family=family, settings={}, calibrated=calibrated is not None)
    modelling.fit(model, features, labels)
    onnx = export.to_onnx(model, problem.contract)
    found = export.parity(model, onnx, features, contract=problem.contract, threshold=0.5)
    assert (found.labels_differ, found.rows) == (0, len(rows))
    assert found.largest_difference <= problem.gate.parity

    from onnx import load_from_string

    mlflow.onnx.save_model(
        load_from_string(export.for_tables(onnx, problem.contract, problem.target.class_names)), str(tmp_path / "model")
    )
    told = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(features)
    expected = Scorer(onnx, problem.contract).probability(features)
    assert np.abs(told["probability"] - expected).max() <= problem.gate.parity
