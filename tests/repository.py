"""Repositories of git and DVC for tests: a small one around a table, and a copy of the whole project."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from driftgate.config import Problem, load_problem
from driftgate.data import add as data_add
from driftgate.data import versions as data_versions
from driftgate.data.present import ensure_data
from driftgate.workspace import PROJECT, Workspace


def git(folder: Path, *arguments: str) -> str:
    """Run git with an author."""
    somebody = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", *somebody, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, subject: str) -> str:
    """Commit everything. Returns the commit's hash."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", subject)
    return git(folder, "rev-parse", "HEAD")


def dvc(folder: Path, *arguments: str) -> str:
    """Run DVC's command line."""
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
    """Copy the project from this folder into a new repository, and commit it. Ignored files, such as data, are not copied."""
    for name in git(PROJECT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, "begin")
    return folder


def rules_in(path: Path) -> Problem:
    """The rules problem, with its data at a path that no DVC stage builds."""
    problem = load_problem(PROJECT / "configs" / "rules.yaml")
    return problem.model_copy(update={"data": problem.data.model_copy(update={"path": path, "stage": None})})


def renamed(rows: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """The same rows with other ids."""
    return rows.assign(row_id=[f"{prefix}{number}" for number in range(len(rows))])


class Repository:
    """A repository with two committed versions of a table. The working folder has the second."""

    def __init__(self, folder: Path, rows: pd.DataFrame) -> None:
        self.root, self.rows, self.workspace = folder / "repo", rows, Workspace(folder / "var")
        self.problem: Problem = rules_in(self.root / "rows.parquet")
        self.data = self.problem.data_path
        self.first = self.second = ""
        self.commits: list[str] = []

    def fill(self) -> None:
        small(self.root)
        self.first = self.add(self.rows)["md5"]
        self.commits.append(commit(self.root, "first"))
        self.second = self.add(renamed(self.rows.head(50), "second"))["md5"]
        self.commits.append(commit(self.root, "second"))

    @property
    def pointer(self) -> Path:
        return self.data.with_name("rows.parquet.dvc")

    def file(self, rows: pd.DataFrame, name: str = "arrived.parquet") -> Path:
        path = self.workspace.root / name
        path.parent.mkdir(exist_ok=True)
        rows.to_parquet(path) if path.suffix == ".parquet" else rows.to_csv(path, index=False)
        return path

    def add(self, rows: pd.DataFrame, *, replace: bool = False, name: str = "arrived.parquet") -> dict[str, Any]:
        return data_add.add(
            self.problem, self.file(rows, name), replace=replace, workspace=self.workspace
        ).json_document()

    def use(self, revision: str, *, force: bool = False, remote: str | None = None) -> dict[str, Any]:
        return data_versions.use(
            self.problem, revision, force=force, remote=remote, workspace=self.workspace
        ).json_document()

    def versions(self, remote: str | None = None) -> list[dict[str, Any]]:
        result = data_versions.versions(self.problem, remote=remote, workspace=self.workspace)
        return [version.model_dump(mode="json") for version in result.versions]

    def state(self) -> tuple[bytes | None, bytes]:
        return self.data.read_bytes() if self.data.exists() else None, self.pointer.read_bytes()

    def forget(self, md5: str) -> None:
        (self.root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]).unlink()

    def require_whole(self, *expected: str) -> None:
        """Check that the working folder has one of the versions, both its pointer and its data."""
        assert ensure_data(self.problem, workspace=self.workspace) in expected
        assert not [path.name for path in self.root.iterdir() if path.name.startswith(".rows")]
