"""Commands on a model before its deployment: train, contract, reproduce."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from cli.options import common, run

if TYPE_CHECKING:
    from driftgate.config import Problem
    from driftgate.results.training import ContractResult, ReproductionResult, TrainingResult
    from driftgate.workspace import Workspace

MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"])
as_of_option = click.option("--as-of", type=MOMENT, help="Use only rows dated before this date or moment.")


@click.command(epilog="\b\nExample: python run.py train --config configs/rules.yaml --json")
@as_of_option
@common
def train(as_of: dt.datetime | None, **options: Any) -> None:
    """Train a model, check it at the gate, and package it.

    A model that the gate blocks is not packaged.
    """
    run_training(serve=False, as_of=as_of, **options)


def run_training(*, serve: bool, as_of: dt.datetime | None, **options: Any) -> None:
    """Train. With `serve`, also compare the service's answers with offline predictions."""
    from cli.output.training import print_training

    moment = as_of.date() if as_of and as_of.time() == dt.time() else as_of

    def work(problem: Problem, workspace: Workspace) -> TrainingResult:
        from operations.prove import prove_service
        from pipelines.launch import train

        result = train(problem, as_of=moment, workspace=workspace)
        if serve and result.bento:
            answers = prove_service(result, problem, workspace=workspace)
            return result.model_copy(update={"service": answers})
        return result

    run(work, print_training, **options)


@click.command(epilog="\b\nExample: python run.py contract --config configs/rules.yaml")
@common
def contract(**options: Any) -> None:
    """Check every row of the data against the contract."""
    from cli.output.training import print_contract

    def work(problem: Problem, workspace: Workspace) -> ContractResult:
        from pipelines.launch import check_contract

        return check_contract(problem, workspace=workspace)

    run(work, print_contract, **options)


@click.command(
    epilog="\b\nExamples:\n  python run.py reproduce champion\n  python run.py reproduce 3 --config configs/rules.yaml --json\n\n"
    "\b\nExit codes: 0 the same model, 1 error, 2 wrong usage, 3 another model, 130 stopped by Ctrl-C."
)
@click.argument("version")
@click.option("--remote", envvar="DRIFTGATE_REMOTE", help="Name or address of a DVC remote to pull the data from.")
@common
def reproduce(version: str, remote: str | None, **options: Any) -> None:
    """Train a registered version again, and compare the models.

    VERSION is a number or an alias. The training uses the version's commit, data and lock file, in a temporary folder.
    """
    from cli.output.training import print_reproduction

    def work(problem: Problem, workspace: Workspace) -> ReproductionResult:
        from driftgate.evidence import reproduction

        return reproduction.reproduce(problem, version, remote=remote, workspace=workspace)

    run(work, print_reproduction, **options)
