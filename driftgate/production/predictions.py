"""Measurement the prediction log: one table, predictions joined with labels by id, in memory bounded by a window.

A prediction's id begins with the time of its answer in milliseconds, so the labels of a window are told from others
without looking anything up.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from driftgate.errors import DriftgateError
from driftgate.production.prediction_log import LABELS, PREDICTIONS, begun_at, segments

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("driftgate.predictions")

Which = Literal["first", "last"]
WINDOW = dt.timedelta(days=1)
SLACK = dt.timedelta(minutes=1)  # an answer is dated before its segment is begun
OURS = ("prediction_id", "at", "model", "version", "arm", "caller", "peer", "probability", "label", "labelled_at")
BUCKETS = 256


class Counts(BaseModel):
    """How many predictions there are, how many of them have a label, and how many each model's version made."""

    model_config = ConfigDict(frozen=True)

    predictions: int
    labelled: int
    by_version: dict[str, int]
    first: dt.datetime | None
    last: dt.datetime | None
    segments: int


def read_predictions(
    folder: Path,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    label: Which = "last",
    kind: str = PREDICTIONS,
) -> pd.DataFrame:
    """Read the predictions of a time, in order of time.

    Args:
        folder: Of the log.
        since: The first moment, UTC; None: the beginning.
        until: The moment after the last one, UTC; None: the end.
        label: Which label counts where there are several, by the time they were told.
        kind: What was answered, or what a challenger in the shadow would have said (`prediction_log.SHADOW`).

    Returns:
        A row each: `prediction_id`, `at` (UTC, without zone), `model`, `version`, `arm`, `caller` (a pseudonym, where an
        experiment assigned by caller), `peer` (one of the network address, while an experiment ran), `probability`, `label` and `labelled_at` (missing where there is none yet), and a
        column for each feature.

    Raises:
        DriftgateError: If there is no such folder.
    """
    import pandas as pd

    parts = list(windows(folder, since=since, until=until, label=label, kind=kind))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(OURS))


def windows(
    folder: Path,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    label: Which = "last",
    window: dt.timedelta = WINDOW,
    kind: str = PREDICTIONS,
) -> Iterator[pd.DataFrame]:
    """The same, a table for each window that holds predictions: no more than one is in memory.

    Raises:
        DriftgateError: If there is no such folder.
    """
    found = _predictions(folder, kind)
    if not found:
        return
    begin, end = begun_at(found[0]) - SLACK, max(_written_at(path) for path in found)
    start = max(begin, _utc(since)) if since else begin
    # Windows begin at the start of an hour, so that they are the same ones whenever somebody looks.
    start = start if since else start.replace(minute=0, second=0, microsecond=0)
    end = min(end, _utc(until)) if until else end
    with tempfile.TemporaryDirectory(prefix="labels-") as temporary:
        labels = _Labels(Path(temporary), window=window)
        labels.sort(folder, since=start, until=end)
        while start < end:
            stop = min(start + window, end)
            table = _table(_lines(found, start, stop), labels.of(start, stop, which=label), start, stop)
            if len(table):
                yield table
            start = stop


def count_predictions(folder: Path, *, since: dt.datetime | None = None, until: dt.datetime | None = None) -> Counts:
    """Count the predictions of a time.

    Raises:
        DriftgateError: If there is no such folder.
    """
    total: Counter[str] = Counter()
    labelled, first, last = 0, None, None
    for table in windows(folder, since=since, until=until):
        total.update((table["model"] + " " + table["version"]).tolist())
        labelled += int(table["label"].notna().sum())
        first = first or table["at"].iloc[0].to_pydatetime()
        last = table["at"].iloc[-1].to_pydatetime()
    return Counts(
        predictions=sum(total.values()),
        labelled=labelled,
        by_version=dict(sorted(total.items())),
        first=first,
        last=last,
        segments=len(_predictions(folder)),
    )


def write_predictions(
    folder: Path, out: Path, *, since: dt.datetime | None, until: dt.datetime | None, label: Which
) -> int:
    """Write the table to a parquet or CSV file, window after window.

    Returns:
        The number of rows.

    Raises:
        DriftgateError: If there is no such folder, the file is there already, or has another ending.
    """
    from pyarrow import csv, parquet

    if out.suffix not in (".parquet", ".csv"):
        raise DriftgateError(f"{out} is neither parquet nor CSV.", "Name a .parquet or .csv file.")
    if out.exists():
        raise DriftgateError(f"{out} is there already.", "Name another file, or remove it.")
    schema = _schema(_kinds(folder, since=since, until=until))
    draft = out.with_name(f".{out.name}.part")
    try:
        with draft.open("wb") as file:
            tables = windows(folder, since=since, until=until, label=label)
            writer = parquet.ParquetWriter if out.suffix == ".parquet" else csv.CSVWriter
            rows = _write(tables, writer(file, schema), schema)
        draft.replace(out)
    except OSError as error:
        raise DriftgateError(f"{out} can't be written: {error.strerror}.", "Name another file with --out.") from error
    finally:
        draft.unlink(missing_ok=True)
    return rows


def features_of_log(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The features among the columns of a table, by their own names.

    Args:
        table: Of this module.
        names: Of the features; those that it lacks are left out.
    """
    kept = {_column(name): name for name in names}
    found: pd.DataFrame = table[[name for name in kept if name in table]].rename(columns=kept)
    return found


def _column(feature: str) -> str:
    """The name of a feature's column: another one where ours has it."""
    return f"feature_{feature}" if feature in OURS else feature


def _kinds(folder: Path, *, since: dt.datetime | None, until: dt.datetime | None) -> dict[str, type]:
    """Every feature of the time, and whether it is text, boolean or a number: releases may differ in them."""
    found: dict[str, type] = {}
    for segment in _predictions(folder):
        if (until is None or begun_at(segment) - SLACK < _utc(until)) and (
            since is None or _written_at(segment) >= _utc(since)
        ):
            for line in _lines([segment], begun_at(segment), dt.datetime.max.replace(tzinfo=dt.UTC)):
                for name, values in line["columns"].items():
                    kind = next((type(value) for value in values if value is not None), None)
                    if kind is not None and found.get(name) is not str:
                        found[name] = (
                            bool if kind is bool and found.get(name, bool) is bool else str if kind is str else float
                        )
                    found.setdefault(name, float)
    return found


def _schema(kinds: Mapping[str, type]) -> Any:
    import pyarrow as pa

    moment, of_kind = pa.timestamp("ms"), {str: pa.string(), bool: pa.bool_(), float: pa.float64()}
    ours = {name: pa.string() for name in OURS} | {"at": moment, "labelled_at": moment, "probability": pa.float64()}
    return pa.schema([*ours.items(), *((_column(name), of_kind[kind]) for name, kind in sorted(kinds.items()))])


def _write(tables: Iterable[pd.DataFrame], writer: Any, schema: Any) -> int:
    rows = 0
    with writer:
        for table in tables:
            writer.write_table(_arrow(table, schema))
            rows += len(table)
    return rows


def _arrow(table: pd.DataFrame, schema: Any) -> Any:
    import pyarrow as pa

    table = table.reindex(columns=schema.names)
    for field in schema:
        if field.type == pa.string():
            # What is a text in one release may have been a number in another.
            table[field.name] = table[field.name].map(str, na_action="ignore")
    return pa.Table.from_pandas(table, schema=schema, preserve_index=False, safe=False)


class _Labels:
    """Labels, sorted into files by the window of their prediction, so that a window's are found without the others."""

    def __init__(self, folder: Path, *, window: dt.timedelta) -> None:
        self._folder, self._width = folder, int(window.total_seconds() * 1000)

    def sort(self, folder: Path, *, since: dt.datetime, until: dt.datetime) -> None:
        low, high = _milliseconds(since), _milliseconds(until)
        for segment in segments(folder, LABELS):
            if _written_at(segment) < since:
                continue
            buckets: dict[int, list[bytes]] = {}
            for line in _whole_lines(segment):
                told = _parsed(line, segment)
                moment = int(told["prediction_id"][:11], 16) if told else -1
                if low <= moment < high:
                    buckets.setdefault(moment // self._width, []).append(line)
                    if len(buckets) > BUCKETS:
                        self._spill(buckets)
            self._spill(buckets)

    def _spill(self, buckets: dict[int, list[bytes]]) -> None:
        for number, lines in buckets.items():
            with (self._folder / str(number)).open("ab") as file:
                file.writelines(lines)
        buckets.clear()

    def of(self, start: dt.datetime, stop: dt.datetime, *, which: Which) -> dict[str, tuple[str, int]]:
        """Label and time of telling, by the prediction's id."""
        found: dict[str, tuple[str, int]] = {}
        for number in range(_milliseconds(start) // self._width, _milliseconds(stop) // self._width + 1):
            path = self._folder / str(number)
            if not path.exists():
                continue
            with path.open("rb") as file:
                for line in file:
                    told = json.loads(line)
                    name, at = told["prediction_id"], told["at"]
                    known = found.get(name)
                    if known is None or (at >= known[1] if which == "last" else at < known[1]):
                        found[name] = (told["label"], at)
        return found


def _table(
    lines: Iterable[Mapping[str, Any]], labels: Mapping[str, tuple[str, int]], start: dt.datetime, stop: dt.datetime
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    columns: dict[str, list[Any]] = {name: [] for name in OURS}
    features: dict[str, list[Any]] = {}
    low, high, rows = _milliseconds(start), _milliseconds(stop), 0
    for line in lines:
        if not low <= line["at"] < high:
            continue
        number = len(line["probability"])
        ids = [f"{line['request']}-{at}" for at in range(number)]
        told = [labels.get(name, (None, None)) for name in ids]
        constant = {key: line.get(key) for key in ("at", "model", "version", "arm", "caller", "peer")}
        values = {
            "prediction_id": ids, "probability": line["probability"], "label": [label for label, _ in told],
            "labelled_at": [at for _, at in told], **{key: [value] * number for key, value in constant.items()},
        }  # fmt: skip
        for name in OURS:
            columns[name] += values[name]
        for name, found in line["columns"].items():
            # A release that came later may take more columns, or fewer.
            if name not in features:
                features[name] = [None] * rows
            features[name].extend(found)
        rows += number
        for name in features.keys() - line["columns"].keys():
            features[name] += [None] * number
    table = pd.DataFrame({**columns, **{_column(name): values for name, values in features.items()}})
    for name in ("at", "labelled_at"):
        # Not `to_datetime`: its cache mixes up moments of a nullable integer column in which many repeat.
        table[name] = np.array(columns[name], dtype="datetime64[ms]").astype("datetime64[ns]")
    return table.sort_values("at", kind="stable", ignore_index=True)


def _lines(found: list[Path], start: dt.datetime, stop: dt.datetime) -> Iterator[Mapping[str, Any]]:
    for segment in found:
        if begun_at(segment) - SLACK < stop and _written_at(segment) >= start:
            for line in _whole_lines(segment):
                parsed = _parsed(line, segment)
                if parsed:
                    yield parsed


def _whole_lines(segment: Path) -> Iterator[bytes]:
    """Lines that were written whole: a last one without an end was never answered, or is being written."""
    try:
        with segment.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line
    except FileNotFoundError:
        log.warning("%s was taken away while the log was read", segment.name)


def _parsed(line: bytes, segment: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        log.warning("%s holds a line that is no JSON object; it is left out", segment.name)
        return None
    return found


def require_log(folder: Path) -> None:
    """Raise a DriftgateError if there is no such folder."""
    if not folder.is_dir():
        raise DriftgateError(
            f"There is no prediction log {folder}.", "Name the folder of DRIFTGATE_LOG with --log, or set it."
        )


def _predictions(folder: Path, kind: str = PREDICTIONS) -> list[Path]:
    require_log(folder)
    return segments(folder, kind)


def _written_at(segment: Path) -> dt.datetime:
    """A moment after the last line of a segment."""
    return dt.datetime.fromtimestamp(segment.stat().st_mtime, dt.UTC) + dt.timedelta(seconds=1)


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def _milliseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)
