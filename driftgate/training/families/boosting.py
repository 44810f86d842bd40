"""XGBoost's classifier with class weights, and for labels of any kind.

XGBoost needs labels 0, 1, … without gaps, but a fold may lack rows of a rare class.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from xgboost import XGBClassifier

from driftgate.training.families.weights import sample_weight


class XGBoost(XGBClassifier):
    """XGBoost.

    Args:
        class_weight: `balanced` weighs each class by the inverse of its number of rows.
        settings: Those of `XGBClassifier`.
    """

    def __init__(self, *, class_weight: str | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.class_weight = class_weight

    def get_xgb_params(self) -> dict[str, Any]:
        """The parameters of XGBoost itself, which has no class weights."""
        parameters: dict[str, Any] = super().get_xgb_params()
        parameters.pop("class_weight", None)
        return parameters

    _labels: np.ndarray | None = None

    @property
    def classes_(self) -> np.ndarray:
        """The labels, in the order of the probabilities."""
        return np.arange(self.n_classes_) if self._labels is None else self._labels

    def fit(self, X: Any, y: Any, *, eval_set: Any = None, **options: Any) -> XGBoost:
        """Fit to labels of any kind; those of `eval_set` must be among them."""
        labels, codes = np.unique(y, return_inverse=True)
        if eval_set is not None:
            eval_set = [(rows, np.searchsorted(labels, truth)) for rows, truth in eval_set]
        self._labels = None  # the base class compares `classes_` with the codes
        weight = sample_weight(y, self.class_weight)
        super().fit(X, codes, eval_set=eval_set, sample_weight=weight, verbose=False, **options)
        self._labels = labels
        return self

    def predict(self, X: Any, **options: Any) -> Any:
        """The most probable label of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
