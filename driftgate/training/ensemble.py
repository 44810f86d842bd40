"""The mean of several models as one estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, ClassifierMixin

from driftgate.training.modelling import fit

if TYPE_CHECKING:
    import numpy as np


class AverageOfModels(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The mean of the probabilities of several pipelines, each with the same weight.

    `sklearn.ensemble.VotingClassifier` does the same, but it encodes the labels anew and can't be made of fitted models.

    Args:
        models: Pipelines of `build_model`, fitted on the same classes or not fitted yet.
    """

    def __init__(self, models: Sequence[Any]) -> None:
        self.models = models

    def fit(self, features: Any, labels: np.ndarray) -> AverageOfModels:
        for model in self.models:
            fit(model, features, labels)
        return self

    @property
    def classes_(self) -> np.ndarray:
        classes: np.ndarray = self.models[0].classes_
        return classes

    def predict_proba(self, features: Any) -> np.ndarray:
        """Probability of each class, float64 of shape (n, classes)."""
        total = sum(model.predict_proba(features).astype("float64") for model in self.models)
        mean: np.ndarray = total / len(self.models)
        return mean

    def predict(self, features: Any) -> np.ndarray:
        """The most probable class of each row."""
        found: np.ndarray = self.classes_[self.predict_proba(features).argmax(axis=1)]
        return found

    def __sklearn_is_fitted__(self) -> bool:
        return all(hasattr(model, "classes_") for model in self.models)
