"""The repository on which workflows run: the files of the working folder, committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.repository import commit, git, whole
from tests.workflows.actions import Hub

Repository = Callable[..., Hub]
APPROVED = [{"state": "approved", "comment": "verdict read", "environments": [{"name": "production"}], "user": {"login": "bea"}}]  # fmt: skip


def edit(folder: Path, edits: Mapping[str, tuple[str, str]]) -> str:
    """Replace texts in files, and commit. Returns the commit."""
    for name, (old, new) in edits.items():
        text = (folder / name).read_text()
        assert old in text, f"{name} lacks {old!r}"
        (folder / name).write_text(text.replace(old, new))
    return commit(folder, "edited")


@pytest.fixture(scope="session")
def present(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the working folder's files, without ignored files."""
    return whole(tmp_path_factory.mktemp("present") / "driftgate")


def hub_of(
    present: Path, folder: Path, edits: Mapping[str, tuple[str, str]] | None = None,
    *, approvals: list[dict[str, Any]] | None = None,
) -> Hub:  # fmt: skip
    """Create a repository for a run, with replaced texts in files, `{"file": ("old", "new")}`, and a simulated GitHub."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "clone", "--quiet", str(present), str(folder / "origin"))
    if edits:
        edit(folder / "origin", edits)
    return Hub(folder / "origin", folder, APPROVED if approvals is None else approvals)


@pytest.fixture
def repository(present: Path, tmp_path: Path) -> Repository:
    """Create the repository of a test."""

    def make(edits: Mapping[str, tuple[str, str]] | None = None) -> Hub:
        return hub_of(present, tmp_path, edits)

    return make
