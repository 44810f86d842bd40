"""What the newest runs came to, from their records; quick, since it imports no framework."""

from __future__ import annotations

import json
import sys
from typing import Any

from cli.terminal import state_lines
from driftgate.production.deployments import all_states
from driftgate.workspace import Workspace, show_path

NEWEST = 5


def newest_runs(workspace: Workspace) -> list[dict[str, Any]]:
    """The records of the newest runs, newest first; `kind` says what each was."""
    paths = sorted(workspace.runs.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [{"kind": path.name.split("-", 1)[0], **json.loads(path.read_text())} for path in paths[:NEWEST]]


def show_status(*, as_json: bool) -> None:
    """Print what serves where, and the newest runs: when, of what, the verdict, the version and where its release is."""
    workspace = Workspace.current()
    runs, states = newest_runs(workspace), all_states(workspace)
    if as_json:
        print(json.dumps({"workspace": str(workspace.root), "channels": states, "runs": runs}, indent=2))
        return
    for problem, state in states.items():
        print("\n".join(state_lines(problem, state)))
    if not runs:
        print("No run yet. Start one with `python run.py`.")
        return
    width = 120 if not sys.stdout.isatty() else None
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("finished (UTC)", "kind", "problem", "data until", "verdict", "model", "kept in", box=box.SIMPLE_HEAD)
    for run in runs:
        until = run["data"].get("as_of") or run["data"].get("until") or "–"
        kept = run.get("release") or run.get("report")
        table.add_row(
            run["finished_at"][:16], run["kind"], run["problem"], until[:10], run["verdict"],
            run["model"]["version"] or "–", show_path(kept) if kept else "–",
        )  # fmt: skip
    Console(width=width, highlight=False).print(table)
