"""The candidate models: scikit-learn pipelines that include the preprocessing, so that training and serving can't differ."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from driftgate.config import Candidate, Problem, Range, Setting
from driftgate.training.families.catalog import FAMILY_NAMES, family_name, require_families
from driftgate.training.families.columns import ENCODING, TARGET, make_columns
from driftgate.training.families.estimators import make_estimator
from driftgate.training.workers import one_thread

if TYPE_CHECKING:
    import numpy as np
    import optuna
    from sklearn.pipeline import Pipeline

__all__ = [
    "FAMILY_NAMES",
    "Settings",
    "build_model",
    "family_name",
    "fit",
    "predict_probability",
    "require_families",
    "seed_everything",
    "single_threaded",
    "suggest",
]

Settings = dict[str, Setting]


def build_model(problem: Problem, *, family: str, settings: Settings, calibrated: bool = False) -> Pipeline:
    """An unfitted pipeline from contract columns to class probabilities.

    Args:
        problem: Gives the columns, the calibration and the seed.
        family: One of `FAMILY_NAMES`, or the dotted path of the user's own estimator.
        settings: Keyword arguments of the family's estimator, and `categories`: see `make_columns`.
        calibrated: Add a sigmoid (Platt 1999), fitted on out-of-fold scores of `calibration.folds` blocks of the training
            rows.
    """
    from sklearn.pipeline import Pipeline

    settings = dict(settings)
    encoding = settings.pop(ENCODING, TARGET)
    estimator = make_estimator(family, settings, seed=problem.seed)
    if calibrated:
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.model_selection import KFold

        # Contiguous blocks: rows close in time, which are similar, are never in both training and test rows.
        parts = KFold(problem.calibration.folds, shuffle=problem.data.timestamp is None, **_seed_if_shuffled(problem))
        estimator = CalibratedClassifierCV(estimator, method="sigmoid", cv=parts, ensemble=problem.calibration.ensemble)
    model = Pipeline([("columns", make_columns(problem, family, encoding=encoding)), ("model", estimator)])
    named = [candidate.converter for candidate in problem.tuning.candidates if candidate.family == family]
    model.onnx_converter = next(filter(None, named), None)  # `export.to_onnx` reads it
    return model


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
        model.fit(without_empty_columns(features), labels)
    return model


def without_empty_columns(features: Any) -> Any:
    """Training rows in which a number that no row has is 0, because histogram gradient boosting refuses such a column."""
    numbers = features.select_dtypes("number")
    empty = numbers.columns[numbers.isna().all()]
    return (
        features.assign(**dict.fromkeys(empty, 0.0)).astype(dict.fromkeys(empty, "float32")) if len(empty) else features
    )


def predict_probability(model: Pipeline, features: Any, *, classes: int = 0) -> np.ndarray:
    """Probability of the positive class, float64 of shape (n,); with three classes or more, of each class: (n, classes).

    Args:
        model: A fitted model.
        features: The rows.
        classes: How many classes the problem has. A class that the training rows lack gets the probability 0.
    """
    import numpy as np

    probability: np.ndarray = model.predict_proba(features)
    known = np.asarray(model.classes_)
    number = max(classes, int(known[-1]) + 1, 2)
    if number != probability.shape[1]:
        whole = np.zeros((len(probability), number), dtype=probability.dtype)
        whole[:, known.astype(int)] = probability
        probability = whole
    return probability[:, 1] if number == 2 else probability


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
        pending += list(getattr(part, "models", []))


def seed_everything(seed: int) -> None:
    """Seed Python's and NumPy's global generators, for libraries that draw from them."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)


def _seed_if_shuffled(problem: Problem) -> dict[str, Any]:
    return {} if problem.data.timestamp else {"random_state": problem.seed}
