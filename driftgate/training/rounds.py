"""Early stopping: find how many rounds a boosted model needs, on a part of the training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftgate.config import Problem
from driftgate.training.families.estimators import ROUNDS
from driftgate.training.modelling import build_model, single_threaded, without_empty_columns
from driftgate.training.tuned import Member, Settings
from driftgate.training.workers import one_thread

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LARGEST = 1000  # rounds, if the settings name no limit
SHARE = 0.15  # of the training rows, to measure when to stop
PATIENCE = 30  # rounds without improvement


def stops_early(member: Member) -> bool:
    """Whether the number of rounds is to be found: `early_stopping: true` in the settings of a boosted family."""
    return member.family in ROUNDS and member.settings.get("early_stopping") is True


def with_rounds(member: Member, rounds: int) -> Member:
    """The model with a fixed number of rounds."""
    settings: Settings = {key: value for key, value in member.settings.items() if key != "early_stopping"}
    return Member(family=member.family, settings={**settings, ROUNDS[member.family]: rounds})


def find_rounds(
    member: Member, problem: Problem, features: pd.DataFrame, labels: np.ndarray, groups: np.ndarray | None
) -> int:
    """Train on most of the rows, and count the rounds up to the lowest loss on the rest.

    The rest is the newest rows where the problem has a timestamp, else whole groups, else a seeded stratified sample.
    Where it lacks a class, the largest number of rounds is used.

    Args:
        member: The model, with `early_stopping` in its settings. Its own number of rounds is the largest allowed.
        problem: Gives the columns and the seed.
        features: The training rows, in order of time if there is a timestamp.
        labels: Codes of the classes, of shape (n,).
        groups: The group of each row, for a split by group.
    """
    key = ROUNDS[member.family]
    given = member.settings.get(key)
    largest = int(given) if isinstance(given, int | float) and given else LARGEST
    parts = _parts(problem, labels, groups)
    if parts is None:
        return largest
    train, rest = parts
    model = build_model(problem, family=member.family, settings=with_rounds(member, largest).settings)
    single_threaded(model)
    with one_thread():
        shown = model[:-1].fit_transform(without_empty_columns(features.iloc[train]), labels[train])
        unseen = model[:-1].transform(features.iloc[rest])
        rounds = _STOP[member.family](model[-1], shown, labels[train], unseen, labels[rest])
    return max(1, min(rounds, largest))


def _parts(problem: Problem, labels: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray] | None:
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if problem.data.timestamp:
        border = int(len(labels) * (1 - SHARE))
        train, rest = np.arange(border), np.arange(border, len(labels))
    else:
        number = round(1 / SHARE)
        if np.bincount(labels.astype(np.int64)).min() < number:
            return None
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        parts = kind(number, shuffle=True, random_state=problem.seed).split(labels, labels, groups)
        train, rest = next(iter(parts))
    known = set(np.unique(labels).tolist())
    return (train, rest) if all(set(np.unique(labels[part]).tolist()) == known for part in (train, rest)) else None


def _of_histograms(estimator: Any, x: Any, y: np.ndarray, unseen: Any, truth: np.ndarray) -> int:
    estimator.set_params(early_stopping=True, n_iter_no_change=PATIENCE, scoring="loss")
    estimator.fit(x, y, X_val=unseen, y_val=truth)
    return int(estimator.validation_score_.argmax())  # of the start, and of each round


def _of_xgboost(estimator: Any, x: Any, y: np.ndarray, unseen: Any, truth: np.ndarray) -> int:
    estimator.set_params(early_stopping_rounds=PATIENCE)
    estimator.fit(x, y, eval_set=[(unseen, truth)])
    return int(estimator.best_iteration) + 1


def _of_lightgbm(estimator: Any, x: Any, y: np.ndarray, unseen: Any, truth: np.ndarray) -> int:
    from lightgbm import early_stopping

    estimator.fit(x, y, eval_set=[(unseen, truth)], callbacks=[early_stopping(PATIENCE, verbose=False)])
    return int(estimator.best_iteration_)


def _of_catboost(estimator: Any, x: Any, y: np.ndarray, unseen: Any, truth: np.ndarray) -> int:
    estimator.fit(x, y, eval_set=(unseen, truth), early_stopping_rounds=PATIENCE, verbose=False)
    return int(estimator.get_best_iteration()) + 1


_STOP = {
    "hist_gradient_boosting": _of_histograms,
    "xgboost": _of_xgboost,
    "lightgbm": _of_lightgbm,
    "catboost": _of_catboost,
}
