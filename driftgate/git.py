"""Read-only access to the git repository whose root is a given folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# Set by git for its hooks: they name another repository than that of the folder.
FROM_GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_NAMESPACE")  # fmt: skip


def output(root: Path, *arguments: str) -> str | None:
    """The standard output of a git command; None if it fails, or git or the repository is missing.

    Args:
        root: The repository's root; a repository in a parent folder is not used.
        arguments: The arguments of a command that changes nothing.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
            env=_environment(root),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def commit_of(root: Path, revision: str) -> str | None:
    """The full hash of the commit that a revision names; None if there is no such revision."""
    if revision.startswith("-"):
        return None
    return output(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")


def clone(root: Path, commit: str, to: Path) -> str | None:
    """Check a commit out into a new folder as a separate repository; the original is not changed.

    Returns:
        Git's error message if it fails, else None.
    """
    # Shared: the objects stay where they are, and a commit that no branch holds is found as well.
    for command in (
        ["git", "clone", "--quiet", "--shared", "--no-checkout", str(root), str(to)],
        ["git", "-C", str(to), "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", commit],
    ):
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=_environment(root))
        if done.returncode:
            return (done.stderr.strip() or "git printed no error").splitlines()[-1]
    return None


def _environment(root: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in FROM_GIT}
    return {**kept, "GIT_CEILING_DIRECTORIES": str(root.parent), "GIT_OPTIONAL_LOCKS": "0"}
