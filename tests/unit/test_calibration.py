"""Calibrators: they correct what is off, and their ONNX nodes predict the same."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.config import Problem
from driftgate.data.table import features_of, labels_of
from driftgate.training import calibration, combine, export, tuning
from driftgate.training.calibration import CalibratedModel, calibrate, cross_calibrate, fit_calibrator
from driftgate.training.ensemble import AverageOfModels
from driftgate.training.metrics import point_metrics
from driftgate.training.modelling import build_model, fit, predict_probability

METHODS = ("sigmoid", "temperature", "isotonic")


def overconfident(rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities whose logits are three times too large."""
    draw = np.random.default_rng(0)
    scores = draw.normal(size=(rows, classes))
    right = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = (right.cumsum(axis=1) < draw.random((rows, 1))).sum(axis=1)
    given = np.exp(3 * scores) / np.exp(3 * scores).sum(axis=1, keepdims=True)
    return labels, given[:, 1] if classes == 2 else given


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("method", METHODS)
def test_calibration_of_overconfident_scores(method: str, classes: int) -> None:
    labels, probability = overconfident(8000, classes)
    blocks = np.arange(8000) % 5
    found = cross_calibrate(method, labels, probability, blocks)
    before, after = (point_metrics(labels, each, threshold=0.5) for each in (probability, found))
    assert found.shape == probability.shape
    assert after["log_loss"] < before["log_loss"] - 0.1
    assert after["expected_calibration_error"] < 0.025 < before["expected_calibration_error"]
    if classes > 2:
        assert np.abs(found.sum(axis=1) - 1).max() < 1e-12
    assert after["roc_auc"] == pytest.approx(before["roc_auc"], abs=0.01)


def test_sigmoid_finds_the_line_of_scikit_learn() -> None:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression

    labels, _ = overconfident(3000, 2)
    features = np.random.default_rng(1).normal(size=(3000, 2)) + labels[:, None]
    base = LogisticRegression().fit(features[:1000], labels[:1000])
    expected = CalibratedClassifierCV(FrozenEstimator(base), method="sigmoid").fit(features[1000:], labels[1000:])
    probability = base.predict_proba(features[1000:])[:, 1]
    found = calibrate(fit_calibrator("sigmoid", labels[1000:], probability), probability)
    assert np.abs(found - expected.predict_proba(features[1000:])[:, 1]).max() < 1e-3


def test_temperature_finds_that_of_scikit_learn() -> None:
    from sklearn.calibration import _TemperatureScaling

    labels, probability = overconfident(3000, 3)
    found = fit_calibrator("temperature", labels, probability)
    expected = _TemperatureScaling().fit(np.log(np.maximum(probability, calibration.LOWEST)), labels).beta_
    assert found.inverse == pytest.approx(expected, rel=1e-3)


def test_calibrators_of_separated_and_constant_scores_are_finite() -> None:
    labels = np.repeat([0, 1], 50)
    for probability in (np.where(labels == 1, 1.0, 0.0), np.full(100, 0.5), np.full(100, 0.0)):
        for method in METHODS:
            found = calibrate(fit_calibrator(method, labels, probability), probability)
            assert ((found >= 0) & (found <= 1)).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(30, 400), width=st.floats(1e-6, 1.0))
def test_isotonic_is_monotonic_and_never_steep(seed: int, rows: int, width: float) -> None:
    draw = np.random.default_rng(seed)
    probability = draw.random(rows) * width
    labels = (draw.random(rows) < draw.random()).astype(int)
    line = fit_calibrator("isotonic", labels, probability)
    grid = np.linspace(0, 1, 5001)
    found = calibrate(line, grid)
    assert (np.diff(found) >= -1e-12).all()
    assert np.diff(found).max() <= calibration.STEEPEST * np.diff(grid).max() * (1 + 1e-6) + 1e-9


@pytest.fixture(scope="module")
def three() -> tuple[Problem, pd.DataFrame]:
    """The rules, with three classes."""
    from driftgate.config import load_problem
    from driftgate.datasets import rules
    from driftgate.workspace import PROJECT

    content = load_problem(PROJECT / "configs" / "rules.yaml").model_dump()
    rows = rules.build()
    rows["target"] = np.digitize(rows["f1"] + rows["f2"], [-0.5, 0.5])
    rows["target"] = rows["target"].map({0: "low", 1: "middle", 2: "high"})
    content["target"] = {"column": "target", "classes": ["low", "middle", "high"]}
    content["gate"]["performance"] = {"accuracy": 0.5}
    content["tuning"]["candidates"] = [{"family": "logistic_regression", "trials": 1}]
    return Problem.model_validate(content), rows


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("method", ["none", *METHODS])
def test_onnx_of_two_classes(method: str, members: int, problem: Problem, rows: pd.DataFrame) -> None:
    _require_parity(method, members, problem, rows)


@pytest.mark.parametrize("method", ["none", *METHODS])
def test_onnx_of_three_classes(method: str, three: tuple[Problem, pd.DataFrame]) -> None:
    _require_parity(method, 1, *three)


def _require_parity(method: str, members: int, problem: Problem, rows: pd.DataFrame) -> None:
    from onnx import checker, load_from_string

    features, labels = features_of(rows, problem.contract), labels_of(rows, problem)
    noisy = np.where(np.random.default_rng(0).random(len(labels)) < 0.2, labels[::-1], labels)
    half = len(labels) // 2
    families = ("random_forest", "logistic_regression") if labels.max() == 1 else ("logistic_regression",) * 2
    made = [fit(build_model(problem, family=family, settings={}), features[:half], noisy[:half]) for family in families]
    model = made[0] if members == 1 else AverageOfModels(made)
    calibrator = fit_calibrator(method, noisy[half:], predict_probability(model, features[half:]))
    if calibrator is not None:
        model = CalibratedModel(model, calibrator)
    elif members == 1:
        model = AverageOfModels(made[:1])
    assert combine.is_combined(model)
    onnx = export.to_onnx(model, problem.contract)
    checker.check_model(load_from_string(onnx), full_check=True)
    assert onnx == export.to_onnx(model, problem.contract)
    expected, found = predict_probability(model, features), export.Scorer(onnx, problem.contract).probability(features)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= problem.gate.parity


def test_auto_takes_the_lowest_loss_on_the_validation_rows(problem: Problem, rows: pd.DataFrame) -> None:
    draw = np.random.default_rng(1)
    rows = rows.assign(target=np.where(draw.random(len(rows)) < 0.3, 1 - rows["target"], rows["target"]))
    content = problem.model_dump()
    forest = {"n_estimators": 10, "min_samples_leaf": 1}  # overconfident: its leaves hold one row
    content["tuning"]["candidates"] = [{"family": "random_forest", "trials": 1, "fixed": forest}]
    losses = {}
    for method in ("auto", "none", "temperature", "isotonic"):
        content["calibration"] = {"method": method}
        wanted = Problem.model_validate(content)
        tuned = tuning.tune(rows, wanted)
        model, trained, _ = tuning.train(rows, wanted, tuned=tuned)
        losses[method] = trained.validation["log_loss"]
        assert trained.calibrated is (trained.calibration != "none")
        if method == "auto":
            chosen = trained.calibration
            assert chosen != "none"
            assert isinstance(model, CalibratedModel)
        else:
            assert trained.calibration == method
    assert losses["auto"] == min(losses.values()) or chosen == "sigmoid"
    assert losses["auto"] < losses["none"] - 0.1
