"""The command `run.py predictions`."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.exit_codes import DONE, ERROR
from cli.options import DAY, PATH, json_option

if TYPE_CHECKING:
    from driftgate.production.log_labels import Which


@click.command(
    epilog="\b\nExamples:\n  python run.py predictions --log /srv/predictions\n"
    "  python run.py predictions --since 2026-11-01 --until 2026-11-08 --out week.parquet"
)
@click.option(
    "--log", "folder", envvar="DRIFTGATE_LOG", type=PATH,
    help="Folder of the log; by default the folder predictions in the workspace.",
)  # fmt: skip
@click.option("--since", type=DAY, help="First day, in UTC.")
@click.option("--until", type=DAY, help="The day after the last day, in UTC.")
@click.option(
    "--label", type=click.Choice(["first", "last"]), default="last", show_default=True,
    help="Which label counts where a row has several.",
)  # fmt: skip
@click.option("--out", type=PATH, help="Write the table to this Parquet or CSV file.")
@json_option
def predictions(
    folder: Path | None, since: dt.datetime | None, until: dt.datetime | None, label: Which, out: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Count the predictions in the log, or export them.

    With --out, the command writes each prediction with its label to a file.
    """
    if since and until and since >= until:
        raise click.UsageError("--since must be earlier than --until.")
    from driftgate.workspace import Workspace

    folder = folder or Workspace.current().predictions
    sys.exit(_read(folder, since=since, until=until, label=label, out=out, as_json=as_json))


def _read(
    folder: Path, *, since: dt.datetime | None, until: dt.datetime | None, label: Which, out: Path | None, as_json: bool
) -> int:
    """Count or write the predictions, and return the exit code."""
    from cli.jobs import error_result
    from cli.output.predictions import print_counts, print_file
    from cli.terminal import print_error, print_json
    from driftgate.errors import DriftgateError
    from driftgate.production.predictions import count_predictions, write_predictions
    from driftgate.results.predictions import PredictionsFileResult, PredictionsResult

    result: PredictionsFileResult | PredictionsResult
    try:
        if out:
            written = write_predictions(folder, out, since=since, until=until, label=label)
            result = PredictionsFileResult(**written.model_dump(), file=str(out))
        else:
            result = PredictionsResult.model_validate(count_predictions(folder, since=since, until=until))
    except DriftgateError as error:
        if as_json:
            print_json(error_result(error), sys.stdout)
        print_error(error, sys.stderr)
        return ERROR
    if as_json:
        print_json(result, sys.stdout)
    elif isinstance(result, PredictionsFileResult):
        print_file(result, sys.stdout)
    else:
        print_counts(result, folder, sys.stdout)
    return DONE
