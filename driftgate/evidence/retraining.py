"""Train an older commit again: in its own checkout, locked environment and workspace."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from driftgate.errors import DriftgateError

log = logging.getLogger("driftgate.step")

OURS = ("ZENML_", "MLFLOW_", "BENTOML_", "DRIFTGATE_", "DVC_")
OF_ANOTHER_ENVIRONMENT = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT", "OMP_NUM_THREADS")
SECONDS = re.compile(r"^\s*[\d.]+ s\s+")
PATIENCE_SECONDS = 10
FOREMOST_CLOCK = "LINT-14"  # as POSIX writes it: 14 hours ahead of UTC


class CheckAgain(BaseModel):
    """The fields of a check that are read."""

    model_config = ConfigDict(frozen=True)

    name: str
    severity: str
    passed: bool


class TrainedAgain(BaseModel):
    """The fields of the training's result that are read; the Driftgate version of that commit may print other keys."""

    model_config = ConfigDict(frozen=True)

    release: str | None
    checks: tuple[CheckAgain, ...]


@dataclass(frozen=True)
class Place:
    """The temporary folder of a retraining, and the paths in it."""

    folder: Path

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def python(self) -> Path:
        return self.project / ".venv" / "bin" / "python"


def set_up_environment(place: Place, *, python: str, extras: tuple[str, ...] = ()) -> str:
    """Install the packages that the checkout's lock file names, from uv's cache where possible.

    Args:
        place: The place; its checkout must exist.
        python: The Python version to use if this machine has it; else the version of this process is used.
        extras: Extras of the project that the candidates of the problem need.

    Returns:
        The Python version that is used.

    Raises:
        DriftgateError: If the lock can't be installed.
    """
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    interpreter = _interpreter(uv, python, place)
    command = [uv, "sync", "--locked", "--no-dev", "--no-progress", "--python", interpreter]
    command += [f"--extra={extra}" for extra in extras]
    for more in (["--offline"], []):
        code, _, errors = _run([*command, *more], place)
        if code == 0:
            break
    else:
        raise DriftgateError(
            f"The environment that this commit locks can't be set up: {_reason(errors)}.",
            "`uv sync --locked` in a checkout of the commit says more; a package may be gone from its registry.",
        )
    return _run([str(place.python), "-c", "import platform; print(platform.python_version())"], place)[1].strip()


def train_again(place: Place, *, problem: dict[str, Any], as_of: str | None, threads: str | None) -> TrainedAgain:
    """Run the checkout's own `run.py train`.

    Args:
        place: The place, with checkout and environment.
        problem: The content of the problem file.
        as_of: The as-of moment, in ISO 8601.
        threads: The value of OMP_NUM_THREADS at the first training.

    Returns:
        The result that it prints with `--json`.

    Raises:
        DriftgateError: If it fails for another reason than a block by the gate.
    """
    config = place.folder / "problem.yaml"
    config.write_text(yaml.safe_dump(problem, sort_keys=False, allow_unicode=True), encoding="utf-8")
    command = [str(place.python), "run.py", "train", "--config", str(config), "--json"]
    if as_of:
        moment = dt.datetime.fromisoformat(as_of)
        command += ["--as-of", as_of if moment.time() != dt.time() else moment.date().isoformat()]
    # The as-of moment is in the local time of the first machine; it must not be in the future here.
    code, out, errors = _run(command, place, show=True, OMP_NUM_THREADS=threads, TZ=FOREMOST_CLOCK)
    try:
        return TrainedAgain.model_validate_json(out)
    except ValueError as error:
        raise DriftgateError(
            f"The training failed where it passed before: {_cause(out) or f'exit code {code}: {_reason(errors)}.'}",
            "Its output is above; in a checkout of the commit, --debug shows more.",
        ) from error


def _cause(out: str) -> str | None:
    """The cause in the error that a command printed; None where it printed none."""
    try:
        return str(json.loads(out)["error"]["cause"])
    except (ValueError, KeyError, TypeError):
        return None


def _interpreter(uv: str, python: str, place: Place) -> str:
    """An interpreter of the requested version, else the one of this process."""
    own = str(Path(sys.executable).resolve())
    if python == platform.python_version():
        return own
    code, found, _ = _run([uv, "python", "find", "--no-python-downloads", "--no-project", python], place)
    if code == 0:
        return found.strip()
    log.warning("Python %s is not on this machine: using %s", python, platform.python_version())
    return own


def _run(command: list[str], place: Place, *, show: bool = False, **variables: str | None) -> tuple[int, str, str]:
    """Run a command in the checkout with a clean environment; it stops when this process stops.

    Returns:
        The exit code, standard output, standard error.
    """
    # Standard output goes to a file: a second pipe could fill up while the first one is read.
    with (place.folder / "output").open("w+", encoding="utf-8") as out:
        process = subprocess.Popen(
            command, cwd=place.project, env=_environment(place, variables), stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        assert process.stderr
        errors = []
        try:
            for line in process.stderr:
                errors.append(line)
                if show and SECONDS.match(line):
                    log.info("             %s", SECONDS.sub("", line).rstrip())
            process.wait()
        except BaseException:
            _stop(process)
            raise
        out.seek(0)
        return process.returncode, out.read(), "".join(errors)


def _environment(place: Place, variables: dict[str, str | None]) -> dict[str, str]:
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(OURS) and key not in OF_ANOTHER_ENVIRONMENT
    }
    given = {key: value for key, value in variables.items() if value is not None}
    scratch = place.folder / "tmp"
    scratch.mkdir(exist_ok=True)
    return {**kept, "DRIFTGATE_HOME": str(place.home), "TMPDIR": str(scratch), **given}


def _stop(process: subprocess.Popen[str]) -> None:
    """Stop the command and all processes that it started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(PATIENCE_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _reason(errors: str) -> str:
    """The reason that a failed command printed."""
    lines = [line.strip(" ×╰─▶│") for line in errors.splitlines() if line.strip(" ×╰─▶│")]
    reasons = [line for line in lines if line.lower().startswith("error")] or lines[-2:]
    return " ".join(reasons).rstrip(".")[:400] or "it printed no error"
