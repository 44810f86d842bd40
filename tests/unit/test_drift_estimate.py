"""Performance without labels: right where probabilities are calibrated, and contradicted by labels where not."""

import numpy as np
import pandas as pd
import pytest

from driftgate.contract import LABEL, PREDICTION
from driftgate.drift.estimate import ESTIMATED, LEAST_ROWS, expect, expected_metrics, spread_of
from driftgate.training.metrics import point_metrics


def _probability(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).beta(1.5, 3, rows)


def _labels(probability: np.ndarray, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(len(probability)) < probability).astype(int)


def test_expected_metrics_are_those_of_many_draws() -> None:
    probability = _probability(2_000, 0)
    drawn = [point_metrics(_labels(probability, seed), probability, threshold=0.4) for seed in range(300)]
    expected = expected_metrics(probability, threshold=0.4)
    for name in ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier"):
        assert expected[name] == pytest.approx(np.mean([metrics[name] for metrics in drawn]), abs=0.004), name


def test_interval_holds_the_realised_value_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(100):
        probability = _probability(1_000, seed)
        found = expect(
            probability, labels=_labels(probability, 1_000 + seed), threshold=0.4, spread={}, confidence=0.95, seed=0
        )
        inside += found["roc_auc"].inside
    assert 89 <= inside <= 100  # 95 of 100; fewer than 89 has probability 0.004


def test_concept_drift_is_surprising_and_a_changed_mix_is_not() -> None:
    probability = _probability(5_000, 1)
    harder = probability[(probability > 0.2) & (probability < 0.6)]
    mixed = expect(harder, labels=_labels(harder, 2), threshold=0.4, spread={}, confidence=0.99, seed=0)["roc_auc"]
    assert mixed.inside
    turned = _labels(0.5 * probability + 0.17, 3)
    drifted = expect(probability, labels=turned, threshold=0.4, spread={}, confidence=0.99, seed=0)["roc_auc"]
    assert not drifted.inside
    assert drifted.realised is not None
    assert drifted.realised.value < drifted.estimate.low


def test_few_labels_among_many_rows_are_all_looked_at() -> None:
    """The sample of the rows would hold a tenth of them."""
    probability = _probability(200_000, 8)
    labels = np.full(len(probability), np.nan)
    labels[:400] = 1 - _labels(probability, 9)[:400]
    found = expect(probability, labels=labels, threshold=0.4, spread={}, confidence=0.99, seed=0)["roc_auc"]
    assert found.labelled == 400
    assert found.realised is not None
    assert not found.inside


def test_errors_of_the_past_widen_the_interval() -> None:
    times = pd.date_range("2021-01-01", periods=7_000, freq="1h")
    probability = _probability(7_000, 4)
    wrong = np.clip(probability + 0.15 * np.sign(np.sin(np.arange(7_000) / 500)), 0, 1)
    table = pd.DataFrame({PREDICTION: probability, LABEL: _labels(wrong, 5), "at": times})
    spread = spread_of(table, "at", threshold=0.4, window_days=7)
    honest = spread_of(table.assign(**{LABEL: _labels(probability, 6)}), "at", threshold=0.4, window_days=7)
    assert spread["accuracy"].windows == 42
    assert spread["accuracy"].error > 0.04 > honest["accuracy"].error
    batch = _probability(2_000, 7)
    wide, narrow = (
        expect(batch, labels=None, threshold=0.4, spread=past, confidence=0.95, seed=0)["accuracy"].estimate
        for past in (spread, {})
    )
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_too_few_rows_say_nothing() -> None:
    few = _probability(LEAST_ROWS - 1, 8)
    assert expect(few, labels=None, threshold=0.4, spread={}, confidence=0.95, seed=0) == {}


def test_labels_of_one_class_leave_the_estimate() -> None:
    probability = _probability(500, 9)
    labels = np.zeros(500, dtype=int)
    found = expect(probability, labels=labels, threshold=0.4, spread={}, confidence=0.95, seed=0)
    assert set(found) == set(ESTIMATED)
    assert found["accuracy"].realised is None


def test_the_labels_that_are_there_are_used() -> None:
    probability = _probability(4_000, 3)
    labels = (np.random.default_rng(4).random(4_000) < probability).astype(float)
    labels[1_000:] = np.nan
    found = expect(probability, labels=labels, threshold=0.4, spread={}, confidence=0.95, seed=0)["roc_auc"]
    assert found.labelled == 1_000
    assert found.realised is not None
    assert found.realised.value == pytest.approx(
        point_metrics(labels[:1_000], probability[:1_000], threshold=0.4)["roc_auc"]
    )
    assert found.inside


def test_too_few_labels_leave_the_estimate_alone() -> None:
    labels = np.full(500, np.nan)
    labels[: LEAST_ROWS - 1] = np.arange(LEAST_ROWS - 1) % 2
    found = expect(_probability(500, 9), labels=labels, threshold=0.4, spread={}, confidence=0.95, seed=0)
    assert all(value.realised is None and value.inside for value in found.values())
