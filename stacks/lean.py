"""Skip work that ZenML does at the start of every run and these pipelines don't need: it costs seconds of CPU time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution

# Libraries that ZenML imports to store a step's outputs. The steps here have no outputs of these libraries, or they import
# the code that stores them, as the steps that make a model do.
NOT_ACTIVATED = ("bentoml", "lightgbm", "pillow", "s3", "scipy", "sklearn", "xgboost")


def start_lean() -> None:
    """Stop ZenML from importing unneeded libraries, and from reading the metadata of every installed package.

    Calling it again changes nothing. It also changes nothing in a ZenML version without these functions.
    """
    from zenml.integrations.integration import Integration
    from zenml.integrations.registry import integration_registry
    from zenml.utils import source_utils

    for name in NOT_ACTIVATED:
        integration = integration_registry.integrations.get(name)
        if integration is not None:
            integration.activate = Integration.activate  # type: ignore[method-assign]
    original = getattr(source_utils, "_get_package_for_module", None)
    if original is not None and not hasattr(original, "cache_info"):
        source_utils._get_package_for_module = _package_finder(original)  # type: ignore[assignment]


def _package_finder(original: Callable[[str], str | None]) -> Callable[[str], str | None]:
    """Find a module's package by its name first, because ZenML's own search reads the metadata of every package."""

    @functools.cache
    def package_of(module_name: str) -> str | None:
        name = module_name.split(".", 1)[0]
        try:
            if f"{name}/__init__.py" in {str(file) for file in distribution(name).files or ()}:
                return name
        except PackageNotFoundError:
            pass
        return original(module_name)

    return package_of
