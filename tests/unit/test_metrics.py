"""Our weighted metrics are scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from driftgate.training.metrics import Scored, point_metrics
from driftgate.training.tuning import best_f1_threshold

REFERENCES = {
    "accuracy": lambda y, p, w, t: sk.accuracy_score(y, p >= t, sample_weight=w),
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
