"""The command `run.py init`."""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from typing import IO, TYPE_CHECKING, Any

import click

from cli.exit_codes import DONE, ERROR, INTERRUPTED
from cli.options import json_option
from cli.tables import verbose_option

if TYPE_CHECKING:
    from driftgate.init.choices import Ask, Question

EPILOG = """
\b
Examples:
  python run.py init orders.csv --target bought
  python run.py init orders.csv --target bought --check
  python run.py init s3://bucket/orders/ --target bought --timestamp ordered_at
  python run.py init postgresql://reader@server/shop --query "select * from orders" --target bought --name orders

\b
Exit codes: 0 done, 1 error, 2 wrong usage, 130 stopped by Ctrl-C.
"""


@click.command(epilog=EPILOG)
@click.argument("source")
@click.option("--target", required=True, help="The column to predict; it has two to fifty classes.")
@click.option("--name", help="Name of the problem; by default that of the source.")
@click.option("--id", "row_id", help="The column that identifies a row, or none.")
@click.option("--timestamp", help="The column that says when a row was observed, or none.")
@click.option("--group", help="The column that names the entity of a row, such as a customer, or none.")
@click.option("--positive", help="The positive class of two; by default the rarer one.")
@click.option(
    "--text", "texts", multiple=True, help="A column of free text to learn from. Give it once for each column."
)
@click.option("--query", help="For a database: a SELECT statement, or the name of a table.")
@click.option("--date-format", help="How dates are written, such as %d/%m/%Y; by default it is found out.")
@click.option("--time-zone", help="Time zone of the timestamps, such as Europe/Paris; by default UTC.")
@click.option("--delimiter", help="Delimiter of a CSV file, such as ; or tab; by default it is found out.")
@click.option("--encoding", help="Encoding of a CSV file, such as cp1252; by default it is found out.")
@click.option(
    "--decimal", type=click.Choice([".", ","]), help="Decimal separator of a CSV file; by default it is found out."
)
@click.option("--missing", multiple=True, help="A word that means a missing value. Give it once for each word.")
@click.option("--check", is_flag=True, help="Show the result, and write nothing.")
@json_option
@click.option("--debug", is_flag=True, help="Show the logs of libraries, and tracebacks.")
@verbose_option
def init(as_json: bool, debug: bool, **given: Any) -> None:
    """Make a problem file from a table.

    SOURCE is a CSV or Parquet file, a folder of Parquet files, an address s3://…, or the URL of a database. The command finds
    out what the columns are, chooses the split, the models and the limits of the gate, writes configs/NAME.yaml, and puts the
    data under DVC. It shows what it assumed and what you should check. Run it again, and it keeps what you edited.
    """
    sys.exit(_run(as_json=as_json, debug=debug, **given))


def _run(*, as_json: bool, debug: bool, **given: Any) -> int:
    from cli import terminal
    from cli.jobs import error_result, known_error
    from cli.output.init import print_init
    from driftgate.workspace import Workspace

    gc.set_threshold(
        100_000
    )  # imports make objects that live on; looking for garbage among them takes a tenth of the time
    workspace = Workspace.current()
    workspace.set_environment()
    results: IO[str] = sys.stdout
    errors: IO[str] = sys.stderr
    log_file = workspace.logs / f"{time.strftime('%Y%m%d-%H%M%S')}.log"
    try:
        workspace.prepare()
        results, errors = terminal.quiet_libraries(log_file=log_file, debug=debug)
        result = _init(workspace, _asking(errors), **given)
    except KeyboardInterrupt:
        errors.write("stopped\n")
        return INTERRUPTED
    except Exception as error:
        known = known_error(error, log_file, debug=debug, errors=errors)
        if as_json:
            terminal.print_json(error_result(known), results)
        terminal.print_error(known, errors)
        return ERROR
    if as_json:
        terminal.print_json(result, results)
    else:
        print_init(result, results)
    return DONE


def _init(
    workspace: Any, ask: Ask, *, source: str, target: str, name: str | None, row_id: str | None, timestamp: str | None,
    group: str | None, positive: str | None, texts: tuple[str, ...], query: str | None, date_format: str | None,
    time_zone: str | None, delimiter: str | None, encoding: str | None, decimal: Any, missing: tuple[str, ...], check: bool,
) -> Any:  # fmt: skip
    from driftgate.init.choices import Choices
    from driftgate.init.run import init as work
    from driftgate.init.sources.read import SourceOptions

    choices = Choices(
        target, row_id=row_id, timestamp=timestamp, group=group, positive=positive, texts=texts, time_zone=time_zone
    )
    options = SourceOptions(
        delimiter=delimiter, encoding=encoding, decimal=decimal, missing=missing, date_format=date_format,
        time_zone=time_zone,
    )  # fmt: skip
    return work(source, choices, name=name, query=query, options=options, check=check, ask=ask, workspace=workspace)


def _asking(errors: IO[str]) -> Ask:
    """Ask on a terminal; elsewhere, refuse and name the option."""
    from driftgate.init.choices import refuse

    if not (sys.stdin.isatty() and errors.isatty()):
        return refuse

    def ask(question: Question) -> str:
        with contextlib.redirect_stderr(errors):
            click.echo(question.text, err=True)
            answer = click.prompt(question.option, type=click.Choice(question.answers), err=True)
        return str(answer)

    return ask
