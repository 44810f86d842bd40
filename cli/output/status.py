"""How the terminal shows what serves where, and the newest runs."""

from __future__ import annotations

from typing import IO

from cli.tables import make_console
from cli.terminal import state_lines
from driftgate.results.status import RunRecord, StatusResult
from driftgate.workspace import show_path


def print_status(result: StatusResult, results: IO[str]) -> None:
    """What serves where, and the newest runs: when, of what, the verdict, the version and where its files are."""
    for problem, state in result.channels.items():
        results.write("\n".join(state_lines(problem, state.model_dump(mode="json"))) + "\n")
    if result.runs:
        _print_runs(result.runs, results)
    else:
        results.write("No run yet. Start one with `python run.py`.\n")


def _print_runs(runs: tuple[RunRecord, ...], results: IO[str]) -> None:
    from rich import box
    from rich.table import Table

    table = Table("finished (UTC)", "kind", "problem", "data until", "verdict", "model", "files", box=box.SIMPLE_HEAD)
    for run in runs:
        files = run.release or run.report
        table.add_row(
            (run.finished_at or "–")[:16], run.kind, run.problem or "–", (run.data_until or "–")[:10],
            run.verdict or "–", run.model_version or "–", show_path(files) if files else "–",
        )  # fmt: skip
    make_console(results).print(table)
