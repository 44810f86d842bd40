"""The names of the families, and the check that what a problem names is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from driftgate.config import Problem
from driftgate.errors import DriftgateError
from driftgate.training.families.own import load_converter, load_estimator

FAMILY_NAMES = {
    "logistic_regression": "logistic regression",
    "random_forest": "random forest",
    "extra_trees": "extra trees",
    "hist_gradient_boosting": "histogram gradient boosting",
    "multilayer_perceptron": "multilayer perceptron",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
}
BOOSTING = ("xgboost", "lightgbm", "catboost")
EXTRA = "boosting"  # of the project: it has their libraries
CONVERTERS = "onnxmltools"  # converts XGBoost and LightGBM to ONNX


def family_name(family: str) -> str:
    """The family in words; for the user's own estimator, the name of its class."""
    return FAMILY_NAMES.get(family) or family.replace(":", ".").rpartition(".")[2]


def installed(family: str) -> bool:
    """Whether the libraries of a built-in family are installed. It doesn't import them."""
    if family not in BOOSTING:
        return True
    needed = (family,) if family == "catboost" else (family, CONVERTERS)
    return all(importlib.util.find_spec(name) is not None for name in needed)


def extras_of(families: Iterable[str]) -> tuple[str, ...]:
    """The extras of the project that have the libraries of these families."""
    return (EXTRA,) if any(family in BOOSTING for family in families) else ()


def require_families(problem: Problem) -> None:
    """Check that each candidate of a problem can be trained: its library is installed, or its estimator can be imported.

    Raises:
        DriftgateError: If one can't be. The error says what to install or to change.
    """
    for candidate in problem.tuning.candidates:
        if candidate.family in FAMILY_NAMES:
            if not installed(candidate.family):
                raise DriftgateError(
                    f"The candidate {candidate.family!r} needs a library that is not installed.",
                    f"Install it with `uv sync --extra {EXTRA}`, or remove the candidate.",
                )
        else:
            load_estimator(candidate.family)
        if candidate.converter is not None:
            load_converter(candidate.converter)
