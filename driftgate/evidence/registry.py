"""MLflow's model registry: versions, the aliases that point at them, and the release of each version."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftgate.errors import DriftgateError
from driftgate.evidence.tracking import RELEASE_ARTIFACT, client
from driftgate.production.release import Release, read_release
from driftgate.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CANDIDATE, CHAMPION, CHALLENGER = "candidate", "champion", "challenger"
RECORD_HEAD = "driftgate.record_head.{}"


def resolve_version(name: str, model: str | None, *, workspace: Workspace) -> str:
    """The version that `model` names: an alias or a number; None means the champion, else the candidate.

    Raises:
        DriftgateError: If there is no such version.
    """
    from mlflow.exceptions import MlflowException

    if model is not None and model.isdecimal():
        try:
            return str(client(workspace).get_model_version(name, model).version)
        except MlflowException as error:
            raise DriftgateError(
                f"There is no version {model} of {name}.", "`run.py status` lists the versions."
            ) from error
    for alias in (CHAMPION, CANDIDATE) if model is None else (model,):
        found = version_with_alias(name, alias, workspace=workspace)
        if found is not None:
            return str(found.version)
    if model is None:
        raise DriftgateError(f"There is no model of {name} yet.", "Train one with `python run.py train`.")
    raise DriftgateError(
        f"No version of {name} has the alias {model!r}.",
        "Give an existing alias such as candidate, or a version number.",
    )


def version_with_alias(name: str, alias: str, *, workspace: Workspace) -> ModelVersion | None:
    """The version that an alias points at; None if there is no such model or alias."""
    from mlflow.exceptions import MlflowException

    try:
        return client(workspace).get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def champion_release(name: str, *, workspace: Workspace) -> Release | None:
    """The release of the version with the alias `champion`; None if there is no such version.

    Raises:
        DriftgateError: If its release is missing or altered.
    """
    version = version_with_alias(name, CHAMPION, workspace=workspace)
    return release_of(name, str(version.version), workspace=workspace) if version else None


def aliases_of(name: str, version: str, *, workspace: Workspace) -> list[str]:
    """The aliases that point at a version."""
    return sorted(client(workspace).get_model_version(name, version).aliases)


def set_alias(name: str, alias: str, version: str, *, workspace: Workspace) -> None:
    """Point an alias at a version."""
    client(workspace).set_registered_model_alias(name, alias, version)


def drop_alias(name: str, alias: str, *, workspace: Workspace) -> None:
    """Delete an alias; it is no error if it does not exist."""
    if version_with_alias(name, alias, workspace=workspace) is not None:
        client(workspace).delete_registered_model_alias(name, alias)


def set_record_head(name: str, record: str, head: str, *, workspace: Workspace) -> None:
    """Keep the hash of the last line of a deployment record with the model.

    Args:
        name: Name of the model.
        record: Names the record: several workspaces may share one registry.
        head: The hash.
        workspace: Where everything is.
    """
    client(workspace).set_registered_model_tag(name, RECORD_HEAD.format(record), head)


def record_head(name: str, record: str, *, workspace: Workspace) -> str | None:
    """The hash of the last line of a deployment record, as of when the registry was reached last."""
    tags: dict[str, str] = client(workspace).get_registered_model(name).tags
    return tags.get(RECORD_HEAD.format(record))


def release_of(name: str, version: str, *, workspace: Workspace) -> Release:
    """A version's release, verified by hash: from this machine, else downloaded from its MLflow run.

    A downloaded release stays in the workspace, because channels and the deployment record name its folder.
    """
    folder = workspace.releases / name / version
    if not folder.exists():
        mlflow = client(workspace)
        run_id = mlflow.get_model_version(name, version).run_id
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=workspace.root, prefix=".release-") as draft:
            fetched = Path(mlflow.download_artifacts(run_id, RELEASE_ARTIFACT, draft))
            read_release(fetched)
            try:
                fetched.rename(folder)
            except OSError:
                if not folder.exists():  # else another command was quicker
                    raise
    return read_release(folder)


def recorded_problem(run_id: str, *, workspace: Workspace) -> tuple[dict[str, Any], dict[str, str]]:
    """The problem file as a run recorded it, and the run's tags.

    Raises:
        MlflowException, OSError: If there is no such run, or its artifact is gone.
        ValueError: If the artifact is not JSON.
    """
    mlflow = client(workspace)
    tags = mlflow.get_run(run_id).data.tags
    with tempfile.TemporaryDirectory() as folder:
        path = mlflow.download_artifacts(run_id, "problem.json", folder)
        found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found, dict(tags)
