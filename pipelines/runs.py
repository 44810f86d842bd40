"""A run's surroundings: the stack it needs, the lock that shows it lives, the record of what came of it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from driftgate import tracking
from driftgate.config import Problem
from driftgate.errors import DriftgateError
from driftgate.workspace import PROJECT, Workspace

log = logging.getLogger("driftgate.run")

EXPERIMENT = "training"
STACK = PROJECT / "stacks" / "local.yaml"


def set_up(workspace: Workspace) -> None:
    """Apply the stack, make the experiment, and mark runs whose process died as failed; one process at a time."""
    from stacks.apply import apply_stack

    with FileLock(workspace.root / "setup.lock"):
        tracking.ensure_experiment(EXPERIMENT, workspace=workspace)
        apply_stack(STACK, workspace=workspace)
        for name in reap(workspace):
            log.warning("the run %s was killed: marked as failed", name)


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


def document(name: str, problem: Problem, *, workspace: Workspace) -> dict[str, Any]:
    """Gather a run's outcome from its artifacts.

    Raises:
        DriftgateError: If the run got no verdict.
    """
    from zenml.client import Client

    run = Client().get_pipeline_run(name, allow_name_prefix_match=False)
    found = _artifacts(run)
    verdict = found.get("verdict") or found.get("contract_verdict")
    version = found.get("data_version")
    if verdict is None or version is None:
        raise DriftgateError(f"The run {name} ended without a verdict.", "Run again with --debug.")
    evaluation, made, trained = found.get("evaluation"), found.get("model_version"), found.get("trained")
    aliases = tracking.aliases_of(problem.name, made, workspace=workspace) if made else []
    return {
        "problem": problem.name,
        "verdict": verdict.outcome,
        "checks": [check.model_dump(mode="json") for check in verdict.checks],
        "metrics": {key: value.model_dump() for key, value in evaluation.metrics.items()} if evaluation else {},
        "champion": evaluation.comparison.model_dump() if evaluation and evaluation.comparison else None,
        "model": {
            "name": problem.name,
            "version": made,
            "aliases": aliases,
            "family": trained.family if trained else None,
        },
        "data": {
            "md5": version.md5,
            "rows": version.rows,
            "as_of": version.as_of.isoformat() if version.as_of else None,
        },
        "release": found.get("release"),
        "bento": found.get("bento"),
        "runs": {"mlflow": _mlflow_run(run), "zenml": str(run.id)},
        "finished_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


WANTED = ("contract_verdict", "verdict", "data_version", "evaluation", "trained", "model_version", "release", "bento")


def _artifacts(run: Any) -> dict[str, Any]:
    """The loaded artifacts of a run that its document is made of, by name."""
    found = {}
    for step in run.steps.values():
        for name, versions in step.outputs.items():
            if name in WANTED and versions:
                found[name] = versions[0].load()
    return found


def _lock_path(name: str, workspace: Workspace) -> Path:
    return workspace.runs / f"{name}.lock"


def _mlflow_run(run: Any) -> str | None:
    step = run.steps.get("load_data")
    return str(step.run_metadata["mlflow_run_id"]) if step and "mlflow_run_id" in step.run_metadata else None


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
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        for left in mlflow.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'"):
            mlflow.set_terminated(left.info.run_id, "FAILED")
