"""The estimator of each family: on one thread, seeded, and silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftgate.training.families.own import load_estimator

if TYPE_CHECKING:
    from driftgate.config import Setting

# The setting that counts the trees, or the rounds of trees, of the families that add them one after the other.
ROUNDS = {
    "hist_gradient_boosting": "max_iter",
    "xgboost": "n_estimators",
    "lightgbm": "n_estimators",
    "catboost": "iterations",
}
# Estimators of these families accept missing values.
ACCEPT_MISSING = frozenset({"hist_gradient_boosting", "xgboost", "lightgbm", "catboost"})
# Estimators of these families compare values with thresholds; only the order of a column's values matters to them.
TREES = frozenset({"random_forest", "extra_trees", *ROUNDS})


def make_estimator(family: str, settings: dict[str, Setting], *, seed: int) -> Any:
    """An unfitted estimator.

    Args:
        family: A built-in family, or the dotted path of the user's own.
        settings: Keyword arguments of its class. Each built-in family takes `class_weight: balanced`.
        seed: Seeds what the estimator draws at random.
    """
    make = _BUILT_IN.get(family)
    return make(dict(settings), seed) if make else _own(family, dict(settings), seed)


def _logistic_regression(settings: dict[str, Any], seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**{"max_iter": 1000, "random_state": seed, **settings})


def _random_forest(settings: dict[str, Any], seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(**{"n_jobs": 1, "random_state": seed, **settings})


def _extra_trees(settings: dict[str, Any], seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(**{"n_jobs": 1, "random_state": seed, **settings})


def _hist_gradient_boosting(settings: dict[str, Any], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(**{"early_stopping": False, "random_state": seed, **settings})


def _multilayer_perceptron(settings: dict[str, Any], seed: int) -> Any:
    from driftgate.training.families.perceptron import MultilayerPerceptron

    return MultilayerPerceptron(**{"random_state": seed, **settings})


def _xgboost(settings: dict[str, Any], seed: int) -> Any:
    from driftgate.training.families.boosting import XGBoost

    return XGBoost(**{"n_jobs": 1, "random_state": seed, "tree_method": "hist", "verbosity": 0, **settings})


def _lightgbm(settings: dict[str, Any], seed: int) -> Any:
    from lightgbm import LGBMClassifier

    fixed = {"n_jobs": 1, "random_state": seed, "deterministic": True, "force_row_wise": True, "verbosity": -1}
    return LGBMClassifier(**{**fixed, **settings})


def _catboost(settings: dict[str, Any], seed: int) -> Any:
    from catboost import CatBoostClassifier

    weights = settings.pop("class_weight", None)
    if weights is not None:
        if weights != "balanced":
            raise ValueError(f"class_weight must be balanced or null, not {weights!r}")
        settings["auto_class_weights"] = "Balanced"
    # allow_writing_files: otherwise it makes a folder catboost_info in the current folder.
    fixed = {"thread_count": 1, "random_seed": seed, "verbose": False, "allow_writing_files": False}
    return CatBoostClassifier(**{**fixed, **settings})


def _own(path: str, settings: dict[str, Any], seed: int) -> Any:
    kind = load_estimator(path)
    accepted = kind._get_param_names()
    fixed = {"n_jobs": 1, "random_state": seed}
    return kind(**{**{name: value for name, value in fixed.items() if name in accepted}, **settings})


_BUILT_IN = {
    "logistic_regression": _logistic_regression,
    "random_forest": _random_forest,
    "extra_trees": _extra_trees,
    "hist_gradient_boosting": _hist_gradient_boosting,
    "multilayer_perceptron": _multilayer_perceptron,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "catboost": _catboost,
}
