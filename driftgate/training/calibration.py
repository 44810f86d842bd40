"""Calibrate the probabilities of a fitted model: sigmoid, temperature or isotonic.

A calibrator takes and gives the probability of every class. It is a function that `combine` writes as ONNX nodes, in
float64 as here, so that both agree on every row. Two things keep it so: logits are bounded where a float32 probability
can't tell 1 - p from 0, and isotonic calibration interpolates with a bounded slope, instead of jumping at a threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from driftgate.probability import of_every_class

if TYPE_CHECKING:
    from driftgate.training.tuned import CalibrationMethod

LOWEST = 1e-7  # lower bound of p in a logit
LOWEST_REST = 1e-5  # lower bound of 1 - p; near 1, a float32 is 6e-8 from the next one
BINS = 50
SMALLEST_BIN = 20  # rows
STEEPEST = 20.0  # largest slope of isotonic calibration; it multiplies the rounding of a float32


@dataclass(frozen=True)
class Sigmoid:
    """A sigmoid of each class's logit (Platt 1999), normalised with three classes or more.

    `slope` and `intercept` have shape (classes,), or (1,) for two classes, where they apply to the positive class.
    """

    slope: np.ndarray
    intercept: np.ndarray

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """Calibrate probabilities of shape (n, classes)."""
        score = _logit(probability[:, -len(self.slope) :]) * self.slope + self.intercept
        return _distribution(1 / (1 + np.exp(-score)))


@dataclass(frozen=True)
class Temperature:
    """Softmax of the logarithms of three probabilities or more, times `inverse` (Guo et al. 2017)."""

    inverse: float

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """Calibrate probabilities of shape (n, classes)."""
        from scipy.special import softmax

        found: np.ndarray = softmax(np.log(np.maximum(probability, LOWEST)) * self.inverse, axis=1)
        return found


@dataclass(frozen=True)
class Isotonic:
    """A monotonic, piecewise linear function of each class's probability, normalised with three classes or more.

    `starts`, `widths` and `slopes` describe its pieces from 0 to 1, each of shape (classes, pieces), or (1, pieces) for the
    positive one of two classes. A piece that is not used has width 0.
    """

    starts: np.ndarray
    widths: np.ndarray
    slopes: np.ndarray

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """Calibrate probabilities of shape (n, classes)."""
        wanted = probability[:, -len(self.starts) :]
        found = [
            np.interp(wanted[:, at], np.append(self.starts[at], 1.0), np.append(0.0, np.cumsum(heights)))
            for at, heights in enumerate(self.widths * self.slopes)
        ]
        return _distribution(np.clip(np.column_stack(found), LOWEST, 1 - LOWEST))


Calibrator = Sigmoid | Temperature | Isotonic


class CalibratedModel(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fitted model and the calibrator of its probabilities.

    Args:
        model: A fitted pipeline or average.
        calibrator: Fitted on predictions for rows that the model was not trained on.
    """

    def __init__(self, model: Any, calibrator: Calibrator) -> None:
        self.model = model
        self.calibrator = calibrator

    def fit(self, features: Any, labels: np.ndarray) -> CalibratedModel:
        """Fit the model again; the calibrator stays."""
        self.model.fit(features, labels)
        return self

    @property
    def classes_(self) -> np.ndarray:
        classes: np.ndarray = self.model.classes_
        return classes

    def predict_proba(self, features: Any) -> np.ndarray:
        """Probability of each class, float64 of shape (n, classes)."""
        # As the exported model does, which has float32 here.
        return self.calibrator(self.model.predict_proba(features).astype(np.float32).astype(np.float64))

    def predict(self, features: Any) -> np.ndarray:
        """The most probable class of each row."""
        found: np.ndarray = self.classes_[self.predict_proba(features).argmax(axis=1)]
        return found

    def __sklearn_is_fitted__(self) -> bool:
        return True


def fit_calibrator(method: CalibrationMethod, labels: np.ndarray, probability: np.ndarray) -> Calibrator | None:
    """Fit a calibrator on predictions for rows that the model was not trained on; None for the method `none`.

    Args:
        method: How to calibrate.
        labels: Codes of the classes, of shape (n,).
        probability: Of shape (n,), or (n, classes) with three classes or more.
    """
    if method == "none":
        return None
    fitted: dict[str, Callable[..., Calibrator]] = {
        "sigmoid": _fit_sigmoid,
        "temperature": _fit_temperature,
        "isotonic": _fit_isotonic,
    }
    return fitted[method](labels.astype(np.int64), probability)


def calibrate(calibrator: Calibrator | None, probability: np.ndarray) -> np.ndarray:
    """Calibrated probabilities in the shape of the given ones: (n,) or (n, classes)."""
    if calibrator is None:
        return probability
    found = calibrator(of_every_class(probability.astype(np.float64)))
    return found[:, 1] if probability.ndim == 1 else found


def cross_calibrate(
    method: CalibrationMethod, labels: np.ndarray, probability: np.ndarray, blocks: np.ndarray
) -> np.ndarray:
    """Calibrate each block of rows by a calibrator that was fitted on the other blocks.

    Args:
        method: How to calibrate.
        labels: Codes of the classes, of shape (n,).
        probability: Of shape (n,), or (n, classes) with three classes or more.
        blocks: The block of each row, of shape (n,); two blocks at least.
    """
    if method == "none":
        return probability
    found = np.empty_like(probability, dtype=np.float64)
    for block in np.unique(blocks):
        own = blocks == block
        found[own] = calibrate(fit_calibrator(method, labels[~own], probability[~own]), probability[own])
    return found


def _logit(probability: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.log(np.maximum(probability, LOWEST)) - np.log(np.maximum(1 - probability, LOWEST_REST))
    return found


def _distribution(scores: np.ndarray) -> np.ndarray:
    """Probabilities of every class: from the positive class's, of shape (n, 1), or from one score a class."""
    if scores.shape[1] == 1:
        return np.column_stack([1 - scores, scores])
    found: np.ndarray = scores / scores.sum(axis=1, keepdims=True)
    return found


def _one_by_one(labels: np.ndarray, probability: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Labels (0 or 1) and probability of the positive class, or of each of three classes or more against the others."""
    if probability.ndim == 1:
        return [(labels, probability)]
    return [((labels == code).astype(np.int64), probability[:, code]) for code in range(probability.shape[1])]


def _fit_sigmoid(labels: np.ndarray, probability: np.ndarray) -> Sigmoid:
    from sklearn.linear_model import LogisticRegression

    found = []
    for truth, score in _one_by_one(labels, probability):
        # Platt's targets are a little off 0 and 1, so that the sigmoid is finite where the scores separate the classes.
        positives = int(truth.sum())
        wanted = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2))
        logit = np.tile(_logit(score)[:, None], (2, 1))
        both = np.repeat([1, 0], len(truth))
        model = LogisticRegression(C=np.inf, solver="newton-cholesky", max_iter=1000, tol=1e-8)
        if np.ptp(score) < 1e-9:  # a constant score has no slope
            share = wanted.mean()
            found.append((0.0, float(np.log(share / (1 - share)))))
            continue
        model.fit(logit, both, sample_weight=np.append(wanted, 1 - wanted))
        found.append((float(model.coef_[0, 0]), float(model.intercept_[0])))
    slope, intercept = np.array(found).T
    return Sigmoid(np.maximum(slope, 0.0), intercept)


def _fit_temperature(labels: np.ndarray, probability: np.ndarray) -> Sigmoid | Temperature:
    """With two classes, a temperature is a sigmoid without intercept."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    binary = probability.ndim == 1
    logit = _logit(probability) if binary else np.log(np.maximum(probability, LOWEST))
    scores = np.column_stack([np.zeros(len(logit)), logit]) if binary else logit
    rows = np.arange(len(labels))

    def loss(log_inverse: float) -> float:
        return float(-log_softmax(scores * np.exp(log_inverse), axis=1)[rows, labels].mean())

    inverse = float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))
    return Sigmoid(np.array([inverse]), np.zeros(1)) if binary else Temperature(inverse)


def _fit_isotonic(labels: np.ndarray, probability: np.ndarray) -> Isotonic:
    lines = [_isotonic_line(truth, score) for truth, score in _one_by_one(labels, probability)]
    pieces = max(len(x) for x, _ in lines) - 1
    starts, widths, slopes = (
        np.ones((len(lines), pieces)),
        np.zeros((len(lines), pieces)),
        np.zeros((len(lines), pieces)),
    )
    for at, (x, y) in enumerate(lines):
        used = len(x) - 1
        starts[at, :used], widths[at, :used], slopes[at, :used] = x[:-1], np.diff(x), np.diff(y) / np.diff(x)
    return Isotonic(starts, widths, slopes)


def _isotonic_line(truth: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners of a monotonic line from (0, 0) to (1, 1): mean score and isotonic share of positives of bins.

    Bins hold about as many rows each. Neighbours between which the line would be steeper than `STEEPEST` become one.
    """
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(score, kind="stable")
    number = max(1, min(BINS, len(score) // SMALLEST_BIN))
    parts = np.array_split(order, number)
    x = np.array([score[part].mean() for part in parts])
    y = np.array([truth[part].mean() for part in parts])
    weight = np.array([len(part) for part in parts], dtype=np.float64)
    while True:
        y = isotonic_regression(y, sample_weight=weight)
        rise, run = np.diff(y, prepend=0.0, append=1.0), np.diff(x, prepend=0.0, append=1.0)
        steep = np.flatnonzero((rise > STEEPEST * run) | (run <= 0))
        inner = steep[(steep > 0) & (steep < len(x))]
        if not len(inner):
            break
        at = inner[np.argmax(rise[inner] / np.maximum(run[inner], 1e-300))]
        total = weight[at - 1] + weight[at]
        for values in (x, y):
            values[at - 1] = (values[at - 1] * weight[at - 1] + values[at] * weight[at]) / total
        weight[at - 1] = total
        x, y, weight = (np.delete(values, at) for values in (x, y, weight))
    y = np.clip(y, 1 - STEEPEST * (1 - x), STEEPEST * x)  # also where the line leaves (0, 0) and meets (1, 1)
    inside = (x > 0) & (x < 1)
    return np.concatenate([[0.0], x[inside], [1.0]]), np.concatenate([[0.0], y[inside], [1.0]])
