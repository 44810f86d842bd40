"""Fixtures for all tests: a problem, its rows, and one run of the main job on the small problem."""

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

# Processes that tests start write their bytecode to the cache.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


LONG_FIRST = ("pipelines", "service", "workflows", "docs", "steps", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow test files first, so that all test processes end at about the same time."""
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
    """A finished command: its exit code, its output, its workspace and its arguments."""

    code: int
    out: str
    err: str
    home: Path
    arguments: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The JSON that the command printed, validated with the schema of its result."""
        found: dict[str, Any] = json.loads(self.out)
        require_schema(self.arguments, found)
        return found


def clean_environment(home: Path) -> dict[str, str]:
    """The current environment, without variables of the libraries, and with a workspace."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ZENML_", "MLFLOW_", "BENTOML_"))}
    return {**clean, "DRIFTGATE_HOME": str(home)}


def run_cli(
    *arguments: str, home: Path, cwd: Path = PROJECT, project: Path = PROJECT, fresh: bool = False, **environment: str
) -> Ran:
    """Run the project's `run.py` in a separate process.

    Args:
        arguments: The arguments of the command line.
        home: The workspace.
        cwd: The working folder of the command.
        project: The project folder that contains `run.py`.
        fresh: Start a new Python, as a user does. If not, the process is forked from one that has already imported everything.
        environment: More environment variables.
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
    """The process from which commands are forked. Each test worker has one."""
    started = Warm()
    atexit.register(started.close)
    return started


@pytest.fixture(scope="session")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The main job on the rules, in a fresh workspace."""
    return run_cli("--config", "configs/rules.yaml", "--json", home=tmp_path_factory.mktemp("home"), fresh=True)
