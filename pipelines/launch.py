"""Start a pipeline for a person or CI, and return its result."""

from __future__ import annotations

import datetime as dt
import logging
import time
from pathlib import Path
from typing import Any, TypeVar

from driftgate.config import Problem
from driftgate.data.contract_check import find_violations
from driftgate.data.present import ensure_data
from driftgate.data.table import read_rows
from driftgate.data.violations import contract_verdict
from driftgate.drift import batches
from driftgate.drift.profile import profile_of
from driftgate.errors import DriftgateError, GateBlocked
from driftgate.evidence import registry
from driftgate.production.log_reader import require_log
from driftgate.production.release import Release
from driftgate.results.base import PipelineResult, now
from driftgate.results.drift import DriftResult
from driftgate.results.training import ContractResult, TrainingResult
from driftgate.training.preflight import require_trainable
from driftgate.workspace import Workspace
from pipelines import outcome, runs

log = logging.getLogger("driftgate.run")

R = TypeVar("R", bound=PipelineResult)


def train(problem: Problem, *, as_of: dt.date | None, workspace: Workspace) -> TrainingResult:
    """Run the training pipeline.

    Args:
        problem: What to train.
        as_of: Use only rows dated before this; None: the problem's own as-of date, or now.
        workspace: The workspace.

    Returns:
        The result, with the gate's verdict. It is also written to the workspace's folder `runs`.

    Raises:
        DriftgateError: If the data can't be used for training, or the run failed for a reason other than the gate.
    """
    started = time.monotonic()
    moment = (as_of or problem.data.as_of) if problem.data.timestamp else None
    if as_of and not problem.data.timestamp:
        raise DriftgateError(f"{problem.name} has no timestamp, so it can't use --as-of.", "Run again without --as-of.")
    # An error in the data is reported before ZenML starts, which takes long.
    require_trainable(problem, as_of=moment, workspace=workspace)
    set_up(workspace)
    from pipelines.training import training

    name = run_name(runs.TRAINING, problem)
    run_pipeline(training, name, workspace=workspace, problem=problem, as_of=moment.isoformat() if moment else None)
    run = runs.read_outcome(name)
    result = outcome.training_result(problem, run, seconds=elapsed(started), workspace=workspace)
    return recorded(result, name, workspace=workspace)


def check_contract(problem: Problem, *, workspace: Workspace) -> ContractResult:
    """Check every row of the problem's data against the contract; it starts no pipeline and writes no record."""
    started = time.monotonic()
    frame, version = read_rows(problem, md5=ensure_data(problem, workspace=workspace), as_of=None)
    violations = find_violations(frame, problem, version=version)
    verdict = contract_verdict(violations, problem, rows=len(frame))
    return ContractResult(
        problem=problem.name, verdict=verdict.outcome, checks=verdict.checks, finished_at=now(),
        data=outcome.training_data(version), seconds=elapsed(started),
    )  # fmt: skip


def check_drift(
    problem: Problem,
    *,
    model: str | None,
    current: Path | None,
    log_folder: Path | None,
    since: dt.date | None,
    until: dt.date | None,
    workspace: Workspace,
) -> DriftResult:
    """Run the drift-check pipeline.

    Args:
        problem: The problem of the model and the data.
        model: Alias or version; None: the champion, else the candidate.
        current: A file of rows; None: a window, or all of the problem's data if it has no timestamp.
        log_folder: Prediction log from which to take the window; None: take it from the problem's data.
        since: First day of the window; None: one window length before `until`.
        until: The day after the last day; None: the problem's as-of date, or today.
        workspace: The workspace.

    Returns:
        The result. It is also written to the workspace's folder `runs`.

    Raises:
        DriftgateError: If there is no model or no row to check, or the run failed for a reason other than the gate.
    """
    started = time.monotonic()
    log.info("looking for the model of %s", problem.name)
    version = registry.resolve_version(problem.name, model, workspace=workspace)
    release = registry.release_of(problem.name, version, workspace=workspace)
    problem = batches.as_released(problem, release)
    if problem.data.timestamp is None and not (current or log_folder or since or until):
        ensure_data(problem, workspace=workspace)
        current = problem.data_path  # without dates there is no window: check the whole data set
    _require_rows(
        problem, release, model=version, current=current, log_folder=log_folder, since=since, until=until
    )  # fmt: skip
    set_up(workspace)
    from pipelines.drift import drift

    name = run_name(runs.DRIFT, problem)
    run_pipeline(
        drift, name, workspace=workspace, problem=problem, model=version,
        current=str(current.absolute()) if current else None,
        log=str(log_folder.absolute()) if log_folder else None,
        since=since.isoformat() if since else None, until=until.isoformat() if until else None,
    )  # fmt: skip
    run = runs.read_outcome(name)
    result = outcome.drift_result(problem, run, seconds=elapsed(started), workspace=workspace)
    return recorded(result, name, workspace=workspace)


def _require_rows(
    problem: Problem, release: Release, *, model: str, current: Path | None, log_folder: Path | None,
    since: dt.date | None, until: dt.date | None,
) -> None:  # fmt: skip
    """Raise an error if there can be no rows to check, before ZenML starts, which takes long."""
    if current:
        batches.require_readable(current, problem)
    elif log_folder:
        batches.log_window(problem, since=since, until=until)
        require_log(log_folder)
    else:
        if problem.data_path.suffix != ".parquet" and problem.data_path.exists():
            batches.require_readable(problem.data_path, problem)
        batches.find_window(problem, model=model, profile=profile_of(release), since=since, until=until)


def set_up(workspace: Workspace) -> None:
    """Start ZenML with the workspace's stack."""
    log.info("starting ZenML and its stack")
    runs.set_up(workspace)


def run_name(pipeline: str, problem: Problem) -> str:
    """A unique name for a run of a pipeline."""
    return f"{pipeline}-{problem.name}-{dt.datetime.now():%Y%m%d-%H%M%S-%f}"


def run_pipeline(pipeline: Any, name: str, *, workspace: Workspace, **parameters: Any) -> None:
    """Run a pipeline. If the gate blocks it, that is an outcome and not an error."""
    with runs.run_lock(name, workspace=workspace):
        try:
            pipeline.with_options(run_name=name)(**parameters)
        except GateBlocked as blocked:
            log.info("blocked by the gate: %s", blocked)


def recorded(result: R, name: str, *, workspace: Workspace) -> R:
    """Write a run's result to the workspace's folder `runs`, and return it."""
    outcome.write_record(result, name, workspace=workspace)
    return result


def elapsed(started: float) -> float:
    """Seconds since `started`, a time of the monotonic clock."""
    return round(time.monotonic() - started, 1)
