"""Evidently's report without the rest of Evidently.

`import evidently` loads every metric it has, its language models and its own server: three quarters of the CPU time of a
drift check. The page needs the report alone. So the packages named here begin empty, and run their own `__init__` at the
first name that somebody asks them for.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from types import ModuleType

# Their `__init__` imports what the report doesn't need; parents before children.
DEFERRED = ("evidently", "evidently.legacy.metrics", "evidently.legacy.tests", "evidently.tests")


class _Deferred(ModuleType):
    """A package whose `__init__` runs at the first missing attribute, as if it had been imported then."""

    def __getattr__(self, name: str) -> object:
        # The import system and `inspect` look for such names everywhere; that is no use of the package.
        if name.startswith("__") or "_driftgate_run" in self.__dict__:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self.__dict__["_driftgate_run"] = True  # from here on an ordinary package
        spec = self.__spec__
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(self)
        return getattr(self, name)


def defer() -> None:
    """Put the empty packages in place; does nothing where Evidently was imported already."""
    if "evidently" in sys.modules:
        return
    for name in DEFERRED:
        spec = importlib.util.find_spec(name)
        if spec is None:  # another version of Evidently: import it the usual way
            continue
        module = _empty(spec)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    sys.modules["evidently"].__dict__["__version__"] = version("evidently")


def _empty(spec: ModuleSpec) -> ModuleType:
    module = importlib.util.module_from_spec(spec)
    module.__class__ = _Deferred
    return module
