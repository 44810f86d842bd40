"""What verbs of the command line share: their options, and the run of the job that a verb stands for."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from cli.tables import verbose_option
from driftgate.workspace import PROJECT

DAY = click.DateTime(["%Y-%m-%d"])


def common(command: Any) -> Any:
    """The options that every job on a problem takes."""
    for option in (
        verbose_option,
        click.option("--debug", is_flag=True, help="Show what libraries log, and tracebacks."),
        click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output."),
        click.option(
            "--evidence", type=click.Path(path_type=Path),
            help="A folder for summary.md, document.json, facts.txt, report, release and bento.",
        ),
        click.option(
            "--config", type=click.Path(path_type=Path),
            default=PROJECT / "configs" / "flights.yaml",
            help="The problem file; by default configs/flights.yaml.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def seconds(_context: click.Context, _option: click.Parameter, value: str | None) -> float:
    """A time such as 30s, 10m or 1h in seconds; 0 where none is given."""
    if value is None:
        return 0.0
    from operations.canary import parse_hold

    try:
        return parse_hold(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


who_option = click.option("--by", "who", help="Who approves; by default the user of this machine.")
wait_option = click.option(
    "--wait", callback=seconds, help="How long to wait for another deployment to end: 30s, 10m; by default not at all."
)
service_option = click.option(
    "--service", envvar="DRIFTGATE_SERVICE", help="Address of a running service: wait until it serves the version."
)
remote_option = click.option(
    "--remote", envvar="DRIFTGATE_REMOTE", help="Name or address of a DVC remote; by default the one configured."
)


def run(job: Any, *, config: Path, as_json: bool, debug: bool, evidence: Path | None) -> None:
    """Do a job on a problem, and end the process with its exit code."""
    from cli.jobs import run_job
    from driftgate.workspace import Workspace

    workspace = Workspace.current()
    workspace.set_environment()
    log_name = f"{time.strftime('%Y%m%d-%H%M%S')}.log"
    code = run_job(
        job, config=config, as_json=as_json, debug=debug, evidence=evidence, workspace=workspace, log_name=log_name
    )
    sys.exit(code)
