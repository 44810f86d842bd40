"""Options that several commands share, and the start of a command on a problem."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from cli.tables import verbose_option
from driftgate.workspace import PROJECT

if TYPE_CHECKING:
    from driftgate.config import Problem
    from driftgate.results.base import Result
    from driftgate.workspace import Workspace

    R = TypeVar("R", bound=Result)

DAY = click.DateTime(["%Y-%m-%d"])


class _Path(click.Path):
    """A path that was given: an empty one, as of a variable that isn't set, would name the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("The path is empty.", param, ctx)
        return super().convert(value, param, ctx)


PATH = _Path(path_type=Path)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON (see run.py schema).")


def common(command: Any) -> Any:
    """Add the options that every command on a problem takes."""
    for option in (
        verbose_option,
        click.option("--debug", is_flag=True, help="Show the logs of libraries, and tracebacks."),
        json_option,
        click.option(
            "--evidence", type=PATH,
            help="Write summary.md, document.json, facts.txt, report, release and bento to this folder.",
        ),
        click.option(
            "--config", type=PATH,
            default=PROJECT / "configs" / "flights.yaml",
            help="The problem file; by default configs/flights.yaml.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def seconds(_context: click.Context, _option: click.Parameter, value: str | None) -> float:
    """Convert a time such as 30s, 10m or 1h to seconds; 0 if none is given."""
    if value is None:
        return 0.0
    from operations.canary import parse_hold

    try:
        return parse_hold(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


def day_of(moment: dt.datetime | None) -> dt.date | None:
    """Return the date of an option's value."""
    return moment.date() if moment else None


who_option = click.option(
    "--by", "who", help="Who makes the change; by default GITHUB_ACTOR, or else the user of this machine."
)
wait_option = click.option(
    "--wait",
    callback=seconds,
    help="How long to wait for another deployment to end, such as 30s or 10m; by default the command doesn't wait.",
)
service_option = click.option(
    "--service", envvar="DRIFTGATE_SERVICE", help="Address of a running service; wait until it serves the version."
)
remote_option = click.option(
    "--remote", envvar="DRIFTGATE_REMOTE", help="Name or address of a DVC remote; by default the configured one."
)


def run(
    work: Callable[[Problem, Workspace], R], show: Callable[[R, IO[str]], None], *, config: Path, as_json: bool,
    debug: bool, evidence: Path | None,
) -> None:  # fmt: skip
    """Do the work of a command on a problem, and end the process with its exit code.

    Args:
        work: Returns the result. It imports libraries itself, after their environment variables are set.
        show: Prints the result for people.
        config: The problem file. This argument and the others are the options that `common` adds.
    """
    from cli.jobs import run_job
    from driftgate.workspace import Workspace

    workspace = Workspace.current()
    workspace.set_environment()
    log_name = f"{time.strftime('%Y%m%d-%H%M%S')}.log"
    code = run_job(
        work, show, config=config, as_json=as_json, debug=debug, evidence=evidence, workspace=workspace,
        log_name=log_name,
    )  # fmt: skip
    sys.exit(code)
