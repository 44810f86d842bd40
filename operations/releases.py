"""What serves where, the deployment record, and whether both agree with each other and with MLflow."""

from __future__ import annotations

import threading
import time

from driftgate.production.deployments import releases_result
from driftgate.production.move import Production
from driftgate.production.record import inspect_record
from driftgate.results.production import ReleasesResult
from driftgate.workspace import Workspace
from operations.deploy import publish_record_head, recover_if_cut_off

REGISTRY_SECONDS = 20.0  # to wait for MLflow, which may be down


def read_releases(name: str, *, workspace: Workspace) -> ReleasesResult:
    """What serves where, and the record of deployments; what a crash left is finished first.

    Args:
        name: Of the problem.
        workspace: Where everything is.

    Returns:
        The result; its `warnings` says what is damaged, what the record doesn't explain, and what could not be finished.
    """
    production, started = Production(name, workspace=workspace), time.monotonic()
    finished, unfinished = recover_if_cut_off(production, workspace=workspace)
    missing = _missing_entries(production, workspace=workspace)
    seconds = round(time.monotonic() - started, 1)
    return releases_result(production, finished=finished, warnings=[*unfinished, *missing], seconds=seconds)


def _missing_entries(production: Production, *, workspace: Workspace) -> list[str]:
    """Whether MLflow knows a last entry that the record doesn't have; nothing where MLflow doesn't answer in time."""
    record = inspect_record(production.record_path)
    local = workspace.mlflow_uri.startswith("sqlite:")
    if record.key is None or record.damage or (local and not workspace.mlflow_database.exists()):
        return []
    found: list[str | None] = []
    asking = threading.Thread(target=_ask_registry, args=(production.name, record.key, workspace, found), daemon=True)
    asking.start()
    asking.join(REGISTRY_SECONDS)
    if not found or found[0] == record.last:
        return []
    if found[0] is None or found[0] in record.hashes:
        # A deployment did not reach the registry; one that is under way now does so itself.
        publish_record_head(production, workspace=workspace)
        return []
    return [
        f"The end of the record {production.record_path} was changed or removed: MLflow has the hash of an entry that the "
        "record doesn't have. Restore the record from a backup."
    ]


def _ask_registry(name: str, record: str, workspace: Workspace, found: list[str | None]) -> None:
    from mlflow.exceptions import MlflowException

    from driftgate.evidence import registry

    try:
        found.append(registry.record_head(name, record, workspace=workspace))
    except (MlflowException, OSError):
        return
