"""Metrics of classification with row weights: the same code computes a value and its bootstrap.

To resample n rows with replacement is to give each row a whole-number weight. The scores are sorted once, with three
classes or more once for each class, and each resample then takes one pass. The tests compare every metric with
scikit-learn.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

from driftgate.config import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

WEIGHTED = ("precision", "recall", "f1", "roc_auc", "pr_auc")
RANKED = ("roc_auc", "pr_auc", "expected_calibration_error")
TOP = (2, 3, 5)
CALIBRATION_BINS = 15


def metric_names(classes: int) -> tuple[str, ...]:
    """The metrics that are computed for a number of classes.

    A top-k accuracy is left out where k is not below the number of classes: it would always be 1.
    """
    if classes == 2:
        return METRICS
    weighted = tuple(f"{name}_weighted" for name in WEIGHTED)
    return (*METRICS, *weighted, *(f"top_{k}_accuracy" for k in TOP if k < classes))


class Scored:
    """Labels and probabilities, prepared for weighted metrics.

    Args:
        labels: Codes of the classes, of shape (n,); 0 or 1 for two classes.
        probability: Between 0 and 1: of the positive class, of shape (n,), or of each class, of shape (n, classes).
        threshold: For two classes: a row whose probability is at least this counts as positive. With more, the most
            probable class is predicted.
    """

    def __init__(self, labels: np.ndarray, probability: np.ndarray, *, threshold: float) -> None:
        self._scored: _Binary | _Multiclass = (
            _Binary(labels, probability, threshold=threshold)
            if probability.ndim == 1
            else _Multiclass(labels, probability)
        )

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Every metric of `metric_names`; NaN where the weighted rows don't define it.

        With three classes or more, `precision`, `recall`, `f1`, `roc_auc` and `pr_auc` are macro averages over the classes
        that occur among the rows, and their `_weighted` forms average by the number of rows of each class.

        Args:
            weights: One weight per row, in the order of the given labels; None: all 1.
        """
        return self._scored.metrics(weights)

    def metric(self, name: str, weights: np.ndarray | None = None) -> float:
        """One metric; much quicker than all of them where it is a mean over the rows, such as the log loss."""
        import numpy as np

        values = self._scored.by_row.get(name)
        if values is None:
            return self._scored.metrics(weights)[name]
        return float(values.mean() if weights is None else _dot(weights.astype(np.float64), values) / weights.sum())


class _Binary:
    """Labels and probabilities of two classes, sorted by probability."""

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
        self.by_row = {"log_loss": self._unsorted(self.log_loss), "brier": self._unsorted(self.squared)}
        self.bins = np.minimum((score * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
        self.surplus = score - self.truth

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        import numpy as np

        weight = np.ones(len(self.truth)) if weights is None else weights[self.order].astype(np.float64)
        total = weight.sum()
        # Weighted counts of each distinct score, ascending.
        positive = np.add.reduceat(weight * self.truth, self.first_of_score)
        negative = np.add.reduceat(weight, self.first_of_score) - positive
        positives, negatives = positive.sum(), negative.sum()
        called = weight[self.first_called :]
        hits = _dot(called, self.truth[self.first_called :])
        false_alarms = float(called.sum()) - hits
        misses = positives - hits
        gaps = np.bincount(self.bins, weights=weight * self.surplus, minlength=CALIBRATION_BINS)
        return {
            "accuracy": float((total - false_alarms - misses) / total),
            "balanced_accuracy": _mean_ratio((hits, positives), (negatives - false_alarms, negatives)),
            "precision": _ratio(hits, hits + false_alarms),
            "recall": _ratio(hits, positives),
            "f1": _ratio(2 * hits, 2 * hits + false_alarms + misses),
            "roc_auc": _roc_auc(positive, negative, positives * negatives),
            "pr_auc": _average_precision(positive, negative, positives),
            "log_loss": float(_dot(weight, self.log_loss) / total),
            "brier": float(_dot(weight, self.squared) / total),
            "expected_calibration_error": float(np.abs(gaps).sum() / total),
        }

    def _unsorted(self, values: np.ndarray) -> np.ndarray:
        import numpy as np

        found = np.empty_like(values)
        found[self.order] = values
        return found


class _Multiclass:
    """Labels and probabilities of three classes or more; each class against the others is sorted once."""

    def __init__(self, labels: np.ndarray, probability: np.ndarray) -> None:
        import numpy as np

        self.classes = probability.shape[1]
        self.labels = labels.astype(np.int64)
        self.called = probability.argmax(axis=1)
        of_truth = probability[np.arange(len(labels)), self.labels][:, None]
        # How many classes rank before the true one; of equal ones, the later ranks first, as in scikit-learn.
        later = np.arange(self.classes) > self.labels[:, None]
        rank = ((probability > of_truth) | ((probability == of_truth) & later)).sum(axis=1)
        squared = (probability.astype(np.float64) ** 2).sum(axis=1)
        self.by_row = {
            "accuracy": (self.called == self.labels).astype(np.float64),
            "log_loss": -np.log(np.clip(of_truth[:, 0].astype(np.float64), 1e-15, 1.0)),
            "brier": (squared - 2 * of_truth[:, 0] + 1) / 2,
            **{f"top_{k}_accuracy": (rank < k).astype(np.float64) for k in TOP},
        }
        self._probability = probability
        self._against_others: list[_OneClass] = []

    @property
    def against_others(self) -> list[_OneClass]:
        """Each class against all others; sorted when first asked for."""
        if not self._against_others:
            codes = range(self.classes)
            self._against_others = [_OneClass(self.labels == code, self._probability[:, code]) for code in codes]
        return self._against_others

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        import numpy as np

        weight = np.ones(len(self.labels)) if weights is None else weights.astype(np.float64)
        means = {name: float(_dot(weight, values) / weight.sum()) for name, values in self.by_row.items()}
        found = self.by_class(weight)
        support = found["rows"]
        result = {
            **means,
            "balanced_accuracy": average_of(found["recall"], support > 0),
            **{name: average_of(found[name], support > 0) for name in WEIGHTED},
            "expected_calibration_error": float(found["expected_calibration_error"].mean()),
            **{f"{name}_weighted": average_of(found[name], support) for name in WEIGHTED},
        }
        return {name: result[name] for name in metric_names(self.classes)}

    def by_class(self, weight: np.ndarray) -> dict[str, np.ndarray]:
        """The metrics of each class against all others, by name; arrays of shape (classes,)."""
        import numpy as np

        ranked = np.array([one.measure(weight) for one in self.against_others])
        found = _decisions(self.labels, self.called, weight, classes=self.classes)
        return found | dict(zip(RANKED, ranked.T, strict=True))


class _OneClass:
    """One class against all others, sorted by its probability.

    Only the distinct scores of the class's own rows enter its ROC AUC and its average precision. So a resample needs the
    sum of the weights between each two of them, and the rest of the work is on the rows of the class.
    """

    def __init__(self, truth: np.ndarray, probability: np.ndarray) -> None:
        import numpy as np

        self.order = np.argsort(probability, kind="stable")
        score, truth = probability[self.order].astype(np.float64), truth[self.order]
        own = np.flatnonzero(truth)
        starts = np.flatnonzero(np.append(True, score[1:] != score[:-1]))
        group = np.searchsorted(starts, own, side="right") - 1  # of equal scores, of each row of the class
        self.own, self.first_of_group = self.order[own], np.flatnonzero(np.append(True, group[1:] != group[:-1]))
        group = group[self.first_of_group] if len(own) else own
        start, end = starts[group], np.append(starts, len(score))[group + 1]
        self.bounds = np.union1d([0], np.append(start, end[end < len(score)])).astype(np.int64)
        self.start, self.end = np.searchsorted(self.bounds, start), np.searchsorted(self.bounds, end)
        bins = np.minimum((score * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
        self.first_of_bin = np.flatnonzero(np.append(True, bins[1:] != bins[:-1]))
        self.surplus = score - truth
        self.below = np.zeros(len(self.bounds) + 1)

    def measure(self, weight: np.ndarray) -> tuple[float, float, float]:
        """ROC AUC, average precision and expected calibration error."""
        import numpy as np

        weight_of_row = weight[self.order]
        below = self.below  # the weight of all rows before each bound
        np.cumsum(np.add.reduceat(weight_of_row, self.bounds), out=below[1:])
        total = below[-1]
        gaps = np.add.reduceat(weight_of_row * self.surplus, self.first_of_bin)
        error = float(np.abs(gaps).sum() / total)
        if not len(self.own):
            return float("nan"), float("nan"), error
        own = np.add.reduceat(weight[self.own], self.first_of_group)
        own_below = np.cumsum(own) - own
        owns = float(own.sum())
        start = below[self.start]
        if owns <= 0:
            return float("nan"), float("nan"), error
        others_below, others_equal = start - own_below, below[self.end] - start - own
        pairs = owns * (total - owns)
        auc = float(_dot(own, others_below + others_equal / 2) / pairs) if pairs > 0 else float("nan")
        precision = ratios_of(owns - own_below, total - start)
        return auc, float(_dot(own, precision) / owns), error


def point_metrics(labels: np.ndarray, probability: np.ndarray, *, threshold: float) -> dict[str, float]:
    """Every metric of `metric_names`, each row with weight 1; arguments as for `Scored`."""
    return Scored(labels, probability, threshold=threshold).metrics()


def point_metric(metric: str, labels: np.ndarray, probability: np.ndarray, *, threshold: float) -> float:
    """One metric, each row with weight 1; much quicker than `point_metrics` where it is a mean over the rows."""
    return Scored(labels, probability, threshold=threshold).metric(metric)


def class_metrics(labels: np.ndarray, probability: np.ndarray, *, threshold: float) -> dict[str, np.ndarray]:
    """The metrics of each class against all others, by name; arrays of shape (classes,), arguments as for `Scored`.

    `rows` is the number of rows of each class. Where a class has no rows, `recall`, `roc_auc` and `pr_auc` are NaN.
    """
    import numpy as np

    weight = np.ones(len(labels))
    if probability.ndim == 2:
        found = _Multiclass(labels, probability).by_class(weight)
    else:
        called = (probability >= threshold).astype(np.int64)
        sides = (1 - labels, 1 - probability), (labels, probability)
        found = _decisions(labels, called, weight, classes=2)
        ranked = np.array([_OneClass(truth == 1, score).measure(weight) for truth, score in sides])
        found |= dict(zip(RANKED, ranked.T, strict=True))
    found["recall"] = np.where(found["rows"] > 0, found["recall"], np.nan)
    return found


def constant_metrics(rows: Sequence[int]) -> dict[str, float]:
    """The best value of each metric that a model reaches which ignores its inputs.

    Such a model gives every row the shares of the classes as probabilities, and predicts the same class for every row.

    Args:
        rows: The number of rows of each class; for two classes: negative, positive.
    """
    import numpy as np

    weight, classes = np.array(rows, dtype=np.float64), len(rows)
    share = np.tile(weight / weight.sum(), (classes, 1))
    labels = np.arange(classes)
    if classes > 2:
        return Scored(labels, share, threshold=0.5).metrics(weight)
    never, always = (Scored(labels, share[:, 1], threshold=cut).metrics(weight) for cut in (2.0, 0.0))
    return {name: max(never[name], always[name]) for name in METRICS}


def wilson_interval(share: float, rows: int, *, confidence: float) -> tuple[float, float]:
    """Confidence interval of a share observed on `rows` rows (Wilson 1927)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre, scale = share + z * z / (2 * rows), 1 + z * z / rows
    margin = z * float((share * (1 - share) / rows + z * z / (4 * rows * rows)) ** 0.5)
    return float((centre - margin) / scale), float((centre + margin) / scale)


def _dot(first: np.ndarray, second: np.ndarray) -> float:
    """The sum of products. BLAS would start threads for it, which wait for each other if the machine is busy."""
    import numpy as np

    return float(np.einsum("i,i->", first, second))


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0


def _decisions(labels: np.ndarray, called: np.ndarray, weight: np.ndarray, *, classes: int) -> dict[str, np.ndarray]:
    """Rows, precision, recall and F1 of each class, for the class that is predicted for each row."""
    import numpy as np

    rows = np.bincount(labels, weights=weight, minlength=classes)
    calls = np.bincount(called, weights=weight, minlength=classes)
    right = called == labels
    hits = np.bincount(labels[right], weights=weight[right], minlength=classes)
    return {
        "rows": rows,
        "precision": ratios_of(hits, calls),
        "recall": ratios_of(hits, rows),
        "f1": ratios_of(2 * hits, calls + rows),
    }


def ratios_of(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part by whole, 0 where the whole is 0; arrays of shape (n,)."""
    import numpy as np

    found: np.ndarray = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    return found


def _mean_ratio(*ratios: tuple[float, float]) -> float:
    """The mean of the ratios whose whole is not 0."""
    known = [part / whole for part, whole in ratios if whole > 0]
    return float(sum(known) / len(known)) if known else float("nan")


def average_of(values: np.ndarray, weight: np.ndarray) -> float:
    """The mean over the classes with a weight, of those whose value is known; NaN if there is none."""
    import numpy as np

    known = (weight > 0) & ~np.isnan(values)
    return float(np.average(values[known], weights=weight[known])) if known.any() else float("nan")


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
