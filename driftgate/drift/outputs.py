"""What a drift check watches besides the columns of a row: the target, and the output of the model.

Two classes: the label as 0 or 1, and the distribution of the probability. Three classes or more: the label and the
predicted class, each as one category, and the distribution of the probability of the predicted class. These are three
columns for any number of classes. A check of each class's probability would be one more chance of a false alarm for each
class, and the probabilities of a row depend on each other, because they sum to 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftgate.config import Problem
from driftgate.contract import PREDICTION
from driftgate.drift.counting import Layout
from driftgate.probability import predicted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

CONFIDENCE = "probability"  # of the predicted class; the contract reserves the name
# Not by the reference's own quantiles: it was made by other models than the one that ships, and a model that is sure of
# itself says nearly the same of many rows, another one nearly that.
PROBABILITY_EDGES = tuple(number / 20 for number in range(21))
UNKNOWN = "\0"  # no class has this name


def target_layout(problem: Problem) -> Layout:
    """The cells of the target."""
    return Layout(category=False, edges=(0.0, 1.0)) if problem.target.binary else _class_layout(problem)


def prediction_layouts(problem: Problem) -> dict[str, Layout]:
    """The cells of the model's output, by the name of its column."""
    probability = Layout(category=False, edges=PROBABILITY_EDGES)
    if problem.target.binary:
        return {PREDICTION: probability}
    named = {} if problem.target.column == CONFIDENCE else {CONFIDENCE: probability}
    return {PREDICTION: _class_layout(problem), **named}


def is_prediction(column: str, *, target: str) -> bool:
    """Whether a column of a profile is output of the model. The target of a problem may have the name `CONFIDENCE`."""
    return column == PREDICTION or (column == CONFIDENCE and column != target)


def target_values(frame: pd.DataFrame, problem: Problem) -> pd.Series[Any]:
    """The target as it is counted; missing where a row has no label."""
    import pandas as pd

    from driftgate.data.table import labels_of

    missing = frame[problem.target.column].isna().to_numpy()
    codes = labels_of(frame, problem)
    if problem.target.binary:
        return pd.Series(codes.astype(float)).mask(missing)
    return _class_values(codes, missing=missing, names=problem.target.class_names)


def prediction_values(probability: np.ndarray, problem: Problem) -> dict[str, pd.Series[Any]]:
    """The output of the model as it is counted, by the name of its column.

    Args:
        probability: Of shape (n,) or (n, classes).
        problem: Names the classes.
    """
    import pandas as pd

    if probability.ndim == 1:
        return {PREDICTION: pd.Series(probability)}
    sure = pd.Series(probability.max(axis=1))
    codes, names = predicted(probability, threshold=0.5), problem.target.class_names
    found = {PREDICTION: _class_values(codes, missing=sure.isna().to_numpy(), names=names), CONFIDENCE: sure}
    return {name: found[name] for name in prediction_layouts(problem)}


def _class_layout(problem: Problem) -> Layout:
    names = problem.target.class_names
    return Layout(category=True, named=names, known=tuple(sorted(names)))


def _class_values(codes: np.ndarray, *, missing: np.ndarray, names: Sequence[str]) -> pd.Series[Any]:
    import numpy as np
    import pandas as pd

    # The last category is a label that is none of the classes.
    place = np.where(missing, -1, np.where(codes < 0, len(names), codes))
    return pd.Series(pd.Categorical.from_codes(place.tolist(), pd.Index([*names, UNKNOWN])))
