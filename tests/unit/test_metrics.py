"""Our weighted metrics are scikit-learn's."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from driftgate.config import MULTICLASS_METRICS, Metric
from driftgate.training.metrics import METRICS, Scored, class_metrics, metric_names, point_metric, point_metrics
from driftgate.training.tuning import best_f1_threshold

REFERENCES = {
    "accuracy": lambda y, p, w, t: sk.accuracy_score(y, p >= t, sample_weight=w),
    "balanced_accuracy": lambda y, p, w, t: sk.balanced_accuracy_score(y, p >= t, sample_weight=w),
    "precision": lambda y, p, w, t: sk.precision_score(y, p >= t, sample_weight=w, zero_division=0),
    "recall": lambda y, p, w, t: sk.recall_score(y, p >= t, sample_weight=w),
    "f1": lambda y, p, w, t: sk.f1_score(y, p >= t, sample_weight=w, zero_division=0),
    "roc_auc": lambda y, p, w, t: sk.roc_auc_score(y, p, sample_weight=w),
    "pr_auc": lambda y, p, w, t: sk.average_precision_score(y, p, sample_weight=w),
    "log_loss": lambda y, p, w, t: sk.log_loss(y, p, sample_weight=w),
    "brier": lambda y, p, w, t: sk.brier_score_loss(y, p, sample_weight=w),
}


@pytest.mark.parametrize("name", REFERENCES)
@given(
    cells=st.lists(st.tuples(st.booleans(), st.integers(1, 99), st.integers(0, 3)), min_size=4, max_size=60),
    threshold=st.floats(0.05, 0.95),
)
@settings(max_examples=40, deadline=None)
def test_agrees_with_scikit_learn(name: str, cells: list[tuple[bool, int, int]], threshold: float) -> None:
    labels = np.array([int(cell[0]) for cell in cells] + [0, 1])
    probability = np.array([cell[1] for cell in cells] + [30, 70]) / 100
    weights = np.array([cell[2] for cell in cells] + [1, 1])
    found = Scored(labels, probability, threshold=threshold).metrics(weights)[name]
    assert found == pytest.approx(REFERENCES[name](labels, probability, weights, threshold), abs=1e-9)


def test_weights_are_repeated_rows() -> None:
    draw = np.random.default_rng(1)
    labels, probability, weights = draw.integers(0, 2, 200), draw.random(200), draw.integers(0, 4, 200)
    weighted = Scored(labels, probability, threshold=0.4).metrics(weights)
    repeated = point_metrics(np.repeat(labels, weights), np.repeat(probability, weights), threshold=0.4)
    assert weighted == pytest.approx(repeated)


def test_perfectly_calibrated_scores_have_no_error_and_shifted_ones_do() -> None:
    draw = np.random.default_rng(2)
    probability = draw.uniform(0.2, 0.6, 200_000)
    labels = (draw.random(200_000) < probability).astype(int)
    name = "expected_calibration_error"
    assert point_metrics(labels, probability, threshold=0.5)[name] < 0.01
    assert point_metrics(labels, probability + 0.2, threshold=0.5)[name] == pytest.approx(0.2, abs=0.01)


def test_threshold_of_best_f1_is_between_scores_and_best() -> None:
    draw = np.random.default_rng(3)
    probability = draw.integers(1, 50, 500) / 50
    labels = (draw.random(500) < probability).astype(int)
    threshold = best_f1_threshold(labels, probability)
    best = max(sk.f1_score(labels, probability >= cut) for cut in np.unique(probability))
    assert sk.f1_score(labels, probability >= threshold) == pytest.approx(best)
    assert threshold not in probability


def _scores(average: str) -> dict[str, Any]:
    """Metrics that are averages over the classes: of labels, called classes, probabilities and weights."""
    suffix = "" if average == "macro" else "_weighted"

    def of_calls(score: Any) -> Any:
        return lambda y, c, p, w: score(y, c, sample_weight=w, average=average, zero_division=0)

    def against_others(score: Any) -> Any:
        def measure(y: Any, c: Any, p: Any, w: Any) -> float:
            each = [score(y == code, p[:, code], sample_weight=w) for code in range(p.shape[1])]
            shares = None if average == "macro" else [w[y == code].sum() for code in range(p.shape[1])]
            return float(np.average(each, weights=shares))

        return measure

    return {
        f"precision{suffix}": of_calls(sk.precision_score),
        f"recall{suffix}": of_calls(sk.recall_score),
        f"f1{suffix}": of_calls(sk.f1_score),
        f"roc_auc{suffix}": against_others(sk.roc_auc_score),
        f"pr_auc{suffix}": against_others(sk.average_precision_score),
    }


def _top(k: int) -> Any:
    return lambda y, c, p, w: sk.top_k_accuracy_score(y, p, k=k, sample_weight=w, labels=range(p.shape[1]))


OF_CLASSES: dict[str, Any] = {
    "accuracy": lambda y, c, p, w: sk.accuracy_score(y, c, sample_weight=w),
    "balanced_accuracy": lambda y, c, p, w: sk.balanced_accuracy_score(y, c, sample_weight=w),
    **_scores("macro"),
    **_scores("weighted"),
    "log_loss": lambda y, c, p, w: sk.log_loss(y, p, sample_weight=w, labels=range(p.shape[1])),
    "brier": lambda y, c, p, w: sk.brier_score_loss(
        y, p, sample_weight=w, labels=range(p.shape[1]), scale_by_half=True
    ),
    **{f"top_{k}_accuracy": _top(k) for k in (2, 3, 5)},
}


@given(
    cells=st.lists(
        st.tuples(st.integers(0, 5), st.lists(st.integers(1, 9), min_size=6, max_size=6), st.integers(0, 3)),
        min_size=1, max_size=40,
    )
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_metrics_of_six_classes_agree_with_scikit_learn(cells: list[tuple[int, list[int], int]]) -> None:
    labels = np.array([cell[0] for cell in cells] + list(range(6)))
    counts = np.array([cell[1] for cell in cells] + [[9, 1, 2, 3, 4, 5]] * 6, dtype=float)
    probability = counts / counts.sum(axis=1, keepdims=True)
    weights = np.array([cell[2] for cell in cells] + [1] * 6)
    found = Scored(labels, probability, threshold=0.5).metrics(weights)
    assert set(found) == set(metric_names(6)) == {*OF_CLASSES, "expected_calibration_error"}
    called = probability.argmax(axis=1)
    for name, reference in OF_CLASSES.items():
        assert found[name] == pytest.approx(reference(labels, called, probability, weights), abs=1e-9), name


def _three(rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(5)
    labels = draw.choice(3, rows, p=[0.7, 0.25, 0.05])
    return labels, draw.dirichlet([1, 1, 1], rows) * 0.5 + np.eye(3)[labels] * 0.5


def test_a_class_without_rows_is_left_out_of_the_averages() -> None:
    labels, probability = _three()
    kept = labels < 2
    found = point_metrics(labels[kept], probability[kept], threshold=0.5)
    called = probability[kept].argmax(axis=1)
    assert found["recall"] == pytest.approx(sk.recall_score(labels[kept], called, average="macro", labels=[0, 1]))
    assert not any(np.isnan(value) for value in found.values())
    weights = (labels < 2).astype(int)
    weighted = Scored(labels, probability, threshold=0.5).metrics(weights)
    assert weighted == pytest.approx(found)


def test_rows_of_one_class_leave_ranks_undefined() -> None:
    _, probability = _three(30)
    found = point_metrics(np.zeros(30, dtype=int), probability, threshold=0.5)
    assert np.isnan(found["roc_auc"])
    assert found["pr_auc"] == 1


@pytest.mark.parametrize("classes", [2, 3])
def test_metrics_by_class(classes: int) -> None:
    labels, probability = _three()
    if classes == 2:
        labels, probability = (labels == 1).astype("int8"), probability[:, 1]
    found = class_metrics(labels, probability, threshold=0.4)
    called = (probability >= 0.4).astype(int) if classes == 2 else probability.argmax(axis=1)
    precision, recall, f1, rows = sk.precision_recall_fscore_support(labels, called, zero_division=0)
    for name, expected in {"precision": precision, "recall": recall, "f1": f1, "rows": rows}.items():
        assert found[name] == pytest.approx(expected), name
    of_each = np.column_stack([1 - probability, probability]) if classes == 2 else probability
    for code in range(classes):
        assert found["roc_auc"][code] == pytest.approx(sk.roc_auc_score(labels == code, of_each[:, code]))
        assert found["pr_auc"][code] == pytest.approx(sk.average_precision_score(labels == code, of_each[:, code]))
        binary = point_metrics((labels == code).astype(int), of_each[:, code], threshold=0.5)
        assert found["expected_calibration_error"][code] == pytest.approx(binary["expected_calibration_error"])


@pytest.mark.parametrize("name", metric_names(3))
def test_one_metric_alone_is_the_same(name: str) -> None:
    labels, probability = _three()
    every = point_metrics(labels, probability, threshold=0.5)
    assert point_metric(name, labels, probability, threshold=0.5) == pytest.approx(every[name], abs=1e-12)


def test_names_of_metrics_are_those_of_the_problem_file() -> None:
    assert metric_names(2) == METRICS
    assert set(metric_names(6)) == set(get_args(Metric))
    assert set(metric_names(6)) - set(metric_names(2)) == MULTICLASS_METRICS
    assert "top_3_accuracy" not in metric_names(3)
