"""How much the model uses each column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.config import LOWER_IS_BETTER, Problem
from driftgate.training.metrics import point_metrics
from driftgate.training.modelling import positive_probability

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SAMPLE_ROWS = 5_000
REPEATS = 3


class Importance(BaseModel):
    """What shuffling a column does: `loss` of the tuning metric, its `spread`, and `effect` on the probability."""

    model_config = ConfigDict(frozen=True)

    loss: float
    spread: float
    effect: float


def importances(
    model: Any, features: pd.DataFrame, labels: np.ndarray, problem: Problem, *, threshold: float
) -> dict[str, Importance]:
    """Permutation importance (Breiman 2001): what is lost, and moved, when one column is shuffled.

    Args:
        model: The fitted pipeline.
        features: Holdout rows; a seeded sample of `SAMPLE_ROWS` of them is used.
        labels: 0 or 1, of shape (n,).
        problem: Gives the metric and the seed.
        threshold: Of the decision.

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

    before = positive_probability(model, rows)
    base = score(before)
    result = {}
    for name in problem.contract.features:
        losses, moved = [], []
        for _ in range(REPEATS):
            shuffled = rows.copy()
            shuffled[name] = rows[name].to_numpy()[draw.permutation(len(rows))]
            after = positive_probability(model, shuffled)
            losses.append(base - score(after))
            moved.append(float(np.abs(after - before).mean()))
        result[name] = Importance(
            loss=float(np.mean(losses)), spread=float(np.std(losses)), effect=float(np.mean(moved))
        )
    return dict(sorted(result.items(), key=lambda item: -item[1].loss))
