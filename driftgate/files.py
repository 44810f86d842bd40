"""Files that are there whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


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
