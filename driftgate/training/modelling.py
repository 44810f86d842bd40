"""The candidate models: scikit-learn pipelines that include the preprocessing, so that training and serving can't differ.

Only components that convert to ONNX are used. Trees get no scaler, because float32 rounding would move rows across a split.
Missing numbers are imputed for families that don't accept them. Categories are target encoded (Micci-Barreca 2001;
cross-fitted by scikit-learn's `TargetEncoder`), which gives one column per feature, however many categories it has.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from driftgate.config import Candidate, Problem, Range, Setting
from driftgate.training.workers import one_thread

if TYPE_CHECKING:
    import numpy as np
    import optuna
    from sklearn.pipeline import Pipeline

Settings = dict[str, Setting]

FAMILY_NAMES = {
    "logistic_regression": "logistic regression",
    "random_forest": "random forest",
    "hist_gradient_boosting": "histogram gradient boosting",
}


def build_model(problem: Problem, *, family: str, settings: Settings, calibrated: bool = False) -> Pipeline:
    """An unfitted pipeline from contract columns to class probabilities.

    Args:
        problem: Gives the columns, the calibration and the seed.
        family: One of `FAMILY_NAMES`.
        settings: Keyword arguments of the family's scikit-learn estimator.
        calibrated: Add a sigmoid (Platt 1999), fitted on out-of-fold scores of `calibration.folds` blocks of the training
            rows.
    """
    from sklearn.pipeline import Pipeline

    estimator = _estimator(family, settings, seed=problem.seed)
    if calibrated:
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.model_selection import KFold

        # Contiguous blocks: rows close in time, which are similar, are never in both training and test rows.
        parts = KFold(problem.calibration.folds, shuffle=problem.data.timestamp is None, **_seed_if_shuffled(problem))
        estimator = CalibratedClassifierCV(estimator, method="sigmoid", cv=parts, ensemble=problem.calibration.ensemble)
    return Pipeline([("columns", _columns(problem, family)), ("model", estimator)])


def suggest(trial: optuna.Trial, candidate: Candidate) -> Settings:
    """Draw settings from a candidate's search space, and add its fixed settings."""
    settings: Settings = dict(candidate.fixed)
    for key, space in candidate.search.items():
        if not isinstance(space, Range):
            settings[key] = trial.suggest_categorical(key, space)
        elif isinstance(space.low, int) and isinstance(space.high, int):
            settings[key] = trial.suggest_int(key, space.low, space.high, log=space.log)
        else:
            settings[key] = trial.suggest_float(key, space.low, space.high, log=space.log)
    return settings


def fit(model: Pipeline, features: Any, labels: np.ndarray) -> Pipeline:
    """Fit the model on one thread and leave it set to one: sums then have a fixed order, and so the same last bit."""
    single_threaded(model)
    with one_thread():
        model.fit(features, labels)
    return model


def predict_probability(model: Pipeline, features: Any) -> np.ndarray:
    """Probability of the positive class, float64 of shape (n,); with three classes or more, of each class: (n, classes)."""
    probability: np.ndarray = model.predict_proba(features)
    return probability[:, 1] if probability.shape[1] == 2 else probability


def single_threaded(model: Any) -> None:
    """Set `n_jobs=1` on an estimator and on all fitted estimators inside it."""
    pending, seen = [model], set()
    while pending:
        part = pending.pop()
        if id(part) in seen or not hasattr(part, "__dict__"):
            continue
        seen.add(id(part))
        if getattr(part, "n_jobs", None) not in (None, 1):
            part.n_jobs = 1
        if hasattr(part, "steps"):
            pending += [step for _, step in part.steps]
        pending += [value for value in vars(part).values() if hasattr(value, "get_params")]
        pending += list(getattr(part, "calibrated_classifiers_", []))


def seed_everything(seed: int) -> None:
    """Seed Python's and NumPy's global generators, for libraries that draw from them."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)


def _seed_if_shuffled(problem: Problem) -> dict[str, Any]:
    return {} if problem.data.timestamp else {"random_state": problem.seed}


def _estimator(family: str, settings: Settings, *, seed: int) -> Any:
    if family == "logistic_regression":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(**{"max_iter": 1000, "random_state": seed, **settings})
    if family == "random_forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(**{"n_jobs": 1, "random_state": seed, **settings})
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(**{"early_stopping": False, "random_state": seed, **settings})


def _columns(problem: Problem, family: str) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler, TargetEncoder

    contract = problem.contract
    numbers: Any = {
        "logistic_regression": make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
        "random_forest": SimpleImputer(strategy="median"),
        "hist_gradient_boosting": "passthrough",
    }[family]
    parts = []
    if contract.numeric:
        parts.append(("numbers", numbers, contract.numeric))
    if contract.categorical:
        cross_fit = KFold(5, shuffle=True, random_state=problem.seed)
        parts.append(("categories", TargetEncoder(target_type="binary", cv=cross_fit), contract.categorical))
    return ColumnTransformer(parts, verbose_feature_names_out=False)
