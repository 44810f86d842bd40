"""Transformers that give the same float32 values as their exported form."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler, TargetEncoder


class ExactTargetEncoder(TargetEncoder):
    """scikit-learn's target encoder; the encodings that it predicts with are rounded to float32.

    The exported model holds float32. Without rounding, two encodings that are equal as float32 could be on different sides
    of a tree's split here, and on the same side there.
    """

    encodings_: Any
    target_mean_: Any

    def _fit_encodings_all(self, X: Any, y: Any) -> Any:
        found = super()._fit_encodings_all(X, np.asarray(y, dtype=np.int64))  # int8 fails with three classes or more
        self.encodings_ = [_rounded(values) for values in self.encodings_]
        self.target_mean_ = _rounded(self.target_mean_)
        return found


class ExactScaler(StandardScaler):
    """scikit-learn's scaler, which computes in float64 and rounds its results to float32.

    With a mean of a million and a deviation of one, float32 would lose the fourth digit.
    """

    def fit(self, X: Any, y: Any = None) -> ExactScaler:
        super().fit(np.asarray(X, dtype=np.float64), y)
        return self

    def transform(self, X: Any) -> Any:
        return _rounded(super().transform(np.asarray(X, dtype=np.float64)))


def _rounded(values: Any) -> Any:
    return np.float64(np.float32(values))
