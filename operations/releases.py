"""Read the channels and the deployment record, and check that they agree with each other and with MLflow."""

from __future__ import annotations

import threading
import time

from driftgate.production.deployments import releases_result
from driftgate.production.move import Production
from driftgate.production.record import inspect_record
from driftgate.results.production import ReleasesResult
from driftgate.workspace import Workspace
from operations.deploy import publish_record_head, recover_if_interrupted

REGISTRY_SECONDS = 20.0  # time to wait for MLflow, which may be down


def read_releases(name: str, *, workspace: Workspace) -> ReleasesResult:
    """Read what each channel serves, and the deployment record. An interrupted change is finished first.

    Args:
        name: Name of the problem.
        workspace: The workspace.

    Returns:
        The result. Its `warnings` are damage, changes that the record doesn't explain, and changes that could not be
        finished.
    """
    production, started = Production(name, workspace=workspace), time.monotonic()
    finished, unfinished = recover_if_interrupted(production, workspace=workspace)
    missing = _missing_entries(production, workspace=workspace)
    seconds = round(time.monotonic() - started, 1)
    return releases_result(production, finished=finished, warnings=[*unfinished, *missing], seconds=seconds)


def _missing_entries(production: Production, *, workspace: Workspace) -> list[str]:
    """Warn if MLflow has the hash of an entry that the record lacks. No warning if MLflow doesn't answer in time."""
    record = inspect_record(production.record_path)
    local = workspace.mlflow_uri.startswith("sqlite:")
    if record.key is None or record.damage or (local and not workspace.mlflow_database.exists()):
        return []
    heads: list[str | None] = []
    reader = threading.Thread(target=_read_head, args=(production.name, record.key, workspace, heads), daemon=True)
    reader.start()
    reader.join(REGISTRY_SECONDS)
    if not heads or heads[0] == record.last:
        return []
    if heads[0] is None or heads[0] in record.hashes:
        # An earlier deployment did not publish its entry. A deployment that is running now publishes its own.
        publish_record_head(production, workspace=workspace)
        return []
    return [
        f"The end of the record {production.record_path} was changed or removed: MLflow has the hash of an entry that the "
        "record doesn't have. Restore the record from a backup."
    ]


def _read_head(name: str, record: str, workspace: Workspace, heads: list[str | None]) -> None:
    """Append the record's head in MLflow to `heads`, or nothing if MLflow fails."""
    from mlflow.exceptions import MlflowException

    from driftgate.evidence import registry

    try:
        heads.append(registry.record_head(name, record, workspace=workspace))
    except (MlflowException, OSError):
        return
