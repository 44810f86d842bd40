"""Repositories of git and DVC for tests: a small one around a table, and a copy of the whole project."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

from driftgate.config import Problem, load_problem
from driftgate.workspace import PROJECT

LEFT_OUT = (
    ".git",
    ".venv",
    "var",
    "cache",
    "tmp",
    "*.parquet",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
    "config.local",
)


def git(folder: Path, *arguments: str) -> str:
    """Run git, as somebody."""
    somebody = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", *somebody, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, subject: str) -> str:
    """Commit everything; the commit's hash."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", subject)
    return git(folder, "rev-parse", "HEAD")


def dvc(folder: Path, *arguments: str) -> str:
    """Run DVC's own command."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def small(folder: Path) -> Path:
    """A repository of git and DVC without data."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    dvc(folder, "init", "--quiet")
    commit(folder, "begin")
    return folder


def whole(folder: Path) -> Path:
    """The project as it is in this folder, committed in a repository of its own; without data."""
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    git(folder, "init", "--quiet")
    commit(folder, "begin")
    return folder


def rules_in(path: Path) -> Problem:
    """The rules, with their data at a path that no stage builds."""
    problem = load_problem(PROJECT / "configs" / "rules.yaml")
    return problem.model_copy(update={"data": problem.data.model_copy(update={"path": path, "stage": None})})


def renamed(rows: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """The same rows under other ids."""
    return rows.assign(row_id=[f"{prefix}{number}" for number in range(len(rows))])
