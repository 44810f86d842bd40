"""How much the model uses each column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.config import LOWER_IS_BETTER, Problem
from driftgate.training.metrics import point_metrics
from driftgate.training.modelling import predict_probability
from driftgate.training.workers import run_tasks

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SAMPLE_ROWS = 5_000
REPEATS = 3


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
        features: Holdout rows; a seeded sample of `SAMPLE_ROWS` of them is used.
        labels: 0 or 1, of shape (n,).
        problem: Gives the metric and the seed.
        threshold: Decision threshold of the model.

    Returns:
        For each column, the most important first: mean loss of the metric and its standard deviation over the repeats,
        and the mean absolute change of a row's probability.
    """
    import numpy as np

    draw = np.random.default_rng(problem.seed)
    at = np.sort(draw.permutation(len(labels))[:SAMPLE_ROWS])
    rows, truth = features.iloc[at], labels[at]
    metric = problem.tuning.metric
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0

    def score(probability: np.ndarray) -> float:
        return sign * point_metrics(truth, probability, threshold=threshold)[metric]

    before = predict_probability(model, rows)
    base = score(before)
    names = problem.contract.features
    orders = [[draw.permutation(len(rows)) for _ in range(REPEATS)] for _ in names]
    calls = [(model, rows, name, order) for name, order in zip(names, orders, strict=True)]
    result = {}
    for name, shuffled in zip(names, run_tasks(_shuffled, calls, work=0), strict=True):
        losses = [base - score(after) for after in shuffled]
        moved = [float(np.abs(after - before).mean()) for after in shuffled]
        result[name] = Importance(
            loss=float(np.mean(losses)), spread=float(np.std(losses)), effect=float(np.mean(moved))
        )
    return dict(sorted(result.items(), key=lambda item: -item[1].loss))


def _shuffled(model: Any, rows: pd.DataFrame, name: str, orders: list[np.ndarray]) -> list[np.ndarray]:
    """The probabilities of the rows with one column shuffled, for each order."""
    return [predict_probability(model, rows.assign(**{name: rows[name].to_numpy()[order]})) for order in orders]
