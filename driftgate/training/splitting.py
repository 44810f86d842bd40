"""Splits of the rows for training, validation and holdout: by time, at random or by group, as the problem file says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftgate.config import GroupSplit, Problem, RandomSplit, Span, TimeSplit
from driftgate.data.table import labels_of
from driftgate.errors import DriftgateError
from driftgate.training.groups import group_codes, holdout_of_groups, parts_of_groups

if TYPE_CHECKING:
    import datetime as dt

    import numpy as np
    import pandas as pd

SHOWN = 5


@dataclass(frozen=True)
class Fold:
    """Positions, within the development rows, to train on and to test on; int64 arrays."""

    name: str
    train: np.ndarray
    test: np.ndarray


def split(frame: pd.DataFrame, problem: Problem, *, as_of: dt.datetime | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split the rows into development rows and the holdout, which only the final evaluation reads.

    Rows without a label are left out of both. Where they aren't allowed, the check of the contract has refused them before.

    Args:
        frame: All rows before `as_of`, in order of time if there is a timestamp.
        problem: Gives the rule in `split`.
        as_of: The end of the holdout, for a split by time.

    Returns:
        Development rows and holdout rows, each with a fresh index.

    Raises:
        DriftgateError: If either part is empty or has only one class, or if the development rows lack a class.
    """
    frame = labelled(frame, problem)
    if isinstance(problem.split, TimeSplit):
        import pandas as pd

        assert problem.data.timestamp
        assert as_of
        border = pd.Timestamp(as_of) - offset(problem.split.holdout)
        held = (frame[problem.data.timestamp] >= border).to_numpy()
        where = f"from {border:%Y-%m-%d} to {as_of:%Y-%m-%d}"
    else:
        held = _random_holdout(frame, problem, problem.split)
        where = f"of {problem.split.holdout:.0%}"
    development, holdout = frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)
    labels = labels_of(development, problem)
    _require_both_classes(labels, "The rows before the holdout", problem)
    _require_every_class(labels, labels_of(holdout, problem), problem)
    _require_both_classes(labels_of(holdout, problem), f"The holdout {where}", problem)
    return development, holdout


def labelled(frame: pd.DataFrame, problem: Problem) -> pd.DataFrame:
    """The rows that have a label."""
    there = frame[problem.target.column].notna()
    return frame if bool(there.all()) else frame[there]


def folds(development: pd.DataFrame, problem: Problem) -> list[Fold]:
    """The folds of cross-validation on the development rows; the last fold is the validation fold.

    With a split by time, folds are expanding blocks: each tests on a block as long as the validation span and trains on
    all rows before it. With a random split, folds are stratified. With a split by group, they also keep groups whole.

    Raises:
        DriftgateError: If no fold has every class in its training rows, and two classes in its test rows.
    """
    if isinstance(problem.split, TimeSplit):
        found = _expanding_blocks(development, problem, problem.split)
    elif isinstance(problem.split, GroupSplit):
        found = _whole_groups(development, problem, problem.split)
    else:
        found = _stratified(development, problem, problem.split)
    if not found:
        labels = labels_of(development, problem)
        binary = problem.target.binary
        what = "both classes in training and validation" if binary else "every class in training and two in validation"
        raise DriftgateError(
            f"The {len(labels):,} rows before the holdout ({class_counts(labels, problem)}) are too few for one fold with "
            f"{what}.",
            "Add more rows, or change the spans or folds under split in the problem file.",
        )
    return found


def rows_of_classes(labels: np.ndarray, problem: Problem) -> list[int]:
    """How many rows each class has, in the order of `target.class_names`."""
    import numpy as np

    return [int(rows) for rows in np.bincount(labels, minlength=len(problem.target.class_names))]


def class_counts(labels: np.ndarray, problem: Problem) -> str:
    """How many rows each class has, in words: the rarest classes first, if there are many."""
    pairs = list(zip(rows_of_classes(labels, problem), problem.target.class_names, strict=True))
    pairs = pairs[::-1] if problem.target.binary else sorted(pairs, key=lambda pair: pair[0])
    listed = ", ".join(f"{rows:,} {name!r}" for rows, name in pairs[:SHOWN])
    return f"{listed}, …" if len(pairs) > SHOWN else listed


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
        start = end - offset(rule.validation)
        train = np.flatnonzero((times < start).to_numpy())
        test = np.flatnonzero(((times >= start) & (times < end)).to_numpy())
        if _classes(labels[train]) < len(problem.target.class_names) or _classes(labels[test]) < 2:
            break
        result.append(Fold(name=f"{start:%Y-%m-%d}", train=train, test=test))
        end = start
    return result[::-1]


def _stratified(development: pd.DataFrame, problem: Problem, rule: RandomSplit) -> list[Fold]:
    from sklearn.model_selection import StratifiedKFold

    labels = labels_of(development, problem)
    if min(rows_of_classes(labels, problem)) < rule.folds:
        return []
    parts = StratifiedKFold(rule.folds, shuffle=True, random_state=problem.seed).split(labels, labels)
    return [Fold(name=f"fold {number}", train=train, test=test) for number, (train, test) in enumerate(parts, 1)]


def _whole_groups(development: pd.DataFrame, problem: Problem, rule: GroupSplit) -> list[Fold]:
    labels, groups = labels_of(development, problem), group_codes(development, problem)
    parts = parts_of_groups(labels, groups, problem, count=rule.folds, of="the rows before the holdout")
    found = [Fold(name=f"fold {number}", train=train, test=test) for number, (train, test) in enumerate(parts, 1)]
    every = len(problem.target.class_names)
    whole = all(_classes(labels[fold.train]) == every and _classes(labels[fold.test]) >= 2 for fold in found)
    if whole:
        return found
    import numpy as np

    spread = {name: len(np.unique(groups[labels == code])) for code, name in enumerate(problem.target.class_names)}
    rarest = min(spread, key=lambda name: spread[name])
    raise DriftgateError(
        f"The groups of {problem.data.group!r} can't be split into {rule.folds} folds such that each one trains on every "
        f"class and tests on two: the rows of {rarest!r} before the holdout are in {spread[rarest]:,} of "
        f"{len(np.unique(groups)):,} groups.",
        f"Add rows of {rarest!r} from more groups, reduce split.folds, or set split.method: random.",
    )


def _random_holdout(frame: pd.DataFrame, problem: Problem, rule: RandomSplit | GroupSplit) -> np.ndarray:
    import numpy as np
    from sklearn.model_selection import train_test_split

    labels = labels_of(frame, problem)
    held = np.zeros(len(labels), dtype=bool)
    if min(rows_of_classes(labels, problem)) < 2:
        return held
    if isinstance(rule, GroupSplit):
        held[holdout_of_groups(labels, group_codes(frame, problem), problem, share=rule.holdout)] = True
        return held
    require_holdout_rows(labels, problem, rule)
    at = np.arange(len(labels))
    _, rows = train_test_split(at, test_size=rule.holdout, stratify=labels, random_state=problem.seed)
    held[rows] = True
    return held


def require_holdout_rows(labels: np.ndarray, problem: Problem, rule: RandomSplit) -> None:
    """Raise an error if a stratified holdout gets no row of some class."""
    counts = rows_of_classes(labels, problem)
    few = [
        (rows, name) for rows, name in zip(counts, problem.target.class_names, strict=True) if rows * rule.holdout < 1
    ]
    if few and not problem.target.binary:
        raise DriftgateError(
            f"A holdout of {rule.holdout:.0%} has no row of {small_classes(few, len(labels))}.",
            "Add more rows of these classes, merge them with others, or increase split.holdout.",
        )


def small_classes(few: list[tuple[int, str]], rows: int) -> str:
    """The names and counts of classes that are too small, the smallest first."""
    few = sorted(few, key=lambda pair: pair[0])
    listed = ", ".join(f"{name!r} ({count:,} of {rows:,} rows)" for count, name in few[:SHOWN])
    return f"{listed} and {len(few) - SHOWN:,} more classes" if len(few) > SHOWN else listed


def _require_both_classes(labels: np.ndarray, what: str, problem: Problem) -> None:
    if _classes(labels) < 2:
        only = (
            f"{len(labels):,} rows, all of one class: {problem.target.class_names[labels[0]]!r}" if len(labels) else ""
        )
        every = "both classes" if problem.target.binary else "every class"
        timed = isinstance(problem.split, TimeSplit)
        raise DriftgateError(
            f"{what}: {only or 'no rows'}.",
            "Choose another --as-of, or other spans under split in the problem file."
            if timed
            else f"Add more rows of {every}, or change split.holdout in the problem file.",
        )


def _require_every_class(labels: np.ndarray, held: np.ndarray, problem: Problem) -> None:
    """A model must have seen every class that it can predict."""
    counts, names = rows_of_classes(labels, problem), problem.target.class_names
    absent = [name for rows, name in zip(counts, names, strict=True) if not rows]
    if absent and len(labels):
        later = rows_of_classes(held, problem)[names.index(absent[0])]
        listed = ", ".join(repr(name) for name in absent[:SHOWN])
        more = f" and {len(absent) - SHOWN:,} more classes" if len(absent) > SHOWN else ""
        raise DriftgateError(
            f"The rows before the holdout have no row of {listed}{more}; the holdout has {later:,} of {absent[0]!r}.",
            "Add rows of these classes, leave out the classes and their rows, or change the holdout under split.",
        )


def _classes(labels: np.ndarray) -> int:
    import numpy as np

    return len(np.unique(labels))


def offset(span: Span) -> pd.DateOffset:
    """A span of calendar time."""
    import pandas as pd

    return pd.DateOffset(months=span.months, days=span.days)
