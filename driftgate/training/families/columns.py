"""The preprocessing of each family: from the model's inputs to one table of numbers.

Only components that convert to ONNX are used. Trees get no scaler, because float32 rounding would move rows across a split.
Missing numbers are imputed for families that don't accept them. Categories are target encoded (Micci-Barreca 2001;
cross-fitted by scikit-learn's `TargetEncoder`): one column for each feature, however many categories it has, and with three
classes or more one column for each class.
"""

from __future__ import annotations

from typing import Any

from driftgate.config import Problem
from driftgate.training.families.estimators import ACCEPT_MISSING, TREES

ENCODING, TARGET, ORDINAL = "categories", "target", "ordinal"  # a setting of each candidate, and its values
# Columns of target encoding above which categories get another encoding: wide tables with many classes.
MOST_ENCODED = 2000
ONE_HOT = 10  # categories of a column that get a column of their own there; the others share one


def make_columns(problem: Problem, family: str, *, encoding: Any = TARGET) -> Any:
    """Unfitted preprocessing from the inputs of the contract to what the family's estimator takes.

    Args:
        problem: Gives the columns, the classes and the seed.
        family: See `build_model`.
        encoding: How categories become numbers. `target`: by target encoding. `ordinal`, for trees: by their place in
            alphabetical order; an unknown category is -1.

    Raises:
        ValueError: If the family has no such encoding.
    """
    if encoding not in ((TARGET, ORDINAL) if family in TREES else (TARGET,)):
        raise ValueError(f"{ENCODING} must be {TARGET}, or {ORDINAL} for trees, not {encoding!r} for {family}")
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline

    from driftgate.training.families.transformers import ExactScaler

    contract = problem.contract
    parts: list[tuple[str, Any, list[str]]] = []
    if contract.numeric:
        parts.append(("numbers", _numbers(family), contract.numeric))
    if contract.categorical:
        parts.append(("categories", _categories(problem, family, encoding), contract.categorical))
    columns = ColumnTransformer(parts, verbose_feature_names_out=False)
    return columns if family in TREES else make_pipeline(columns, ExactScaler())


def _numbers(family: str) -> Any:
    from sklearn.impute import SimpleImputer

    if family in ACCEPT_MISSING:
        return "passthrough"
    # A column without any value in the training rows stays, as 0: the number of columns must not depend on the fold.
    return SimpleImputer(strategy="median", keep_empty_features=True)


def _categories(problem: Problem, family: str, encoding: str) -> Any:
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    from driftgate.training.families.transformers import ExactTargetEncoder

    classes = len(problem.target.class_names)
    too_many = classes > 2 and classes * len(problem.contract.categorical) > MOST_ENCODED
    if encoding == ORDINAL or (too_many and family in TREES):
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype="float32")
    if too_many:
        return OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=ONE_HOT, sparse_output=False)
    cross_fit = KFold(5, shuffle=True, random_state=problem.seed)
    return ExactTargetEncoder(target_type="binary" if classes == 2 else "multiclass", cv=cross_fit)
