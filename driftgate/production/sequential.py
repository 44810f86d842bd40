"""A sequential test: a confidence sequence for the gain of a challenger, which may be read after every label.

The interval is valid at all times at once with the stated confidence, so it stays valid if you stop because of what you
see. It is the predictable plug-in empirical-Bernstein confidence sequence of Waudby-Smith and Ramdas (*Estimating means of
bounded random variables by betting*, JRSS B 2024, theorem 2). It assumes values with known bounds and the same conditional
mean given all earlier values, and nothing else about their distribution. So of similar values, such as those of one
caller, only the first may count.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np

LARGEST_BET = 0.5
FREE = 10  # values of one caller that always count: too few to decide anything
DRAWS = 20_000_000  # random draws of the power analysis: about two seconds


class Sequence(BaseModel):
    """The interval after the last value, which is the intersection of all earlier ones; and the mean."""

    model_config = ConfigDict(frozen=True)

    labels: int
    mean: float
    low: float
    high: float

    @property
    def decision(self) -> str:
        """`better` or `worse` if 0 is outside the interval, else `undecided`."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "undecided"


def confidence_sequence(values: np.ndarray, *, bound: float, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """The interval of the mean after each value.

    Args:
        values: Values of shape (n,), each between -bound and bound, in order of arrival.
        bound: The bound, which must not depend on the values.
        alpha: The probability that the mean is ever outside.

    Returns:
        Lower and upper ends, each float64 of shape (n,).
    """
    import numpy as np

    x = (np.asarray(values, dtype=float) + bound) / (2 * bound)
    times = np.arange(1, len(x) + 1)
    means = (0.5 + np.cumsum(x)) / (times + 1)
    spread = (0.25 + np.cumsum((x - means) ** 2)) / (times + 1)
    # The bet on a value may only depend on earlier values.
    mean_before, spread_before = np.concatenate([[0.5], means[:-1]]), np.concatenate([[0.25], spread[:-1]])
    bet = np.minimum(np.sqrt(2 * math.log(2 / alpha) / (spread_before * times * np.log1p(times))), LARGEST_BET)
    cost = (x - mean_before) ** 2 * (-np.log1p(-bet) - bet)
    total = np.cumsum(bet)
    center = np.cumsum(bet * x) / total
    margin = (math.log(2 / alpha) + np.cumsum(cost)) / total
    low = np.maximum.accumulate(np.maximum(center - margin, 0))
    high = np.minimum.accumulate(np.minimum(center + margin, 1))
    return low * 2 * bound - bound, high * 2 * bound - bound


def summarize(values: np.ndarray, *, bound: float, alpha: float) -> Sequence:
    """The interval after all values."""
    if not len(values):
        return Sequence(labels=0, mean=0.0, low=-bound, high=bound)
    low, high = confidence_sequence(values, bound=bound, alpha=alpha)
    return Sequence(labels=len(values), mean=float(values.mean()), low=float(low[-1]), high=float(high[-1]))


def counted(callers: Iterable[Hashable], *, share: float) -> np.ndarray:
    """Which values count, so that no caller has more than a share of them.

    A value counts if its caller then has no more than `share` of all counted values, or no more than `FREE` of them. This
    depends only on the caller and on how many values count already, not on the value itself. Leaving a value out is a bet
    of 0 on it. A bet may depend on everything before it, so the confidence sequence of the counted values stays valid. If
    callers differ, its mean is the mean over the counted values.

    Args:
        callers: The caller of each value, in order of arrival.
        share: Largest share of one caller, above 0; 1: all values count.

    Returns:
        bool of shape (n,).
    """
    import numpy as np

    of_caller: Counter[Hashable] = Counter()
    total, found = 0, []
    for caller in callers:
        counts = of_caller[caller] + 1 <= max(FREE, share * (total + 1))
        of_caller[caller] += counts
        total += counts
        found.append(counts)
    return np.array(found, dtype=bool)


def widest(sequences: Iterable[Sequence]) -> Sequence:
    """The first of some intervals, widened to cover all of them: it contains the mean whenever the first one does.

    Args:
        sequences: The sequence of all values, and the sequences without the values of one caller each. So 0 is outside
            only if that doesn't depend on a single caller.
    """
    first, *others = sequences
    low = min([first.low, *(other.low for other in others)])
    high = max([first.high, *(other.high for other in others)])
    return first.model_copy(update={"low": low, "high": high})


def squared_errors(probability: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The Brier score of each row, a proper score between 0 and 1, of shape (n,).

    Two classes: the squared error of the probability. More: half the sum of the squared errors over the classes, which is
    the same number for two classes (Brier, *Verification of forecasts expressed in terms of probability*, 1950). It is
    bounded, as the confidence sequence requires; the log loss is not. A label that is none of the classes counts as a class
    with probability 0. Probabilities that don't add up to 1 exactly can't make a score above 1.

    Args:
        probability: Of the positive class, of shape (n,), or of every class, of shape (n, classes).
        labels: 0 or 1, or the code of the class, of shape (n,); -1 for a label that is none of the classes.
    """
    import numpy as np

    if probability.ndim == 1:
        of_two: np.ndarray = (probability - labels) ** 2
        return of_two
    codes = np.asarray(labels, dtype=int)
    truth = codes[:, None] == np.arange(probability.shape[1])
    total = ((probability - truth) ** 2).sum(axis=1) + (codes < 0)
    of_every: np.ndarray = np.minimum(total / 2, 1)
    return of_every


def paired_gains(champion: np.ndarray, challenger: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How much smaller the challenger's Brier score is, if both predicted the same rows; between -1 and 1.

    Args:
        champion: Probabilities of the positive class, of shape (n,), or of every class, of shape (n, classes).
        challenger: The same of the challenger.
        labels: See `squared_errors`.
    """
    gains: np.ndarray = squared_errors(champion, labels) - squared_errors(challenger, labels)
    return gains


def split_gains(losses: np.ndarray, challenged: np.ndarray, *, share: float) -> np.ndarray:
    """The same gain if each row was predicted by only one of them, drawn with a known share: inverse-probability weights.

    The mean of the earlier losses is subtracted first. That doesn't change the mean, and removes most of the noise of the
    assignment.

    Args:
        losses: Brier scores of the model that predicted each row, of shape (n,), in order of arrival.
        challenged: Whether the challenger predicted the row, bool of shape (n,).
        share: Share of the challenger, between 0 and 1.

    Returns:
        float64 of shape (n,), each within `split_bound(share)`.
    """
    import numpy as np

    before = np.concatenate([[0.25], (0.25 + np.cumsum(losses)) / (np.arange(len(losses)) + 2)])[: len(losses)]
    weight = np.where(challenged, 1 / share, -1 / (1 - share))
    gains: np.ndarray = weight * (before - losses)
    return gains


def split_bound(share: float) -> float:
    """The largest absolute value of `split_gains`."""
    return max(1 / share, 1 / (1 - share))


def labels_needed(
    gain: float,
    values: np.ndarray,
    *,
    bound: float,
    alpha: float,
    power: float = 0.8,
    most: int = 200_000,
    seed: int = 0,
) -> int | None:
    """How many labels are needed to detect a gain with the given power, by simulation.

    A hundred runs find the order of magnitude, up to 2,000 runs the number.

    Args:
        gain: The difference in the mean Brier score to detect.
        values: Typical values, of shape (n,); they are shifted so that their mean is the gain, and resampled.
        bound: See `confidence_sequence`.
        alpha: See `confidence_sequence`.
        power: The probability to have detected the gain by then.
        most: The largest number of labels to try.
        seed: Seed of the simulation.

    Returns:
        The number of labels; None if `most` labels aren't enough.
    """
    import numpy as np

    draw, moved = np.random.default_rng(seed), np.clip(values - values.mean() + gain, -bound, bound)

    def needed(runs: int, length: int) -> int:
        found = []
        for _ in range(runs):
            low, _ = confidence_sequence(draw.choice(moved, length), bound=bound, alpha=alpha)
            found.append(int(np.argmax(low > 0)) + 1 if low[-1] > 0 else most + 1)
        return int(np.quantile(found, power, method="higher"))

    rough = needed(100, most)
    if rough > most:
        return None
    length = min(most, 2 * rough)
    number = needed(min(2000, DRAWS // length), length)
    return number if number <= most else None
