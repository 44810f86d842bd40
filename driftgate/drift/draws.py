"""Metrics of labels drawn from probabilities of three classes or more; many draws are quick.

With labels of weight 1, the ROC AUC and the average precision of a class against the others follow from the ranks of its own
rows, which don't change between draws. So one draw costs one pass over the rows and one sort, whatever the number of
classes. The definitions are those of `driftgate.training.metrics`; a test compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftgate.training.metrics import TOP, WEIGHTED, average_of, metric_names, ratios_of

if TYPE_CHECKING:
    import numpy as np


class Draws:
    """Probabilities, prepared for the metrics of many sets of labels.

    Args:
        probability: Of each class, of shape (n, classes).
    """

    def __init__(self, probability: np.ndarray) -> None:
        import numpy as np

        self.rows, self.classes = probability.shape
        self.probability = probability.astype(np.float64)
        self.called = probability.argmax(axis=1)
        self.called_rows = np.bincount(self.called, minlength=self.classes)
        # How many classes rank before each class; of equal ones, the later ranks first, as in scikit-learn.
        order = self.classes - 1 - np.argsort(-probability[:, ::-1], axis=1, kind="stable")
        self.rank = np.argsort(order, axis=1)
        self.squares = (self.probability**2).sum(axis=1)
        self.below, self.equal = np.empty((2, *probability.shape), dtype=np.int64)
        for code in range(self.classes):
            _, group, sizes = np.unique(probability[:, code], return_inverse=True, return_counts=True)
            self.below[:, code] = (np.cumsum(sizes) - sizes)[group]
            self.equal[:, code] = sizes[group]

    def simulate(self, number: int, *, seed: int) -> list[dict[str, float]]:
        """The metrics of labels drawn from the probabilities, for a number of draws."""
        import numpy as np

        draw = np.random.default_rng(seed)
        steps: np.ndarray = np.cumsum(self.probability / self.probability.sum(axis=1, keepdims=True), axis=1)
        return [self.metrics((steps[:, :-1] <= draw.random((self.rows, 1))).sum(axis=1)) for _ in range(number)]

    def expected(self) -> dict[str, float]:
        """The expected value of the metrics that are means over the rows."""
        import numpy as np

        ascending: np.ndarray = np.sort(self.probability, axis=1)
        sorted_down = ascending[:, ::-1]
        log_loss = -1.0 * (self.probability * np.log(np.clip(self.probability, 1e-15, 1.0))).sum(axis=1)
        found = {
            "accuracy": float(sorted_down[:, 0].mean()),
            "log_loss": float(log_loss.mean()),
            "brier": float((1 - self.squares).mean() / 2),
        }
        top = {f"top_{k}_accuracy": float(sorted_down[:, :k].sum(axis=1).mean()) for k in TOP if k < self.classes}
        return found | top

    def metrics(self, labels: np.ndarray) -> dict[str, float]:
        """The metrics of `metric_names` but the calibration error, for one set of labels.

        Args:
            labels: Codes of the classes, int64 of shape (n,).
        """
        import numpy as np

        at = np.arange(self.rows)
        of_truth, right = self.probability[at, labels], self.called == labels
        support = np.bincount(labels, minlength=self.classes).astype(np.float64)
        hits = np.bincount(labels[right], minlength=self.classes)
        found = {
            "precision": ratios_of(hits, self.called_rows),
            "recall": ratios_of(hits, support),
            "f1": ratios_of(2 * hits, self.called_rows + support),
            "roc_auc": self._roc_auc(labels, support),
            "pr_auc": self._average_precision(labels, support),
        }
        result = {
            "accuracy": float(right.mean()),
            "balanced_accuracy": average_of(found["recall"], support > 0),
            **{name: average_of(found[name], support > 0) for name in WEIGHTED},
            "log_loss": float(-np.log(np.clip(of_truth, 1e-15, 1.0)).mean()),
            "brier": float((self.squares - 2 * of_truth + 1).mean() / 2),
            **{f"{name}_weighted": average_of(found[name], support) for name in WEIGHTED},
            **{f"top_{k}_accuracy": float((self.rank[at, labels] < k).mean()) for k in TOP},
        }
        return {name: result[name] for name in metric_names(self.classes) if name in result}

    def _roc_auc(self, labels: np.ndarray, support: np.ndarray) -> np.ndarray:
        """Pairs that a class's rows win against the others: all that they win, but those among themselves."""
        import numpy as np

        at = np.arange(self.rows)
        won = self.below[at, labels] + self.equal[at, labels] / 2
        wins = np.bincount(labels, weights=won, minlength=self.classes) - support**2 / 2
        pairs = support * (self.rows - support)
        found: np.ndarray = np.divide(wins, pairs, out=np.full(self.classes, np.nan), where=pairs > 0)
        return found

    def _average_precision(self, labels: np.ndarray, support: np.ndarray) -> np.ndarray:
        """The mean, over the rows of a class, of the precision among the rows with at least the same score."""
        import numpy as np

        below = self.below[np.arange(self.rows), labels]
        place = np.sort(labels * np.int64(self.rows + 1) + below)  # by class, then by score
        code, below = place // (self.rows + 1), place % (self.rows + 1)
        first = np.flatnonzero(np.append(True, place[1:] != place[:-1]))
        first_equal = np.repeat(first, np.diff(np.append(first, self.rows)))
        own = np.cumsum(support)[code] - first_equal  # rows of the class with at least this score
        total = np.bincount(code, weights=own / (self.rows - below), minlength=self.classes)
        found: np.ndarray = np.divide(total, support, out=np.full(self.classes, np.nan), where=support > 0)
        return found
