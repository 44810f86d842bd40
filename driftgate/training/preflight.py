"""What can't be trained, found before a pipeline starts: from the dates and labels alone, where the file has columns."""

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

LEAST_ROWS = 50  # fewer say nothing of a model: its interval would span everything
SCARCE = 50  # of a class; with more, random parts have both classes for sure
SHOWN_CLASSES = 5


def require_trainable(problem: Problem, *, as_of: dt.date | None, workspace: Workspace) -> None:
    """See that the rows before `as_of` can be split, and a model be trained and calibrated on each part.

    Of a Parquet file only the timestamp and the target are read.

    Args:
        problem: What to train.
        as_of: As of `read_rows`.
        workspace: Where the data's lock is.

    Raises:
        DriftgateError: If they can't; names counts, and what to change.
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
            f"No row has a value in {name!r}, the target.", "Name the column of labels in target.column."
        )
    if positive not in counts.index.tolist():
        raise DriftgateError(
            f"The positive class {positive!r} never occurs in {name!r}, which holds {listed}.",
            "Set target.positive to one of its values, written with the same type.",
        )
    if len(counts) != 2:
        what = "one class only" if len(counts) == 1 else f"{len(counts)} classes, not two"
        raise DriftgateError(
            f"The target {name!r} holds {what}: {listed}.",
            "Choose rows of both classes."
            if len(counts) == 1
            else "Make a column of two values out of it: one class, and all others.",
        )


def _require_rows(frame: pd.DataFrame, problem: Problem) -> None:
    if len(frame) < LEAST_ROWS:
        when = " dated before as-of" if problem.data.timestamp else ""
        raise DriftgateError(
            f"{problem.data_path.name} has {len(frame):,} rows with a label{when}; at least {LEAST_ROWS} are needed.",
            "Give more rows.",
        )


def _require_random_parts(labels: np.ndarray, problem: Problem, rule: RandomSplit) -> None:
    """Arithmetic only, so that it takes no time: how many rows of the rarer class each part gets."""
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
            f"Of {len(labels):,} rows only {rarer:,} are {name!r}: after the holdout of {rule.holdout:.0%}, {rest:,} are "
            f"left for {rule.folds} folds{f', each calibrated in {problem.calibration.folds} parts' * calibrated}, which "
            f"need {needed:,}.",
            f"Give more rows of {name!r}, or set fewer split.folds{' and calibration.method: none' * calibrated}.",
        )


def _require_calibration(labels: np.ndarray, problem: Problem, where: str) -> None:
    """See that each part of the calibration trains on both classes; the parts are those of `build_model`."""
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
        f"Calibration can't split {where}: of {len(labels):,} rows only {rarer:,} are {name!r}, not enough for "
        f"{problem.calibration.folds}{neighbours} that each leave both classes to the others.",
        f"Give more rows of {name!r}, or set fewer calibration.folds or calibration.method: none.",
    )


def _number_of(part: np.ndarray, labels: np.ndarray) -> int:
    """How many rows of a part are of the class that is rarer in all."""
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
