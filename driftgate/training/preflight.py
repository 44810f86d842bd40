"""Checks before a pipeline starts that the data can be trained on.

They read the names of the columns, and from a Parquet file only dates, labels and groups.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from driftgate.config import GroupSplit, Problem, RandomSplit
from driftgate.data.present import ensure_data
from driftgate.data.read_csv import header_hint
from driftgate.data.read_parquet import ParquetFile
from driftgate.data.table import labels_of, open_table, read_rows, shown_name
from driftgate.errors import DriftgateError
from driftgate.training.families.catalog import require_families
from driftgate.training.splitting import (
    Fold,
    folds,
    labelled,
    require_holdout_rows,
    rows_of_classes,
    small_classes,
    split,
)
from driftgate.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LEAST_ROWS = 50  # with fewer, the confidence intervals of a model's metrics are too wide to decide anything
SCARCE = 50  # rows of a class; with more, random parts surely have both classes
SHOWN_CLASSES = 5
SHOWN_COLUMNS = 10


def require_trainable(problem: Problem, *, as_of: dt.date | None, workspace: Workspace) -> None:
    """Check that the rows before `as_of` can be split, and that a model can be trained and calibrated on each part.

    Args:
        problem: The problem to train.
        as_of: See `read_rows`.
        workspace: The workspace; DVC's scratch files go there.

    Raises:
        DriftgateError: If they can't, or a candidate's library is not installed. The error gives the counts and says what to change.
    """
    require_families(problem)
    ensure_data(problem, workspace=workspace)
    file = open_table(problem.data_path, problem=problem)
    _require_columns(file.names, problem)
    few = [problem.target.column, problem.data.timestamp, problem.data.group if _by_group(problem) else None]
    columns = [name for name in few if name] if isinstance(file, ParquetFile) else None
    frame, version = read_rows(problem, md5="", as_of=as_of, columns=columns)
    rows = labelled(frame, problem).reset_index(drop=True)
    _require_classes(rows, problem)
    _require_rows(rows, problem)
    if isinstance(problem.split, RandomSplit):
        labels = labels_of(rows, problem)
        _require_random_parts(labels, problem, problem.split)
        if min(rows_of_classes(labels, problem)) >= SCARCE:
            return
    development, _ = split(rows, problem, as_of=version.as_of)
    labels = labels_of(development, problem)
    for part in folds(development, problem):
        _require_calibration(labels[part.train], problem, _name_of(part))
    _require_calibration(labels, problem, "the rows before the holdout")


def _by_group(problem: Problem) -> bool:
    return isinstance(problem.split, GroupSplit)


def _require_columns(names: list[str], problem: Problem) -> None:
    """Raise an error that lists the columns of the contract that the file lacks."""
    wanted = [*problem.contract.columns, *([problem.data.group or ""] if _by_group(problem) else [])]
    absent = [name for name in wanted if name not in names]
    if absent:
        listed = ", ".join(shown_name(name) for name in absent[:SHOWN_COLUMNS])
        more = f" and {len(absent) - SHOWN_COLUMNS:,} more" if len(absent) > SHOWN_COLUMNS else ""
        found = ", ".join(shown_name(name) for name in names[:SHOWN_COLUMNS])
        found += ", …" if len(names) > SHOWN_COLUMNS else ""
        what = "the column" if len(absent) == 1 else f"{len(absent):,} columns"
        where = "data.group" if absent == [problem.data.group] else "the contract"
        raise DriftgateError(
            f"{problem.data_path.name} lacks {what} {listed}{more} of {where}.",
            header_hint(names) or f"Its columns are: {found}. Correct the problem file, or the data.",
        )


def _require_classes(frame: pd.DataFrame, problem: Problem) -> None:
    name = problem.target.column
    counts = frame[name].value_counts()
    if not len(counts):
        raise DriftgateError(
            f"The target {name!r} has no value in any row.", "Set target.column to the column that has the labels."
        )
    if problem.target.classes is None:
        _require_two_classes(counts, problem)
    else:
        _require_listed_classes(counts, problem, list(problem.target.classes))


def _require_listed_classes(counts: pd.Series[int], problem: Problem, classes: list[bool | int | str]) -> None:
    """Check that the target has every class of the problem file, and no other."""
    name, found = problem.target.column, counts.index.tolist()
    absent = [value for value in classes if value not in found]
    unknown = {value: rows for value, rows in counts.items() if value not in classes}
    if unknown:
        raise DriftgateError(
            f"The target {name!r} has {len(unknown):,} {'value' if len(unknown) == 1 else 'values'} that target.classes "
            f"doesn't list: {_listed(unknown)}.",
            "Add them to target.classes with the same type, or remove these rows.",
        )
    if absent:
        listed = ", ".join(repr(value) for value in absent[:SHOWN_CLASSES])
        more = f" and {len(absent) - SHOWN_CLASSES:,} more" if len(absent) > SHOWN_CLASSES else ""
        raise DriftgateError(
            f"{listed}{more} of target.classes never {'occurs' if len(absent) == 1 else 'occur'} in {name!r}. "
            f"Its values are {_listed(dict(counts.items()))}.",
            "Remove them from target.classes, or add rows with these labels.",
        )


def _listed(counts: dict[Any, int]) -> str:
    shown = ", ".join(f"{value!r} ({number:,} rows)" for value, number in list(counts.items())[:SHOWN_CLASSES])
    return f"{shown} and {len(counts) - SHOWN_CLASSES:,} more" if len(counts) > SHOWN_CLASSES else shown


def _require_two_classes(counts: pd.Series[int], problem: Problem) -> None:
    name, positive = problem.target.column, problem.target.positive
    listed = _listed(dict(counts.items()))
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
            else "List its values in target.classes instead of target.positive, or turn it into two classes.",
        )


def _require_rows(frame: pd.DataFrame, problem: Problem) -> None:
    if len(frame) < LEAST_ROWS:
        when = " dated before as-of" if problem.data.timestamp else ""
        raise DriftgateError(
            f"{problem.data_path.name} has {len(frame):,} rows with a label{when}; at least {LEAST_ROWS} are needed.",
            "Add more rows.",
        )


def _require_random_parts(labels: np.ndarray, problem: Problem, rule: RandomSplit) -> None:
    """Compute how many rows of each class each part gets, without splitting the rows."""
    import math

    needed = max(rule.folds, 2)
    calibrated = _splits_again(problem)
    if calibrated:
        # Each fold trains on the others, and calibration splits those rows again.
        needed = max(needed, math.ceil(problem.calibration.folds * rule.folds / (rule.folds - 1)))
    counts = list(zip(rows_of_classes(labels, problem), problem.target.class_names, strict=True))
    few = [
        (rows, name)
        for rows, name in counts
        if rows - math.ceil(rows * rule.holdout) < needed or rows * rule.holdout < 1
    ]
    if not few:
        return
    remedy = f"reduce split.folds{' and set calibration.method: none' * calibrated}."
    folds_text = f"{rule.folds} folds{f', each calibrated in {problem.calibration.folds} parts,' * calibrated}"
    if len(few) > 1:
        require_holdout_rows(labels, problem, rule)
        raise DriftgateError(
            f"{len(few):,} of {len(counts):,} classes have too few rows: {small_classes(few, len(labels))}. After the "
            f"holdout of {rule.holdout:.0%}, {folds_text} need {needed:,} rows of each class.",
            f"Add more rows of these classes, merge them with others, or {remedy}",
        )
    rarer, name = few[0]
    rest = rarer - math.ceil(rarer * rule.holdout)
    raise DriftgateError(
        f"Only {rarer:,} of {len(labels):,} rows are {name!r}. After the holdout of {rule.holdout:.0%}, {rest:,} are "
        f"left, but {folds_text} need {needed:,}.",
        f"Add more rows of {name!r}, or {remedy}",
    )


def _require_calibration(labels: np.ndarray, problem: Problem, where: str) -> None:
    """Check that each part of the calibration trains on every class; the parts are those of `build_model`."""
    if not _splits_again(problem):
        return
    import numpy as np

    counts = rows_of_classes(labels, problem)
    order = np.arange(len(labels))
    if problem.data.timestamp is None:
        np.random.RandomState(problem.seed).shuffle(order)  # as scikit-learn's KFold does
    parts = [np.array(rows_of_classes(labels[at], problem)) for at in np.array_split(order, problem.calibration.folds)]
    few = [
        (rows, name)
        for code, (rows, name) in enumerate(zip(counts, problem.target.class_names, strict=True))
        if rows < problem.calibration.folds or any(part[code] == rows for part in parts)
    ]
    if not few:
        return
    rarer, name = min(few, key=lambda pair: pair[0])
    neighbours = " blocks of neighbouring rows" if problem.data.timestamp else " parts"
    every = "both classes" if problem.target.binary else "every class"
    raise DriftgateError(
        f"Calibration can't split {where}: only {rarer:,} of {len(labels):,} rows are {name!r}. That is too few for "
        f"{problem.calibration.folds}{neighbours} such that the rows outside each of them have {every}.",
        f"Add more rows of {name!r}, reduce calibration.folds, or set calibration.method: none.",
    )


def _splits_again(problem: Problem) -> bool:
    """Whether calibration splits the training rows of a fold; other methods take the predictions of the folds."""
    return problem.calibration.method == "sigmoid"


def _name_of(part: Fold) -> str:
    return f"the training rows of {part.name if part.name.startswith('fold') else f'the fold from {part.name}'}"
