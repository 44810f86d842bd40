"""Keep a problem's data file at the version that DVC records, and switch it to another version."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from driftgate.config import Problem
from driftgate.data.pointer import Pointer
from driftgate.data.store import Store
from driftgate.errors import DriftgateError
from driftgate.files import draft_of, md5_of, replace_text
from driftgate.workspace import Workspace, show_path

log = logging.getLogger("driftgate.data")

__all__ = ["ensure_data", "exclusive", "found_md5", "locked_md5", "md5_of", "scratch", "switch"]

SCRATCH = "driftgate-draft-"


def locked_md5(problem: Problem) -> str | None:
    """The md5 in `dvc.lock`, or in the `.dvc` file next to the data; None if DVC doesn't track the file."""
    promised = Pointer.of(problem).promised()
    return promised.md5 if promised else None


def ensure_data(problem: Problem, *, workspace: Workspace) -> str:
    """Ensure that the data file exists and is the version that DVC records.

    A missing file is copied from DVC's cache, else fetched from the remote, else built by its stage.

    Args:
        problem: Names the file and its DVC stage, if it has one.
        workspace: The workspace; DVC's scratch files go there.

    Returns:
        The md5 of the file.

    Raises:
        DriftgateError: If the file is missing and can't be restored, can't be read, or is another version.
    """
    pointer = Pointer.of(problem)
    if not pointer.data.exists() and pointer.root is None:
        raise DriftgateError(f"There is no data file {pointer.data}.", "Copy it there, or change data.path.")
    if pointer.root and (not pointer.data.exists() or any(left.exists() for left in _leftovers(pointer))):
        with exclusive(pointer, wait=True):
            if not pointer.data.exists():
                _restore(pointer, Store(pointer.root, workspace=workspace))
    promised, found = pointer.promised(), found_md5(pointer.data)
    if promised and found != promised.md5:
        raise DriftgateError(
            f"{show_path(pointer.data)} is another version of the data: its md5 is {found}, but DVC records "
            f"{promised.md5}.",
            f"`run.py data use {promised.md5[:8]} --force` restores the recorded version and keeps this one in DVC's "
            f"cache. `run.py data add {show_path(pointer.data)} --replace` makes this one a version.",
        )
    return found


def found_md5(path: Path) -> str:
    """The md5 of a data file.

    Raises:
        DriftgateError: If it can't be read.
    """
    try:
        return md5_of(path)
    except OSError as error:
        raise DriftgateError(f"{path} can't be read: {error.strerror}.", "Give yourself read permission.") from error


@contextmanager
def exclusive(pointer: Pointer, *, wait: bool = False) -> Iterator[None]:
    """Lock the data of a DVC repository, so that no other command changes a data file or its pointer meanwhile.

    Args:
        pointer: The pointer of the data.
        wait: Wait for a command that holds the lock, instead of raising an error.

    Raises:
        DriftgateError: If another command is changing data, or the DVC folder can't be written.
    """
    from filelock import FileLock, Timeout

    assert pointer.root
    folder = pointer.root / ".dvc" / "tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "driftgate.lock", is_singleton=True)
        with lock.acquire(timeout=-1 if wait else 0):
            if lock.lock_counter == 1:  # else this process already holds the lock
                _tidy(pointer, folder)
            yield
    except Timeout as error:
        raise DriftgateError(
            f"Another command is changing {show_path(pointer.data)} or another data file.", "Wait until it has ended."
        ) from error
    except OSError as error:
        raise DriftgateError(
            f"{error.filename or folder} can't be written: {error.strerror}.",
            "Check your write permission and the free space.",
        ) from error


@contextmanager
def scratch(pointer: Pointer) -> Iterator[Path]:
    """A temporary folder on the disk of the repository. The next command removes it if this one is killed."""
    assert pointer.root
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=pointer.root / ".dvc" / "tmp") as folder:
        yield Path(folder)


def switch(pointer: Pointer, text: str, md5: str, *, present: str | None, store: Store) -> None:
    """Change the recorded version and the data file together.

    The change happens when the pointer file is replaced. The data file is moved away before that. So if the command is
    interrupted, the pointer names either the old or the new version, and a missing data file is restored from the cache. A
    data file that is already the new version is not touched.

    Args:
        pointer: The pointer; the cache already has the present data file, if there is one.
        text: The new content of the pointer file.
        md5: The version that the new content records.
        present: The md5 of the present data file; None if there is none.
        store: The store whose cache has the new version.

    Raises:
        DriftgateError: If a file can't be written, or the cache doesn't have the version; then nothing was changed.
    """
    data, before = pointer.data, pointer.file.read_text(encoding="utf-8") if pointer.file.exists() else None
    if present == md5:
        replace_text(pointer.file, text)
        return
    if not store.copy(md5, _draft(data)):
        raise DriftgateError(f"DVC's cache has damaged bytes for {md5}.", "Pull the version again.")
    try:
        if present:
            data.replace(_aside(data))
        replace_text(pointer.file, text)
        _draft(data).replace(data)
    except BaseException as error:
        if before is not None and pointer.file.read_text(encoding="utf-8") != before:
            replace_text(pointer.file, before)
        if before is None:
            pointer.file.unlink(missing_ok=True)
        if present and _aside(data).exists():
            _aside(data).replace(data)
        _draft(data).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise DriftgateError(
                f"{error.filename or data} can't be written: {error.strerror}.",
                "Nothing was changed. Check your write permission and the free space.",
            ) from error
        raise
    with suppress(OSError):
        _aside(data).unlink(missing_ok=True)


def _restore(pointer: Pointer, store: Store) -> None:
    """Restore a missing data file from the cache or the remote, or build it with its stage."""
    promised, draft, why = pointer.promised(), _draft(pointer.data), ""
    if promised:
        if trouble := store.bring(promised.md5):
            why = f" DVC's cache doesn't have it, and {trouble}."
        if store.copy(promised.md5, draft):
            log.info("restored %s from DVC's cache", show_path(pointer.data))
            draft.replace(pointer.data)
            return
    if not pointer.stage:
        remedy = "Pull it from a remote: `run.py data pull --remote ADDRESS`" if promised else "Copy it there"
        raise DriftgateError(f"There is no data file {pointer.data}.{why}", f"{remedy}, or change data.path.")
    log.info("building %s with DVC", show_path(pointer.data))
    store.reproduce(pointer.stage)
    if not pointer.data.exists():
        raise DriftgateError(
            f"The DVC stage {pointer.stage!r} ran, but didn't write {pointer.data}.", "Compare data.path with dvc.yaml."
        )
    if promised and (made := md5_of(pointer.data)) != promised.md5:
        pointer.data.unlink()
        raise DriftgateError(
            f"The data version {promised.md5}, which dvc.lock records, can't be found, and stage {pointer.stage!r} builds "
            f"another one, {made}.{why}",
            f"Pull it from a remote, choose another version (`run.py data versions`), or accept the one that is built with "
            f"`dvc repro {pointer.stage}`.",
        )


def _tidy(pointer: Pointer, folder: Path) -> None:
    for left in _leftovers(pointer):
        left.unlink(missing_ok=True)
    for left in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)


def _leftovers(pointer: Pointer) -> tuple[Path, ...]:
    """Files that an interrupted command may leave; the cache has the bytes of the data."""
    return _draft(pointer.data), _aside(pointer.data), draft_of(pointer.file)


def _draft(data: Path) -> Path:
    return data.with_name(f".{data.stem}.new{data.suffix}")


def _aside(data: Path) -> Path:
    return data.with_name(f".{data.stem}.old{data.suffix}")
