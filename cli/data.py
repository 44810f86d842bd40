"""The commands of `run.py data`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import PATH, common, remote_option, run

if TYPE_CHECKING:
    from driftgate.config import Problem
    from driftgate.results.data import (
        DataAddResult,
        DataPullResult,
        DataPushResult,
        DataStatusResult,
        DataUseResult,
        DataVersionsResult,
    )
    from driftgate.workspace import Workspace


@click.group(
    epilog="\b\nExamples:\n  python run.py data add january.parquet\n  python run.py data versions\n"
    "  python run.py data use v1.2\n  python run.py data push --remote /mnt/share/data"
)
def data() -> None:
    """Manage the versions of a problem's data."""


@data.command("status", epilog="\b\nExample: python run.py data status --config configs/rules.yaml")
@remote_option
@common
def data_status(remote: str | None, **options: Any) -> None:
    """Show the state of the data file.

    The command says which version the file is, and whether that version is tracked, committed and pushed.
    """
    from cli.output.data import print_data_status

    def work(problem: Problem, workspace: Workspace) -> DataStatusResult:
        from driftgate.data import remote as sharing

        return sharing.status(problem, remote=remote, workspace=workspace)

    run(work, print_data_status, **options)


@data.command("versions", epilog="\b\nExample: python run.py data versions --json")
@remote_option
@common
def data_versions(remote: str | None, **options: Any) -> None:
    """List the versions in git's history, the newest first."""
    from cli.output.data import print_data_versions

    def work(problem: Problem, workspace: Workspace) -> DataVersionsResult:
        from driftgate.data import versions

        return versions.versions(problem, remote=remote, workspace=workspace)

    run(work, print_data_versions, **options)


@data.command("use", epilog="\b\nExamples:\n  python run.py data use v1.2\n  python run.py data use dd38dc3d")
@click.argument("revision")
@click.option("--force", is_flag=True, help="Restore the version even if no commit has the current one.")
@remote_option
@common
def data_use(revision: str, force: bool, remote: str | None, **options: Any) -> None:
    """Restore a version of the data.

    REVISION is a git revision, or the first digits of an md5.
    """
    from cli.output.data import print_data_use

    def work(problem: Problem, workspace: Workspace) -> DataUseResult:
        from driftgate.data import versions

        return versions.use(problem, revision, force=force, remote=remote, workspace=workspace)

    run(work, print_data_use, **options)


@data.command(
    "add",
    epilog="\b\nExamples:\n  python run.py data add january.parquet\n  python run.py data add whole.parquet --replace\n\n"
    "\b\nExit codes: 0 done, 1 error, 2 wrong usage, 3 the rows break the contract, 130 stopped by Ctrl-C.",
)
@click.argument("file", type=PATH)
@click.option("--replace", is_flag=True, help="Replace the table with this file; don't append its rows.")
@common
def data_add(file: Path, replace: bool, **options: Any) -> None:
    """Append rows to the data as a new version.

    The rows must satisfy the contract."""
    from cli.output.data import print_data_add

    def work(problem: Problem, workspace: Workspace) -> DataAddResult:
        from driftgate.data import add

        return add.add(problem, file, replace=replace, workspace=workspace)

    run(work, print_data_add, **options)


@data.command(
    "push", epilog="\b\nExamples:\n  python run.py data push\n  python run.py data push --all --remote /mnt/share/data"
)
@click.option("--all", "every", is_flag=True, help="Push every version in git's history that is on this machine.")
@remote_option
@common
def data_push(every: bool, remote: str | None, **options: Any) -> None:
    """Push the current version to the remote."""
    from cli.output.data import print_data_push

    def work(problem: Problem, workspace: Workspace) -> DataPushResult:
        from driftgate.data import remote as sharing

        return sharing.push(problem, every=every, remote=remote, workspace=workspace)

    run(work, print_data_push, **options)


@data.command("pull", epilog="\b\nExample: python run.py data pull --remote s3://bucket/data")
@remote_option
@common
def data_pull(remote: str | None, **options: Any) -> None:
    """Pull the tracked version from the remote."""
    from cli.output.data import print_data_pull

    def work(problem: Problem, workspace: Workspace) -> DataPullResult:
        from driftgate.data import versions

        return versions.pull(problem, remote=remote, workspace=workspace)

    run(work, print_data_pull, **options)
