"""The rows of a drift check: a file, or a window of the problem's data or of the prediction log; and the rows before them."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.config import Problem
from driftgate.data.present import ensure_data, md5_of
from driftgate.data.read_csv import header_hint
from driftgate.data.table import columns_of, moment_of, named_columns, read_columns, read_rows, shown_name
from driftgate.drift.check import span_of
from driftgate.drift.profile import Profile, profile_of
from driftgate.errors import DriftgateError
from driftgate.production.log_reader import LogReader
from driftgate.production.predictions import features_of_log, read_predictions
from driftgate.production.release import Release
from driftgate.results.training import LeftOut
from driftgate.workspace import Workspace, show_path

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("driftgate.drift")


class BatchInfo(BaseModel):
    """The rows of a drift check, and the model version that they are compared with.

    `ignored` names the columns of the file that are not in the problem file. If `since` and `until` are set, the batch has
    all rows of that time. `left_out` counts the rows of the source that were not compared, and the rows without a label,
    which don't count for the realised performance. `bad_lines` counts the lines of the prediction log that were left out.
    `logged` rows have the time of their prediction, which isn't the problem's timestamp.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    source: str
    md5: str
    rows: int
    since: dt.datetime | None
    until: dt.datetime | None
    ignored: tuple[str, ...]
    bad_lines: int = 0
    logged: bool = False
    left_out: LeftOut = LeftOut()


def as_released(problem: Problem, release: Release) -> Problem:
    """The problem with the contract, the classes and the drift constants from the training of a release.

    `accept_from` comes from the present problem file, because it is set after the training.

    Raises:
        DriftgateError: If the model has two classes and the problem more, or the reverse.
    """
    profile = profile_of(release)
    if problem.target.binary != release.card.binary:
        now, then = ("two", "more") if problem.target.binary else ("more than two", "two")
        raise DriftgateError(
            f"{problem.name} has {now} classes, but model {release.card.version} was trained on {then}.", "Train again."
        )
    rule = profile.rule.model_copy(update={"accept_from": problem.gate.drift.accept_from})
    gate = problem.gate.model_copy(update={"drift": rule})
    target = problem.target
    if not target.binary:
        target = target.model_copy(update={"classes": profile.classes})
    return problem.model_copy(update={"contract": release.contract, "target": target, "gate": gate})


def find_window(
    problem: Problem, *, model: str, profile: Profile, since: dt.date | None, until: dt.date | None
) -> tuple[dt.date, dt.date]:
    """The first day of a window, and the day after its last.

    Args:
        problem: Names the timestamp.
        model: The version to compare with.
        profile: The reference profile of that version.
        since: The first day; None: one window length before `until`.
        until: The day after the last one; None: the problem's as-of date, or today.

    Raises:
        DriftgateError: If the problem has no timestamp, the window is empty or ends in the future, or the model was
            trained on it.
    """
    if problem.data.timestamp is None:
        raise DriftgateError(f"{problem.name} has no timestamp to choose a window.", "Name a file with --current.")
    end = until or problem.data.as_of or dt.date.today()
    start = since or end - dt.timedelta(days=problem.gate.drift.window_days)
    if start >= end:
        raise DriftgateError(f"The window from {start} to {end} is empty.", "Set --since to a date before --until.")
    moment_of(end)
    _require_unseen(start, profile, model, f"The window from {start}")
    return start, end


def read_window(
    problem: Problem, *, release: Release, since: dt.date | None, until: dt.date | None, workspace: Workspace
) -> tuple[pd.DataFrame, pd.DataFrame, BatchInfo]:
    """Read a window of the problem's data, and the rows between the model's training data and the window.

    Args:
        problem: Names data and timestamp.
        release: Release of the version to compare with.
        since: See `find_window`.
        until: See `find_window`.
        workspace: The workspace; DVC's scratch files go there.

    Returns:
        The rows of the window, the rows before it, and the description of the batch.

    Raises:
        DriftgateError: For the same reasons as `find_window`, or if the data can't be read.
    """
    model, profile = release.card.version, profile_of(release)
    start, end = find_window(problem, model=model, profile=profile, since=since, until=until)
    timestamp = str(problem.data.timestamp)
    frame, version = read_rows(problem, md5=ensure_data(problem, workspace=workspace), as_of=end)
    begin = dt.datetime.combine(start, dt.time())
    current = frame[frame[timestamp] >= begin].reset_index(drop=True)
    batch = BatchInfo(
        model=model,
        source=f"{version.path} from {start} to {end}",
        md5=version.md5,
        rows=len(current),
        since=begin,
        until=dt.datetime.combine(end, dt.time()),
        ignored=(),
        left_out=version.left_out.model_copy(update={"no_label": _unlabelled(current, problem)}),
    )
    return current, _between(frame, timestamp, profile, begin), batch


def find_columns(path: Path, problem: Problem) -> tuple[list[str], list[str]]:
    """The columns of a file of new rows: those that the problem names, and the others.

    Raises:
        DriftgateError: If there is no such file, it can't be read, or has no column of the contract.
    """
    remedy = "Name an existing .parquet or .csv file with --current."
    if not path.exists():
        raise DriftgateError(f"There is no file {show_path(path)}.", remedy)
    if path.is_dir():
        raise DriftgateError(f"{show_path(path)} is a folder.", remedy)
    header = columns_of(path, problem=problem)
    ours = named_columns(problem)
    wanted = [name for name in ours if name in header]
    if not set(wanted) & set(problem.contract.columns):
        raise DriftgateError(
            f"{show_path(path)} has no column of the contract; its columns are: "
            f"{', '.join(shown_name(name) for name in header[:10]) or 'none'}.",
            header_hint(header) or f"Its columns should be {', '.join(list(problem.contract.columns)[:10])} …",
        )
    return wanted, [name for name in header if name not in ours and not name.startswith("__index_level_")]


def require_readable(path: Path, problem: Problem) -> None:
    """Check that a file of rows can be read: its columns, fields and values.

    Raises:
        DriftgateError: For the same reasons as `find_columns` and `read_columns`.
    """
    wanted, _ = find_columns(path, problem)
    read_columns(path, problem=problem, columns=wanted)


def _unlabelled(rows: pd.DataFrame, problem: Problem) -> int:
    """How many rows have no label, so that they don't count for the realised performance."""
    target = problem.target.column
    return int(rows[target].isna().sum()) if target in rows else len(rows)


def read_file(
    path: Path, problem: Problem, *, release: Release, workspace: Workspace
) -> tuple[pd.DataFrame, pd.DataFrame, BatchInfo]:
    """Read a file of new rows, and the rows of the problem's data between the model's training data and them.

    Args:
        path: A .parquet or .csv file. It needs no target, row id or timestamp.
        problem: Names the columns.
        release: Release of the version to compare with.
        workspace: The workspace; DVC's scratch files go there.

    Raises:
        DriftgateError: For the same reasons as `find_columns`, or if the model was trained on these days.
    """
    timestamp = problem.data.timestamp
    wanted, ignored = find_columns(path, problem)
    current = read_columns(path, problem=problem, columns=wanted)
    undated = int(current[timestamp].isna().sum()) if timestamp and timestamp in current else 0
    model, profile = release.card.version, profile_of(release)
    seen, (first, *_) = current.head(0), span_of(current, timestamp)
    if timestamp and first is not None:
        begin = dt.datetime.combine(first.date(), dt.time())
        _require_unseen(begin.date(), profile, model, show_path(path))
        if profile.end and begin.date() > profile.end and problem.data_path.exists():
            before, _ = read_rows(
                problem, md5=ensure_data(problem, workspace=workspace), as_of=min(begin.date(), dt.date.today())
            )
            seen = _between(before, timestamp, profile, begin)
    if ignored:
        log.info("ignored columns that are not in the problem file: %s", ", ".join(ignored[:10]))
    batch = BatchInfo(
        model=model,
        source=show_path(path),
        md5=md5_of(path),
        rows=len(current),
        since=None,
        until=None,
        ignored=tuple(ignored),
        left_out=LeftOut(no_timestamp=undated, no_label=_unlabelled(current, problem)),
    )
    return current, seen, batch


def read_log(
    folder: Path, problem: Problem, *, release: Release, since: dt.date | None, until: dt.date | None
) -> tuple[pd.DataFrame, pd.DataFrame, BatchInfo]:
    """Read a window of the prediction log with its labels so far, and the predictions before it.

    Args:
        folder: Folder of the log.
        problem: Names the columns. The time of a row is the time of its prediction, UTC.
        release: Release of the version to compare with.
        since: The first day; None: one window length before `until`.
        until: The day after the last one; None: tomorrow.

    Raises:
        DriftgateError: If there is no log, or the window is empty.
    """
    profile, target, timestamp = profile_of(release), problem.target, problem.data.timestamp
    start, end = log_window(problem, since=since, until=until)
    begin = dt.datetime.combine(start, dt.time())
    # Before the batch, only rows after the training data are needed, and only if rows have a time.
    earliest = dt.datetime.combine(profile.end, dt.time()) if timestamp and profile.end else begin
    reader, until_moment = LogReader(folder), dt.datetime.combine(end, dt.time())
    found = read_predictions(folder, since=min(begin, earliest), until=until_moment, reader=reader)
    if reader.bad_lines:
        log.warning("%d bad lines of the prediction log are left out of this check", reader.bad_lines)
    found = found[found["model"] == problem.name].reset_index(drop=True)
    rows = _dated(features_of_log(found, list(problem.contract.columns)), problem)
    rows = rows.assign(**{target.column: _labels_of_log(found["label"], problem, release=release, profile=profile)})
    if problem.data.row_id:
        rows[problem.data.row_id] = found["prediction_id"]
    if timestamp:
        rows[timestamp] = found["at"]
    late = (found["at"] >= begin).to_numpy()
    ids = "\n".join(found.loc[late, "prediction_id"])
    current, seen = rows[late].reset_index(drop=True), rows[~late].reset_index(drop=True)
    batch = BatchInfo(
        model=release.card.version,
        source=f"{show_path(folder)} from {start} to {end}",
        md5=hashlib.md5(ids.encode(), usedforsecurity=False).hexdigest(),
        rows=len(current),
        since=begin,
        until=until_moment,
        ignored=(),
        bad_lines=reader.bad_lines,
        logged=True,
        left_out=LeftOut(no_label=_unlabelled(current, problem)),
    )
    return current, seen, batch


def _dated(rows: pd.DataFrame, problem: Problem) -> pd.DataFrame:
    """The rows with dates as dates: the log has them as texts in ISO 8601."""
    from driftgate.inputs import moments_of

    dates = {name: rules for name, rules in problem.contract.columns.items() if rules.type == "date" and name in rows}
    return rows.assign(**{name: moments_of(rows[name], time_zone=rules.time_zone) for name, rules in dates.items()})


def _labels_of_log(labels: pd.Series[Any], problem: Problem, *, release: Release, profile: Profile) -> pd.Series[Any]:
    """The values of the target for the names of classes that the log has as labels.

    With three classes or more, a label that is none of them stays as it is, so that the contract check reports it.
    """
    target = problem.target
    if target.binary:
        other = next((value for value in profile.classes if value != target.positive), None)
        return labels.map({release.card.positive_name: target.positive, release.card.negative_name: other})
    known = {str(value): value for value in profile.classes}
    return labels.map(lambda label: known.get(label, label), na_action="ignore")


def log_window(problem: Problem, *, since: dt.date | None, until: dt.date | None) -> tuple[dt.date, dt.date]:
    """The first day of a window of the prediction log, and the day after its last.

    Raises:
        DriftgateError: If the window is empty.
    """
    end = until or dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    start = since or end - dt.timedelta(days=problem.gate.drift.window_days)
    if start >= end:
        raise DriftgateError(f"The window from {start} to {end} is empty.", "Set --since to a date before --until.")
    return start, end


def _require_unseen(begin: dt.date, profile: Profile, model: str, what: str) -> None:
    if profile.end and begin < profile.end:
        raise DriftgateError(
            f"{what} begins on {begin}, but model {model} was trained on the days before {profile.end}.",
            f"Choose rows from {profile.end} on, or an older model with --model.",
        )


def _between(frame: pd.DataFrame, timestamp: str, profile: Profile, begin: dt.datetime) -> pd.DataFrame:
    if profile.end is None:
        return frame.head(0)
    end = dt.datetime.combine(profile.end, dt.time())
    found: pd.DataFrame = frame[(frame[timestamp] >= end) & (frame[timestamp] < begin)].reset_index(drop=True)
    return found
