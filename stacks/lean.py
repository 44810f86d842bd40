"""What ZenML does at the start of every run, and these pipelines need not pay for: seconds of CPU time each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution

# Libraries that ZenML imports for objects that a step may hand on. The steps here either hand on none of theirs, or, as
# those that make a model, import what stores them themselves.
NOT_ACTIVATED = ("bentoml", "pillow", "scipy", "sklearn")


def start_lean() -> None:
    """Let ZenML import no library that this run may not need, and find a module's package without reading all of them.

    Twice is as good as once. Of a ZenML that lacks these functions, nothing changes.
    """
    from zenml.integrations.integration import Integration
    from zenml.integrations.registry import integration_registry
    from zenml.utils import source_utils

    for name in NOT_ACTIVATED:
        found = integration_registry.integrations.get(name)
        if found is not None:
            found.activate = Integration.activate  # type: ignore[method-assign]
    original = getattr(source_utils, "_get_package_for_module", None)
    if original is not None and not hasattr(original, "cache_info"):
        source_utils._get_package_for_module = _package_finder(original)  # type: ignore[assignment]


def _package_finder(original: Callable[[str], str | None]) -> Callable[[str], str | None]:
    """ZenML's own search reads the metadata of every installed package; most modules have a package of their name."""

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
