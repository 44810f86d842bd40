"""Read a problem's rows, and the form in which models take them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.config import Problem
from driftgate.contract import Contract
from driftgate.errors import DriftgateError, first_line

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MISSING_CATEGORY = ""


class DataVersion(BaseModel):
    """Which data a run saw: the file's md5, the rows read, and the moment from which it looked back.

    `later_rows` counts the rows dated at or after that moment; they were not read.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    md5: str
    rows: int
    later_rows: int
    as_of: dt.datetime | None
    as_of_given: bool


def read_rows(problem: Problem, *, md5: str, as_of: dt.date | None) -> tuple[pd.DataFrame, DataVersion]:
    """Read the rows dated before `as_of`, in order of time.

    Args:
        problem: Names the file (parquet, or CSV by its ending) and its columns.
        md5: The version of the file, as checked.
        as_of: The date, or the moment, from which the run looks back; None stands for now.

    Returns:
        Row id, timestamp, features and target, with a fresh index; columns the problem doesn't name are left out.
        What the contract asks for and the file lacks is left to the contract check.

    Raises:
        DriftgateError: If the file can't be read, lacks the target, the row id or the timestamp, or holds no row.
    """
    path, timestamp = problem.data_path, problem.data.timestamp
    header = columns_of(path)
    for key, column in (
        ("target.column", problem.target.column),
        ("data.row_id", problem.data.row_id),
        ("data.timestamp", timestamp),
    ):
        if column and column not in header:
            raise DriftgateError(
                f"{path.name} has no column {column!r}, which {key} names.",
                f"Its columns are: {', '.join(header[:40])}.",
            )
    wanted = [problem.data.row_id, *([timestamp] if timestamp else []), *problem.contract.features]
    wanted = [column for column in (*wanted, problem.target.column) if column in header]
    moment = moment_of(as_of) if timestamp else None
    frame, total = _read(path, problem=problem, columns=wanted, before=moment)
    if frame.empty:
        why = f" dated before {as_of}" if total else ""
        raise DriftgateError(f"{path.name} has no rows{why}.", "Choose a later --as-of, or another file.")
    if timestamp:
        frame = frame.sort_values(timestamp, kind="stable")
    version = DataVersion(
        path=str(problem.data.path),
        md5=md5,
        rows=len(frame),
        later_rows=total - len(frame),
        as_of=moment,
        as_of_given=as_of is not None,
    )
    return frame.reset_index(drop=True), version


def features_of(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """The feature columns as both scikit-learn and ONNX take them.

    Args:
        frame: Rows that keep the contract.
        contract: The columns.

    Returns:
        The contract's columns in its order, numbers as float32 (missing: NaN), categories as str (missing: "").
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, column in contract.columns.items():
        values = frame[name]
        if column.is_category:
            columns[name] = values.astype(object).where(values.notna(), MISSING_CATEGORY).astype(str).astype(object)
        else:
            columns[name] = values.astype("float32")
    return pd.DataFrame(columns, index=frame.index)


def rows_of(frame: pd.DataFrame, contract: Contract) -> list[dict[str, Any]]:
    """The feature columns as JSON has them: one mapping a row, whole numbers as int, missing values as None."""
    columns: dict[str, list[Any]] = {}
    for name, column in contract.columns.items():
        kind: Any = {"category": str, "boolean": bool, "integer": int, "number": float}[column.type]
        known = frame[name].notna()
        columns[name] = [
            kind(value) if there else None for value, there in zip(frame[name].tolist(), known.tolist(), strict=True)
        ]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def labels_of(frame: pd.DataFrame, problem: Problem) -> np.ndarray:
    """1 where the target is the positive class, else 0; int8 of shape (n,)."""
    positive = (frame[problem.target.column] == problem.target.positive).to_numpy()
    return positive.astype("int8")


def moment_of(as_of: dt.date | None) -> dt.datetime:
    """The moment from which a run looks back: the beginning of a day, or a moment as it is; None stands for now.

    Raises:
        DriftgateError: If it lies in the future.
    """
    now = dt.datetime.now()
    if as_of is None:
        return now
    moment = as_of if isinstance(as_of, dt.datetime) else dt.datetime.combine(as_of, dt.time())
    if moment > now:
        raise DriftgateError(f"The as-of date {as_of} lies in the future.", "Give today's date or an earlier one.")
    return moment


def columns_of(path: Path, *, kind: str | None = None) -> list[str]:
    """The names of a file's columns.

    Args:
        path: The file.
        kind: `.parquet`, or else CSV; None: as its name ends.

    Raises:
        DriftgateError: If it can't be read.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    parquet = (kind or path.suffix) == ".parquet"
    try:
        return list(pq.read_schema(path).names) if parquet else list(pd.read_csv(path, nrows=0).columns)
    except Exception as error:
        raise DriftgateError(
            f"{path} can't be read as {'parquet' if parquet else 'CSV'}: {first_line(error)}.",
            "Name a .parquet or .csv file.",
        ) from error


def read_columns(path: Path, *, problem: Problem, columns: list[str]) -> pd.DataFrame:
    """Read some columns of a parquet or CSV file, all rows.

    Raises:
        DriftgateError: If it can't be read.
    """
    return _read(path, problem=problem, columns=columns, before=None)[0]


def _read(path: Path, *, problem: Problem, columns: list[str], before: dt.datetime | None) -> tuple[pd.DataFrame, int]:
    """Rows before the moment, and the count of all rows. Parquet filters while it reads: later rows never load."""
    import pandas as pd
    import pyarrow.parquet as pq

    timestamp = problem.data.timestamp
    try:
        if path.suffix == ".parquet":
            filters = [(timestamp, "<", before)] if before else None
            if timestamp in columns and getattr(pq.read_schema(path).field(timestamp).type, "tz", None):
                raise ValueError(f"{timestamp!r} has a time zone, give local times without one")
            frame = pq.read_table(path, columns=columns, filters=filters).to_pandas()
            return frame, pq.read_metadata(path).num_rows
        texts: Any = dict.fromkeys([problem.data.row_id, *problem.contract.categorical], str)
        dates = [timestamp] if timestamp in columns else False
        frame = pd.read_csv(path, usecols=columns, dtype=texts, parse_dates=dates, low_memory=False)
        for name in frame.columns.intersection(problem.contract.numeric):
            # One text among numbers makes pandas read them all as text: only that one is wrong.
            if frame[name].dtype == object:
                numbers = pd.to_numeric(frame[name], errors="coerce")
                frame[name] = numbers.astype(object).where(numbers.notna() | frame[name].isna(), frame[name])
    except Exception as error:
        raise DriftgateError(
            f"{path} can't be read: {first_line(error)}.", "Check the file, and that data.timestamp holds dates."
        ) from error
    if timestamp in frame and getattr(frame[timestamp].dtype, "tz", None):
        raise DriftgateError(f"{path}: {timestamp!r} has a time zone.", "Give local times without one.")
    total = len(frame)
    if before and timestamp:
        if not pd.api.types.is_datetime64_any_dtype(frame[timestamp]):
            raise DriftgateError(
                f"{path.name}: {timestamp!r}, named by data.timestamp, does not hold dates.",
                "Write them as 2013-07-31 18:05:00.",
            )
        frame = frame[frame[timestamp] < before]
    return frame, total


def count_rows(path: Path, *, kind: str) -> int | None:
    """How many rows a file holds; None where it can't be read.

    Args:
        path: The file, whatever its name.
        kind: Its ending: `.parquet`, or CSV.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows) if kind == ".parquet" else len(pd.read_csv(path, usecols=[0]))
    except Exception:
        return None


def date_span(path: Path, problem: Problem) -> tuple[str, str] | None:
    """The first and the last moment in a file, ISO 8601; None where the problem has no timestamp.

    Raises:
        DriftgateError: If it can't be read.
    """
    name = problem.data.timestamp
    if not name:
        return None
    moments = read_columns(path, problem=problem, columns=[name])[name].dropna()
    return (str(moments.min()), str(moments.max())) if len(moments) else None
