"""How the terminal shows deployments, proofs, rollbacks and the record."""

from __future__ import annotations

from typing import IO

from cli.checks_table import print_checks
from cli.output.lines import print_outcome, write_lines
from cli.tables import make_console, print_line, print_table
from cli.terminal import state_lines
from driftgate.results.production import DeploymentResult, MoveResult, ProofResult, ReleasesResult
from driftgate.workspace import show_path


def print_deployment(result: DeploymentResult, results: IO[str]) -> None:
    """Print the checks of a proof on staging, the verdict, and the next command."""
    console = make_console(results)
    print_checks(result.as_verdict(), console)
    print_outcome(result.verdict, console)
    console.print(f"staging  {result.problem} {result.version}")
    if not result.blocks:
        console.print('approve  python run.py deploy --to production --approve "why"')


def print_proof(result: ProofResult, results: IO[str]) -> None:
    """Print the checks of a proof in production, and the verdict."""
    console = make_console(results)
    print_checks(result.as_verdict(), console)
    print_outcome(result.verdict, console)
    console.print(f"model    {result.problem} {result.version} ({result.seconds:.1f} s)")


def print_move(result: MoveResult, results: IO[str]) -> None:
    """Print what production serves now, and what it served before."""
    lines = {
        "now": f"{result.problem} {result.version} in production",
        "before": result.previous or "nothing",
        "by": f"{result.who}: {result.reason}",
        "channel": show_path(result.document),
    }
    if result.verdict != "none":
        lines["verdict"] = result.verdict
    if service := result.service:
        state = "serves it" if service.version else "does not answer"
        lines["service"] = service.error or f"{service.address} {state}"
    lines[" "] = f"{result.seconds:.1f} s; `python run.py rollback --reason …` undoes the change"
    write_lines(lines, results, width=9)


def print_releases(result: ReleasesResult, results: IO[str]) -> None:
    """Print what each channel serves, and the deployment record."""
    console = make_console(results)
    for line in state_lines(result.problem, result.json_document()):
        print_line(console, line)
    if result.finished_now:
        print_line(console, f"finished the interrupted change to {result.finished_now}")
    rows = [
        [
            f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.event, entry.version, entry.previous or "–",
            entry.verdict or "–", entry.who, entry.reason,
        ]
        for entry in result.record
    ]  # fmt: skip
    if rows:
        results.write("\n")
        print_table(console, rows, head=("when (UTC)", "event", "version", "before", "verdict", "by", "reason"))
