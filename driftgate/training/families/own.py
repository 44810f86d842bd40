"""The user's own estimators and ONNX converters, named in the problem file by a dotted path."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

from driftgate.errors import DriftgateError
from driftgate.workspace import PROJECT

FORM = "Write it as package.module:Name, with a module that can be imported from the project folder."


def load_estimator(path: str) -> type[Any]:
    """The class of a scikit-learn classifier.

    Args:
        path: Such as `my_package.models:MyClassifier`.

    Raises:
        DriftgateError: If it can't be imported, is no classifier, or gives no probabilities.
    """
    found = _load(path, what="estimator")
    missing = [name for name in ("fit", "predict", "get_params", "set_params") if not hasattr(found, name)]
    if not inspect.isclass(found) or missing:
        raise DriftgateError(
            f"{path!r} is not a class of scikit-learn estimators"
            + (f": it has no {missing[0]}." if inspect.isclass(found) else "."),
            "Derive it from sklearn.base.ClassifierMixin and sklearn.base.BaseEstimator.",
        )
    from sklearn.base import is_classifier

    try:
        example = found()
    except Exception as error:
        raise DriftgateError(
            f"The estimator {path!r} can't be made without arguments: {error}.",
            "Give each argument of its __init__ a default value.",
        ) from error
    if not is_classifier(example):
        raise DriftgateError(
            f"The estimator {path!r} is not a classifier.",
            "Derive it from sklearn.base.ClassifierMixin (before BaseEstimator).",
        )
    if not hasattr(found, "predict_proba"):
        raise DriftgateError(
            f"The estimator {path!r} has no predict_proba, so it gives no probabilities.",
            "Add predict_proba, or wrap it in sklearn.calibration.CalibratedClassifierCV.",
        )
    return found


def load_converter(path: str) -> Callable[..., None]:
    """The function that adds an estimator's operators to the ONNX graph.

    Raises:
        DriftgateError: If it can't be imported or can't be called.
    """
    found = _load(path, what="converter")
    if not callable(found):
        raise DriftgateError(
            f"The converter {path!r} is not a function.",
            "Name a function with the arguments (scope, operator, container).",
        )
    return found  # type: ignore[no-any-return]


def _load(path: str, *, what: str) -> Any:
    module, _, name = path.replace(":", ".").rpartition(".")
    if str(PROJECT) not in sys.path:  # a command that is started from another folder finds it too
        sys.path.insert(0, str(PROJECT))
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError as error:
        raise DriftgateError(
            f"The module {module!r} has no {name!r}, which the problem file names as {what}.", FORM
        ) from error
    except Exception as error:  # whatever the user's module raises while it is imported
        raise DriftgateError(
            f"The {what} {path!r} can't be imported: {type(error).__name__}: {error}".rstrip(".") + ".", FORM
        ) from error
