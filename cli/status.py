"""The command `run.py status`; it is quick, since it imports no framework."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import json_option

if TYPE_CHECKING:
    from driftgate.results.status import RunRecord, StatusResult
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
    """What serves where, and the newest runs: so many of them; None: all."""
    from driftgate.production.deployments import all_states
    from driftgate.results.status import StatusResult

    runs, left_out = newest_runs(workspace, number=number)
    return StatusResult(
        workspace=str(workspace.root), channels=all_states(workspace), runs=runs, runs_left_out=left_out
    )


def newest_runs(workspace: Workspace, *, number: int | None) -> tuple[tuple[RunRecord, ...], int]:
    """The records of the newest runs, the newest first; one that can't be read is left out, with a warning.

    Args:
        workspace: Its records are read.
        number: How many to read; None: all.

    Returns:
        The records, and the number of older ones that were not read.
    """
    paths = sorted(workspace.runs.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    found: list[RunRecord] = []
    for at, path in enumerate(paths):
        if len(found) == number:
            return tuple(found), len(paths) - at
        if record := _read_record(path):
            found.append(record)
    return tuple(found), 0


def _read_record(path: Path) -> RunRecord | None:
    import json

    from driftgate.results.status import RunRecord
    from driftgate.workspace import show_path

    try:
        return RunRecord.model_validate({"kind": path.name.split("-", 1)[0], **json.loads(path.read_text())})
    except (OSError, ValueError, TypeError):
        click.echo(f"warning: the record {show_path(path)} can't be read, and is left out.", err=True)
        return None
