"""What a drift check looks at: a file, or a window of the problem's own data; and what was seen before it."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from driftgate import tracking
from driftgate.config import Problem
from driftgate.drift.profile import Profile, profile_of
from driftgate.errors import DriftgateError
from driftgate.table import columns_of, read_columns, read_rows
from driftgate.versions import ensure_data, md5_of
from driftgate.workspace import Workspace, show_path

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("driftgate.drift")


class Arrival(BaseModel):
    """Which rows are held against which model. `ignored` names columns of the file that the problem doesn't.

    With `since` and `until`, all rows of that time are there.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    source: str
    md5: str
    rows: int
    since: dt.datetime | None
    until: dt.datetime | None
    ignored: tuple[str, ...]


def read_window(
    problem: Problem, *, model: str, since: dt.date | None, until: dt.date | None, workspace: Workspace
) -> tuple[pd.DataFrame, pd.DataFrame, Arrival]:
    """Read a window of the problem's data, and what was seen between the model's training and it.

    Args:
        problem: Names data and timestamp.
        model: The version to compare with.
        since: The first day; None: a window's length before `until`.
        until: The day after the last one, nothing later is read; None: the problem's as-of, or today.
        workspace: Where the release is.

    Returns:
        The rows, those seen before them, and what they are.

    Raises:
        DriftgateError: If the problem has no timestamp, or the window is upside down.
    """
    timestamp = problem.data.timestamp
    if timestamp is None:
        raise DriftgateError(f"{problem.name} has no timestamp to choose a window by.", "Name a file with --current.")
    end = until or problem.data.as_of or dt.date.today()
    start = since or end - dt.timedelta(days=problem.gate.drift.window_days)
    if start >= end:
        raise DriftgateError(f"The window from {start} to {end} is empty.", "Give a --since before --until.")
    profile = profile_of(tracking.release_of(problem.name, model, workspace=workspace))
    _demand_unseen(start, profile, model, f"The window from {start}")
    frame, version = read_rows(problem, md5=ensure_data(problem, workspace=workspace), as_of=end)
    begin = dt.datetime.combine(start, dt.time())
    current = frame[frame[timestamp] >= begin].reset_index(drop=True)
    arrival = Arrival(
        model=model,
        source=f"{version.path} from {start} to {end}",
        md5=version.md5,
        rows=len(current),
        since=begin,
        until=dt.datetime.combine(end, dt.time()),
        ignored=(),
    )
    return current, _between(frame, timestamp, profile, begin), arrival


def read_file(
    path: Path, problem: Problem, *, model: str, workspace: Workspace
) -> tuple[pd.DataFrame, pd.DataFrame, Arrival]:
    """Read a file of rows that arrived, and what the problem's own data hold from the model's training to them.

    Args:
        path: Parquet, or CSV by its ending. It needs no target, row id or timestamp.
        problem: Names the columns.
        model: The version to compare with.
        workspace: Where the release is.

    Raises:
        DriftgateError: If the file can't be read, or has no column of the contract.
    """
    timestamp = problem.data.timestamp
    if not path.exists():
        raise DriftgateError(f"There is no file {path}.", "Name an existing .parquet or .csv file with --current.")
    header = columns_of(path)
    ours = [problem.data.row_id, *([timestamp] if timestamp else []), *problem.contract.features, problem.target.column]
    wanted = [name for name in ours if name in header]
    if not set(wanted) & set(problem.contract.features):
        raise DriftgateError(
            f"{path} has no column of the contract; it holds {', '.join(header[:10]) or 'none'}.",
            f"Its columns should be {', '.join(problem.contract.features[:10])} …",
        )
    current = read_columns(path, problem=problem, columns=wanted)
    profile = profile_of(tracking.release_of(problem.name, model, workspace=workspace))
    seen, known = current.head(0), current[timestamp].dropna() if timestamp in current else None
    if timestamp and known is not None and len(known) and known.dtype.kind == "M":
        begin = known.min().normalize().to_pydatetime()
        _demand_unseen(begin.date(), profile, model, show_path(path))
        if profile.end and begin.date() > profile.end and problem.data_path.exists():
            before, _ = read_rows(
                problem, md5=ensure_data(problem, workspace=workspace), as_of=min(begin.date(), dt.date.today())
            )
            seen = _between(before, timestamp, profile, begin)
    ignored = tuple(name for name in header if name not in ours and not name.startswith("__index_level_"))
    if ignored:
        log.info("columns that the problem doesn't name are left alone: %s", ", ".join(ignored[:10]))
    arrival = Arrival(
        model=model,
        source=show_path(path),
        md5=md5_of(path),
        rows=len(current),
        since=None,
        until=None,
        ignored=ignored,
    )
    return current, seen, arrival


def _demand_unseen(begin: dt.date, profile: Profile, model: str, what: str) -> None:
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
