"""Provenance of a model: the commit, whether files differ from it, and the locked dependencies."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from driftgate.git import output
from driftgate.workspace import PROJECT


class Provenance(BaseModel):
    """`commit` is None outside a git repository; `dirty` is true if files differ from the commit.

    `threads` is the value of OMP_NUM_THREADS; the order in which threads add numbers can change the last bits of a model.
    """

    model_config = ConfigDict(frozen=True)

    commit: str | None
    dirty: bool
    lock_sha256: str | None
    python: str
    platform: str | None = None
    threads: str | None = None

    def tags(self) -> dict[str, str]:
        """Commit, `dirty` and lock hash as tags for MLflow."""
        return {
            "commit": self.commit or "none",
            "dirty": str(self.dirty).lower(),
            "lock_sha256": self.lock_sha256 or "none",
        }


def provenance() -> Provenance:
    """The provenance of the project folder as it is now."""
    commit = output(PROJECT, "rev-parse", "HEAD")
    return Provenance(
        commit=commit,
        dirty=bool(commit and output(PROJECT, "status", "--porcelain")),
        lock_sha256=lock_hash(PROJECT),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        threads=os.environ.get("OMP_NUM_THREADS"),
    )


def lock_hash(project: Path) -> str | None:
    """The sha256 of a project's uv.lock; None if it has none."""
    lock = project / "uv.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None
