"""The command line of Driftgate: one verb a job."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

EXAMPLES = """
\b
Examples:
  python run.py                                  the main job on the flights
  python run.py train --config configs/rules.yaml
  python run.py train --as-of 2013-10-01 --json
  python run.py status
  python run.py ui

\b
Exit codes: 0 done, 1 error, 2 wrong usage, 3 blocked by the gate.
"""


def common(command: Any) -> Any:
    """The options that every job on a problem takes."""
    for option in (
        click.option("--debug", is_flag=True, help="Show what libraries log, and tracebacks."),
        click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output."),
        click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Train as if that were today."),
        click.option(
            "--config", type=click.Path(path_type=Path),
            default=Path(__file__).parent / "configs" / "flights.yaml",
            help="The problem file; by default configs/flights.yaml.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group(invoke_without_command=True, epilog=EXAMPLES)
@common
@click.pass_context
def main(context: click.Context, **options: Any) -> None:
    """From a table to a served model, behind a gate you can trust.

    Without a command, the main job: train, judge, package, serve for a moment, compare, tell.
    """
    if context.invoked_subcommand is None:
        _job(serve=True, **options)


@main.command(epilog="\b\nExample: python run.py train --config configs/rules.yaml --json")
@common
def train(**options: Any) -> None:
    """Train, judge, and package what passes the gate."""
    _job(serve=False, **options)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def status(as_json: bool) -> None:
    """What the newest runs came to."""
    from driftgate.status import show_status

    show_status(as_json=as_json)


@main.command()
@click.option("--mlflow-port", default=5000, show_default=True)
@click.option("--zenml-port", default=8237, show_default=True)
def ui(mlflow_port: int, zenml_port: int) -> None:
    """Start MLflow's pages and ZenML's dashboard on this machine; Ctrl-C stops both."""
    from driftgate.errors import DriftgateError
    from driftgate.terminal import print_error
    from pipelines.ui import show

    try:
        show(mlflow_port=mlflow_port, zenml_port=zenml_port)
    except DriftgateError as error:
        print_error(error, sys.stderr)
        sys.exit(1)


def _job(*, serve: bool, config: Path, as_of: Any, as_json: bool, debug: bool) -> None:
    from driftgate.workspace import Workspace
    from pipelines.job import run_job

    workspace = Workspace.current()
    workspace.set_environment()
    sys.exit(
        run_job(
            config=config,
            as_of=as_of.date() if as_of else None,
            serve=serve,
            as_json=as_json,
            debug=debug,
            workspace=workspace,
            log_name=f"{time.strftime('%Y%m%d-%H%M%S')}.log",
        )
    )


if __name__ == "__main__":
    main()
