"""How a model is trained: the split, the candidates and their tuning, the calibration."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from driftgate.config.base import Frozen, Share, Span

Metric = Literal[
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "brier",
    "expected_calibration_error",
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
    "roc_auc_weighted",
    "pr_auc_weighted",
    "top_2_accuracy",
    "top_3_accuracy",
    "top_5_accuracy",
]
LOWER_IS_BETTER: frozenset[str] = frozenset({"log_loss", "brier", "expected_calibration_error"})
MULTICLASS_METRICS: frozenset[str] = frozenset(  # metrics that exist only for three classes or more
    {
        "precision_weighted",
        "recall_weighted",
        "f1_weighted",
        "roc_auc_weighted",
        "pr_auc_weighted",
        "top_2_accuracy",
        "top_3_accuracy",
        "top_5_accuracy",
    }
)
FAMILIES = (
    "logistic_regression",
    "random_forest",
    "extra_trees",
    "hist_gradient_boosting",
    "multilayer_perceptron",
    "xgboost",
    "lightgbm",
    "catboost",
)


class TimeSplit(Frozen):
    """A split by time: the newest rows are the holdout, the rows before them the validation set, all earlier rows train.

    The folds of cross-validation are expanding blocks.
    """

    method: Literal["time"]
    holdout: Span
    validation: Span
    folds: int = Field(4, ge=1, le=20)
    tune_on: Literal["validation", "cross_validation"] = "validation"


class RandomSplit(Frozen):
    """A stratified random holdout; candidates are compared by stratified cross-validation on the rest."""

    method: Literal["random"]
    holdout: Share
    folds: int = Field(5, ge=2, le=20)
    tune_on: Literal["cross_validation"] = "cross_validation"


class GroupSplit(Frozen):
    """A random holdout of whole groups: all rows with one value of `data.group` are on the same side.

    Candidates are compared by cross-validation whose folds keep groups together too.
    """

    method: Literal["group"]
    holdout: Share
    folds: int = Field(5, ge=2, le=20)
    tune_on: Literal["cross_validation"] = "cross_validation"


class Range(Frozen):
    """An interval that the tuner draws from. It draws whole numbers if both ends are whole numbers.

    `log` makes it draw on a log scale.
    """

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        if self.log and self.low <= 0:
            raise ValueError("a log scale needs low above 0")
        return self


DOTTED = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*[.:][A-Za-z_]\w*"

Setting = bool | int | float | str | None


class Candidate(Frozen):
    """One family of models: fixed settings, and a search space over the others.

    `family` is a built-in name, or the dotted path of a scikit-learn estimator, such as `my_package.models:MyClassifier`.
    `converter` is the dotted path of its ONNX converter, for an estimator that skl2onnx can't convert. It is a function
    with skl2onnx's signature `(scope, operator, container)`.
    """

    family: str
    trials: int = Field(ge=1, le=1000)
    fixed: dict[str, Setting] = Field({})
    search: dict[str, Range | list[Setting]] = Field({})
    converter: str | None = None

    @field_validator("family")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in FAMILIES and not re.fullmatch(DOTTED, value):
            raise ValueError(
                f"must be one of {', '.join(FAMILIES)}, or a dotted path such as my_package.models:MyModel"
            )
        return value

    @field_validator("converter")
    @classmethod
    def _is_a_path(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(DOTTED, value):
            raise ValueError("must be a dotted path such as my_package.onnx:convert_my_model")
        return value


class Tuning(Frozen):
    """The search for the best candidate.

    `pruning` ends a trial early if its first folds score worse than most others. `average` is the largest number of models
    whose mean probability may become the final model; it is used only if it scores better on the validation rows. 1 turns
    averaging off. `maximum_rows` is the largest number of rows that a trial is fitted on; more are sampled.
    """

    metric: Metric = "roc_auc"
    time_limit_seconds: float = Field(600, gt=0)
    pruning: bool = True
    average: int = Field(1, ge=1, le=10)
    maximum_rows: int | None = Field(None, ge=1000)
    candidates: tuple[Candidate, ...] = Field(min_length=1)


class Calibration(Frozen):
    """How probabilities are calibrated. `auto` keeps the sigmoid only if it lowers the validation log loss.

    `ensemble` averages one model per fold instead of using a single model. Such a model is slower to predict, and its
    probabilities depend less on single training rows.
    """

    method: Literal["auto", "sigmoid", "temperature", "isotonic", "none"] = "auto"
    folds: int = Field(3, ge=2, le=10)
    ensemble: bool = False


class Costs(Frozen):
    """What a prediction of each kind costs, in any unit. The threshold with the lowest mean cost is chosen on validation rows."""

    false_positive: float = Field(ge=0)
    false_negative: float = Field(ge=0)
    true_positive: float = 0.0
    true_negative: float = 0.0

    @model_validator(mode="after")
    def _errors_cost(self) -> Costs:
        if self.false_positive <= self.true_negative or self.false_negative <= self.true_positive:
            raise ValueError("an error must cost more than the correct prediction of the same class")
        return self
