"""Choose among the finished trials: the best one, compared with the best untuned one, and an average where it wins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftgate.config import LOWER_IS_BETTER, Problem
from driftgate.training.metrics import Scored, point_metric
from driftgate.training.splitting import Fold
from driftgate.training.trials import Fits
from driftgate.training.tuned import Gain, Member, Trial

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 200
LARGEST_RESAMPLE = 100_000  # rows of a resample; with more, the interval is a little too wide
CONSIDERED = 25  # best trials that an average may be made of


@dataclass(frozen=True)
class Done:
    """A finished trial, and the model as it was drawn: early stopping may have set its number of rounds since."""

    trial: Trial
    drawn: Member

    @property
    def member(self) -> Member:
        return Member(family=self.trial.family, settings=self.trial.settings)


def rank(done: Sequence[Done], metric: str) -> list[Done]:
    """Trials that saw every fold, the best first; of equal ones, an untuned one first."""
    sign = 1.0 if metric in LOWER_IS_BETTER else -1.0
    whole = [one for one in done if not one.trial.pruned]

    def order(one: Done) -> tuple[float, bool]:
        return (math.inf if math.isnan(one.trial.score) else sign * one.trial.score, not one.trial.untuned)

    return sorted(whole, key=order)


class Selection:
    """Comparisons on the test rows of the tuning folds, by models that weren't trained on them."""

    def __init__(self, fits: Fits, parts: Sequence[Fold], problem: Problem) -> None:
        self._fits, self._parts, self._problem = fits, parts, problem
        self._metric = problem.tuning.metric
        self._sign = -1.0 if self._metric in LOWER_IS_BETTER else 1.0
        self._known: dict[int, list[np.ndarray]] = {}

    def gain(self, one: Sequence[Done], other: Sequence[Done]) -> Gain:
        """By how much the mean of some models scores better than that of others, with a paired bootstrap interval."""
        import numpy as np

        draw = np.random.default_rng(self._problem.seed)
        pairs = list(zip(self._parts, self._mean(one), self._mean(other), strict=True))
        value = self._sign * (self._score(one) - self._score(other))
        gains = np.zeros(RESAMPLES)
        for part, first, second in pairs:
            at = np.arange(len(part.test))
            if len(at) > LARGEST_RESAMPLE:
                at = np.sort(draw.choice(at, LARGEST_RESAMPLE, replace=False))
            truth = self._fits.labels[part.test][at]
            both = [Scored(truth, probability[at], threshold=0.5) for probability in (first, second)]
            for number in range(RESAMPLES):
                weights = np.bincount(draw.integers(0, len(at), len(at)), minlength=len(at))
                found = [scored.metric(self._metric, weights) for scored in both]
                gains[number] += self._sign * (found[0] - found[1]) / len(pairs)
        low, high = np.nanquantile(gains, [0.025, 0.975]) if not np.isnan(gains).all() else (math.nan, math.nan)
        return Gain(value=value, low=float(low), high=float(high))

    def average(self, ranked: Sequence[Done]) -> tuple[list[Done], Gain | None]:
        """The models whose mean scores best, and its gain over the best single one.

        Models are added one by one, each time the one that helps most (Caruana et al. 2004), each model once, until none
        helps or there are `tuning.average` of them.

        Returns:
            The members; empty if the mean isn't better than the best single model by more than noise: the lower end of
            the interval must be above 0. The gain is None if no model helps.
        """
        chosen, considered = [ranked[0]], _distinct(ranked)[:CONSIDERED]
        best = self._sign * self._score(chosen)
        while len(chosen) < self._problem.tuning.average:
            rest = [one for one in considered if one not in chosen]
            scores = [self._sign * self._score([*chosen, one]) for one in rest]
            if not scores or not max(scores) > best:
                break
            best = max(scores)
            chosen.append(rest[scores.index(best)])
        if len(chosen) == 1:
            return [], None
        gain = self.gain(chosen, ranked[:1])
        return (chosen if gain.low > 0 else []), gain

    def _score(self, members: Sequence[Done]) -> float:
        scores = [
            point_metric(self._metric, self._fits.labels[part.test], probability, threshold=0.5)
            for part, probability in zip(self._parts, self._mean(members), strict=True)
        ]
        return sum(scores) / len(scores)

    def _mean(self, members: Sequence[Done]) -> list[np.ndarray]:
        """The mean probability of the models, for each fold's test rows."""
        found = [self._of(one) for one in members]
        return [sum(parts[1:], start=parts[0]) / len(parts) for parts in zip(*found, strict=True)]

    def _of(self, one: Done) -> list[np.ndarray]:
        key = id(one)
        if key not in self._known:
            self._known[key] = [self._fits.probability(one.drawn, part) for part in self._parts]
        return self._known[key]


def _distinct(ranked: Sequence[Done]) -> list[Done]:
    found: list[Done] = []
    for one in ranked:
        if all(one.member != other.member for other in found):
            found.append(one)
    return found
