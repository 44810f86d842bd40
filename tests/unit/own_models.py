"""An estimator and its ONNX converter, as a user would write them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin


class NearestCentre(ClassifierMixin, BaseEstimator):
    """Classes by their distance from the mean of their rows; skl2onnx has no converter for it.

    Args:
        sharpness: How fast the probability falls with the distance.
        random_state: Not used; the seed of the problem arrives here.
    """

    def __init__(self, sharpness: float = 1.0, random_state: int | None = None) -> None:
        self.sharpness = sharpness
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> NearestCentre:
        self.classes_ = np.unique(y)
        self.centres_ = np.stack([np.asarray(X)[y == label].mean(axis=0) for label in self.classes_])
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        distance = ((np.asarray(X)[:, None, :] - self.centres_) ** 2).sum(axis=2)
        weight = np.exp(-self.sharpness * (distance - distance.min(axis=1, keepdims=True)))
        return weight / weight.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def convert_nearest_centre(scope: Any, operator: Any, container: Any) -> None:
    """-sharpness × |x - c|² is linear in x but for a term that all classes share, which softmax cancels.

    It computes in float64, so that the answer for one row is that for many to the last bit.
    """
    from onnx import TensorProto

    model = operator.raw_operator
    weights, biases = 2 * model.sharpness * model.centres_.T, -model.sharpness * (model.centres_**2).sum(axis=1)
    label, probabilities = (output.full_name for output in operator.outputs)
    name = {
        key: scope.get_unique_variable_name(key) for key in ("weights", "biases", "labels", "x", "score", "share", "at")
    }
    container.add_initializer(name["weights"], TensorProto.DOUBLE, weights.shape, weights.ravel())
    container.add_initializer(name["biases"], TensorProto.DOUBLE, biases.shape, biases)
    container.add_initializer(name["labels"], TensorProto.INT64, model.classes_.shape, model.classes_.astype(np.int64))
    container.add_node("Cast", operator.inputs[0].full_name, name["x"], op_version=13, to=TensorProto.DOUBLE, name="c1")
    container.add_node("Gemm", [name["x"], name["weights"], name["biases"]], name["score"], op_version=13, name="c2")
    container.add_node("Softmax", name["score"], name["share"], op_version=13, axis=1, name="c3")
    container.add_node("Cast", name["share"], probabilities, op_version=13, to=TensorProto.FLOAT, name="c4")
    container.add_node("ArgMax", name["share"], name["at"], op_version=13, axis=1, keepdims=0, name="c5")
    container.add_node("Gather", [name["labels"], name["at"]], label, op_version=13, name="c6")


class Unconverted(NearestCentre):
    """The same, for a problem that names no converter."""


class NoProbabilities(ClassifierMixin, BaseEstimator):
    def fit(self, X: Any, y: Any) -> NoProbabilities:
        return self

    def predict(self, X: Any) -> Any:
        return X


class NoClassifier(RegressorMixin, NoProbabilities):
    pass


class NeedsArguments(NearestCentre):
    def __init__(self, needed: int) -> None:
        self.needed = needed
