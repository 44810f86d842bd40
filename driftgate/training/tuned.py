"""What tuning and training came to: the trials, the winner, and how the final model was made."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from driftgate.config import Setting

Settings = dict[str, Setting]
AVERAGE = "average"  # the family of a model that is the mean of several
CalibrationMethod = Literal["none", "sigmoid", "temperature", "isotonic"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Member(_Frozen):
    """A model to train: its family and settings."""

    family: str
    settings: Settings


class Trial(_Frozen):
    """One setting of one family, its mean score on the tuning folds, and its training time in seconds.

    `untuned` marks the family's own defaults (with the `fixed` settings of the problem file), which are trial 0 of each
    family. `pruned` marks a trial that ended before its last fold; its score is the mean of the folds it had.
    """

    family: str
    number: int
    settings: Settings
    score: float
    seconds: float
    untuned: bool = False
    pruned: bool = False


class FoldScore(_Frozen):
    fold: str
    train_rows: int
    test_rows: int
    metrics: dict[str, float]


class Gain(_Frozen):
    """By how much one model scores better than another, with the 95 % interval of a paired bootstrap."""

    value: float
    low: float
    high: float


class Tuned(_Frozen):
    """The winner, every trial, and the cross-validation of what will be refitted.

    Attributes:
        family: Family of the best single model.
        settings: Its settings.
        metric: The metric of the search.
        score: The best single model's mean score on the tuning folds.
        trials: Every trial, also the pruned ones.
        cross_validation: Scores of the final choice on every fold: of the average if there is one.
        cut: Families whose search the time limit interrupted; such a run can't be repeated exactly.
        untuned: Whether the best single model is untuned, because no tuned one scored better.
        gain_over_untuned: The best single model compared with the best untuned one; None if it is untuned itself.
        average: The members of the average; empty if a single model was chosen.
        gain_of_average: The average compared with the best single model; None if there was none to compare.
        sampled_rows: Rows that a trial was fitted on, where `tuning.maximum_rows` made it a sample; None otherwise.
    """

    family: str
    settings: Settings
    metric: str
    score: float
    trials: tuple[Trial, ...]
    cross_validation: tuple[FoldScore, ...]
    cut: tuple[str, ...]
    untuned: bool = False
    gain_over_untuned: Gain | None = None
    average: tuple[Member, ...] = ()
    gain_of_average: Gain | None = None
    sampled_rows: int | None = None

    @property
    def members(self) -> tuple[Member, ...]:
        """The models to refit: those of the average, or the best single one."""
        return self.average or (Member(family=self.family, settings=self.settings),)

    def mean(self, metric: str) -> float:
        """Mean of a metric over the folds."""
        values = [fold.metrics[metric] for fold in self.cross_validation]
        return sum(values) / len(values)

    def spread(self, metric: str) -> float:
        """Standard deviation of a metric over the folds (n - 1; 0 for a single fold)."""
        values = [fold.metrics[metric] for fold in self.cross_validation]
        if len(values) < 2:
            return 0.0
        return float((sum((value - self.mean(metric)) ** 2 for value in values) / (len(values) - 1)) ** 0.5)


class Trained(_Frozen):
    """How the final model was trained.

    Attributes:
        family: Family of the model; `average` for the mean of several models.
        settings: Its settings; empty for an average.
        members: The models of an average.
        calibrated: Whether the probabilities are calibrated.
        calibration: How they are calibrated.
        threshold: Decision threshold; unused with three classes or more.
        train_rows: Rows that the final model was fitted on.
        validation: Metrics on the validation rows.
    """

    family: str
    settings: Settings
    members: tuple[Member, ...] = ()
    calibrated: bool
    calibration: CalibrationMethod = "none"
    threshold: float
    train_rows: int
    validation: dict[str, float]
