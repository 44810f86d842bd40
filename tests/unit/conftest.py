"""Fixtures: releases, the production of a problem, and a repository with data."""

import shutil
from pathlib import Path

import pytest

from driftgate.config import load_problem
from driftgate.datasets import rules
from driftgate.production.move import Production
from driftgate.production.record import append
from driftgate.production.release import Release
from driftgate.workspace import PROJECT, Workspace
from tests.repository import Repository
from tests.unit.moves import entry, move
from tests.unit.test_release import make


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Release]:
    """Three versions of one model."""
    problem, folder = load_problem(PROJECT / "configs" / "rules.yaml"), tmp_path_factory.mktemp("releases")
    return {version: make(folder / version, problem, version=version) for version in ("1", "2", "3")}


@pytest.fixture
def production(tmp_path: Path) -> Production:
    """Production without a deployment."""
    return Production("rules", workspace=Workspace(tmp_path))


@pytest.fixture
def contested(production: Production, releases: dict[str, Release]) -> Production:
    """Production serves version 1, and version 2 has passed its staging test."""
    move(production, releases["1"])
    append(production.record_path, entry(releases["2"], "staged"))
    return production


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("template"), rules.build().head(200))
    made.fill()
    return made


@pytest.fixture
def place(tmp_path: Path, template: Repository) -> Repository:
    shutil.copytree(template.root, tmp_path / "repo")
    copied = Repository(tmp_path, template.rows)
    copied.first, copied.second, copied.commits = template.first, template.second, list(template.commits)
    return copied
