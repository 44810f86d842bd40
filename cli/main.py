"""The command line of Driftgate: the group of all commands, and the main job that runs without a command."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any

import click
from click.core import ParameterSource

from cli import training
from cli.data import data
from cli.drift import drift
from cli.exit_codes import ERROR, INTERRUPTED
from cli.experiment import experiment
from cli.init import init
from cli.options import common
from cli.predictions import predictions
from cli.production import deploy, prove, releases, rollback
from cli.schema import schema
from cli.status import status

EXAMPLES = """
\b
Examples:
  python run.py                                  trains on the flights
  python run.py init orders.csv --target bought  makes a problem file from a table
  python run.py train --config configs/rules.yaml
  python run.py train --as-of 2013-10-01 --json
  python run.py drift --since 2013-07-01 --until 2013-07-08
  python run.py status
  python run.py ui

\b
Exit codes: 0 done, 1 error, 2 wrong usage, 3 blocked by the gate, 130 stopped by Ctrl-C.
"""


class Commands(click.Group):
    """A group that ends with the shell's exit code for Ctrl-C when a command is interrupted."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            sys.exit(INTERRUPTED)


@click.group(cls=Commands, invoke_without_command=True, epilog=EXAMPLES)
@training.as_of_option
@common
@click.pass_context
def main(context: click.Context, /, as_of: dt.datetime | None, **options: Any) -> None:
    """Train, check, deploy and monitor a model for tabular classification.

    Without a command, Driftgate trains a model, checks it at the gate, packages it, serves it for a moment, compares the
    service's answers with offline predictions, and prints the result.
    """
    given = [name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if context.invoked_subcommand and given:
        raise click.UsageError(f"Give options after the command: run.py {context.invoked_subcommand} --…")
    if context.invoked_subcommand is None:
        training.run_training(serve=True, as_of=as_of, **options)


@main.command()
@click.option("--mlflow-port", default=5000, show_default=True, help="Port of MLflow.")
@click.option("--zenml-port", default=8237, show_default=True, help="Port of ZenML's dashboard.")
def ui(mlflow_port: int, zenml_port: int) -> None:
    """Start MLflow and ZenML's dashboard on this machine.

    Press Ctrl-C to stop both.
    """
    from cli.terminal import print_error
    from cli.ui import run_dashboards
    from driftgate.errors import DriftgateError

    try:
        run_dashboards(mlflow_port=mlflow_port, zenml_port=zenml_port)
    except DriftgateError as error:
        print_error(error, sys.stderr)
        sys.exit(ERROR)


for command in (
    init, training.train, training.contract, training.reproduce, drift, deploy, prove, rollback, releases, experiment,
    predictions, data, status, schema,
):  # fmt: skip
    main.add_command(command)

if __name__ == "__main__":
    main()
