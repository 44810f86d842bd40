"""How the terminal shows what serves where, and the newest runs."""

from __future__ import annotations

from typing import IO

from cli.tables import COLOURS, make_console, print_table
from cli.terminal import state_lines
from driftgate.results.status import RunRecord, StatusResult
from driftgate.words import plural
from driftgate.workspace import show_path


def print_status(result: StatusResult, results: IO[str]) -> None:
    """Print what each channel serves, and the newest runs with their verdict, version and files."""
    for problem, state in result.channels.items():
        results.write("\n".join(state_lines(problem, state.model_dump(mode="json"))) + "\n")
    for record in result.unreadable_runs:
        results.write(
            f"error       {show_path(record.file)}: {record.error}. Move it away, or restore it from a backup.\n"
        )
    if not result.runs:
        results.write("No run yet. Start one with `python run.py`.\n")
        return
    if result.channels:
        results.write("\n")
    _print_runs(result.runs, results)
    if result.runs_left_out:
        number = len(result.runs) + result.runs_left_out
        results.write(f"{len(result.runs)} of {plural(number, 'run')} shown; all: python run.py status --all\n")


def _print_runs(runs: tuple[RunRecord, ...], results: IO[str]) -> None:
    rows = []
    for run in runs:
        files = run.release or run.report
        rows.append(
            [
                (run.finished_at or "–")[:16].replace("T", " "), run.kind, run.problem,
                (run.data_until or "–")[:10], run.verdict or "–", run.model_version or "–",
                show_path(files) if files else "–",
            ]
        )  # fmt: skip
    head = ("finished (UTC)", "kind", "problem", "data until", "verdict", "model", "files")
    styles = {(row, 4): COLOURS.get(run.verdict or "", "") for row, run in enumerate(runs)}
    print_table(make_console(results), rows, head=head, styles=styles, wrap=False)
