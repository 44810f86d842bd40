"""Estimated performance without labels, from calibrated probabilities, and realised performance where labels exist.

Confidence-based estimation: if probabilities are calibrated, a share p of the rows with probability p is positive. So each
row counts as p positive and 1 - p negative rows, and every metric has an expected value. With three classes or more, each
row counts as p rows of each class: the metrics are those of labels drawn from the probabilities (NannyML's CBPE; Białek,
Kuberski, Perrakis and Bifet, *Estimating Model Performance Under Covariate Shift Without Labels*, 2024; for accuracy
already Guillory et al., *Predicting with Confidence on Unseen Distributions*, 2021). It detects a change of
the features. It can't detect that the relation between features and target changed (concept drift): labels that disagree
with the estimate show that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from driftgate.contract import LABEL
from driftgate.drift.draws import Draws
from driftgate.probability import probability_of
from driftgate.training.evaluation import Estimate, bootstrap_metrics
from driftgate.training.metrics import Scored, metric_names, point_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd

MAXIMUM_ROWS = 20_000
SIMULATIONS = 100
LEAST_ROWS = 50
LEAST_WINDOWS = 4


def estimated_metrics(classes: int) -> tuple[str, ...]:
    """The metrics that are estimated for a number of classes.

    If probabilities are calibrated, their calibration error is 0: there is nothing to estimate.
    """
    return tuple(name for name in metric_names(classes) if name != "expected_calibration_error")


ESTIMATED = estimated_metrics(2)


class Spread(BaseModel):
    """Root mean square error of the estimates on windows of unseen rows, beyond chance; and the number of windows."""

    model_config = ConfigDict(frozen=True)

    error: float
    windows: int


class Expected(BaseModel):
    """One metric: its estimate with the interval in which the realised value is expected, and its realised value.

    `promised` is the estimate for the `labelled` rows alone.
    """

    model_config = ConfigDict(frozen=True)

    estimate: Estimate
    promised: Estimate | None
    realised: Estimate | None
    labelled: int

    @property
    def inside(self) -> bool:
        """Whether the realised value lies in the interval; true if there are no labels."""
        if self.realised is None or self.promised is None:
            return True
        return self.promised.low <= self.realised.value <= self.promised.high


def expected_metrics(probability: np.ndarray, *, threshold: float) -> dict[str, float]:
    """The expected value of every metric of two classes, if the probabilities are calibrated.

    Args:
        probability: Of the positive class, of shape (n,).
        threshold: Probability from which the prediction is the positive class.
    """
    return _both_ways(probability, threshold=threshold).metrics(_weights(probability))


def simulate(probability: np.ndarray, *, threshold: float, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """The expected value of every metric, and its standard deviation by chance, if the probabilities are calibrated.

    Args:
        probability: Of shape (n,) or (n, classes).
        threshold: For two classes: the probability from which the prediction is the positive class.
        seed: Of the simulation.

    Returns:
        By metric; NaN where a metric is not defined.
    """
    import numpy as np

    if probability.ndim == 1:
        return expected_metrics(probability, threshold=threshold), _chance(probability, threshold=threshold, seed=seed)
    draws = Draws(probability)
    drawn = draws.simulate(SIMULATIONS, seed=seed)
    known = {name: [found[name] for found in drawn if not math.isnan(found[name])] for name in drawn[0]}
    mean = {name: float(np.mean(values)) if values else math.nan for name, values in known.items()}
    chance = {name: float(np.std(values)) if values else math.nan for name, values in known.items()}
    return mean | draws.expected(), chance


def expect(
    probability: np.ndarray,
    *,
    labels: np.ndarray | None,
    threshold: float,
    spread: dict[str, Spread],
    confidence: float,
    seed: int,
) -> dict[str, Expected]:
    """Estimate every metric, and compare it with the labels where they exist.

    The interval is one for the realised value. It adds chance on these rows (labels drawn from the probabilities) and the
    errors that estimates had on past windows.

    Args:
        probability: Of shape (n,) or (n, classes); of more than `MAXIMUM_ROWS` rows a sample is used, and another sample
            of the rows with a label.
        labels: Codes of the classes (0 and 1 for two), NaN if unknown, of shape (n,); or None.
        threshold: For two classes: the probability from which the prediction is the positive class.
        spread: Errors on past windows, by metric; empty if unknown.
        confidence: Of the intervals.
        seed: Of sample and simulation.

    Returns:
        By metric; empty for fewer than `LEAST_ROWS` rows. A realised value needs as many labels, of two
        classes at least.
    """
    import numpy as np

    if len(probability) < LEAST_ROWS:
        return {}
    sampled = np.arange(len(probability))
    if len(probability) > MAXIMUM_ROWS:
        sampled = np.random.default_rng(seed).permutation(len(probability))
    at = sampled[:MAXIMUM_ROWS]
    estimate = _estimates(probability[at], threshold=threshold, spread=spread, confidence=confidence, seed=seed)
    known = np.zeros(len(probability), dtype=bool) if labels is None else ~np.isnan(labels.astype(float))
    told = sampled[known[sampled]][:MAXIMUM_ROWS]  # a sample of its own: labels may be few among many rows
    promised, realised = {}, {}
    if labels is not None and len(told) >= LEAST_ROWS and _differ(labels[told]):
        part, found = probability[told], labels[told].astype("int8")
        realised = bootstrap_metrics(
            found, part, threshold=threshold, resamples=SIMULATIONS, confidence=confidence, seed=seed
        )
        promised = estimate
        if not known.all():
            promised = _estimates(part, threshold=threshold, spread=spread, confidence=confidence, seed=seed)
    return {
        name: Expected(
            estimate=value, promised=promised.get(name), realised=_known(realised.get(name)), labelled=len(told)
        )
        for name, value in estimate.items()
    }


def _differ(labels: np.ndarray) -> bool:
    """Whether there are labels of at least two classes."""
    return bool(len(labels)) and bool((labels != labels[0]).any())


def _known(found: Estimate | None) -> Estimate | None:
    """An estimate with numbers; None where the labels don't define the metric."""
    return None if found is None or math.isnan(found.value) or math.isnan(found.low) else found


def _estimates(
    probability: np.ndarray, *, threshold: float, spread: dict[str, Spread], confidence: float, seed: int
) -> dict[str, Estimate]:
    value, chance = simulate(probability, threshold=threshold, seed=seed)
    found = {}
    for name in estimated_metrics(_classes(probability)):
        if math.isnan(value[name]):
            continue
        past = spread.get(name)
        margin = _quantile(confidence, past.windows if past else None) * math.hypot(
            chance[name], past.error if past else 0.0
        )
        most = math.inf if name == "log_loss" else 1.0
        high = min(most, value[name] + margin)
        found[name] = Estimate(value=value[name], low=max(0.0, value[name] - margin), high=high)
    return found


def spread_of(
    out_of_fold: pd.DataFrame, timestamp: str | None, *, threshold: float, window_days: int
) -> dict[str, Spread]:
    """Measure the errors of the estimates, beyond chance, on windows of rows that the model had not seen.

    Args:
        out_of_fold: Columns of probabilities, `label`, and the timestamp.
        timestamp: Name of the column; None: there are no windows, and the result is empty.
        threshold: For two classes: the probability from which the prediction is the positive class.
        window_days: Length of a window in days.
    """
    import numpy as np

    names = estimated_metrics(_classes(probability_of(out_of_fold)))
    errors: dict[str, list[float]] = {name: [] for name in names}
    chances: dict[str, list[float]] = {name: [] for name in names}
    for probability, labels in _windows(out_of_fold, timestamp, days=window_days):
        expected, chance = simulate(probability, threshold=threshold, seed=0)
        realised = point_metrics(labels, probability, threshold=threshold)
        for name in names:
            if not math.isnan(realised[name] + expected[name] + chance[name]):
                errors[name].append(realised[name] - expected[name])
                chances[name].append(chance[name])
    known = [name for name in names if len(errors[name]) >= LEAST_WINDOWS]
    beyond = {name: float(np.mean(np.square(errors[name])) - np.mean(np.square(chances[name]))) for name in known}
    return {name: Spread(error=math.sqrt(max(0.0, beyond[name])), windows=len(errors[name])) for name in known}


def _windows(frame: pd.DataFrame, timestamp: str | None, *, days: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Probabilities and labels of each window; of one with more than `MAXIMUM_ROWS` rows those of a seeded sample."""
    import pandas as pd

    if timestamp is None:
        return
    age = (frame[timestamp].max().normalize() - frame[timestamp].dt.normalize()) // pd.Timedelta(days=days)
    for _, part in frame.groupby(age):
        rows = part.sample(MAXIMUM_ROWS, random_state=0) if len(part) > MAXIMUM_ROWS else part
        labels = rows[LABEL].to_numpy()
        if len(rows) >= LEAST_ROWS and _differ(labels):
            yield probability_of(rows), labels


def _classes(probability: np.ndarray) -> int:
    return 2 if probability.ndim == 1 else probability.shape[1]


def _both_ways(probability: np.ndarray, *, threshold: float) -> Scored:
    """Each row twice: once as positive, once as negative."""
    import numpy as np

    labels = np.repeat([1, 0], len(probability))
    return Scored(labels, np.concatenate([probability, probability]), threshold=threshold)


def _weights(positive: np.ndarray) -> np.ndarray:
    import numpy as np

    weights: np.ndarray = np.concatenate([positive, 1 - positive])
    return weights


def _chance(probability: np.ndarray, *, threshold: float, seed: int) -> dict[str, float]:
    """Standard deviation of each metric over labels drawn from the probabilities."""
    import numpy as np

    draw, scored = np.random.default_rng(seed), _both_ways(probability, threshold=threshold)
    drawn = [
        scored.metrics(_weights((draw.random(len(probability)) < probability).astype(float)))
        for _ in range(SIMULATIONS)
    ]
    known = {name: [found[name] for found in drawn if not math.isnan(found[name])] for name in ESTIMATED}
    return {name: float(np.std(values)) if values else math.nan for name, values in known.items()}


def _quantile(confidence: float, windows: int | None) -> float:
    """Quantile of the normal distribution, or of Student's t if the spread comes from a number of windows."""
    from scipy import special  # scipy.stats takes a second to import

    tail = 0.5 + confidence / 2
    return float(special.ndtri(tail) if windows is None else special.stdtrit(windows, tail))
