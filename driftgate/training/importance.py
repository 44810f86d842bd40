"""How much the model uses each column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.config import LOWER_IS_BETTER, Problem
from driftgate.training.metrics import point_metric
from driftgate.training.modelling import predict_probability
from driftgate.training.workers import run_tasks

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SAMPLE_ROWS = 5_000
REPEATS = 3
WIDE = 200  # with more columns, fewer rows and one repeat: the work grows with the square of their number
LEAST_SAMPLE = 500
CHUNKS = 32  # the columns are shared among so many tasks, so that the model isn't copied for each column
LEAST_OF_CLASS = 10


class Importance(BaseModel):
    """The effect of shuffling a column: mean `loss` of the tuning metric, its `spread`, and `effect` on the probability."""

    model_config = ConfigDict(frozen=True)

    loss: float
    spread: float
    effect: float


def importances(
    model: Any, features: pd.DataFrame, labels: np.ndarray, problem: Problem, *, threshold: float
) -> dict[str, Importance]:
    """Permutation importance (Breiman 2001): loss of the metric and change of the probability if one column is shuffled.

    Args:
        model: The fitted pipeline.
        features: Holdout rows; a seeded sample of `SAMPLE_ROWS` of them is used, and up to `LEAST_OF_CLASS` of each class.
            With more than `WIDE` columns the sample is smaller, and each column is shuffled once.
        labels: Codes of the classes, of shape (n,).
        problem: Gives the metric and the seed.
        threshold: Decision threshold of the model.

    Returns:
        For each column, the most important first: mean loss of the metric and its standard deviation over the repeats,
        and the mean absolute change of a row's probability. With three classes or more, the change is half of the sum over
        the classes, which is the same for two.
    """
    import numpy as np

    draw = np.random.default_rng(problem.seed)
    names = problem.contract.features
    wide = len(names) > WIDE
    most = max(LEAST_SAMPLE, SAMPLE_ROWS * WIDE // len(names)) if wide else SAMPLE_ROWS
    at = _sample(draw.permutation(len(labels)), labels, most=most)
    rows, truth = features.iloc[at], labels[at]
    metric = problem.tuning.metric
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0

    def score(probability: np.ndarray) -> float:
        return sign * point_metric(metric, truth, probability, threshold=threshold)

    before = predict_probability(model, rows)
    base = score(before)
    orders = {name: [draw.permutation(len(rows)) for _ in range(1 if wide else REPEATS)] for name in names}
    size = -(-len(names) // CHUNKS)
    chunks = [{name: orders[name] for name in names[start : start + size]} for start in range(0, len(names), size)]
    results = run_tasks(_shuffled, [(model, rows, chunk) for chunk in chunks], work=0)
    result = {}
    for name, shuffled in (pair for found in results for pair in found.items()):
        losses = [base - score(after) for after in shuffled]
        moved = [_moved(before, after) for after in shuffled]
        result[name] = Importance(
            loss=float(np.mean(losses)), spread=float(np.std(losses)), effect=float(np.mean(moved))
        )
    return dict(sorted(result.items(), key=lambda item: -item[1].loss))


def _sample(order: np.ndarray, labels: np.ndarray, *, most: int) -> np.ndarray:
    """The positions of the sample: the first rows of a random order, and the first ones of each class."""
    import numpy as np

    taken = [order[:most]]
    if len(order) > most:
        taken += [order[labels[order] == code][:LEAST_OF_CLASS] for code in np.unique(labels)]
    return np.unique(np.concatenate(taken))


def _moved(before: np.ndarray, after: np.ndarray) -> float:
    """Mean absolute change of a row's probability; with three classes or more, of the total variation distance."""
    import numpy as np

    change = np.abs(after - before)
    return float(change.mean() if change.ndim == 1 else change.sum(axis=1).mean() / 2)


def _shuffled(model: Any, rows: pd.DataFrame, orders: dict[str, list[np.ndarray]]) -> dict[str, list[np.ndarray]]:
    """For each column, the probabilities of the rows with this column shuffled, for each of its orders."""
    shuffled = rows.copy()
    found: dict[str, list[np.ndarray]] = {}
    for name, given in orders.items():
        found[name] = []
        for order in given:
            shuffled[name] = rows[name].to_numpy()[order]
            found[name].append(predict_probability(model, shuffled))
        shuffled[name] = rows[name]
    return found
