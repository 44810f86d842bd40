"""The verbs of `run.py data`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.options import common, remote_option, run


@click.group(
    epilog="\b\nExamples:\n  python run.py data add january.parquet\n  python run.py data versions\n"
    "  python run.py data use v1.2\n  python run.py data push --remote /mnt/share/data"
)
def data() -> None:
    """The versions of a problem's data: which there are, where their bytes are, adding one, going back to one."""


@data.command("status", epilog="\b\nExample: python run.py data status --config configs/rules.yaml")
@remote_option
@common
def data_status(remote: str | None, **options: Any) -> None:
    """Which version is there, and whether it is as promised, committed and pushed."""
    _data("status", remote=remote, options=options)


@data.command("versions", epilog="\b\nExample: python run.py data versions --json")
@remote_option
@common
def data_versions(remote: str | None, **options: Any) -> None:
    """Every version that git's history names, the newest first."""
    _data("versions", remote=remote, options=options)


@data.command("use", epilog="\b\nExamples:\n  python run.py data use v1.2\n  python run.py data use dd38dc3d")
@click.argument("revision")
@click.option("--force", is_flag=True, help="Also where no commit names the present version.")
@remote_option
@common
def data_use(revision: str, force: bool, remote: str | None, **options: Any) -> None:
    """Bring back a version: by a revision of git, or the first digits of an md5."""
    _data("use", revision=revision, force=force, remote=remote, options=options)


@data.command(
    "add",
    epilog="\b\nExamples:\n  python run.py data add january.parquet\n  python run.py data add whole.parquet --replace\n\n"
    "\b\nExit codes: 0 done, 1 error, 2 wrong usage, 3 the contract is broken.",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="The file is the whole table, rather than rows to append.")
@common
def data_add(file: Path, replace: bool, **options: Any) -> None:
    """Append rows, once they keep the contract: a new version."""
    _data("add", file=file, replace=replace, options=options)


@data.command(
    "push", epilog="\b\nExamples:\n  python run.py data push\n  python run.py data push --all --remote /mnt/share/data"
)
@click.option("--all", "every", is_flag=True, help="Every version that git's history names, if its bytes are at hand.")
@remote_option
@common
def data_push(every: bool, remote: str | None, **options: Any) -> None:
    """Bring the present version to the remote."""
    _data("push", every=every, remote=remote, options=options)


@data.command("pull", epilog="\b\nExample: python run.py data pull --remote s3://bucket/data")
@remote_option
@common
def data_pull(remote: str | None, **options: Any) -> None:
    """Bring the promised version from the remote."""
    _data("pull", remote=remote, options=options)


def _data(verb: str, *, options: dict[str, Any], **arguments: Any) -> None:
    from cli.jobs import data_job

    run(data_job(verb, **arguments), **options)
