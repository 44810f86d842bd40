"""The repository that workflows are played on: what is in the working folder now, committed."""

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
    """Replace texts in files, and commit; gives the commit."""
    for name, (old, new) in edits.items():
        text = (folder / name).read_text()
        assert old in text, f"{name} lacks {old!r}"
        (folder / name).write_text(text.replace(old, new))
    return commit(folder, "edited")


@pytest.fixture(scope="session")
def present(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the working folder's files, without what git ignores."""
    return whole(tmp_path_factory.mktemp("present") / "driftgate")


def hub_of(
    present: Path, folder: Path, edits: Mapping[str, tuple[str, str]] | None = None,
    *, approvals: list[dict[str, Any]] | None = None,
) -> Hub:  # fmt: skip
    """A repository for a run, with texts of files replaced: `{"file": ("old", "new")}`, and GitHub around it."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "clone", "--quiet", str(present), str(folder / "origin"))
    if edits:
        edit(folder / "origin", edits)
    return Hub(folder / "origin", folder, APPROVED if approvals is None else approvals)


@pytest.fixture
def repository(present: Path, tmp_path: Path) -> Repository:
    """Makes the one repository of a test."""

    def make(edits: Mapping[str, tuple[str, str]] | None = None) -> Hub:
        return hub_of(present, tmp_path, edits)

    return make
