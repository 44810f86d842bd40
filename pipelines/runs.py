"""A run's surroundings: the stack it needs, the lock that shows it lives, the record of what came of it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from driftgate.errors import DriftgateError
from driftgate.evidence import tracking
from driftgate.training.workers import processes
from driftgate.workspace import PROJECT, Workspace

log = logging.getLogger("driftgate.run")

TRAINING, DRIFT, DEPLOYMENT = (
    "training",
    "drift",
    "deployment",
)  # a pipeline, its experiment in MLflow, and the first word of its runs' names
STACK = PROJECT / "stacks" / "local.yaml"


def set_up(workspace: Workspace) -> None:
    """Apply the stack, make the experiment, and mark runs whose process died as failed; one process at a time."""
    processes()  # a wrong setting is an error now, not after the data was read
    from stacks.apply import apply_stack
    from stacks.lean import start_lean

    start_lean()
    with FileLock(workspace.root / "setup.lock"):
        for experiment in (TRAINING, DRIFT, DEPLOYMENT):
            tracking.ensure_experiment(experiment, workspace=workspace)
        apply_stack(STACK, workspace=workspace)
        _skip_survey()
        for name in reap(workspace):
            log.warning("the run %s was killed: marked as failed", name)


def _skip_survey() -> None:
    """Let the dashboard of the workspace's own store open on the runs, not on questions of name and e-mail address."""
    from zenml.client import Client
    from zenml.enums import StoreType
    from zenml.models import UserUpdate

    client = Client()
    if client.zen_store.type == StoreType.SQL and client.active_user.email_opted_in is None:
        done = {"finished_onboarding_survey": True}
        client.zen_store.update_user(client.active_user.id, UserUpdate(email_opted_in=False, user_metadata=done))


@contextmanager
def alive(name: str, *, workspace: Workspace) -> Iterator[None]:
    """Hold the run's lock; the system lets go of it when the process dies, however it dies."""
    path = _lock_path(name, workspace)
    with FileLock(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def reap(workspace: Workspace) -> list[str]:
    """Mark the runs of dead processes as failed, in ZenML and MLflow.

    Returns:
        Their names.
    """
    reaped = []
    for path in sorted(workspace.runs.glob("*.lock")):
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        try:
            _mark_failed(path.stem, workspace=workspace)
            reaped.append(path.stem)
            path.unlink(missing_ok=True)
        finally:
            lock.release()
    return reaped


def outcome(name: str) -> tuple[dict[str, Any], dict[str, str | None]]:
    """A run's artifacts by name, and its ids in MLflow and ZenML.

    Raises:
        DriftgateError: If the run got no verdict.
    """
    from zenml.client import Client

    run = Client().get_pipeline_run(name, allow_name_prefix_match=False)
    found = {}
    for step in run.steps.values():
        for output, versions in step.outputs.items():
            if output in WANTED and versions:
                found[output] = versions[0].load()
    found.setdefault("verdict", found.get("contract_verdict"))
    if found["verdict"] is None:
        raise DriftgateError(f"The run {name} ended without a verdict.", "Run again with --debug.")
    first = next((step for step in run.steps.values() if "mlflow_run_id" in step.run_metadata), None)
    return found, {"mlflow": str(first.run_metadata["mlflow_run_id"]) if first else None, "zenml": str(run.id)}


WANTED = (
    "contract_verdict",
    "verdict",
    "data_version",
    "evaluation",
    "trained",
    "model_version",
    "release",
    "bento",
    "batch",
    "proof",
    "drift",
    "drift_report",
)


def _lock_path(name: str, workspace: Workspace) -> Path:
    return workspace.runs / f"{name}.lock"


def _mark_failed(name: str, *, workspace: Workspace) -> None:
    from zenml.client import Client
    from zenml.enums import ExecutionStatus
    from zenml.models import PipelineRunUpdate, StepRunUpdate

    store = Client().zen_store
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    try:
        run = Client().get_pipeline_run(name, allow_name_prefix_match=False)
    except KeyError:
        return
    for step in run.steps.values():
        if not step.status.is_finished:
            store.update_run_step(step.id, StepRunUpdate(status=ExecutionStatus.FAILED, end_time=now))
    if not run.status.is_finished:
        store.update_run(run.id, PipelineRunUpdate(status=ExecutionStatus.FAILED, end_time=now))
    mlflow = tracking.client(workspace)
    experiment = mlflow.get_experiment_by_name(name.split("-", 1)[0])
    if experiment is not None:
        for left in mlflow.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'"):
            mlflow.set_terminated(left.info.run_id, "FAILED")
