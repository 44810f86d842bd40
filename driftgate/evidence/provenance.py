"""The state of the code that made a model: commit, uncommitted changes, locked dependencies."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from driftgate.git import output
from driftgate.workspace import PROJECT


class Provenance(BaseModel):
    """`commit` is None outside a git repository; `dirty` says that files differ from the commit.

    `threads` is what OMP_NUM_THREADS allows; the order in which threads add numbers up can show in a model's last bits.
    """

    model_config = ConfigDict(frozen=True)

    commit: str | None
    dirty: bool
    lock_sha256: str | None
    python: str
    platform: str | None = None
    threads: str | None = None

    def tags(self) -> dict[str, str]:
        """Commit, dirt and lock hash as MLflow's tags have them."""
        return {
            "commit": self.commit or "none",
            "dirty": str(self.dirty).lower(),
            "lock_sha256": self.lock_sha256 or "none",
        }


def provenance() -> Provenance:
    """Look at the project folder as it is now."""
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
    """The sha256 of a project's uv.lock; None where it has none."""
    lock = project / "uv.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None
