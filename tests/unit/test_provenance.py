"""The state of the code is told in a clean repository, in a dirty one, and in none."""

import subprocess
from pathlib import Path

import pytest

from driftgate.evidence import provenance as module


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_no_repository_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROJECT", tmp_path)
    found = module.provenance()
    assert (found.commit, found.dirty, found.lock_sha256) == (None, False, None)


def test_commit_and_dirt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROJECT", tmp_path)
    _git(tmp_path, "init")
    (tmp_path / "uv.lock").write_text("locked")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "one")
    found = module.provenance()
    assert (found.commit, found.dirty) == (_git(tmp_path, "rev-parse", "HEAD"), False)
    assert found.lock_sha256
    (tmp_path / "uv.lock").write_text("changed")
    assert module.provenance().dirty
