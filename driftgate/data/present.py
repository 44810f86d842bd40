"""Data versions: what DVC promises of a problem's data file, and the bytes that keep the promise."""

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
    """The md5 that `dvc.lock`, or the `.dvc` file beside the data, promises; None where DVC doesn't track the file."""
    promised = Pointer.of(problem).promised()
    return promised.md5 if promised else None


def ensure_data(problem: Problem, *, workspace: Workspace) -> str:
    """See that the data file is there, and is the version that DVC promises.

    Where it is missing, it comes from DVC's cache, else from the remote, else the stage builds it.

    Args:
        problem: Names the file and, where there is one, its DVC stage.
        workspace: Takes DVC's own scratch files.

    Returns:
        The md5 of the file.

    Raises:
        DriftgateError: If the file is missing and can't be had, can't be read, or is another version.
    """
    pointer = Pointer.of(problem)
    if not pointer.data.exists() and pointer.root is None:
        raise DriftgateError(f"There is no data file {pointer.data}.", "Put it there, or change data.path.")
    if pointer.root and (not pointer.data.exists() or any(left.exists() for left in _leftovers(pointer))):
        with exclusive(pointer, wait=True):
            if not pointer.data.exists():
                _restore(pointer, Store(pointer.root, workspace=workspace))
    promised, found = pointer.promised(), found_md5(pointer.data)
    if promised and found != promised.md5:
        raise DriftgateError(
            f"{show_path(pointer.data)} is another version of the data: its md5 is {found}, DVC promises "
            f"{promised.md5}.",
            f"`run.py data use {promised.md5[:8]} --force` brings the promised version back and leaves this one to DVC's "
            f"cache, `run.py data add "
            f"{show_path(pointer.data)} --replace` makes this one a version.",
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
        raise DriftgateError(
            f"{path} can't be read: {error.strerror}.", "Give yourself the right to read it."
        ) from error


@contextmanager
def exclusive(pointer: Pointer, *, wait: bool = False) -> Iterator[None]:
    """Keep other commands from changing the data or its pointer meanwhile.

    Args:
        pointer: Of the data.
        wait: For a command that is at it, rather than raise.

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
            if lock.lock_counter == 1:  # else this process is at it already
                _tidy(pointer, folder)
            yield
    except Timeout as error:
        raise DriftgateError(
            f"Another command is changing data, {show_path(pointer.data)} or another.", "Wait until it has ended."
        ) from error
    except OSError as error:
        raise DriftgateError(
            f"{error.filename or folder} can't be written: {error.strerror}.", "Mend that: the rights, the space."
        ) from error


@contextmanager
def scratch(pointer: Pointer) -> Iterator[Path]:
    """A folder for drafts, on the disk of the repository; the next command removes what a killed one leaves."""
    assert pointer.root
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=pointer.root / ".dvc" / "tmp") as folder:
        yield Path(folder)


def switch(pointer: Pointer, text: str, md5: str, *, present: str | None, store: Store) -> None:
    """Change the promise and the data file together.

    The moment of change is the one at which the pointer's file is replaced. Before it the data file is out of the way:
    whatever cuts this off, either the old promise stands or the new one, and a missing file comes back from the cache.
    A data file that is the version already stays where it is.

    Args:
        pointer: Whose data file, if there is one, is in the cache.
        text: The pointer's new content.
        md5: The version that it promises.
        present: The version that the data file is; None where there is none.
        store: Whose cache has it.

    Raises:
        DriftgateError: If a file can't be written, or the cache lost the version; then all is as before.
    """
    data, before = pointer.data, pointer.file.read_text(encoding="utf-8") if pointer.file.exists() else None
    if present == md5:
        replace_text(pointer.file, text)
        return
    if not store.copy(md5, _draft(data)):
        raise DriftgateError(f"The bytes of {md5} in DVC's cache are not those of its md5.", "Pull them again.")
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
                f"{error.filename or data} can't be written: {error.strerror}.", "Nothing was changed; mend that."
            ) from error
        raise
    with suppress(OSError):
        _aside(data).unlink(missing_ok=True)


def _restore(pointer: Pointer, store: Store) -> None:
    """Bring a missing data file: from the cache, the remote, or its stage."""
    promised, draft, why = pointer.promised(), _draft(pointer.data), ""
    if promised:
        if trouble := store.bring(promised.md5):
            why = f" DVC's cache doesn't have its bytes: {trouble}."
        if store.copy(promised.md5, draft):
            log.info("%s comes from DVC's cache", show_path(pointer.data))
            draft.replace(pointer.data)
            return
    if not pointer.stage:
        remedy = "Pull it from a remote: `run.py data pull --remote ADDRESS`" if promised else "Put it there"
        raise DriftgateError(f"There is no data file {pointer.data}.{why}", f"{remedy}, or change data.path.")
    log.info("building %s with DVC", show_path(pointer.data))
    store.reproduce(pointer.stage)
    if not pointer.data.exists():
        raise DriftgateError(
            f"The DVC stage {pointer.stage!r} ran, but made no {pointer.data}.", "Compare data.path with dvc.yaml."
        )
    if promised and (made := md5_of(pointer.data)) != promised.md5:
        pointer.data.unlink()
        raise DriftgateError(
            f"The bytes of {promised.md5}, which dvc.lock promises, are nowhere: stage {pointer.stage!r} makes {made}."
            f"{why}",
            f"Pull them from a remote, take another version (`run.py data versions`), or accept what is made with "
            f"`dvc repro {pointer.stage}`.",
        )


def _tidy(pointer: Pointer, folder: Path) -> None:
    for left in _leftovers(pointer):
        left.unlink(missing_ok=True)
    for left in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)


def _leftovers(pointer: Pointer) -> tuple[Path, ...]:
    """What a command that was cut off may leave; the cache has the bytes of the data."""
    return _draft(pointer.data), _aside(pointer.data), draft_of(pointer.file)


def _draft(data: Path) -> Path:
    return data.with_name(f".{data.stem}.new{data.suffix}")


def _aside(data: Path) -> Path:
    return data.with_name(f".{data.stem}.old{data.suffix}")
