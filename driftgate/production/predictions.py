"""Read the prediction log as a table of predictions with their labels, with only one time window in memory.

The id of a prediction begins with the time of its answer in milliseconds, so the window of a label is known without a
lookup.
"""

from __future__ import annotations

import datetime as dt
import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.errors import DriftgateError
from driftgate.production.log_labels import SortedLabels, Which
from driftgate.production.log_lines import PredictionLine
from driftgate.production.log_reader import HOUR, LogReader, Span
from driftgate.production.prediction_log import PREDICTIONS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

log = logging.getLogger("driftgate.predictions")

WINDOW = dt.timedelta(days=1)
OURS = ("prediction_id", "at", "model", "version", "arm", "caller", "peer", "probability", "label", "labelled_at")
PROBABILITY = "probability"
OF_CLASS = f"{PROBABILITY}: "  # the start of the column with the probability of a class, before its name
PREFIX = "feature_"


class Counts(BaseModel):
    """How many predictions there are, how many of them have a label, and how many each version of each model made.

    `by_label` is the number of predictions with each label. `bad_lines` and `unreadable_files` are the numbers of lines and files of the log that were left out.
    """

    model_config = ConfigDict(frozen=True)

    predictions: int
    labelled: int
    by_version: dict[str, int]
    by_label: dict[str, int]
    first: dt.datetime | None
    last: dt.datetime | None
    segments: int
    bad_lines: int
    unreadable_files: int


class Written(BaseModel):
    """How many predictions were written to a file, and how many lines and files of the log were left out."""

    model_config = ConfigDict(frozen=True)

    rows: int
    bad_lines: int
    unreadable_files: int


def read_predictions(
    folder: Path,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    label: Which = "last",
    kind: str = PREDICTIONS,
    reader: LogReader | None = None,
) -> pd.DataFrame:
    """Read the predictions of a time range, in order of time.

    Args:
        folder: Folder of the log.
        since: Start of the range, UTC, inclusive; None: the first prediction.
        until: End of the range, UTC, exclusive; None: the last prediction.
        label: Which label counts if a prediction has several, by the time at which they were sent.
        kind: `PREDICTIONS` of the service, or those of a challenger in shadow mode (`prediction_log.SHADOW`).
        reader: Reader of the folder; it counts what is left out.

    Returns:
        One row per prediction: `prediction_id`, `at` (UTC, without zone), `model`, `version`, `arm`, `caller` (a pseudonym,
        if an experiment assigned by caller), `peer` (a pseudonym of the network address, if an experiment was running),
        `probability` of the positive class, `label` and `labelled_at` (missing if there is no label yet), and a column for
        each feature. Predictions of three classes or more have a column `probability: NAME` for each class instead of
        `probability`. If versions with different classes predicted, a row has values only for the classes of its version.
        `class_probabilities` gives the arrays.

    Raises:
        DriftgateError: If there is no such folder.
    """
    import pandas as pd

    parts = list(windows(folder, since=since, until=until, label=label, kind=kind, reader=reader))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(OURS))


def windows(
    folder: Path,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    label: Which = "last",
    window: dt.timedelta = WINDOW,
    kind: str = PREDICTIONS,
    reader: LogReader | None = None,
) -> Iterator[pd.DataFrame]:
    """The same as `read_predictions`, as one table per window that has predictions; only one is in memory at a time.

    Raises:
        DriftgateError: If there is no such folder.
    """
    reader = reader or LogReader(folder)
    spans = reader.spans(kind)
    start, end = _bounds(spans, since=since, until=until)
    if start >= end:
        return
    width = int(window.total_seconds() * 1000)
    with tempfile.TemporaryDirectory(prefix="labels-") as temporary:
        labels = SortedLabels(Path(temporary), width=width)
        labels.sort(reader.labels(start, end))
        for number in _numbers(spans, start, end, width=width):
            low, high = start + number * width, min(start + (number + 1) * width, end)
            lines = reader.distinct(reader.predictions(low, high, kind))
            table = _table(lines, labels.of(low, high, which=label))
            if len(table):
                yield table


def _bounds(spans: list[Span], *, since: dt.datetime | None, until: dt.datetime | None) -> Span:
    """The first millisecond to read, and the one after the last."""
    if not spans:
        return 0, 0
    # Windows begin at the start of an hour, so that every call uses the same windows.
    start, end = spans[0][0] // HOUR * HOUR, spans[-1][1] + 1
    return (
        start if since is None else max(start, _milliseconds(since)),
        end if until is None else min(end, _milliseconds(until)),
    )


def _numbers(spans: list[Span], start: int, end: int, *, width: int) -> Iterator[int]:
    """The numbers of the windows that may have a line. Empty windows are skipped: a wrong clock may be off by decades."""
    done = -1
    for low, high in spans:
        if low < end and high >= start:
            first, last = (max(low, start) - start) // width, (min(high, end - 1) - start) // width
            yield from range(max(first, done + 1), last + 1)
            done = max(done, last)


def count_predictions(folder: Path, *, since: dt.datetime | None = None, until: dt.datetime | None = None) -> Counts:
    """Count the predictions of a time range.

    Raises:
        DriftgateError: If there is no such folder.
    """
    reader, total, labels = LogReader(folder), Counter[str](), Counter[str]()
    first, last = None, None
    for table in windows(folder, since=since, until=until, reader=reader):
        total.update((table["model"] + " " + table["version"]).tolist())
        labels.update(table["label"].dropna().tolist())
        first = first or table["at"].iloc[0].to_pydatetime()
        last = table["at"].iloc[-1].to_pydatetime()
    return Counts(
        predictions=total.total(), labelled=labels.total(), by_version=dict(sorted(total.items())),
        by_label=dict(sorted(labels.items())), first=first, last=last,
        segments=len(reader.segments(PREDICTIONS)), bad_lines=reader.bad_lines, unreadable_files=len(reader.unreadable),
    )  # fmt: skip


def write_predictions(
    folder: Path, out: Path, *, since: dt.datetime | None, until: dt.datetime | None, label: Which
) -> Written:
    """Write the table to a Parquet or CSV file, one window after the other.

    Raises:
        DriftgateError: If there is no such folder, the file exists already, or has another extension.
    """
    from pyarrow import csv, parquet

    if out.suffix not in (".parquet", ".csv"):
        raise DriftgateError(f"{out} is neither Parquet nor CSV.", "Name a .parquet or .csv file.")
    if out.exists():
        raise DriftgateError(f"{out} exists already.", "Name another file, or remove it.")
    reader = LogReader(folder)
    schema = _schema(*_columns_of(reader, since=since, until=until))
    draft = out.with_name(f".{out.name}.part")
    try:
        with draft.open("wb") as file:
            tables = windows(folder, since=since, until=until, label=label, reader=reader)
            writer = parquet.ParquetWriter if out.suffix == ".parquet" else csv.CSVWriter
            rows = _write(tables, writer(file, schema), schema)
        draft.replace(out)
    except OSError as error:
        raise DriftgateError(f"{out} can't be written: {error.strerror}.", "Name another file with --out.") from error
    finally:
        draft.unlink(missing_ok=True)
    return Written(rows=rows, bad_lines=reader.bad_lines, unreadable_files=len(reader.unreadable))


def features_of_log(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The feature columns of a table, with their original names.

    Args:
        table: A table from `read_predictions`.
        names: Names of the features; those that the table lacks are left out.
    """
    kept = {_column(name): name for name in names}
    found: pd.DataFrame = table[[name for name in kept if name in table]].rename(columns=kept)
    for name in found.columns:
        found[name] = _of_one_type(found[name])
    return found


def _of_one_type(values: pd.Series[Any]) -> pd.Series[Any]:
    """A column with all values converted to text, or all to numbers, as files require; the contract check reports faults."""
    import pandas as pd

    kinds = set(values.dropna().map(type)) if values.dtype == object else set()
    if len(kinds) < 2:
        return values
    if str not in kinds:
        return pd.to_numeric(values)
    log.warning("column %s has both text and numbers: all values are read as text", values.name)
    return values.map(str, na_action="ignore")


def class_probabilities(table: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """The probabilities of a table, for versions with the same classes.

    Args:
        table: A table from `read_predictions`.
        classes: The names of the classes; for two: negative, positive.

    Returns:
        float64 of shape (n,) for two classes, else (n, classes) in the order of `classes`. NaN in rows of versions that
        have other classes.
    """
    import numpy as np

    if len(classes) == 2:
        of_one: np.ndarray = table.reindex(columns=[PROBABILITY]).to_numpy(dtype=float, na_value=np.nan)[:, 0]
        return of_one
    names = [f"{OF_CLASS}{name}" for name in classes]
    found: np.ndarray = table.reindex(columns=names).to_numpy(dtype=float, na_value=np.nan, copy=True)
    others = [name for name in map(str, table) if name.startswith(OF_CLASS) and name not in names]
    complete = ~np.isnan(found).any(axis=1) & table[others].isna().all(axis=1).to_numpy(dtype=bool)
    found[~complete] = np.nan
    return found


def _column(feature: str) -> str:
    """The column name of a feature: unique, and different from the names of the log's own columns."""
    bare = feature
    while bare.startswith(PREFIX):
        bare = bare.removeprefix(PREFIX)
    return f"{PREFIX}{feature}" if bare in OURS or bare.startswith(OF_CLASS) else feature


def _columns_of(
    reader: LogReader, *, since: dt.datetime | None, until: dt.datetime | None
) -> tuple[list[str], dict[str, type]]:
    """The columns of the time range: those with probabilities, and every feature with its type: text, boolean or number.

    Versions may have different features and classes.
    """
    found: dict[str, set[type]] = {}
    probabilities: dict[str, None] = {}
    for _, line in reader.predictions(*_bounds(reader.spans(PREDICTIONS), since=since, until=until)):
        probabilities |= dict.fromkeys(_probability_columns(line))
        for name, values in line.columns.items():
            found.setdefault(name, set()).update(map(type, values))
    empty = type(None)
    of_features: dict[str, type] = {
        name: str if str in kinds else bool if kinds - {empty} == {bool} else float for name, kinds in found.items()
    }
    return list(probabilities) or [PROBABILITY], of_features


def _probability_columns(line: PredictionLine) -> list[str]:
    return [PROBABILITY] if line.classes is None else [f"{OF_CLASS}{name}" for name in line.classes]


def _schema(probabilities: Sequence[str], kinds: Mapping[str, type]) -> Any:
    import pyarrow as pa

    moment, of_kind = pa.timestamp("ms"), {str: pa.string(), bool: pa.bool_(), float: pa.float64()}
    ours = {name: pa.string() for name in _ours(probabilities)} | {"at": moment, "labelled_at": moment}
    ours |= dict.fromkeys(probabilities, pa.float64())
    return pa.schema([*ours.items(), *((_column(name), of_kind[kind]) for name, kind in sorted(kinds.items()))])


def _ours(probabilities: Sequence[str]) -> list[str]:
    """The log's own columns, with those of the probabilities in the place of `probability`."""
    at = OURS.index(PROBABILITY)
    return [*OURS[:at], *probabilities, *OURS[at + 1 :]]


def _write(tables: Iterable[pd.DataFrame], writer: Any, schema: Any) -> int:
    rows = 0
    with writer:
        for table in tables:
            writer.write_table(_arrow(table, schema))
            rows += len(table)
    return rows


def _arrow(table: pd.DataFrame, schema: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    table = table.reindex(columns=schema.names)
    for field in schema:
        values = table[field.name]
        if field.type == pa.string():
            # A feature may be text in one release and a number in another.
            table[field.name] = values.map(str, na_action="ignore")
        elif field.type == pa.float64():
            table[field.name] = pd.to_numeric(values).astype(float)
        elif field.type == pa.bool_():
            table[field.name] = values.astype(object).where(values.notna(), None)
    return pa.Table.from_pandas(table, schema=schema, preserve_index=False, safe=False)


def _table(lines: Iterable[PredictionLine], labels: Mapping[str, tuple[str, int]]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    columns: dict[str, list[Any]] = {name: [] for name in OURS if name != PROBABILITY}
    probabilities: dict[str, list[Any]] = {}
    features: dict[str, list[Any]] = {}
    rows = 0
    for line in lines:
        number = len(line.probability)
        ids = [f"{line.request}-{at}" for at in range(number)]
        labelled = [labels.get(name, (None, None)) for name in ids]
        constant = {
            "at": line.at, "model": line.model, "version": line.version, "arm": line.arm, "caller": line.caller,
            "peer": line.peer,
        }  # fmt: skip
        values: dict[str, list[Any]] = {
            "prediction_id": ids, "label": [label for label, _ in labelled],
            "labelled_at": [at for _, at in labelled], **{key: [value] * number for key, value in constant.items()},
        }  # fmt: skip
        for name, added in values.items():
            columns[name] += added
        chances: Iterable[Any] = [line.probability] if line.classes is None else zip(*line.probability, strict=True)
        _extend(probabilities, dict(zip(_probability_columns(line), chances, strict=True)), rows=rows, added=number)
        _extend(features, line.columns, rows=rows, added=number)
        rows += number
    ordered = _ours(list(probabilities) or [PROBABILITY])
    known = {**columns, PROBABILITY: [], **probabilities}
    table = pd.DataFrame(
        {**{name: known[name] for name in ordered}, **{_column(name): values for name, values in features.items()}}
    )
    for name in ("at", "labelled_at"):
        # Not `to_datetime`: its cache returns wrong times for a nullable integer column with many repeated values.
        table[name] = np.array(columns[name], dtype="datetime64[ms]").astype("datetime64[ns]")
    return table.sort_values("at", kind="stable", ignore_index=True)


def _extend(columns: dict[str, list[Any]], values: Mapping[str, Sequence[Any]], *, rows: int, added: int) -> None:
    """Add the values of a line to columns of `rows` values. Later releases may have more or fewer columns."""
    for name, found in values.items():
        if name not in columns:
            columns[name] = [None] * rows
        columns[name].extend(found)
    for name in columns.keys() - values.keys():
        columns[name] += [None] * added


def _milliseconds(moment: dt.datetime) -> int:
    """Since 1970; a moment without a zone is in UTC."""
    return int((moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment).timestamp() * 1000)
