"""A test that may be looked at after every label: a confidence sequence for the gain of a challenger.

The interval holds at all times at once with the stated confidence, so that stopping when one likes the look of it does
no harm. It is the predictable plug-in empirical-Bernstein confidence sequence of Waudby-Smith and Ramdas (*Estimating
means of bounded random variables by betting*, JRSS B 2024, theorem 2). It needs values with known bounds that have
one mean, each whatever came before it, and no other assumption about their distribution: so of values that are alike, such
as those of one caller, only the first may count.
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
FREE = 10  # values of one caller that count in any case: too few to decide anything, whatever they are
DRAWS = 20_000_000  # of the power analysis: about two seconds


class Sequence(BaseModel):
    """The interval after the last value, the intersection of all before; and the mean."""

    model_config = ConfigDict(frozen=True)

    labels: int
    mean: float
    low: float
    high: float

    @property
    def decision(self) -> str:
        """`better`, `worse`, or `undecided`: whether 0 lies outside."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "undecided"


def confidence_sequence(values: np.ndarray, *, bound: float, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """The interval of the mean after each value.

    Args:
        values: Of shape (n,), each between -bound and bound, in the order in which they came.
        bound: Known beforehand.
        alpha: The chance that the mean is ever outside.

    Returns:
        Lower and upper ends, each float64 of shape (n,).
    """
    import numpy as np

    x = (np.asarray(values, dtype=float) + bound) / (2 * bound)
    times = np.arange(1, len(x) + 1)
    means = (0.5 + np.cumsum(x)) / (times + 1)
    spread = (0.25 + np.cumsum((x - means) ** 2)) / (times + 1)
    # What is bet on a value may depend on those before it alone.
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

    A value counts if its caller then has no more than `share` of all values that count, or no more than `FREE` of them.
    That is decided before the value is seen: by whose it is, and by how many count already. A value that is left out is
    one on which nothing is bet. A bet may depend on whatever came before, so the confidence sequence of those that count
    stays valid. Where callers differ, its mean is the mean over those that count.

    Args:
        callers: Of each value, in the order in which they came.
        share: Above 0; 1: all count.

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
    """The first of some intervals, made as wide as all of them together: it holds whenever the first one does.

    Args:
        sequences: That of all values, and those without the values of one caller each. So 0 lies outside only where no
            single caller has brought that about.
    """
    first, *others = sequences
    low = min([first.low, *(other.low for other in others)])
    high = max([first.high, *(other.high for other in others)])
    return first.model_copy(update={"low": low, "high": high})


def paired_gains(champion: np.ndarray, challenger: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """By how much the challenger's squared error is smaller, where both predicted the same row; between -1 and 1.

    Args:
        champion: Probabilities of the positive class, of shape (n,).
        challenger: Likewise.
        labels: 0 or 1, of shape (n,).
    """
    gains: np.ndarray = (champion - labels) ** 2 - (challenger - labels) ** 2
    return gains


def split_gains(losses: np.ndarray, challenged: np.ndarray, *, share: float) -> np.ndarray:
    """The same where each row was predicted by one of them, drawn with a known share: weighted by the inverse of it.

    The mean loss so far is taken off first, which changes no mean, and takes away most of the noise of the draw.

    Args:
        losses: Squared errors of whichever predicted, of shape (n,), in the order in which they came.
        challenged: Whether it was the challenger, of shape (n,).
        share: Of the challenger.

    Returns:
        float64 of shape (n,), each within `split_bound(share)`.
    """
    import numpy as np

    before = np.concatenate([[0.25], (0.25 + np.cumsum(losses)) / (np.arange(len(losses)) + 2)])[: len(losses)]
    weight = np.where(challenged, 1 / share, -1 / (1 - share))
    gains: np.ndarray = weight * (before - losses)
    return gains


def split_bound(share: float) -> float:
    """How large a value of `split_gains` can be."""
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
    """How many labels it takes until a gain is found with the given power, by simulation.

    Args:
        gain: The difference in mean squared error that one wants to find.
        values: What values look like, of shape (n,); they are moved until their mean is the gain, and drawn again.
        bound: As of `confidence_sequence`.
        alpha: Likewise.
        power: The chance to have found it by then.
        most: Where to give up.
        seed: Of the simulation: a hundred runs to find the order of magnitude, up to 2,000 to find the number.

    Returns:
        None where `most` labels aren't enough.
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
