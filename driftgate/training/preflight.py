"""Checks before a pipeline starts that the data can be trained on. They read only dates and labels from a Parquet file."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from driftgate.config import Problem, RandomSplit
from driftgate.data.present import ensure_data
from driftgate.data.read_parquet import ParquetFile
from driftgate.data.table import labels_of, open_table, read_rows
from driftgate.errors import DriftgateError
from driftgate.training.splitting import Fold, folds, split
from driftgate.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LEAST_ROWS = 50  # with fewer, the confidence intervals of a model's metrics are too wide to decide anything
SCARCE = 50  # rows of a class; with more, random parts surely have both classes
SHOWN_CLASSES = 5


def require_trainable(problem: Problem, *, as_of: dt.date | None, workspace: Workspace) -> None:
    """Check that the rows before `as_of` can be split, and that a model can be trained and calibrated on each part.

    Only the timestamp and the target are read from a Parquet file.

    Args:
        problem: The problem to train.
        as_of: See `read_rows`.
        workspace: The workspace; DVC's scratch files go there.

    Raises:
        DriftgateError: If they can't. The error gives the counts and says what to change.
    """
    ensure_data(problem, workspace=workspace)
    file = open_table(problem.data_path, problem=problem)
    few = [problem.target.column, *([problem.data.timestamp] if problem.data.timestamp else [])]
    frame, version = read_rows(problem, md5="", as_of=as_of, columns=few if isinstance(file, ParquetFile) else None)
    labelled = frame[frame[problem.target.column].notna()].reset_index(drop=True)
    _require_two_classes(labelled, problem)
    _require_rows(labelled, problem)
    if isinstance(problem.split, RandomSplit):
        _require_random_parts(labels_of(labelled, problem), problem, problem.split)
        if min(_counts(labels_of(labelled, problem))) >= SCARCE:
            return
    development, _ = split(labelled, problem, as_of=version.as_of)
    labels = labels_of(development, problem)
    for part in folds(development, problem):
        _require_calibration(labels[part.train], problem, _name_of(part))
    _require_calibration(labels, problem, "the rows before the holdout")


def _require_two_classes(frame: pd.DataFrame, problem: Problem) -> None:
    name, positive = problem.target.column, problem.target.positive
    counts = frame[name].value_counts()
    listed = ", ".join(f"{value!r} ({number:,} rows)" for value, number in list(counts.items())[:SHOWN_CLASSES])
    if not len(counts):
        raise DriftgateError(
            f"The target {name!r} has no value in any row.", "Set target.column to the column that has the labels."
        )
    if positive not in counts.index.tolist():
        raise DriftgateError(
            f"The positive class {positive!r} never occurs in {name!r}. Its values are {listed}.",
            "Set target.positive to one of its values, written with the same type.",
        )
    if len(counts) != 2:
        what = "only one class" if len(counts) == 1 else f"{len(counts)} classes, not two"
        raise DriftgateError(
            f"The target {name!r} has {what}: {listed}.",
            "Choose rows of both classes."
            if len(counts) == 1
            else "Turn it into a column with two values: one class against all others.",
        )


def _require_rows(frame: pd.DataFrame, problem: Problem) -> None:
    if len(frame) < LEAST_ROWS:
        when = " dated before as-of" if problem.data.timestamp else ""
        raise DriftgateError(
            f"{problem.data_path.name} has {len(frame):,} rows with a label{when}; at least {LEAST_ROWS} are needed.",
            "Add more rows.",
        )


def _require_random_parts(labels: np.ndarray, problem: Problem, rule: RandomSplit) -> None:
    """Compute how many rows of the rarer class each part gets, without splitting the rows."""
    import math

    rarer, name = _rarer(labels, problem)
    rest = rarer - math.ceil(rarer * rule.holdout)
    needed = max(rule.folds, 2)
    if problem.calibration.method != "none":
        # Each fold trains on the others, and calibration splits those rows again.
        needed = max(needed, math.ceil(problem.calibration.folds * rule.folds / (rule.folds - 1)))
    if rest < needed or rarer * rule.holdout < 1:
        calibrated = problem.calibration.method != "none"
        raise DriftgateError(
            f"Only {rarer:,} of {len(labels):,} rows are {name!r}. After the holdout of {rule.holdout:.0%}, {rest:,} are "
            f"left, but {rule.folds} folds{f', each calibrated in {problem.calibration.folds} parts,' * calibrated} "
            f"need {needed:,}.",
            f"Add more rows of {name!r}, or reduce split.folds{' and set calibration.method: none' * calibrated}.",
        )


def _require_calibration(labels: np.ndarray, problem: Problem, where: str) -> None:
    """Check that each part of the calibration trains on both classes; the parts are those of `build_model`."""
    if problem.calibration.method == "none":
        return
    import numpy as np

    rarer, name = _rarer(labels, problem)
    order = np.arange(len(labels))
    if problem.data.timestamp is None:
        np.random.RandomState(problem.seed).shuffle(order)  # as scikit-learn's KFold does
    parts = np.array_split(order, problem.calibration.folds)
    if rarer >= problem.calibration.folds and all(rarer > _number_of(labels[part], labels) for part in parts):
        return
    neighbours = " blocks of neighbouring rows" if problem.data.timestamp else " parts"
    raise DriftgateError(
        f"Calibration can't split {where}: only {rarer:,} of {len(labels):,} rows are {name!r}. That is too few for "
        f"{problem.calibration.folds}{neighbours} such that the rows outside each of them have both classes.",
        f"Add more rows of {name!r}, reduce calibration.folds, or set calibration.method: none.",
    )


def _number_of(part: np.ndarray, labels: np.ndarray) -> int:
    """How many rows of a part have the class that is rarer among all labels."""
    ones = int(labels.sum())
    return int((part == (ones <= len(labels) - ones)).sum())


def _counts(labels: np.ndarray) -> tuple[int, int]:
    ones = int(labels.sum())
    return len(labels) - ones, ones


def _rarer(labels: np.ndarray, problem: Problem) -> tuple[int, str]:
    zeros, ones = _counts(labels)
    return (ones, problem.target.positive_name) if ones <= zeros else (zeros, problem.target.negative_name)


def _name_of(part: Fold) -> str:
    return f"the training rows of {part.name if part.name.startswith('fold') else f'the fold from {part.name}'}"
