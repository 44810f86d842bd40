"""Splits that keep the rows of one group, such as a customer, on the same side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from driftgate.config import GroupSplit, Problem
from driftgate.errors import DriftgateError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Stratification looks at every group in turn. With more groups than this, parts of whole groups at random have nearly the
# same share of each class anyway.
MANY_GROUPS = 5_000
LARGEST_SHARE = 0.5
MOST_PARTS = 20
CLOSE_ENOUGH = 0.02  # of the share of the holdout


def group_codes(frame: pd.DataFrame, problem: Problem) -> np.ndarray:
    """A whole number for the group of each row; int64 of shape (n,).

    Raises:
        DriftgateError: If the column is missing, or has missing values.
    """
    import pandas as pd

    name = problem.data.group
    assert name
    if name not in frame:
        raise DriftgateError(
            f"The data has no column {name!r}, which is set as data.group.", "Set data.group to a column."
        )
    absent = int(frame[name].isna().sum())
    if absent:
        raise DriftgateError(
            f"{absent:,} of {len(frame):,} rows have no value in {name!r}, which is set as data.group: they may belong to "
            "groups on both sides of the split.",
            f"Fill in {name!r}, remove these rows, or set split.method: random.",
        )
    codes: np.ndarray = pd.factorize(frame[name])[0]
    return codes


def holdout_of_groups(labels: np.ndarray, groups: np.ndarray, problem: Problem, *, share: float) -> np.ndarray:
    """The positions of a random holdout of whole groups, with about the same share of each class as the other rows.

    Args:
        labels: Codes of the classes, of shape (n,).
        groups: A whole number for the group of each row, of shape (n,).
        problem: Gives the seed, and the names for errors.
        share: The share of the rows that the holdout has.

    Raises:
        DriftgateError: If there are too few groups, or one has most of the rows.
    """
    import numpy as np

    assert isinstance(problem.split, GroupSplit)
    _require_groups(groups, problem, least=problem.split.folds + 1)
    held, of = _as_parts(share)
    tests = [
        test for _, test in parts_of_groups(labels, groups, problem, count=min(of, groups.max() + 1), of="the data")
    ]
    choices = [np.concatenate([tests[(first + at) % len(tests)] for at in range(held)]) for first in range(len(tests))]
    every = np.bincount(labels)

    def unfit(rows: np.ndarray) -> tuple[int, float]:
        inside = np.bincount(labels[rows], minlength=len(every))
        absent = int(((inside == 0) & (every > 0)).sum() + ((inside == every) & (every > 0)).sum())
        return absent, abs(len(rows) / len(labels) - share)

    return min(choices, key=unfit)


def parts_of_groups(
    labels: np.ndarray, groups: np.ndarray, problem: Problem, *, count: int, of: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Split the rows into parts of whole groups: for each part, the positions of the rows outside and inside of it.

    Raises:
        DriftgateError: If there are fewer groups than parts.
    """
    import warnings

    import numpy as np
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    number = len(np.unique(groups))
    if number < count:
        raise _too_few(problem, number, f"{count} parts of {of}")
    few = number <= MANY_GROUPS
    kind = StratifiedGroupKFold if few else GroupKFold
    at_most = int(np.bincount(labels).max())  # scikit-learn refuses more parts than the largest class has rows
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # the caller checks the classes
        yield from kind(min(count, at_most), shuffle=True, random_state=problem.seed).split(labels, labels, groups)


def _as_parts(share: float) -> tuple[int, int]:
    """The smallest numbers of parts (held, of all) whose ratio is close to a share."""
    pairs = [(max(1, round(share * of)), of) for of in range(2, MOST_PARTS + 1)]
    pairs = [(held, of) for held, of in pairs if held < of]
    close = [pair for pair in pairs if abs(pair[0] / pair[1] - share) <= CLOSE_ENOUGH]
    return close[0] if close else min(pairs, key=lambda pair: abs(pair[0] / pair[1] - share))


def _require_groups(groups: np.ndarray, problem: Problem, *, least: int) -> None:
    import numpy as np

    rows = np.bincount(groups)
    if len(rows) < least:
        raise _too_few(problem, len(rows), f"a holdout and {least - 1} folds")
    largest = int(rows.max())
    if largest > LARGEST_SHARE * len(groups):
        raise DriftgateError(
            f"One group of {problem.data.group!r} has {largest:,} of {len(groups):,} rows, so no split by group leaves "
            "enough rows on both sides.",
            "Choose another column for data.group, remove rows of this group, or set split.method: random.",
        )


def _too_few(problem: Problem, number: int, what: str) -> DriftgateError:
    return DriftgateError(
        f"The column {problem.data.group!r} has {number:,} groups, which are too few for {what}.",
        "Add rows of more groups, reduce split.folds, or set split.method: random.",
    )
