"""The lines that several commands print."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from cli.tables import COLOURS
from driftgate.results.base import PipelineResult
from driftgate.results.training import LeftOut
from driftgate.workspace import Workspace, show_path


def write_lines(lines: Mapping[str, Any], results: IO[str], *, width: int) -> None:
    """Write a line for each key. Spaces around a key make it unique, and are not printed."""
    results.writelines(f"{key.strip():<{width}}{value}\n" for key, value in lines.items())


def print_outcome(outcome: str, console: Any, *, more: str = "") -> None:
    """Print the outcome of the verdict in its colour."""
    from rich.text import Text

    console.print(Text.assemble("verdict  ", (outcome.upper(), COLOURS[outcome]), more))


def print_left_out(left_out: LeftOut, console: Any, *, labels: bool = True) -> None:
    """Print how many rows of the data were left out, by reason, if there are any."""
    if text := left_out.text(labels=labels):
        console.print(text)


def print_locations(result: PipelineResult, results: IO[str], *, log_file: Path) -> None:
    """Print where to find a run, and the next commands."""
    lines = {"mlflow": f"run {result.runs.mlflow}", "zenml": f"run {result.runs.zenml}"}
    for name in ("release", "bento", "report"):
        if path := getattr(result, name, None):
            lines[name] = show_path(path)
    lines["log"] = f"{show_path(log_file)} ({result.seconds:.0f} s)"
    lines["next"] = "python run.py ui        MLflow's pages and ZenML's dashboard"
    write_lines(lines, results, width=9)
    if bento := getattr(result, "bento", None):
        results.write("         python run.py drift     compares new rows with the training data\n")
        results.write("         to serve the model on this machine alone (docs/how-to/serve.md has all settings):\n")
        # The path is absolute because `bentoml serve` looks for a relative folder inside that folder.
        folder, log = (_shell_path(path) for path in (bento, Workspace.current().predictions))
        results.write(f"         DRIFTGATE_INSECURE=1 DRIFTGATE_LOG={log} uv run bentoml serve {folder}\n")


def _shell_path(path: Path | str) -> str:
    """Return an absolute path for a shell command."""
    shown = show_path(path)
    return shown if Path(shown).is_absolute() else f"$PWD/{shown}"
