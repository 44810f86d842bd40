"""The command `run.py status`. It imports no framework, so it is quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from cli.options import json_option

if TYPE_CHECKING:
    from driftgate.results.status import RunRecord, StatusResult, UnreadableRun
    from driftgate.workspace import Workspace

NEWEST = 5


@click.command()
@click.option("--all", "every_run", is_flag=True, help="Show every run; by default the newest five.")
@json_option
def status(every_run: bool, as_json: bool) -> None:
    """Show what serves where, and the newest runs."""
    from cli.output.status import print_status
    from cli.terminal import print_json
    from driftgate.workspace import Workspace

    result = read_status(Workspace.current(), number=None if every_run else NEWEST)
    if as_json:
        print_json(result, sys.stdout)
    else:
        print_status(result, sys.stdout)


def read_status(workspace: Workspace, *, number: int | None) -> StatusResult:
    """Read what each channel serves, and the newest runs.

    Args:
        workspace: The workspace to read.
        number: How many runs to read; None: all.
    """
    from driftgate.production.deployments import all_states
    from driftgate.results.status import StatusResult

    newest = newest_runs(workspace, number=number)
    return StatusResult(workspace=str(workspace.root), channels=all_states(workspace), **newest._asdict())


class NewestRuns(NamedTuple):
    """The records of the newest runs, the files that can't be read, and the number of older records."""

    runs: tuple[RunRecord, ...]
    unreadable_runs: tuple[UnreadableRun, ...]
    runs_left_out: int


def newest_runs(workspace: Workspace, *, number: int | None) -> NewestRuns:
    """Read the records of the newest runs, the newest first.

    Args:
        workspace: The workspace to read.
        number: How many records to read; None: all.
    """
    from driftgate.results.status import RunRecord

    paths = sorted(workspace.runs.glob("*.json"), key=_written_at, reverse=True)
    runs: list[RunRecord] = []
    unreadable: list[UnreadableRun] = []
    for at, path in enumerate(paths):
        if len(runs) == number:
            return NewestRuns(tuple(runs), tuple(unreadable), len(paths) - at)
        record = _read_record(path)
        if isinstance(record, RunRecord):
            runs.append(record)
        else:
            unreadable.append(record)
    return NewestRuns(tuple(runs), tuple(unreadable), 0)


def _written_at(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0  # another process has removed it


def _read_record(path: Path) -> RunRecord | UnreadableRun:
    import json

    from driftgate.errors import first_line
    from driftgate.results.status import RunRecord, UnreadableRun

    try:
        if path.exists() and not path.is_file():  # to read a pipe would wait for its writer
            return UnreadableRun(file=str(path), error="it is no file")
        return RunRecord.model_validate({"kind": path.name.split("-", 1)[0], **json.loads(path.read_bytes())})
    except OSError as error:
        return UnreadableRun(file=str(path), error=f"it can't be read: {error.strerror}")
    except (ValueError, TypeError, RecursionError) as error:
        return UnreadableRun(file=str(path), error=f"it is not the record of a run: {first_line(error)}")
