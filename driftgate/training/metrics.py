"""Metrics of binary classification with row weights: the same code computes a value and its bootstrap.

To resample n rows with replacement is to give each row a whole-number weight. The scores are sorted once, and each
resample then takes one pass. The tests compare every metric with scikit-learn.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

METRICS = (
    "accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "brier",
    "expected_calibration_error",
)
CALIBRATION_BINS = 15


class Scored:
    """Labels and probabilities, sorted for weighted metrics.

    Args:
        labels: 0 or 1, of shape (n,).
        probability: Of the positive class, between 0 and 1, of shape (n,).
        threshold: A row whose probability is at least this counts as positive.
    """

    def __init__(self, labels: np.ndarray, probability: np.ndarray, *, threshold: float) -> None:
        import numpy as np

        self.order = np.argsort(probability, kind="stable")
        score = probability[self.order].astype(np.float64)
        self.truth = labels[self.order].astype(np.float64)
        self.first_of_score = np.flatnonzero(np.append(True, score[1:] != score[:-1]))
        self.first_called = int(np.searchsorted(score, threshold, side="left"))
        clipped = np.clip(score, 1e-15, 1 - 1e-15)
        self.log_loss = -np.where(self.truth == 1, np.log(clipped), np.log1p(-clipped))
        self.squared = (score - self.truth) ** 2
        self.bins = np.minimum((score * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
        self.surplus = score - self.truth

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Every metric of `METRICS`; NaN if the weighted rows lack a class.

        Args:
            weights: One weight per row, in the order of the given labels; None: all 1.
        """
        import numpy as np

        weight = np.ones(len(self.truth)) if weights is None else weights[self.order].astype(np.float64)
        total = weight.sum()
        # Weighted counts of each distinct score, ascending.
        positive = np.add.reduceat(weight * self.truth, self.first_of_score)
        negative = np.add.reduceat(weight, self.first_of_score) - positive
        positives, negatives = positive.sum(), negative.sum()
        called = weight[self.first_called :]
        hits = float(called @ self.truth[self.first_called :])
        false_alarms = float(called.sum()) - hits
        misses = positives - hits
        gaps = np.bincount(self.bins, weights=weight * self.surplus, minlength=CALIBRATION_BINS)
        return {
            "accuracy": float((total - false_alarms - misses) / total),
            "precision": _ratio(hits, hits + false_alarms),
            "recall": _ratio(hits, positives),
            "f1": _ratio(2 * hits, 2 * hits + false_alarms + misses),
            "roc_auc": _roc_auc(positive, negative, positives * negatives),
            "pr_auc": _average_precision(positive, negative, positives),
            "log_loss": float(weight @ self.log_loss / total),
            "brier": float(weight @ self.squared / total),
            "expected_calibration_error": float(np.abs(gaps).sum() / total),
        }


def point_metrics(labels: np.ndarray, probability: np.ndarray, *, threshold: float) -> dict[str, float]:
    """Every metric of `METRICS`, each row with weight 1."""
    return Scored(labels, probability, threshold=threshold).metrics()


def wilson_interval(share: float, rows: int, *, confidence: float) -> tuple[float, float]:
    """Confidence interval of a share observed on `rows` rows (Wilson 1927)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre, scale = share + z * z / (2 * rows), 1 + z * z / rows
    margin = z * float((share * (1 - share) / rows + z * z / (4 * rows * rows)) ** 0.5)
    return float((centre - margin) / scale), float((centre + margin) / scale)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0


def _roc_auc(positive: np.ndarray, negative: np.ndarray, pairs: float) -> float:
    """Share of pairs in which the positive row scores higher; a tie counts half (Mann and Whitney 1947)."""
    import numpy as np

    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs) if pairs > 0 else float("nan")


def _average_precision(positive: np.ndarray, negative: np.ndarray, positives: float) -> float:
    """Precision at each distinct score, weighted by the recall it adds."""
    import numpy as np

    if positives <= 0:
        return float("nan")
    hits = np.cumsum(positive[::-1])
    called = hits + np.cumsum(negative[::-1])
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    return float((precision * positive[::-1]).sum() / positives)
