"""Starting a pipeline as a person or CI does, and telling what came of it in one document."""

from __future__ import annotations

import datetime as dt
import logging
import time
from pathlib import Path
from typing import Any

from driftgate.config import Problem
from driftgate.data.contract_check import find_violations
from driftgate.data.present import ensure_data
from driftgate.data.table import read_rows
from driftgate.data.violations import contract_verdict
from driftgate.drift import batches
from driftgate.drift.profile import profile_of
from driftgate.errors import DriftgateError, GateBlocked
from driftgate.evidence import registry
from driftgate.production.predictions import require_log
from driftgate.training.preflight import require_trainable
from driftgate.workspace import Workspace
from pipelines import documents, runs

log = logging.getLogger("driftgate.run")


def train(problem: Problem, *, as_of: dt.date | None, workspace: Workspace) -> dict[str, Any]:
    """Run the training pipeline.

    Args:
        problem: What to train.
        as_of: Looks back from this date; None: from the problem's own, or from now.
        workspace: Where everything goes.

    Returns:
        The document of the run; `verdict` says what the gate decided. It is also kept in the workspace's `runs`.

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
    run(training, name, workspace=workspace, problem=problem, as_of=moment.isoformat() if moment else None)
    found, ids = runs.outcome(name)
    document = documents.training_document(problem, name, found, ids, workspace=workspace)
    return kept(document, name, started, workspace=workspace)


def check_contract(problem: Problem, *, workspace: Workspace) -> dict[str, Any]:
    """Hold every row of the problem's data against the contract; no pipeline runs, and nothing is recorded.

    Returns:
        The document of the check.
    """
    started = time.monotonic()
    frame, version = read_rows(problem, md5=ensure_data(problem, workspace=workspace), as_of=None)
    violations = find_violations(frame, problem, version=version)
    verdict = contract_verdict(violations, problem, rows=len(frame))
    document = documents.contract_document(problem, verdict, version)
    return {**document, "seconds": round(time.monotonic() - started, 1)}


def check_drift(
    problem: Problem,
    *,
    model: str | None,
    current: Path | None,
    log_folder: Path | None,
    since: dt.date | None,
    until: dt.date | None,
    workspace: Workspace,
) -> dict[str, Any]:
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
        The document of the check; also kept in the workspace's `runs`.

    Raises:
        DriftgateError: If there is no model, nothing to check, or the run failed for another reason than the gate.
    """
    started = time.monotonic()
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
    run(
        drift, name, workspace=workspace, problem=problem, model=version,
        current=str(current.absolute()) if current else None,
        log=str(log_folder.absolute()) if log_folder else None,
        since=since.isoformat() if since else None, until=until.isoformat() if until else None,
    )  # fmt: skip
    found, ids = runs.outcome(name)
    document = documents.drift_document(problem, name, found, ids, workspace=workspace)
    return kept(document, name, started, workspace=workspace)


def set_up(workspace: Workspace) -> None:
    """Start ZenML on its stack."""
    log.info("starting ZenML and its stack")
    runs.set_up(workspace)


def run_name(pipeline: str, problem: Problem) -> str:
    """A name of its own for a run of a pipeline."""
    return f"{pipeline}-{problem.name}-{dt.datetime.now():%Y%m%d-%H%M%S-%f}"


def run(pipeline: Any, name: str, *, workspace: Workspace, **parameters: Any) -> None:
    """Run a pipeline; that the gate blocks is an outcome, no error."""
    with runs.alive(name, workspace=workspace):
        try:
            pipeline.with_options(run_name=name)(**parameters)
        except GateBlocked as blocked:
            log.info("blocked: %s", blocked)


def kept(document: dict[str, Any], name: str, started: float, *, workspace: Workspace) -> dict[str, Any]:
    """Put a run's document into the workspace."""
    document["seconds"] = round(time.monotonic() - started, 1)
    documents.keep(document, name, workspace=workspace)
    return document
