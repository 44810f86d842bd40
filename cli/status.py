"""What the newest runs came to, from their records; quick, since it imports no framework."""

from __future__ import annotations

import json
import sys
from typing import Any

from cli.tables import COLOURS, make_console, print_table
from cli.terminal import state_lines
from driftgate.production.deployments import all_states
from driftgate.words import plural
from driftgate.workspace import Workspace, show_path

NEWEST = 5


def newest_runs(workspace: Workspace, *, number: int | None = NEWEST) -> tuple[list[dict[str, Any]], int]:
    """The records of the newest runs, newest first; `kind` says what each was.

    Args:
        workspace: Where they are.
        number: How many; None: all.

    Returns:
        The records, and how many older ones are left out.
    """
    paths = sorted(workspace.runs.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    shown = paths[:number]
    runs = [{"kind": path.name.split("-", 1)[0], **json.loads(path.read_text())} for path in shown]
    return runs, len(paths) - len(shown)


def show_status(*, as_json: bool, every_run: bool = False) -> None:
    """Print what serves where, and the newest runs: when, of what, the verdict, the version and where its release is."""
    workspace = Workspace.current()
    runs, left_out = newest_runs(workspace, number=None if every_run else NEWEST)
    states = all_states(workspace)
    if as_json:
        document = {"workspace": str(workspace.root), "channels": states, "runs": runs, "runs_left_out": left_out}
        print(json.dumps(document, indent=2))
        return
    for problem, state in states.items():
        print("\n".join(state_lines(problem, state)))
    if not runs:
        print("No run yet. Start one with `python run.py`.")
        return
    if states:
        print()
    _print_runs(runs)
    if left_out:
        print(f"{len(runs)} of {plural(len(runs) + left_out, 'run')} shown; all: python run.py status --all")


def _print_runs(runs: list[dict[str, Any]]) -> None:
    rows = []
    for run in runs:
        until = run["data"].get("as_of") or run["data"].get("until") or "–"
        kept = run.get("release") or run.get("report")
        rows.append(
            [
                run["finished_at"][:16].replace("T", " "), run["kind"], run["problem"], until[:10], run["verdict"],
                run["model"]["version"] or "–", show_path(kept) if kept else "–",
            ]
        )  # fmt: skip
    head = ("finished (UTC)", "kind", "problem", "data until", "verdict", "model", "kept in")
    styles = {(row, 4): COLOURS.get(run["verdict"], "") for row, run in enumerate(runs)}
    print_table(make_console(sys.stdout), rows, head=head, styles=styles, wrap=False)
