"""How a person or CI starts a pipeline and gets its result."""

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
        as_of: Looks back from this date; None: from the problem's own, or from now.
        workspace: Where everything goes.

    Returns:
        The result, with the verdict of the gate. It is also written to the workspace's `runs`.

    Raises:
        DriftgateError: If the data can't be trained on, or the run failed for another reason than the gate.
    """
    started = time.monotonic()
    moment = (as_of or problem.data.as_of) if problem.data.timestamp else None
    if as_of and not problem.data.timestamp:
        raise DriftgateError(f"{problem.name} has no timestamp to look back from.", "Leave --as-of out.")
    # What can't be trained is told at once, not when ZenML has started.
    require_trainable(problem, as_of=moment, workspace=workspace)
    set_up(workspace)
    from pipelines.training import training

    name = run_name(runs.TRAINING, problem)
    run_pipeline(training, name, workspace=workspace, problem=problem, as_of=moment.isoformat() if moment else None)
    run = runs.read_outcome(name)
    result = outcome.training_result(problem, run, seconds=elapsed(started), workspace=workspace)
    return recorded(result, name, workspace=workspace)


def check_contract(problem: Problem, *, workspace: Workspace) -> ContractResult:
    """Check every row of the problem's data against the contract; no pipeline runs, and nothing is recorded."""
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
        problem: Whose model and data.
        model: Alias or version; None: the champion, else the candidate.
        current: A file of rows; None: a window, or all the problem's data where it has no timestamp.
        log_folder: The prediction log that the window is of; None: of the problem's data.
        since: First day of the window; None: a window's length before `until`.
        until: The day after its last one; None: the problem's as-of, or today.
        workspace: Where everything is.

    Returns:
        The result. It is also written to the workspace's `runs`.

    Raises:
        DriftgateError: If there is no model, nothing to check, or the run failed for another reason than the gate.
    """
    started = time.monotonic()
    log.info("looking for the model of %s", problem.name)
    version = registry.resolve_version(problem.name, model, workspace=workspace)
    release = registry.release_of(problem.name, version, workspace=workspace)
    problem = batches.as_released(problem, release)
    if problem.data.timestamp is None and not (current or log_folder or since or until):
        ensure_data(problem, workspace=workspace)
        current = problem.data_path  # no date to choose a window by: the data set as it is now
    # What is wrong with the words is told at once, not when ZenML has started.
    if current:
        batches.require_readable(current, problem)
    elif log_folder:
        batches.log_window(problem, since=since, until=until)
        require_log(log_folder)
    else:
        if problem.data_path.suffix != ".parquet" and problem.data_path.exists():
            batches.require_readable(problem.data_path, problem)
        profile = profile_of(release)
        batches.find_window(problem, model=version, profile=profile, since=since, until=until)
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


def set_up(workspace: Workspace) -> None:
    """Start ZenML on its stack."""
    log.info("starting ZenML and its stack")
    runs.set_up(workspace)


def run_name(pipeline: str, problem: Problem) -> str:
    """A unique name for a run of a pipeline."""
    return f"{pipeline}-{problem.name}-{dt.datetime.now():%Y%m%d-%H%M%S-%f}"


def run_pipeline(pipeline: Any, name: str, *, workspace: Workspace, **parameters: Any) -> None:
    """Run a pipeline; a block by the gate is an outcome, not an error."""
    with runs.run_lock(name, workspace=workspace):
        try:
            pipeline.with_options(run_name=name)(**parameters)
        except GateBlocked as blocked:
            log.info("blocked: %s", blocked)


def recorded(result: R, name: str, *, workspace: Workspace) -> R:
    """Write a run's result to the workspace's `runs`, and return it."""
    outcome.write_record(result, name, workspace=workspace)
    return result


def elapsed(started: float) -> float:
    """Seconds since a moment of the monotonic clock."""
    return round(time.monotonic() - started, 1)
