"""Data versions: the md5 by which DVC knows a file, and building a file that isn't there yet."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
from pathlib import Path

from driftgate.config import Problem
from driftgate.errors import DriftgateError
from driftgate.workspace import PROJECT, Workspace, show_path

log = logging.getLogger("driftgate.data")


def md5_of(path: Path) -> str:
    """The md5 of a file's bytes, as DVC computes it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def locked_md5(problem: Problem) -> str | None:
    """The md5 that `dvc.lock`, or the `.dvc` file beside the data, promises; None where DVC doesn't track the file."""
    import yaml

    if problem.data.stage:
        lock = PROJECT / "dvc.lock"
        stages = (yaml.safe_load(lock.read_text()) or {}).get("stages", {}) if lock.exists() else {}
        outs = stages.get(problem.data.stage, {}).get("outs", [])
        return next((str(out["md5"]) for out in outs if PROJECT / out["path"] == problem.data_path), None)
    pointer = problem.data_path.with_name(problem.data_path.name + ".dvc")
    if pointer.exists():
        return str(yaml.safe_load(pointer.read_text())["outs"][0]["md5"])
    return None


def ensure_data(problem: Problem, *, workspace: Workspace) -> str:
    """See that the data file is there, and is the version that DVC promises; build it where a stage can.

    Args:
        problem: Names the file and, where there is one, its DVC stage.
        workspace: Takes DVC's own scratch files.

    Returns:
        The md5 of the file.

    Raises:
        DriftgateError: If the file is missing and can't be built, can't be read, or is another version.
    """
    path = problem.data_path
    promised = locked_md5(problem)
    if not path.exists():
        if not problem.data.stage:
            remedy = "Fetch it with `dvc pull`" if promised else "Put it there"
            raise DriftgateError(f"There is no data file {path}.", f"{remedy}, or change data.path.")
        log.info("building %s with DVC", show_path(path))
        _reproduce(problem.data.stage, workspace=workspace)
        if not path.exists():
            raise DriftgateError(
                f"The DVC stage {problem.data.stage!r} ran, but made no {path}.", "Compare data.path with dvc.yaml."
            )
    try:
        found = md5_of(path)
    except OSError as error:
        raise DriftgateError(
            f"{path} can't be read: {error.strerror}.", "Give yourself the right to read it."
        ) from error
    if promised and found != promised:
        raise DriftgateError(
            f"{show_path(path)} is another version of the data: its md5 is {found}, DVC promises {promised}.",
            f"Delete the file to have the promised version made again, or accept this one with "
            f"`dvc {'commit ' + problem.data.stage if problem.data.stage else 'add ' + str(problem.data.path)}`.",
        )
    return found


def _reproduce(stage: str, *, workspace: Workspace) -> None:
    """Run one DVC stage; put `dvc.lock` back as it was, so that a file of another md5 can't pass for the promised one."""
    lock = PROJECT / "dvc.lock"
    before = lock.read_bytes() if lock.exists() else None
    scripts = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
        "DVC_SITE_CACHE_DIR": str(workspace.root / "dvc"),
    }
    command = [sys.executable, "-m", "dvc"]
    if not (PROJECT / ".git").exists():
        subprocess.run([*command, "config", "--local", "core.no_scm", "true"], cwd=PROJECT, env=environment, check=True)
    done = subprocess.run(
        [*command, "repro", "--single-item", stage],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
    )
    if before is not None and lock.read_bytes() != before:
        lock.write_bytes(before)
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise DriftgateError(
            f"DVC could not build stage {stage!r}: {lines[-1].strip() if lines else 'it said nothing'}",
            f"`dvc repro {stage}` shows all it says.",
        )
