"""What the newest runs came to, from their records; quick, since it imports no framework."""

from __future__ import annotations

import json
import sys
from typing import Any

from driftgate.workspace import Workspace, show_path

NEWEST = 5


def newest_runs(workspace: Workspace) -> list[dict[str, Any]]:
    """The records of the newest runs, newest first."""
    paths = sorted(workspace.runs.glob("training-*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [json.loads(path.read_text()) for path in paths[:NEWEST]]


def show_status(*, as_json: bool) -> None:
    """Print the newest runs: when, of what, the verdict, the version and where its release is."""
    workspace = Workspace.current()
    runs = newest_runs(workspace)
    if as_json:
        print(json.dumps({"workspace": str(workspace.root), "runs": runs}, indent=2))
        return
    if not runs:
        print("No run yet. Start one with `python run.py`.")
        return
    width = 120 if not sys.stdout.isatty() else None
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("finished (UTC)", "problem", "as of", "verdict", "model", "release", box=box.SIMPLE_HEAD)
    for run in runs:
        model = run["model"]["version"]
        release = show_path(run["release"]) if run["release"] else "–"
        as_of = (run["data"]["as_of"] or "–")[:10]
        table.add_row(run["finished_at"][:16], run["problem"], as_of, run["verdict"], model or "–", release)
    Console(width=width, highlight=False).print(table)
