"""The command `run.py drift`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import DAY, PATH, common, day_of, run

if TYPE_CHECKING:
    from driftgate.config import Problem
    from driftgate.results.drift import DriftResult
    from driftgate.workspace import Workspace


@click.command(
    epilog="\b\nExamples:\n  python run.py drift --since 2013-07-01 --until 2013-07-08\n"
    "  python run.py drift --current new.parquet --json\n\n"
    "\b\nExit codes: 0 no severe drift, 1 error, 2 wrong usage, 3 blocked by the gate, 130 stopped by Ctrl-C."
)
@click.option("--current", type=PATH, help="Check the rows of this Parquet or CSV file.")
@click.option(
    "--log", "log_folder", type=PATH,
    help="Check a window of this prediction log; its days are in UTC.",
)  # fmt: skip
@click.option("--since", type=DAY, help="First day of the window.")
@click.option("--until", "--as-of", "until", type=DAY, help="The day after the last day of the window.")
@click.option("--model", help="Alias or version to compare with; by default the champion, else the candidate.")
@common
def drift(
    current: Path | None, log_folder: Path | None, since: dt.datetime | None, until: dt.datetime | None,
    model: str | None, **options: Any,
) -> None:  # fmt: skip
    """Compare new rows with the training data of a model.

    Without --current and --log, the command checks a window of the problem's data: by default the newest window before
    the problem's as-of date, or all rows if the problem has no timestamp.
    """
    if current and (since or until or log_folder):
        raise click.UsageError(
            "Give --current alone, or choose a window with --since and --until, of the data or of a --log."
        )
    if since and until and since >= until:
        raise click.UsageError("--since must be earlier than --until.")
    from cli.output.drift import print_drift

    def work(problem: Problem, workspace: Workspace) -> DriftResult:
        from pipelines.launch import check_drift

        return check_drift(
            problem, model=model, current=current, log_folder=log_folder, since=day_of(since), until=day_of(until),
            workspace=workspace,
        )  # fmt: skip

    run(work, print_drift, **options)
