"""Evaluate a model on the holdout: metrics with intervals, slices, and the champion on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from driftgate.config import LOWER_IS_BETTER, Problem
from driftgate.training.metrics import METRICS, Scored, point_metrics

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
    rows: int
    positives: int
    threshold: float
    confidence: float
    resamples: int
    metrics: dict[str, Estimate]
    confusion: dict[str, int]
    slices: tuple[Slice, ...]
    comparison: Comparison | None


class ChampionScores(_Frozen):
    """The champion's probabilities for the rows of the holdout, in their order."""

    name: str
    threshold: float
    probability: tuple[float, ...]
    seen_rows: int


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
        labels: 0 or 1, of shape (n,).
        probability: Probability of the positive class, of shape (n,).
        frame: The same rows with their columns, for the slices.
        problem: Gives the slices, the confidence and the number of resamples.
        threshold: Rows with at least this probability are predicted positive.
        champion: The champion's scores on the same rows, if there is a champion.
    """
    import numpy as np

    candidate = Scored(labels, probability, threshold=threshold)
    rival = (
        Scored(labels, np.array(champion.probability), threshold=champion.threshold) if champion is not None else None
    )
    gate = problem.gate
    draws: dict[str, list[float]] = {name: [] for name in METRICS}
    gains: list[float] = []
    for weights in _resamples(len(labels), count=gate.bootstrap, seed=problem.seed):
        resampled = candidate.metrics(weights)
        for name in METRICS:
            draws[name].append(resampled[name])
        if rival is not None:
            gains.append(_gain(resampled, rival.metrics(weights), gate.champion.metric))
    point = candidate.metrics()
    comparison = None
    if rival is not None and champion is not None:
        rival_point = rival.metrics()
        gain = _gain(point, rival_point, gate.champion.metric)
        comparison = Comparison(
            champion=champion.name,
            metric=gate.champion.metric,
            gain=_estimate(gain, gains, confidence=gate.confidence),
            metrics=rival_point,
            seen_rows=champion.seen_rows,
        )
    return Evaluation(
        rows=len(labels),
        positives=int(labels.sum()),
        threshold=threshold,
        confidence=gate.confidence,
        resamples=gate.bootstrap,
        metrics={name: _estimate(point[name], draws[name], confidence=gate.confidence) for name in METRICS},
        confusion=confusion(labels, probability, threshold=threshold),
        slices=tuple(_slices(labels, probability, frame, problem, threshold=threshold)),
        comparison=comparison,
    )


def bootstrap_metrics(
    labels: np.ndarray, probability: np.ndarray, *, threshold: float, resamples: int, confidence: float, seed: int
) -> dict[str, Estimate]:
    """Every metric with its bootstrap percentile interval.

    Args:
        labels: 0 or 1, of shape (n,); both must occur.
        probability: Probability of the positive class, of shape (n,).
        threshold: Rows with at least this probability are predicted positive.
        resamples: Number of bootstrap resamples.
        confidence: Confidence of the intervals, between 0 and 1.
        seed: Seed of the resampling.
    """
    scored = Scored(labels, probability, threshold=threshold)
    draws = [scored.metrics(weights) for weights in _resamples(len(labels), count=resamples, seed=seed)]
    point = scored.metrics()
    return {name: _estimate(point[name], [draw[name] for draw in draws], confidence=confidence) for name in METRICS}


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


def _gain(candidate: dict[str, float], champion: dict[str, float], metric: str) -> float:
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    return sign * (candidate[metric] - champion[metric])


def _estimate(value: float, draws: list[float], *, confidence: float) -> Estimate:
    import numpy as np

    tail = (1 - confidence) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail])
    return Estimate(value=value, low=float(low), high=float(high))


def _slices(
    labels: np.ndarray, probability: np.ndarray, frame: pd.DataFrame, problem: Problem, *, threshold: float
) -> Iterator[Slice]:
    import math

    rule = problem.gate.slices
    for column in rule.columns:
        for value, rows in frame.reset_index(drop=True).groupby(column, dropna=False, observed=True).groups.items():
            if len(rows) < rule.min_rows:
                continue
            at = rows.to_numpy()
            found = point_metrics(labels[at], probability[at], threshold=threshold)[rule.metric]
            yield Slice(column=column, value=str(value), rows=len(at), metric=None if math.isnan(found) else found)
