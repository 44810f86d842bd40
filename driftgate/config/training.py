"""How a model is trained: the split, the candidates and their tuning, the calibration."""

from __future__ import annotations

import re
from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from driftgate.config.base import Frozen, Share, Span

CommonMetric = Literal[
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
]
MulticlassMetric = Literal[  # these exist only for three classes or more
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
    "roc_auc_weighted",
    "pr_auc_weighted",
    "top_2_accuracy",
    "top_3_accuracy",
    "top_5_accuracy",
]
Metric = Literal[CommonMetric, MulticlassMetric]
METRICS: tuple[str, ...] = get_args(CommonMetric)
MULTICLASS_METRICS: frozenset[str] = frozenset(get_args(MulticlassMetric))
LOWER_IS_BETTER: frozenset[str] = frozenset({"log_loss", "brier", "expected_calibration_error"})
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

    method: Literal["time"] = Field(description="The kind of split.")
    holdout: Span = Field(description="The newest span, such as `{months: 1}` or `{days: 14}`.")
    validation: Span = Field(description="The span before the holdout.")
    folds: int = Field(4, ge=1, le=20, description="The number of folds of cross-validation.")
    tune_on: Literal["validation", "cross_validation"] = Field(
        "validation", description="The rows on which candidates are compared."
    )


class _SplitByShare(Frozen):
    method: str = Field(description="The kind of split.")
    holdout: Share = Field(description="The share of the rows in the holdout, such as 0.2.")
    folds: int = Field(5, ge=2, le=20, description="The number of folds of cross-validation.")
    tune_on: Literal["cross_validation"] = Field(
        "cross_validation", description="The rows on which candidates are compared."
    )


class RandomSplit(_SplitByShare):
    """A stratified random holdout; candidates are compared by stratified cross-validation on the rest."""

    method: Literal["random"] = Field(description="The kind of split.")


class GroupSplit(_SplitByShare):
    """A random holdout of whole groups: all rows with one value of `data.group` are on the same side.

    Candidates are compared by cross-validation whose folds keep groups together too.
    """

    method: Literal["group"] = Field(description="The kind of split.")


class Range(Frozen):
    """An interval that the tuner draws from. It draws whole numbers if both ends are whole numbers."""

    low: int | float = Field(description="The smallest value.")
    high: int | float = Field(description="The largest value.")
    log: bool = Field(False, description="Whether to draw on a log scale.")

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
    """One family of models: fixed settings, and a search space over the others."""

    family: str = Field(
        description=f"The family: {', '.join(f'`{name}`' for name in FAMILIES[:-1])} or `{FAMILIES[-1]}`; or the dotted path "
        "of a scikit-learn estimator, such as `my_package.models:MyClassifier`. XGBoost, LightGBM and CatBoost need "
        "`uv sync --extra boosting`."
    )
    trials: int = Field(
        ge=1,
        le=1000,
        description="The number of trials of this family. Its defaults, with its `fixed` settings, are a trial of "
        "their own besides them; if no drawn trial scores better, they are taken.",
    )
    fixed: dict[str, Setting] = Field(
        {},
        description="Fixed hyperparameters. With `early_stopping: true`, the number of rounds of a boosted family is found by "
        "early stopping; then its own setting (`max_iter`, `n_estimators` or `iterations`) is the largest number.",
    )
    search: dict[str, Range | list[Setting]] = Field(
        {}, description="The search space: for each hyperparameter a list of values, or a range."
    )
    converter: str | None = Field(
        None,
        description="The dotted path of the ONNX converter of an estimator that skl2onnx can't convert: a function with "
        "skl2onnx's signature `(scope, operator, container)`.",
    )

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
    """The search for the best candidate."""

    metric: Metric = Field("roc_auc", description="The metric that selects the best candidate.")
    time_limit_seconds: float = Field(
        600, gt=0, description="The time limit of the search. The first trial of each family always runs."
    )
    pruning: bool = Field(
        True,
        description="Whether a trial ends early if its first folds score worse than the median of its family's trials. With "
        "fewer than three folds there is no pruning.",
    )
    average: int = Field(
        1,
        ge=1,
        le=10,
        description="The largest number of models whose mean probability may become the final model. The mean is used only "
        "if it scores better on the validation rows by more than noise. 1 turns averaging off.",
    )
    maximum_rows: int | None = Field(
        None,
        ge=1000,
        description="The largest number of rows that a trial is fitted on; more are sampled. The default is no limit. The final "
        "model is fitted on all rows, up to 5 million.",
    )
    candidates: tuple[Candidate, ...] = Field(min_length=1, description="The families of models to try.")


class Calibration(Frozen):
    """How probabilities are calibrated."""

    method: Literal["auto", "sigmoid", "temperature", "isotonic", "none"] = Field(
        "auto",
        description="The method. `auto` takes what has the lowest log loss on the validation rows, also `none`. Calibrators "
        "are fitted on the predictions for the test rows of the folds, by models that were not trained on them.",
    )
    folds: int = Field(
        3,
        ge=2,
        le=10,
        description="The number of blocks of the training rows on which `sigmoid` with a single model is fitted.",
    )
    ensemble: bool = Field(
        False,
        description="For `sigmoid`: whether to average one model per block instead of using a single model. Such a model is slower to "
        "predict, and its probabilities depend less on single training rows.",
    )


class Costs(Frozen):
    """What a prediction of each kind costs, in any unit. The threshold with the lowest mean cost is chosen on validation rows."""

    false_positive: float = Field(ge=0, description="The cost of a false alarm.")
    false_negative: float = Field(ge=0, description="The cost of a miss.")
    true_positive: float = Field(0.0, description="The cost of a correct positive prediction; negative for a gain.")
    true_negative: float = Field(0.0, description="The cost of a correct negative prediction; negative for a gain.")

    @model_validator(mode="after")
    def _errors_cost(self) -> Costs:
        if self.false_positive <= self.true_negative or self.false_negative <= self.true_positive:
            raise ValueError("an error must cost more than the correct prediction of the same class")
        return self
