"""The command line of Driftgate: one verb a job."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from cli.data import data
from cli.options import DAY, common, run, seconds, service_option, wait_option, who_option

EXAMPLES = """
\b
Examples:
  python run.py                                  the main job on the flights
  python run.py train --config configs/rules.yaml
  python run.py train --as-of 2013-10-01 --json
  python run.py drift --since 2013-07-01 --until 2013-07-08
  python run.py status
  python run.py ui

\b
Exit codes: 0 done, 1 error, 2 wrong usage, 3 blocked by the gate.
"""


MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"])
as_of_option = click.option("--as-of", type=MOMENT, help="Train as if that were today, or now.")


@click.group(invoke_without_command=True, epilog=EXAMPLES)
@as_of_option
@common
@click.pass_context
def main(context: click.Context, /, as_of: Any, **options: Any) -> None:
    """From a table to a served model, behind a gate you can trust.

    Without a command, the main job: train, judge, package, serve for a moment, compare, tell.
    """
    given = [name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if context.invoked_subcommand and given:
        raise click.UsageError(f"Give options after the verb: run.py {context.invoked_subcommand} --…")
    if context.invoked_subcommand is None:
        _train(serve=True, as_of=as_of, **options)


@main.command(epilog="\b\nExample: python run.py train --config configs/rules.yaml --json")
@as_of_option
@common
def train(as_of: Any, **options: Any) -> None:
    """Train, judge, and package what passes the gate."""
    _train(serve=False, as_of=as_of, **options)


@main.command(epilog="\b\nExample: python run.py contract --config configs/rules.yaml")
@common
def contract(**options: Any) -> None:
    """Hold every row of the problem's data against the contract, and do nothing else."""
    from cli.jobs import contract_job

    run(contract_job(), **options)


@main.command(
    epilog="\b\nExamples:\n  python run.py drift --since 2013-07-01 --until 2013-07-08\n"
    "  python run.py drift --current new.parquet --json\n\n\b\nExit codes: 0 no grave drift, 1 error, 2 wrong usage, 3 blocked."
)
@click.option("--current", type=click.Path(path_type=Path), help="A parquet or CSV file of rows that arrived.")
@click.option(
    "--log", "log_folder", type=click.Path(path_type=Path), help="A prediction log; the window is of it, days are UTC."
)
@click.option("--since", type=DAY, help="First day of a window, by default of the problem's data.")
@click.option("--until", "--as-of", "until", type=DAY, help="The day after its last one; nothing later is read.")
@click.option("--model", help="Alias or version to compare with; by default the champion, else the candidate.")
@common
def drift(
    current: Path | None, log_folder: Path | None, since: Any, until: Any, model: str | None, **options: Any
) -> None:
    """Hold what arrives against what a model was trained on.

    Without --current, a window of the problem's data: by default the newest one before the problem's as-of date; all of
    it where there is no timestamp.
    """
    if current and (since or until or log_folder):
        raise click.UsageError("Give either --current, or a window by --since and --until, of the data or of a --log.")
    if since and until and since >= until:
        raise click.UsageError("Give a --since before --until.")
    from cli.jobs import drift_job

    run(drift_job(model=model, current=current, log_folder=log_folder, since=_day(since), until=_day(until)), **options)


@main.command(
    epilog="\b\nExamples:\n  python run.py deploy --to staging\n"
    '  python run.py deploy --to production --approve "verdict read, week looks good"\n\n'
    "\b\nExit codes: 0 done, 1 error, 2 wrong usage, 3 blocked by the gate."
)
@click.option("--to", type=click.Choice(["staging", "production"]), default="staging", show_default=True)
@click.option(
    "--version", "--model", "model", help="Alias or version; by default the candidate, or what is on staging."
)
@click.option("--approve", "reason", help="Why production may move: the approval, kept in the record.")
@click.option("--canary", help="Go in steps: shares in percent, such as 5,25,100; needs --service.")
@click.option(
    "--hold", default="10m", show_default=True, callback=seconds, help="How long each step is watched: 30s, 10m, 1h."
)
@who_option
@wait_option
@service_option
@common
def deploy(
    to: str, model: str | None, reason: str | None, canary: str | None, hold: float, who: str | None, wait: float,
    service: str | None, **options: Any,
) -> None:  # fmt: skip
    """Prove a version on staging, or move production to what was proved there.

    Staging serves it with the real bentoml serve, asks it everything, and gives the verdict. Production moves by approval
    alone, and to nothing but the very files that passed.
    """
    if to == "production" and not (reason or "").strip():
        raise click.UsageError('Production moves by approval: give --approve "why".')
    if to == "staging" and reason:
        raise click.UsageError("Staging needs no approval: leave --approve out, or say --to production.")
    if canary and (to != "production" or not service):
        raise click.UsageError("--canary goes to production, and needs the --service to watch.")
    from cli.jobs import deploy_job
    from operations.canary import parse_steps

    try:
        steps = parse_steps(canary) if canary else ()
    except ValueError as error:
        raise click.UsageError(f"--canary: {error}.") from error
    job = deploy_job(to=to, model=model, reason=reason, who=who, service=service, steps=steps, hold=hold, wait=wait)
    run(job, **options)


@main.command(epilog="\b\nExample: python run.py prove --service http://127.0.0.1:3000")
@service_option
@common
def prove(service: str | None, **options: Any) -> None:
    """Prove what production serves: its service, started as production is, gives the golden rows their probabilities.

    With --service, the running one must say that it serves the same version.
    """
    from cli.jobs import prove_job

    run(prove_job(service=service), **options)


@main.command(epilog="\b\nExample: python run.py rollback --reason 'too many alarms'")
@click.option("--to", help="A version that was in production; by default the one that served before.")
@click.option("--from", "leaving", help="Only if production serves this version.")
@click.option("--reason", required=True, help="Why; kept in the record.")
@who_option
@wait_option
@service_option
@common
def rollback(
    to: str | None, leaving: str | None, reason: str, who: str | None, wait: float, service: str | None, **options: Any
) -> None:
    """Go back to a release that was in production before."""
    from cli.jobs import rollback_job

    run(rollback_job(to=to, leaving=leaving, reason=reason, who=who, wait=wait, service=service), **options)


@main.command(
    epilog="\b\nExamples:\n  python run.py experiment start --challenger 7 --shadow\n"
    "  python run.py experiment start --challenger 7 --share 0.2\n  python run.py experiment status"
)
@click.argument("action", type=click.Choice(["start", "status", "stop", "promote"]))
@click.option("--challenger", help="The version to try; it has passed its proof on staging.")
@click.option(
    "--share", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Of the requests that it answers."
)
@click.option("--shadow", is_flag=True, help="It answers none, and predicts them all afterwards.")
@click.option("--reason", default="", help="Kept in the record.")
@click.option(
    "--log", "folder", envvar="DRIFTGATE_LOG", type=click.Path(path_type=Path), help="Folder of the prediction log."
)
@who_option
@common
def experiment(
    action: str, challenger: str | None, share: float | None, shadow: bool, reason: str, folder: Path | None,
    who: str | None, **options: Any,
) -> None:  # fmt: skip
    """Try a challenger beside the champion, judged by the labels that come back.

    Its gain comes with an interval that holds at all times at once: look as often as you like. `promote` moves
    production to it, if the interval lies above zero.
    """
    if action == "start" and (not challenger or shadow == (share is not None)):
        raise click.UsageError("Give --challenger, and either --share or --shadow.")
    if action != "start" and (challenger or share or shadow):
        raise click.UsageError("--challenger, --share and --shadow are for start.")
    from cli.jobs import experiment_job
    from driftgate.workspace import Workspace

    folder = folder or Workspace.current().predictions
    job = experiment_job(action=action, challenger=challenger, share=share, who=who, reason=reason, log_folder=folder)
    run(job, **options)


@main.command()
@common
def releases(**options: Any) -> None:
    """What serves where, and the record of every deployment."""
    from cli.jobs import releases_job

    run(releases_job(), **options)


@main.command(
    epilog="\b\nExamples:\n  python run.py predictions --log /srv/predictions\n"
    "  python run.py predictions --since 2026-11-01 --until 2026-11-08 --out week.parquet"
)
@click.option(
    "--log",
    "folder",
    envvar="DRIFTGATE_LOG",
    type=click.Path(path_type=Path),
    help="Folder of the log; by default that of DRIFTGATE_LOG, else predictions in the workspace.",
)
@click.option("--since", type=DAY, help="First day, UTC.")
@click.option("--until", type=DAY, help="The day after the last one, UTC.")
@click.option(
    "--label", type=click.Choice(["first", "last"]), default="last", show_default=True, help="Where a row has several."
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the table to this parquet or CSV file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def predictions(folder: Path | None, since: Any, until: Any, label: Any, out: Path | None, as_json: bool) -> None:
    """The prediction log: its counts, or with --out the table, each prediction with its label."""
    if since and until and since >= until:
        raise click.UsageError("Give a --since before --until.")
    from cli.jobs import show_predictions
    from driftgate.workspace import Workspace

    folder = folder or Workspace.current().predictions
    sys.exit(show_predictions(folder, since=since, until=until, label=label, out=out, as_json=as_json))


@main.command(
    epilog="\b\nExamples:\n  python run.py reproduce champion\n  python run.py reproduce 3 --config configs/rules.yaml --json\n\n"
    "\b\nExit codes: 0 the same model, 1 error, 2 wrong usage, 3 another model."
)
@click.argument("version")
@click.option("--remote", envvar="DRIFTGATE_REMOTE", help="A DVC remote that may have the data.")
@common
def reproduce(version: str, remote: str | None, **options: Any) -> None:
    """Train a version again, an alias or a number, from its commit, data and lock; and compare.

    All of it happens in a folder of its own, which goes away afterwards.
    """
    from cli.jobs import reproduce_job

    run(reproduce_job(version=version, remote=remote), **options)


@main.command()
@click.option("--all", "every_run", is_flag=True, help="Every run; by default the newest five.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def status(every_run: bool, as_json: bool) -> None:
    """What serves where, and what the newest runs came to."""
    from cli.status import show_status

    show_status(as_json=as_json, every_run=every_run)


@main.command()
@click.option("--mlflow-port", default=5000, show_default=True)
@click.option("--zenml-port", default=8237, show_default=True)
def ui(mlflow_port: int, zenml_port: int) -> None:
    """Start MLflow's pages and ZenML's dashboard on this machine; Ctrl-C stops both."""
    from cli.terminal import print_error
    from cli.ui import show
    from driftgate.errors import DriftgateError

    try:
        show(mlflow_port=mlflow_port, zenml_port=zenml_port)
    except DriftgateError as error:
        print_error(error, sys.stderr)
        sys.exit(1)


def _train(*, serve: bool, as_of: Any, **options: Any) -> None:
    from cli.jobs import training_job

    midnight = as_of and as_of.time() == dt.time()
    run(training_job(as_of=_day(as_of) if midnight else as_of, serve=serve), **options)


def _day(moment: Any) -> Any:
    return moment.date() if moment else None


main.add_command(data)

if __name__ == "__main__":
    main()
