"""Commands on staging and production: deploy, prove, rollback, releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.options import common, run, seconds, service_option, wait_option, who_option

if TYPE_CHECKING:
    from driftgate.config import Problem
    from driftgate.results.production import DeploymentResult, MoveResult, ProofResult, ReleasesResult
    from driftgate.workspace import Workspace


@click.command(
    epilog="\b\nExamples:\n  python run.py deploy --to staging\n"
    '  python run.py deploy --to production --approve "verdict read, week looks good"\n\n'
    "\b\nExit codes: 0 done, 1 error, 2 wrong usage, 3 blocked by the gate, 130 stopped by Ctrl-C."
)
@click.option(
    "--to", type=click.Choice(["staging", "production"]), default="staging", show_default=True, help="Where to deploy."
)
@click.option(
    "--version", "--model", "model",
    help="Alias or version; by default the candidate for staging, and the version on staging for production.",
)  # fmt: skip
@click.option("--approve", "reason", help="Reason for the approval; it is written to the deployment record.")
@click.option("--canary", help="Deploy in steps: growing shares in percent, such as 5,25,100; needs --service.")
@click.option(
    "--hold", default="10m", show_default=True, callback=seconds, help="How long to watch each step: 30s, 10m, 1h."
)
@who_option
@wait_option
@service_option
@common
def deploy(
    to: str, model: str | None, reason: str | None, canary: str | None, hold: float, who: str | None, wait: float,
    service: str | None, **options: Any,
) -> None:  # fmt: skip
    """Deploy a version to staging or production.

    On staging, Driftgate starts the service, sends it requests, and checks its answers, its latency and its log.
    Production needs an approval, and takes only a release that passed on staging and hasn't changed since.
    """
    if to == "production" and not (reason or "").strip():
        raise click.UsageError('Production needs an approval: add --approve "reason".')
    if to == "staging" and reason:
        raise click.UsageError("Staging needs no approval: remove --approve, or add --to production.")
    if canary and (to != "production" or not service):
        raise click.UsageError("--canary needs --to production, and the service to watch as --service.")
    from operations.canary import parse_steps

    try:
        steps = parse_steps(canary) if canary else ()
    except ValueError as error:
        raise click.UsageError(f"--canary: {error}.") from error
    from cli.output.production import print_deployment, print_move

    def deploy_to_staging(problem: Problem, workspace: Workspace) -> DeploymentResult:
        from operations import deploy

        return deploy.deploy_to_staging(problem, model=model, who=who, workspace=workspace, wait=wait)

    def deploy_to_production(problem: Problem, workspace: Workspace) -> MoveResult:
        from operations import deploy

        return deploy.deploy_to_production(
            problem, model=model, reason=reason or "", who=who, service=service, workspace=workspace, steps=steps,
            hold=hold, wait=wait,
        )  # fmt: skip

    if to == "staging":
        run(deploy_to_staging, print_deployment, **options)
    run(deploy_to_production, print_move, **options)


@click.command(epilog="\b\nExample: python run.py prove --service http://127.0.0.1:3000")
@service_option
@common
def prove(service: str | None, **options: Any) -> None:
    """Test what production serves.

    The command starts the service of production on this machine, and compares its answers with the golden predictions.
    With --service, it also checks that the running service serves the same version.
    """
    from cli.output.production import print_proof

    def work(problem: Problem, workspace: Workspace) -> ProofResult:
        from operations.prove import prove_production

        return prove_production(problem, service=service, workspace=workspace)

    run(work, print_proof, **options)


@click.command(epilog="\b\nExample: python run.py rollback --reason 'too many alarms'")
@click.option("--to", help="A version that was in production; by default the one that served before.")
@click.option("--from", "leaving", help="Roll back only if production serves this version.")
@click.option("--reason", required=True, help="Reason; it is written to the deployment record.")
@who_option
@wait_option
@service_option
@common
def rollback(
    to: str | None, leaving: str | None, reason: str, who: str | None, wait: float, service: str | None, **options: Any
) -> None:
    """Roll production back to a release that served before."""
    from cli.output.production import print_move

    def work(problem: Problem, workspace: Workspace) -> MoveResult:
        from operations.deploy import roll_back

        return roll_back(
            problem.name, to=to, leaving=leaving, reason=reason, who=who, service=service, workspace=workspace,
            wait=wait,
        )  # fmt: skip

    run(work, print_move, **options)


@click.command()
@common
def releases(**options: Any) -> None:
    """Show what serves where, and the record of deployments."""
    from cli.output.production import print_releases

    def work(problem: Problem, workspace: Workspace) -> ReleasesResult:
        from operations.releases import read_releases

        return read_releases(problem.name, workspace=workspace)

    run(work, print_releases, **options)
