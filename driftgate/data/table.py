"""Read the rows of a problem, and convert them to the inputs of a model."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.config import Problem
from driftgate.contract import Contract
from driftgate.data.convert import from_texts, rule_of
from driftgate.data.faults import refuse
from driftgate.data.read_csv import CsvFile, header_hint
from driftgate.data.read_parquet import ParquetFile
from driftgate.errors import DriftgateError
from driftgate.files import md5_of
from driftgate.inputs import inputs_of
from driftgate.moments import iso_text
from driftgate.results.training import LeftOut
from driftgate.workspace import show_path

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

MISSING_CATEGORY = ""
MD5_LENGTH = 32
SHOWN_COLUMNS = 40


class DataVersion(BaseModel):
    """The data of a run: the file's md5, the number of rows read, and the as-of moment.

    `later_rows` counts the rows dated at or after that moment, `no_timestamp` the rows without a timestamp; neither were
    read. `no_label` counts the rows that were read and have no target.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    md5: str
    rows: int
    later_rows: int
    as_of: dt.datetime | None
    as_of_given: bool
    no_timestamp: int = 0
    no_label: int = 0

    @property
    def left_out(self) -> LeftOut:
        """The numbers of rows that were left out, by reason."""
        return LeftOut(no_timestamp=self.no_timestamp, after_as_of=self.later_rows, no_label=self.no_label)


def read_rows(
    problem: Problem, *, md5: str, as_of: dt.date | None, columns: list[str] | None = None
) -> tuple[pd.DataFrame, DataVersion]:
    """Read the rows dated before `as_of`, in order of time.

    Args:
        problem: Names the file (its extension says Parquet or CSV) and its columns.
        md5: The md5 of the file, which was verified before.
        as_of: The as-of date or moment; None means now.
        columns: The columns to read; None: all that the problem names.

    Returns:
        Row id, timestamp, features, target and group, with a fresh index, without columns that the problem doesn't name; and the
        data version. The contract check reports columns of the contract that the file lacks.

    Raises:
        DriftgateError: If the file can't be read, changed meanwhile, lacks the target, the row id, the timestamp or the
            group, has an invalid value, or has no rows.
    """
    path, timestamp, target = problem.data_path, problem.data.timestamp, problem.target.column
    file = open_table(path, problem=problem)
    own = {"target.column": target, "data.row_id": problem.data.row_id, "data.timestamp": timestamp}
    for key, column in {**own, "data.group": problem.data.group}.items():
        if column and column not in file.names:
            listed = ", ".join(shown_name(name) for name in file.names[:SHOWN_COLUMNS])
            raise DriftgateError(
                f"{path.name} has no column {column!r}, which is set as {key}.",
                header_hint(file.names) or f"Its columns are: {listed}.",
            )
    zone = problem.data.texts(csv=isinstance(file, CsvFile)).time_zone
    moment = moment_of(as_of, time_zone=zone) if timestamp else None
    wanted = [name for name in named_columns(problem) if name in file.names and (columns is None or name in columns)]
    frame, counts = _read(file, problem=problem, columns=wanted, before=moment)
    if len(md5) == MD5_LENGTH and md5_of(path) != md5:
        raise DriftgateError(f"{show_path(path)} changed while it was read.", "Run again when no program writes to it.")
    if frame.empty:
        raise _no_rows(path, counts, as_of=moment)
    if timestamp and not frame[timestamp].is_monotonic_increasing:  # a sort copies the whole frame
        frame = frame.sort_values(timestamp, kind="stable", ignore_index=True)
    version = DataVersion(
        path=str(problem.data.path),
        md5=md5,
        rows=len(frame),
        later_rows=counts.after_as_of,
        as_of=moment,
        as_of_given=as_of is not None,
        no_timestamp=counts.no_timestamp,
        no_label=int(frame[target].isna().sum()) if target in frame else 0,
    )
    return frame, version


def named_columns(problem: Problem) -> list[str]:
    """The columns that a problem names: row id, timestamp, features, target, group."""
    data = problem.data
    own = [data.row_id, data.timestamp, *problem.contract.columns, problem.target.column, data.group]
    return list(dict.fromkeys(name for name in own if name is not None))


def shown_name(name: str) -> str:
    """A column's name for a message, in quotes if it has spaces or punctuation."""
    return name if name.isidentifier() else repr(name)


def _no_rows(path: Path, counts: LeftOut, *, as_of: dt.datetime | None) -> DriftgateError:
    if not counts.no_timestamp and not counts.after_as_of:
        return DriftgateError(f"{path.name} has no rows.", "Name a file that has rows.")
    reasons = f"{counts.after_as_of:,} are dated later" * bool(counts.after_as_of)
    reasons += " and " * bool(counts.after_as_of and counts.no_timestamp)
    reasons += f"{counts.no_timestamp:,} have no timestamp" * bool(counts.no_timestamp)
    return DriftgateError(
        f"{path.name} has no rows dated before {as_of:%Y-%m-%d %H:%M}: {reasons}.",
        "Choose a later --as-of, or another file.",
    )


def features_of(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """The feature columns as inputs of both the scikit-learn and the ONNX model.

    Args:
        frame: Rows that satisfy the contract.
        contract: The columns.

    Returns:
        The contract's inputs in its order: numbers as float32 (missing: NaN), categories as str (missing: ""). Parts of
        dates and buckets of texts are float32.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    derived = inputs_of(frame, contract)
    for name, found in contract.inputs.items():
        if found.derived:
            columns[name] = derived[name]
            continue
        values = frame[name]
        if found.is_category:
            columns[name] = values.astype(object).where(values.notna(), MISSING_CATEGORY).astype(str).astype(object)
        else:
            columns[name] = values.astype("float32")
    return pd.DataFrame(columns, index=frame.index)


def rows_of(frame: pd.DataFrame, contract: Contract) -> list[dict[str, Any]]:
    """The feature columns as JSON values: one mapping per row, as a request has them.

    Whole numbers are int, dates are texts in ISO 8601, and missing values are None.
    """
    kinds: dict[str, Any] = {"boolean": bool, "integer": int, "number": float, "date": iso_text}
    columns: dict[str, list[Any]] = {}
    for name, column in contract.columns.items():
        kind = kinds.get(column.type, str)
        known = frame[name].notna()
        columns[name] = [
            kind(value) if there else None for value, there in zip(frame[name].tolist(), known.tolist(), strict=True)
        ]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def labels_of(frame: pd.DataFrame, problem: Problem) -> np.ndarray:
    """The code of each row's class; int8 of shape (n,).

    Two classes: 1 where the target is the positive class, else 0. More: the position in `target.classes`, -1 for a value
    that is none of them.
    """
    values = frame[problem.target.column]
    if problem.target.classes is None:
        return (values == problem.target.positive).to_numpy().astype("int8")
    import pandas as pd

    codes: np.ndarray = pd.Index(problem.target.classes).get_indexer(pd.Index(values))
    return codes.astype("int8")


def moment_of(as_of: dt.date | None, *, time_zone: str | None = None) -> dt.datetime:
    """The as-of moment of a run: the start of the given day, or the given moment; None means now.

    Args:
        as_of: A day or a moment, in the time zone of the data.
        time_zone: Time zone of the data; None: that of this machine.

    Raises:
        DriftgateError: If it is in the future.
    """
    from zoneinfo import ZoneInfo

    now = dt.datetime.now(ZoneInfo(time_zone)).replace(tzinfo=None) if time_zone else dt.datetime.now()
    if as_of is None:
        return now
    moment = as_of if isinstance(as_of, dt.datetime) else dt.datetime.combine(as_of, dt.time())
    if moment > now:
        raise DriftgateError(f"The as-of date {as_of} is in the future.", "Give today's date or an earlier one.")
    return moment


def open_table(path: Path, *, problem: Problem, kind: str | None = None) -> CsvFile | ParquetFile:
    """Open a data file.

    Args:
        path: The file.
        problem: Gives the CSV format in `data.csv`.
        kind: `.parquet`, or else CSV; None: by the extension of the file.

    Raises:
        DriftgateError: If it can't be read, or two columns have the same name.
    """
    parquet = (kind or path.suffix.lower()) == ".parquet"
    return ParquetFile(path) if parquet else CsvFile(path, problem.data.csv)


def columns_of(path: Path, *, problem: Problem, kind: str | None = None) -> list[str]:
    """The names of a file's columns.

    Raises:
        DriftgateError: For the same reasons as `open_table`.
    """
    return open_table(path, problem=problem, kind=kind).names


def read_columns(path: Path, *, problem: Problem, columns: list[str], kind: str | None = None) -> pd.DataFrame:
    """Read some columns of a Parquet or CSV file, with all rows.

    Raises:
        DriftgateError: If the file can't be read, or has an invalid value. The error names line and column.
    """
    return _read(open_table(path, problem=problem, kind=kind), problem=problem, columns=columns, before=None)[0]


def read_typed(file: CsvFile | ParquetFile, *, problem: Problem, columns: list[str]) -> pa.Table:
    """Read some columns with all rows, each converted to the type that the problem declares.

    Raises:
        DriftgateError: For the same reasons as `read_columns`.
    """
    import pyarrow as pa

    if isinstance(file, ParquetFile):
        return file.table(columns, problem)
    found, faults = {}, []
    for name, texts in file.columns(columns).items():
        found[name], wrong = from_texts(texts, rule_of(name, problem, csv=True))
        faults += wrong
    if faults:
        raise refuse(file.path, faults, place=file.line_of)
    return pa.table(found)


def _read(
    file: CsvFile | ParquetFile, *, problem: Problem, columns: list[str], before: dt.datetime | None
) -> tuple[pd.DataFrame, LeftOut]:
    """The rows dated before a moment, and the counts of the other rows."""
    timestamp, as_it_was = problem.data.timestamp, _state(file.path)
    if before is None or timestamp is None:
        table, counts = read_typed(file, problem=problem, columns=columns), LeftOut()
    elif isinstance(file, ParquetFile):
        keep, counts = _dated_before(file.column(timestamp, problem), before)
        table = file.table(columns, problem, keep=keep)
    else:
        table = read_typed(file, problem=problem, columns=list(dict.fromkeys([*columns, timestamp])))
        keep, counts = _dated_before(table.column(timestamp), before)
        table = table.filter(keep).select(columns)
    if _state(file.path) != as_it_was:
        raise DriftgateError(
            f"{show_path(file.path)} changed while it was read.", "Run again when no program writes to it."
        )
    # Without the metadata of pandas, which would turn a column into the index.
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame, counts


def _dated_before(stamps: Any, before: dt.datetime) -> tuple[np.ndarray, LeftOut]:
    import numpy as np

    moments = stamps.to_pandas()
    missing, early = moments.isna().to_numpy(), (moments < before).to_numpy()
    later = int(np.count_nonzero(~early & ~missing))
    return early, LeftOut(no_timestamp=int(np.count_nonzero(missing)), after_as_of=later)


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def count_rows(path: Path, *, problem: Problem, kind: str) -> int | None:
    """The number of rows of a file; None if it can't be read.

    Args:
        path: The file; its extension doesn't matter.
        problem: Gives the CSV format in `data.csv`.
        kind: The format: `.parquet`, or else CSV.
    """
    try:
        file = open_table(path, problem=problem, kind=kind)
        return file.rows if isinstance(file, ParquetFile) else sum(1 for _ in file.rows())
    except DriftgateError:
        return None


def date_span(path: Path, problem: Problem) -> tuple[str, str] | None:
    """The first and the last timestamp in a file, in ISO 8601; None if the problem or the file has no timestamp.

    Raises:
        DriftgateError: If it can't be read.
    """
    name = problem.data.timestamp
    if not name:
        return None
    moments = read_columns(path, problem=problem, columns=[name])[name].dropna()
    return (str(moments.min()), str(moments.max())) if len(moments) else None
