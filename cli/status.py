"""What serves where, and what the newest runs came to, from their records; quick, since it imports no framework."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cli.terminal import state_lines
from driftgate.errors import first_line
from driftgate.production.deployments import all_states
from driftgate.workspace import Workspace, show_path

NEWEST = 5


class RunData(BaseModel):
    """The data of a run, as far as the table shows them."""

    as_of: str | None = None
    until: str | None = None


class RunModel(BaseModel):
    """The model of a run, as far as the table shows it."""

    version: str | None


class RunRecord(BaseModel):
    """The record of a run, as far as the table shows it."""

    finished_at: str
    problem: str
    verdict: str
    data: RunData
    model: RunModel
    release: str | None = None
    report: str | None = None


def newest_runs(workspace: Workspace) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The records of the newest runs, newest first; `kind` says what each was.

    Returns:
        The records, and the files among them that are no record of a run, each with its `error`.
    """
    runs: list[dict[str, Any]] = []
    unreadable: list[dict[str, str]] = []
    for path in _newest_first(workspace.runs.glob("*.json")):
        try:
            content = path.read_bytes()
            RunRecord.model_validate_json(content)
            runs.append({"kind": path.name.split("-", 1)[0], **json.loads(content)})
        except OSError as error:
            unreadable.append({"file": str(path), "error": f"it can't be read: {error.strerror}"})
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            said = f"{where}: {error.errors()[0]['msg']}" if where else error.errors()[0]["msg"]
            unreadable.append({"file": str(path), "error": f"it is no record of a run: {said}"})
        except ValueError as error:
            unreadable.append({"file": str(path), "error": f"it is no record of a run: {first_line(error)}"})
        if len(runs) == NEWEST:
            break
    return runs, unreadable


def _newest_first(paths: Iterable[Path]) -> list[Path]:
    def written(path: Path) -> float:
        try:
            return path.lstat().st_mtime
        except OSError:
            return 0.0  # removed meanwhile

    return sorted(paths, key=written, reverse=True)


def show_status(*, as_json: bool) -> None:
    """Print what serves where, and the newest runs: when, of what, the verdict, the version and where its release is.

    What is damaged gets an error line; everything else is shown all the same.
    """
    workspace = Workspace.current()
    (runs, unreadable), states = newest_runs(workspace), all_states(workspace)
    if as_json:
        document = {"workspace": str(workspace.root), "channels": states, "runs": runs, "unreadable_runs": unreadable}
        print(json.dumps(document, indent=2))
        return
    for problem, state in states.items():
        print("\n".join(state_lines(problem, state)))
    for found in unreadable:
        print(f"error       {show_path(found['file'])}: {found['error']}. Move it away, or restore it from a backup.")
    if runs:
        _print_runs(runs)
    else:
        print("No run yet. Start one with `python run.py`.")


def _print_runs(runs: list[dict[str, Any]]) -> None:
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
    Console(width=120 if not sys.stdout.isatty() else None, highlight=False, markup=False).print(table)
