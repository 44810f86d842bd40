"""Prepare the stack of a run, lock the run while its process lives, and read its artifacts."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from driftgate.data.table import DataVersion
from driftgate.drift.batches import BatchInfo
from driftgate.drift.check import DriftAnalysis
from driftgate.errors import DriftgateError
from driftgate.evidence import tracking
from driftgate.production.proof import Proof
from driftgate.results.base import RunIds
from driftgate.training.evaluation import Evaluation
from driftgate.training.tuned import Trained
from driftgate.training.workers import processes
from driftgate.verdict import Verdict
from driftgate.workspace import PROJECT, Workspace

log = logging.getLogger("driftgate.run")

TRAINING, DRIFT, DEPLOYMENT = (
    "training",
    "drift",
    "deployment",
)  # names of the pipelines and of their MLflow experiments; the name of a run begins with one
STACK = PROJECT / "stacks" / "local.yaml"


@dataclass(frozen=True)
class RunOutcome:
    """A run's verdict and ids, and its artifacts by their names in ZenML; None if the run ended before the artifact."""

    name: str
    ids: RunIds
    verdict: Verdict
    data_version: DataVersion | None = None
    evaluation: Evaluation | None = None
    trained: Trained | None = None
    latency_p99_ms: float | None = None
    rows_per_second: float | None = None
    model_version: str | None = None
    release: str | None = None
    bento: str | None = None
    batch: BatchInfo | None = None
    proof: Proof | None = None
    drift: DriftAnalysis | None = None
    drift_page: str | None = None


ARTIFACTS = {"contract_verdict", *RunOutcome.__dataclass_fields__} - {"name", "ids"}


def set_up(workspace: Workspace) -> None:
    """Apply the stack, create the MLflow experiments, and mark runs whose process died as failed.

    A lock lets only one process do this at a time."""
    processes()  # a wrong setting is reported now, not after the data was read
    from stacks.apply import apply_stack
    from stacks.lean import start_lean

    start_lean()
    with FileLock(workspace.root / "setup.lock"):
        for experiment in (TRAINING, DRIFT, DEPLOYMENT):
            tracking.ensure_experiment(experiment, workspace=workspace)
        apply_stack(STACK, workspace=workspace)
        _skip_survey()
        for name in fail_dead_runs(workspace):
            log.warning("the process of the run %s was killed; the run is marked as failed", name)


def _skip_survey() -> None:
    """Make the dashboard of a local workspace open with the runs, and not with ZenML's survey."""
    from zenml.client import Client
    from zenml.enums import StoreType
    from zenml.models import UserUpdate

    client = Client()
    if client.zen_store.type == StoreType.SQL and client.active_user.email_opted_in is None:
        done = {"finished_onboarding_survey": True}
        client.zen_store.update_user(client.active_user.id, UserUpdate(email_opted_in=False, user_metadata=done))


@contextmanager
def run_lock(name: str, *, workspace: Workspace) -> Iterator[None]:
    """Hold the run's lock. The operating system releases it when the process ends, for any reason."""
    path = _lock_path(name, workspace)
    with FileLock(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def fail_dead_runs(workspace: Workspace) -> list[str]:
    """Mark the runs of dead processes as failed, in ZenML and MLflow.

    Returns:
        The names of these runs.
    """
    failed = []
    for path in sorted(workspace.runs.glob("*.lock")):
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        try:
            _mark_failed(path.stem, workspace=workspace)
            failed.append(path.stem)
            path.unlink(missing_ok=True)
        finally:
            lock.release()
    return failed


def read_outcome(name: str) -> RunOutcome:
    """Read a run's artifacts.

    Raises:
        DriftgateError: If the run has no verdict.
    """
    from zenml.client import Client

    run = Client().get_pipeline_run(name, allow_name_prefix_match=False)
    artifacts = {}
    for step in run.steps.values():
        for output, versions in step.outputs.items():
            if output in ARTIFACTS and versions:
                artifacts[output] = versions[0].load()
    contract_verdict = artifacts.pop("contract_verdict", None)
    artifacts.setdefault("verdict", contract_verdict)
    if artifacts["verdict"] is None:
        raise DriftgateError(f"The run {name} ended without a verdict.", "Run the command again with --debug.")
    tracked = next((step for step in run.steps.values() if "mlflow_run_id" in step.run_metadata), None)
    mlflow = str(tracked.run_metadata["mlflow_run_id"]) if tracked else None
    return RunOutcome(name=name, ids=RunIds(mlflow=mlflow, zenml=str(run.id)), **artifacts)


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
        for tracked in mlflow.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'"):
            mlflow.set_terminated(tracked.info.run_id, "FAILED")
