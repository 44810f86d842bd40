"""Register and activate the ZenML stack of a YAML file. Applying it again changes nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from driftgate.errors import DriftgateError
from driftgate.workspace import Workspace

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.enums import StackComponentType

log = logging.getLogger("driftgate.stack")

FOLDER = Path(__file__).parent
REQUIRED = ("orchestrator", "artifact_store", "experiment_tracker")


class Component(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    flavor: str
    configuration: dict[str, Any] = {}


class StackFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    components: dict[str, Component]


def read_stack(path: Path, *, workspace: Workspace) -> StackFile:
    """Read a stack file, and fill in the paths of the workspace and the address of its MLflow.

    Raises:
        DriftgateError: If the file is missing, has unknown keys, lacks a component, or its MLflow address has no known scheme.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        filled = text.replace("{workspace}", str(workspace.root)).replace("{mlflow}", workspace.mlflow_uri)
        stack = StackFile.model_validate(yaml.safe_load(filled))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise DriftgateError(
            f"{path} is not a stack file: {error}", "Compare it with stacks/local.yaml, or restore it from git."
        ) from error
    missing = [kind for kind in REQUIRED if kind not in stack.components]
    if missing:
        raise DriftgateError(f"{path}: components lacks {', '.join(missing)}.", "Add each missing component.")
    uri = str(stack.components["experiment_tracker"].configuration.get("tracking_uri", ""))
    if uri.split(":", 1)[0].split("+", 1)[0] not in ("sqlite", "postgresql", "mysql", "mssql", "http", "https"):
        raise DriftgateError(
            f"{path}: components.experiment_tracker.configuration.tracking_uri is {uri!r}.",
            "Give the address of an MLflow server (http, https) or a database (sqlite, postgresql, mysql).",
        )
    return stack


def apply_stack(path: Path, *, workspace: Workspace) -> str:
    """Register or update the components of a stack and the stack itself, and activate it.

    Returns:
        The stack's name.
    """
    from zenml.client import Client
    from zenml.enums import StackComponentType

    stack = read_stack(path, workspace=workspace)
    client = Client()
    parts: dict[Any, Any] = {}
    for kind, component in stack.components.items():
        parts[StackComponentType(kind)] = _apply_component(client, StackComponentType(kind), component)
    names = {kind: component.name for kind, component in zip(parts, stack.components.values(), strict=True)}
    try:
        registered = client.get_stack(stack.name, allow_name_prefix_match=False)
    except KeyError:
        registered = client.create_stack(stack.name, components=names)
    else:
        present = {kind: members[0].name for kind, members in registered.components.items() if members}
        if present != names:
            registered = client.update_stack(
                registered.id, component_updates={kind: [name] for kind, name in names.items()}
            )
    if client.active_stack_model.id != registered.id:
        client.activate_stack(registered.id)
    return stack.name


def _apply_component(client: Client, kind: StackComponentType, component: Component) -> Any:
    try:
        registered = client.get_stack_component(kind, component.name, allow_name_prefix_match=False)
    except KeyError:
        return client.create_stack_component(
            name=component.name, flavor=component.flavor, component_type=kind, configuration=component.configuration
        )
    outdated = dict.fromkeys(set(registered.configuration) - set(component.configuration))
    wanted = {**component.configuration, **outdated}
    if any(registered.configuration.get(key) != value for key, value in wanted.items()):
        client.update_stack_component(name_id_or_prefix=registered.id, component_type=kind, configuration=wanted)
    return registered
