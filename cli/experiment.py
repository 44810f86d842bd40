"""The command `run.py experiment`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import PATH, common, run, who_option

if TYPE_CHECKING:
    from driftgate.config import Problem
    from driftgate.results.experiment import ExperimentResult
    from driftgate.workspace import Workspace


@click.command(
    epilog="\b\nExamples:\n  python run.py experiment start --challenger 7 --shadow\n"
    "  python run.py experiment start --challenger 7 --share 0.2\n  python run.py experiment status"
)
@click.argument("action", type=click.Choice(["start", "status", "stop", "promote"]))
@click.option("--challenger", help="The version to try; it must have passed on staging.")
@click.option(
    "--share", type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the requests that the challenger answers.",
)  # fmt: skip
@click.option("--shadow", is_flag=True, help="The challenger predicts every request for comparison, but answers none.")
@click.option("--reason", default="", help="Reason; it is written to the deployment record.")
@click.option("--log", "folder", envvar="DRIFTGATE_LOG", type=PATH, help="Folder of the prediction log.")
@who_option
@common
def experiment(
    action: str, challenger: str | None, share: float | None, shadow: bool, reason: str, folder: Path | None,
    who: str | None, **options: Any,
) -> None:  # fmt: skip
    """Try a challenger beside the champion in production.

    Driftgate compares the two models on the labels that arrive. The confidence interval of the challenger's gain is valid
    at every moment, so you can read `status` as often as you like. `promote` deploys the challenger to production if the whole interval is above zero.
    """
    if action == "start" and (not challenger or shadow == (share is not None)):
        raise click.UsageError("Give --challenger, and either --share or --shadow.")
    if action != "start" and (challenger or share or shadow):
        raise click.UsageError("Only start takes --challenger, --share and --shadow.")
    from cli.output.experiment import print_experiment

    def work(problem: Problem, workspace: Workspace) -> ExperimentResult:
        from operations.experiment import experiment

        return experiment(
            problem, action=action, challenger=challenger, share=share, who=who, reason=reason,
            log_folder=folder or workspace.predictions, workspace=workspace,
        )  # fmt: skip

    run(work, print_experiment, **options)
