"""Evaluate a model on the holdout: metrics with intervals, slices, and the champion on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from driftgate.config import LOWER_IS_BETTER, Problem
from driftgate.probability import predicted
from driftgate.training.metrics import Scored, class_metrics, point_metric
from driftgate.training.workers import one_thread

MOST_CELLS = 2_000_000_000  # rows × classes × resamples: about 20 seconds
LEAST_RESAMPLES = 100
OF_POSITIVES = frozenset({"precision", "recall", "f1"})

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Estimate(_Frozen):
    """A value with its bootstrap percentile interval (Efron and Tibshirani 1993, chapter 13)."""

    value: float
    low: float
    high: float


class ClassScore(_Frozen):
    """The metrics of one class against all others; None where its rows don't define a metric."""

    name: str
    rows: int
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None
    pr_auc: float | None
    expected_calibration_error: float | None


class Slice(_Frozen):
    """The metric on the rows with one value of one column; `metric` is None if it can't be computed."""

    column: str
    value: str
    rows: int
    metric: float | None


class Comparison(_Frozen):
    """The comparison of candidate and champion on the same rows.

    `gain` is the candidate's advantage in `metric`, positive when it is better, with a paired bootstrap interval.
    `seen_rows` counts the holdout rows that the champion was trained on.
    """

    champion: str
    metric: str
    gain: Estimate
    metrics: dict[str, float]
    seen_rows: int


class Evaluation(_Frozen):
    """A model on the holdout.

    `confusion` counts true and false positives and negatives, for two classes. `confusion_matrix` counts the rows of each
    class (first index) by predicted class (second index). `not_compared` says why there is no comparison with a champion
    that exists. For three classes or more, `positives` is None and `threshold` has no meaning.
    """

    rows: int
    positives: int | None
    threshold: float
    confidence: float
    resamples: int
    metrics: dict[str, Estimate]
    confusion: dict[str, int]
    slices: tuple[Slice, ...]
    comparison: Comparison | None
    classes: tuple[ClassScore, ...] = ()
    confusion_matrix: tuple[tuple[int, ...], ...] = ()
    not_compared: str | None = None


class ChampionScores(_Frozen):
    """The champion's probabilities for the rows of the holdout, in their order.

    `probability` has one number a row for two classes, else one for each class of the problem. `other_classes` says how the
    champion's classes differ from those of the problem; its probabilities are then empty.
    """

    name: str
    threshold: float
    probability: tuple[float, ...] | tuple[tuple[float, ...], ...]
    seen_rows: int
    other_classes: str | None = None


def evaluate(
    labels: np.ndarray,
    probability: np.ndarray,
    frame: pd.DataFrame,
    problem: Problem,
    *,
    threshold: float,
    champion: ChampionScores | None = None,
) -> Evaluation:
    """Compute the metrics of probabilities, with bootstrap intervals, slices and the comparison with the champion.

    Args:
        labels: Codes of the classes, of shape (n,); 0 or 1 for two classes.
        probability: Of the positive class, of shape (n,), or of each class, of shape (n, classes).
        frame: The same rows with their columns, for the slices.
        problem: Gives the slices, the confidence and the number of resamples.
        threshold: For two classes: rows with at least this probability are predicted positive.
        champion: The champion's scores on the same rows, if there is a champion.
    """
    import numpy as np

    gate, lead, binary = problem.gate, problem.gate.champion.metric, probability.ndim == 1
    fit = champion if champion is not None and champion.other_classes is None else None
    candidate = Scored(labels, probability, threshold=threshold)
    rival = Scored(labels, np.array(fit.probability), threshold=fit.threshold) if fit is not None else None
    resamples = resamples_of(probability, wanted=gate.bootstrap, models=1 if rival is None else 2)
    draws: list[dict[str, float]] = []
    gains: list[float] = []
    with one_thread():
        for weights in _resamples(len(labels), count=resamples, seed=problem.seed):
            draws.append(candidate.metrics(weights))
            if rival is not None:
                gains.append(_gain(draws[-1][lead], rival.metric(lead, weights), lead))
        point = candidate.metrics()
        rival_point = rival.metrics() if rival is not None else {}
    comparison = None
    if fit is not None:
        gain = _gain(point[lead], rival_point[lead], lead)
        comparison = Comparison(
            champion=fit.name,
            metric=lead,
            gain=_estimate(gain, gains, confidence=gate.confidence),
            metrics=rival_point,
            seen_rows=fit.seen_rows,
        )
    return Evaluation(
        rows=len(labels),
        positives=int(labels.sum()) if binary else None,
        threshold=threshold,
        confidence=gate.confidence,
        resamples=resamples,
        metrics=_estimates(point, draws, confidence=gate.confidence),
        confusion=confusion(labels, probability, threshold=threshold) if binary else {},
        slices=tuple(_slices(labels, probability, frame, problem, threshold=threshold)),
        comparison=comparison,
        classes=class_scores(labels, probability, problem.target.class_names, threshold=threshold),
        confusion_matrix=confusion_matrix(labels, probability, threshold=threshold),
        not_compared=f"{champion.name} {champion.other_classes}" if champion is not None and fit is None else None,
    )


def resamples_of(probability: np.ndarray, *, wanted: int, models: int = 1) -> int:
    """How many bootstrap resamples are drawn: fewer than wanted where so many would take more than about 20 seconds.

    Args:
        probability: Of shape (n,) or (n, classes).
        wanted: The number in the problem file.
        models: How many models are measured on each resample.
    """
    cells = max(1, probability.size * models * (2 if probability.ndim == 1 else 1))
    return min(wanted, max(LEAST_RESAMPLES, MOST_CELLS // cells))


def bootstrap_metrics(
    labels: np.ndarray, probability: np.ndarray, *, threshold: float, resamples: int, confidence: float, seed: int
) -> dict[str, Estimate]:
    """Every metric with its bootstrap percentile interval.

    Args:
        labels: Codes of the classes, of shape (n,); 0 or 1 for two classes.
        probability: Of the positive class, of shape (n,), or of each class, of shape (n, classes).
        threshold: For two classes: rows with at least this probability are predicted positive.
        resamples: Number of bootstrap resamples; fewer are drawn where `resamples_of` says so.
        confidence: Confidence of the intervals, between 0 and 1.
        seed: Seed of the resampling.
    """
    scored = Scored(labels, probability, threshold=threshold)
    count = resamples_of(probability, wanted=resamples)
    with one_thread():
        draws = [scored.metrics(weights) for weights in _resamples(len(labels), count=count, seed=seed)]
        point = scored.metrics()
    return _estimates(point, draws, confidence=confidence)


def class_scores(
    labels: np.ndarray, probability: np.ndarray, names: tuple[str, ...], *, threshold: float
) -> tuple[ClassScore, ...]:
    """The metrics of each class against all others, in the order of the names; arguments as for `Scored`."""
    found = class_metrics(labels, probability, threshold=threshold)
    rows = found.pop("rows")
    return tuple(
        ClassScore(name=name, rows=int(rows[code]), **{key: known(float(each[code])) for key, each in found.items()})
        for code, name in enumerate(names)
    )


def confusion_matrix(labels: np.ndarray, probability: np.ndarray, *, threshold: float) -> tuple[tuple[int, ...], ...]:
    """Counts of rows by class (first index) and predicted class (second index)."""
    import numpy as np

    classes = 2 if probability.ndim == 1 else probability.shape[1]
    at = labels.astype(np.int64) * classes + predicted(probability, threshold=threshold)
    counts = np.bincount(at, minlength=classes * classes).reshape(classes, classes)
    return tuple(tuple(row) for row in counts.tolist())


def confusion(labels: np.ndarray, probability: np.ndarray, *, threshold: float) -> dict[str, int]:
    """Counts of true and false positives and negatives."""
    called = probability >= threshold
    return {
        "true_positive": int((called & (labels == 1)).sum()),
        "false_positive": int((called & (labels == 0)).sum()),
        "false_negative": int((~called & (labels == 1)).sum()),
        "true_negative": int((~called & (labels == 0)).sum()),
    }


def _resamples(rows: int, *, count: int, seed: int) -> Iterator[np.ndarray]:
    import numpy as np

    draw = np.random.default_rng(seed)
    for _ in range(count):
        yield np.bincount(draw.integers(0, rows, rows), minlength=rows)


def _gain(candidate: float, champion: float, metric: str) -> float:
    return (champion - candidate) if metric in LOWER_IS_BETTER else (candidate - champion)


def _estimates(point: dict[str, float], draws: list[dict[str, float]], *, confidence: float) -> dict[str, Estimate]:
    return {
        name: _estimate(value, [draw[name] for draw in draws], confidence=confidence) for name, value in point.items()
    }


def _estimate(value: float, draws: list[float], *, confidence: float) -> Estimate:
    import numpy as np

    if np.isnan(draws).all():
        return Estimate(value=value, low=float("nan"), high=float("nan"))
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail])
    return Estimate(value=value, low=float(low), high=float(high))


def known(value: float) -> float | None:
    """The value, or None for NaN."""
    import math

    return None if math.isnan(value) else value


def _slices(
    labels: np.ndarray, probability: np.ndarray, frame: pd.DataFrame, problem: Problem, *, threshold: float
) -> Iterator[Slice]:
    rule = problem.gate.slices
    for column in rule.columns:
        # `.groups` of pandas 2.3 raises an error if a value is missing; `.indices` doesn't.
        by_value = frame.groupby(column, dropna=False, observed=True).indices
        for value, at in by_value.items():
            if len(at) < rule.min_rows:
                continue
            found = point_metric(rule.metric, labels[at], probability[at], threshold=threshold)
            if rule.metric in OF_POSITIVES and probability.ndim == 1 and not labels[at].any():
                found = float("nan")  # without a positive row there is nothing to find, which is no fault of the model
            yield Slice(column=column, value=str(value), rows=len(at), metric=known(found))
