"""The decision threshold for two classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftgate.config import Costs, Problem

if TYPE_CHECKING:
    import numpy as np

UNUSED = 0.5  # with three classes or more, the most probable class is predicted


def choose_threshold(labels: np.ndarray, probability: np.ndarray, problem: Problem) -> float:
    """The threshold that the problem file asks for; `max_f1` and `min_cost` are chosen on the given rows."""
    if not problem.target.binary:
        return UNUSED
    if problem.threshold == "max_f1":
        return best_f1_threshold(labels, probability)
    if problem.threshold == "min_cost":
        assert problem.costs
        return lowest_cost_threshold(labels, probability, problem.costs)
    return problem.threshold


def lowest_cost_threshold(labels: np.ndarray, probability: np.ndarray, costs: Costs) -> float:
    """The threshold with the lowest total cost, half way between two neighbouring scores (Elkan 2001).

    Args:
        labels: 0 or 1, of shape (n,).
        probability: Probability of the positive class, of shape (n,).
        costs: The cost of each kind of prediction.
    """
    import numpy as np

    order = np.argsort(-probability, kind="stable")
    score, truth = probability[order], labels[order]
    # The cost of calling the first k rows positive, less that of calling none.
    change = np.where(
        truth == 1, costs.true_positive - costs.false_negative, costs.false_positive - costs.true_negative
    )
    total = np.append(0.0, np.cumsum(change))
    allowed = np.append(True, np.append(score[:-1] != score[1:], True))
    at = int(np.argmin(np.where(allowed, total, np.inf)))
    above = score[at - 1] if at else 1.0
    below = score[at] if at < len(score) else 0.0
    return float(np.clip((above + below) / 2, 1e-6, 1 - 1e-6))


def best_f1_threshold(labels: np.ndarray, probability: np.ndarray) -> float:
    """The threshold with the best F1, half way between two neighbouring scores, so that rounding can't cross it.

    Args:
        labels: 0 or 1, of shape (n,).
        probability: Probability of the positive class, of shape (n,).
    """
    import numpy as np

    order = np.argsort(-probability, kind="stable")
    score, hits = probability[order], np.cumsum(labels[order])
    last_of_its_score = np.append(score[:-1] != score[1:], True)
    f1 = 2 * hits / (np.arange(1, len(score) + 1) + hits[-1])
    at = int(np.argmax(np.where(last_of_its_score, f1, -1.0)))
    below = score[at + 1] if at + 1 < len(score) else 0.0
    return float((score[at] + below) / 2)
