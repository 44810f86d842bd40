"""Probabilities of classes, as arrays and as columns of tables.

Two classes: one number a row, the probability of the positive class; arrays of shape (n,), and one column `prediction`.
Three classes or more: one number for each class, in the order of `target.classes`; arrays of shape (n, classes), and one
column for each class, `prediction 0` and so on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from driftgate.contract import PREDICTION

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

OF_CLASS = re.compile(rf"{PREDICTION} [0-9]+")


def prediction_columns(classes: int) -> list[str]:
    """The names of the columns that hold probabilities, for a number of classes."""
    return [PREDICTION] if classes == 2 else [f"{PREDICTION} {code}" for code in range(classes)]


def as_columns(probability: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of a table for probabilities of shape (n,) or (n, classes)."""
    if probability.ndim == 1:
        return {PREDICTION: probability}
    return {name: probability[:, code] for code, name in enumerate(prediction_columns(probability.shape[1]))}


def probability_of(frame: pd.DataFrame) -> np.ndarray:
    """The probabilities that the columns of a table hold; of shape (n,) or (n, classes)."""
    if PREDICTION in frame:
        return frame[PREDICTION].to_numpy()
    names = [name for name in map(str, frame) if OF_CLASS.fullmatch(name)]
    names.sort(key=lambda name: int(name.split()[1]))
    return frame[names].to_numpy()


def of_every_class(probability: np.ndarray) -> np.ndarray:
    """Probabilities of shape (n, classes), also for two classes: negative, positive."""
    import numpy as np

    return np.column_stack([1 - probability, probability]) if probability.ndim == 1 else probability


def predicted(probability: np.ndarray, *, threshold: float) -> np.ndarray:
    """The code of the predicted class of each row; int64 of shape (n,).

    Args:
        probability: Of shape (n,) or (n, classes).
        threshold: For two classes: the probability from which the positive class is predicted. With more, the most
            probable class is predicted.
    """
    return (probability >= threshold).astype("int64") if probability.ndim == 1 else probability.argmax(axis=1)
