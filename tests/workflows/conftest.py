"""The repository that workflows are played on: what is in the working folder now, committed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from driftgate.workspace import PROJECT
from tests.workflows.actions import Hub

Repository = Callable[..., Hub]
APPROVED = [{"state": "approved", "comment": "verdict read", "environments": [{"name": "production"}], "user": {"login": "bea"}}]  # fmt: skip


def git(*arguments: str, at: Path) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=ann", "-c", "user.email=ann@example.org", *arguments],
        cwd=at, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def commit(folder: Path, edits: Mapping[str, tuple[str, str]]) -> str:
    """Replace texts in files, and commit; gives the commit."""
    for name, (old, new) in edits.items():
        text = (folder / name).read_text()
        assert old in text, f"{name} lacks {old!r}"
        (folder / name).write_text(text.replace(old, new))
    git("add", "--all", at=folder)
    git("commit", "--quiet", "--allow-empty", "--message", "edited", at=folder)
    return git("rev-parse", "HEAD", at=folder)


@pytest.fixture(scope="session")
def present(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the working folder's files, without what git ignores."""
    folder = tmp_path_factory.mktemp("present") / "driftgate"
    names = git("ls-files", "--cached", "--others", "--exclude-standard", at=PROJECT).splitlines()
    for name in names:
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)
    git("init", "--quiet", "--initial-branch", "main", at=folder)
    commit(folder, {})
    return folder


def hub_of(
    present: Path, folder: Path, edits: Mapping[str, tuple[str, str]] | None = None,
    *, approvals: list[dict[str, Any]] | None = None,
) -> Hub:  # fmt: skip
    """A repository for a run, with texts of files replaced: `{"file": ("old", "new")}`, and GitHub around it."""
    folder.mkdir(parents=True, exist_ok=True)
    git("clone", "--quiet", str(present), str(folder / "origin"), at=folder)
    if edits:
        commit(folder / "origin", edits)
    return Hub(folder / "origin", folder, APPROVED if approvals is None else approvals)


@pytest.fixture
def repository(present: Path, tmp_path: Path) -> Repository:
    """Makes the one repository of a test."""

    def make(edits: Mapping[str, tuple[str, str]] | None = None) -> Hub:
        return hub_of(present, tmp_path, edits)

    return make
