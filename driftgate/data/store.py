"""DVC's cache and remotes, which keep every version of a file by its md5, and the stages that build a file."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from driftgate.errors import DriftgateError, first_line
from driftgate.files import md5_of
from driftgate.workspace import Workspace, show_path

log = logging.getLogger("driftgate.data")

REMOTE = "DRIFTGATE_REMOTE"
GIVEN = "given"  # the name, within this process, of a remote that the user gave by its address


class Store:
    """The cache of one DVC repository, and a remote.

    Args:
        root: The repository's folder.
        workspace: The workspace; DVC's scratch files go there.
        remote: The name of a configured remote, or an address; None: DRIFTGATE_REMOTE if it is set, else the default remote.
    """

    def __init__(self, root: Path, *, workspace: Workspace, remote: str | None = None) -> None:
        self.root = root
        self._workspace = workspace
        self._chosen = remote or os.environ.get(REMOTE) or None

    def cached(self, md5: str) -> Path | None:
        """The path of a version in the cache; None if the cache doesn't have it."""
        path = Path(self._cache.oid_to_path(md5))
        return path if path.is_file() else None

    def whole(self, md5: str) -> bool:
        """Whether the cache has a version with the right md5; a damaged file is removed from the cache."""
        source = self.cached(md5)
        if source is None or md5_of(source) == md5:
            return source is not None
        source.unlink()
        return False

    def keep(self, path: Path, md5: str) -> None:
        """Put a file into the cache, unless the cache already has it undamaged.

        Raises:
            DriftgateError: If the cache can't be written.
        """
        from dvc_objects.fs.local import localfs

        try:
            if not self.whole(md5):
                self._cache.add(str(path), localfs, md5)
        except OSError as error:
            raise DriftgateError(
                f"DVC's cache {show_path(self._cache.path)} can't be written: {error.strerror}.",
                "Nothing was changed. Check your write permission and the free space, or set another folder with "
                "`dvc cache dir`.",
            ) from error

    def copy(self, md5: str, to: Path) -> bool:
        """Copy a version from the cache, and verify its md5.

        Returns:
            Whether the cache has it; a damaged file is removed from the cache.

        Raises:
            DriftgateError: If the copy can't be written; then no part of it is left.
        """
        source = self.cached(md5)
        if source is None:
            return False
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, to)
            whole = md5_of(to) == md5
        except OSError as error:
            to.unlink(missing_ok=True)
            raise DriftgateError(
                f"{show_path(to)} can't be written: {error.strerror}.",
                "Check your write permission and the free space.",
            ) from error
        if not whole:
            to.unlink()
            source.unlink()
        return whole

    def remote(self) -> str | None:
        """The name of the remote, or its address if one was given; None if there is none."""
        name = self._remote_name
        return self._chosen if name == GIVEN else name

    def on_remote(self, md5: str) -> bool:
        """Whether the remote has a version.

        Raises:
            DriftgateError: If there is no remote, or it can't be reached.
        """
        with self._speaking_with_remote() as remote:
            try:
                remote.fs.info(remote.oid_to_path(md5))
            except FileNotFoundError as error:
                # DVC reports an unreachable server as a missing file, with the connection error as its cause.
                if isinstance(error.__cause__, OSError):
                    raise error.__cause__ from None
                return False
            return True

    def fetch(self, md5: str) -> bool:
        """Fetch a version from the remote into the cache.

        Returns:
            Whether the remote has it undamaged.

        Raises:
            DriftgateError: If there is no remote, or it can't be reached.
        """
        if not self.on_remote(md5):
            return False
        with self._speaking_with_remote() as remote:
            # `verify` removes files that did not arrive completely.
            self._cache.add(remote.oid_to_path(md5), remote.fs, md5, verify=True)
        return self.cached(md5) is not None

    def bring(self, md5: str) -> str | None:
        """Ensure that the cache has a version, and fetch it from the remote if needed.

        Returns:
            Why the cache doesn't have it; None if it does.
        """
        if self.cached(md5):
            return None
        try:
            if self.remote() is None:
                return "no remote is configured"
            log.info("fetching %s from %s", md5[:8], self.remote())
            return None if self.fetch(md5) else f"the remote {self.remote()!r} doesn't have it"
        except DriftgateError as error:
            log.warning("%s", error.cause)
            return error.cause.rstrip(".")

    def push(self, md5: str) -> bool:
        """Push a version from the cache to the remote.

        Returns:
            Whether the cache has it undamaged. Damaged bytes are not pushed: the remote would keep them under its md5.

        Raises:
            DriftgateError: If there is no remote, or it refuses.
        """
        if not self.whole(md5):
            return False
        with self._speaking_with_remote() as remote:
            remote.add(self._cache.oid_to_path(md5), self._cache.fs, md5)
        return True

    def reproduce(self, stage: str, *, python: str = sys.executable) -> None:
        """Run one stage, then restore `dvc.lock`, so that it never records a file with another md5.

        Args:
            stage: Name of the stage in `dvc.yaml`.
            python: The Python interpreter to run it with; DVC must be installed in its environment.

        Raises:
            DriftgateError: If it fails.
        """
        lock = self.root / "dvc.lock"
        before = lock.read_bytes() if lock.exists() else None
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", "")]),
            "DVC_SITE_CACHE_DIR": str(self._workspace.root / "dvc"),
        }
        command = [python, "-m", "dvc"]
        if not (self.root / ".git").exists():
            without_git = [*command, "config", "--local", "core.no_scm", "true"]
            subprocess.run(without_git, cwd=self.root, env=environment, check=True)
        done = subprocess.run(
            [*command, "repro", "--single-item", stage],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
        )
        if before is not None and lock.read_bytes() != before:
            lock.write_bytes(before)
        if done.returncode:
            lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            raise DriftgateError(
                f"DVC could not build stage {stage!r}: {lines[-1].strip() if lines else 'it printed no error'}",
                f"`dvc repro {stage}` shows its whole output.",
            )

    @contextmanager
    def _speaking_with_remote(self) -> Iterator[Any]:
        from dvc.exceptions import DvcException

        name = self._remote_name
        if name is None:
            raise DriftgateError(
                "No DVC remote is configured.",
                f"Add one with `dvc remote add -d NAME ADDRESS`, or give --remote or {REMOTE}.",
            )
        shown = f"The remote {self.remote()!r}"
        try:
            yield self._repo.cloud.get_remote_odb(name)
        except ImportError as error:
            # DVC's message: s3 is supported, but requires 'dvc-s3' to be installed
            scheme = str(error).split(" ", 1)[0]
            raise DriftgateError(
                f"{shown} needs a package that is not installed: {first_line(error)}.",
                f"Add it with `uv add 'dvc[{scheme}]'`.",
            ) from error
        except (DvcException, OSError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
            raise DriftgateError(
                f"{shown} can't be used: {why}.",
                "Check its address, your connection to it, and your permissions there.",
            ) from error
        except Exception as error:
            # Each kind of remote has its own library with its own errors.
            raise DriftgateError(
                f"{shown} refuses access: {type(error).__name__}: {first_line(error)}.",
                "Check its address and credentials.",
            ) from error

    @property
    def _cache(self) -> Any:
        return self._repo.cache.local

    @cached_property
    def _remote_name(self) -> str | None:
        repo = self._repo
        if self._chosen is None:
            default: str | None = repo.config["core"].get("remote")
            return default
        known = sorted(name for name in repo.config["remote"] if name != GIVEN)
        if self._chosen in known or _is_address(self._chosen):
            return self._chosen if self._chosen in known else GIVEN
        raise DriftgateError(
            f"There is no remote {self._chosen!r}.",
            f"Configured remotes: {', '.join(known) or 'none'}. You can also give an address or the path of a folder.",
        )

    @cached_property
    def _repo(self) -> Any:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        core = {"site_cache_dir": str(self._workspace.root / "dvc")}
        settings: dict[str, Any] = {"core": core if (self.root / ".git").exists() else {**core, "no_scm": True}}
        if self._chosen and _is_address(self._chosen):
            address = self._chosen if "://" in self._chosen else str(Path(self._chosen).absolute())
            settings["remote"] = {GIVEN: {"url": address}}
        try:
            return Repo(str(self.root), config=settings)
        except (DvcException, OSError) as error:
            raise DriftgateError(
                f"The DVC repository {self.root} can't be opened: {first_line(error)}.",
                "Check its .dvc folder and the remote's address; `dvc status` shows more.",
            ) from error


def _is_address(remote: str) -> bool:
    return "/" in remote or os.sep in remote
