"""What tests share: problems, rows, and one main job on the small problem, run as its user runs it."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from driftgate.config import Problem, load_problem
from driftgate.data.table import DataVersion
from driftgate.datasets import rules
from driftgate.workspace import PROJECT
from tests.results import require_schema
from tests.warm import Warm

# Children that tests start keep their bytecode, too.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


LONG_FIRST = ("pipelines", "service", "workflows", "docs", "steps", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the files that take long, so that the processes end at about the same time."""
    items.sort(key=lambda item: LONG_FIRST.index(item.path.parent.name))


@pytest.fixture
def problem() -> Problem:
    return load_problem(PROJECT / "configs" / "rules.yaml")


@pytest.fixture
def rows() -> pd.DataFrame:
    return rules.build()


@pytest.fixture
def version() -> DataVersion:
    return DataVersion(path="rules", md5="0" * 32, rows=1000, later_rows=0, as_of=None, as_of_given=False)


@dataclass(frozen=True)
class Ran:
    """A finished command: its exit code, what it wrote, the workspace it wrote to, and its arguments."""

    code: int
    out: str
    err: str
    home: Path
    arguments: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        """What it printed as JSON; valid by the schema of its result."""
        found: dict[str, Any] = json.loads(self.out)
        require_schema(self.arguments, found)
        return found


def clean_environment(home: Path) -> dict[str, str]:
    """This one, without what it says of the libraries, and with a workspace."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ZENML_", "MLFLOW_", "BENTOML_"))}
    return {**clean, "DRIFTGATE_HOME": str(home)}


def run_cli(
    *arguments: str, home: Path, cwd: Path = PROJECT, project: Path = PROJECT, fresh: bool = False, **environment: str
) -> Ran:
    """Run the project's `run.py` in a process of its own, with a workspace of its own.

    Args:
        arguments: Of the command line.
        home: The workspace.
        cwd: Where the command is typed.
        project: Whose `run.py`.
        fresh: Start Python anew, as a user does; else the process is forked from one that has its imports behind it.
        environment: More variables.
    """
    settings = {**clean_environment(home), **environment}
    if not fresh and project == PROJECT:
        return Ran(*warm().run(arguments, cwd=cwd, environment=settings), home, arguments)
    done = subprocess.run(
        [sys.executable, str(project / "run.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=settings,
        timeout=500,
    )
    return Ran(done.returncode, done.stdout, done.stderr, home, arguments)


@functools.cache
def warm() -> Warm:
    """The process that commands are forked from; one for each worker of the tests."""
    started = Warm()
    atexit.register(started.close)
    return started


@pytest.fixture(scope="session")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The main job on the rules, in a fresh workspace."""
    return run_cli("--config", "configs/rules.yaml", "--json", home=tmp_path_factory.mktemp("home"), fresh=True)
