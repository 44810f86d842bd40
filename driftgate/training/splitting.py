"""Splits of the rows for training, validation and holdout: by time or at random, as the problem file says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftgate.config import GroupSplit, Problem, RandomSplit, Span, TimeSplit
from driftgate.data.table import labels_of
from driftgate.errors import DriftgateError

if TYPE_CHECKING:
    import datetime as dt

    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Fold:
    """Positions, within the development rows, to train on and to test on; int64 arrays."""

    name: str
    train: np.ndarray
    test: np.ndarray


def split(frame: pd.DataFrame, problem: Problem, *, as_of: dt.datetime | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split the rows into development rows and the holdout, which only the final evaluation reads.

    Args:
        frame: All rows before `as_of`, in order of time if there is a timestamp.
        problem: Gives the rule in `split`.
        as_of: The end of the holdout, for a split by time.

    Returns:
        Development rows and holdout rows, each with a fresh index.

    Raises:
        DriftgateError: If either part is empty or has only one class.
    """
    if isinstance(problem.split, TimeSplit):
        import pandas as pd

        assert problem.data.timestamp
        assert as_of
        border = pd.Timestamp(as_of) - _offset(problem.split.holdout)
        held = (frame[problem.data.timestamp] >= border).to_numpy()
        where = f"from {border:%Y-%m-%d} to {as_of:%Y-%m-%d}"
    else:
        held = _random_holdout(frame, problem, problem.split)
        where = f"of {problem.split.holdout:.0%}"
    development, holdout = frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)
    _require_both_classes(labels_of(development, problem), "The rows before the holdout", problem)
    _require_both_classes(labels_of(holdout, problem), f"The holdout {where}", problem)
    return development, holdout


def folds(development: pd.DataFrame, problem: Problem) -> list[Fold]:
    """The folds of cross-validation on the development rows; the last fold is the validation fold.

    With a split by time, folds are expanding blocks: each tests on a block as long as the validation span and trains on
    all rows before it. With a random split, folds are stratified.

    Raises:
        DriftgateError: If no fold has both classes in training and in test rows.
    """
    found = (
        _expanding_blocks(development, problem, problem.split)
        if isinstance(problem.split, TimeSplit)
        else _stratified(development, problem, problem.split)
    )
    if not found:
        ones, rows = int(labels_of(development, problem).sum()), len(development)
        names = problem.target.positive_name, problem.target.negative_name
        raise DriftgateError(
            f"The {rows:,} rows before the holdout ({ones:,} {names[0]!r}, {rows - ones:,} {names[1]!r}) are too few for "
            "one fold with both classes in training and validation.",
            "Add more rows, or change the spans or folds under split in the problem file.",
        )
    return found


def _expanding_blocks(development: pd.DataFrame, problem: Problem, rule: TimeSplit) -> list[Fold]:
    import numpy as np
    import pandas as pd

    assert problem.data.timestamp
    times = development[problem.data.timestamp]
    labels = labels_of(development, problem)
    # The newest development row ends on the border of the holdout, to the day.
    end = times.max().normalize() + pd.Timedelta(days=1)
    result: list[Fold] = []
    for _ in range(rule.folds):
        start = end - _offset(rule.validation)
        train = np.flatnonzero((times < start).to_numpy())
        test = np.flatnonzero(((times >= start) & (times < end)).to_numpy())
        if min(_classes(labels[train]), _classes(labels[test])) < 2:
            break
        result.append(Fold(name=f"{start:%Y-%m-%d}", train=train, test=test))
        end = start
    return result[::-1]


def _stratified(development: pd.DataFrame, problem: Problem, rule: RandomSplit | GroupSplit) -> list[Fold]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    labels = labels_of(development, problem)
    if min((labels == 0).sum(), (labels == 1).sum()) < rule.folds:
        return []
    groups = development[problem.data.group] if isinstance(rule, GroupSplit) else None
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    parts = kind(rule.folds, shuffle=True, random_state=problem.seed).split(labels, labels, groups)
    return [Fold(name=f"fold {number}", train=train, test=test) for number, (train, test) in enumerate(parts, 1)]


def _random_holdout(frame: pd.DataFrame, problem: Problem, rule: RandomSplit | GroupSplit) -> np.ndarray:
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold, train_test_split

    labels = labels_of(frame, problem)
    held = np.zeros(len(labels), dtype=bool)
    if min((labels == 0).sum(), (labels == 1).sum()) < 2:
        return held
    if isinstance(rule, GroupSplit):
        parts = StratifiedGroupKFold(max(2, round(1 / rule.holdout)), shuffle=True, random_state=problem.seed)
        _, rows = next(parts.split(labels, labels, frame[problem.data.group]))
    else:
        at = np.arange(len(labels))
        _, rows = train_test_split(at, test_size=rule.holdout, stratify=labels, random_state=problem.seed)
    held[rows] = True
    return held


def _require_both_classes(labels: np.ndarray, what: str, problem: Problem) -> None:
    if _classes(labels) < 2:
        names = problem.target.positive_name, problem.target.negative_name
        only = f"{len(labels):,} rows, all of one class: {names[0] if labels.any() else names[1]!r}"
        timed = isinstance(problem.split, TimeSplit)
        raise DriftgateError(
            f"{what}: {only if len(labels) else 'no rows'}.",
            "Choose another --as-of, or other spans under split in the problem file."
            if timed
            else "Add more rows of both classes, or change split.holdout in the problem file.",
        )


def _classes(labels: np.ndarray) -> int:
    return len(set(labels.tolist()))


def _offset(span: Span) -> pd.DateOffset:
    import pandas as pd

    return pd.DateOffset(months=span.months, days=span.days)
