"""Files that are there whole, or not at all; folders that are their owner's alone."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
from pathlib import Path

log = logging.getLogger("driftgate.files")

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def replace_text(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write a file whole or not at all, and durably.

    Args:
        path: Of the file; its folder exists.
        text: Its content.
        mode: Its permissions; None: those that the system gives to a new file.

    Raises:
        OSError: If it can't be written. The file is then as before, unless its folder could not be flushed afterwards.
    """
    draft = draft_of(path)
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(draft, mode)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make durable what was created, renamed or removed in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def draft_of(path: Path) -> Path:
    """Where `replace_text` writes before it replaces."""
    return path.with_name(f".{path.name}.part")


def make_private(folder: Path) -> None:
    """Make a folder for its owner alone, or take the rights of others away from one that is there.

    A folder that somebody shares on purpose (`is_shared`) keeps its rights.

    Raises:
        OSError: If it can't be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_mode & OTHERS and not is_shared(folder):
        folder.chmod(0o700)
        log.warning("other users had rights in %s; now it is its owner's alone (mode 0700)", folder)


def is_shared(folder: Path) -> bool:
    """Whether others have rights in a folder on purpose: it is another user's, or has the setgid or the sticky bit."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        return False
    foreign = found.st_uid != os.geteuid()
    return bool(found.st_mode & OTHERS) and (foreign or bool(found.st_mode & (stat.S_ISGID | stat.S_ISVTX)))


def md5_of(path: Path) -> str:
    """The md5 of a file's bytes, as DVC computes it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
