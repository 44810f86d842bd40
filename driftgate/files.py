"""Files that are there whole, or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Write a file whole, or not at all."""
    draft = draft_of(path)
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def draft_of(path: Path) -> Path:
    """Where `replace_text` writes before it replaces."""
    return path.with_name(f".{path.name}.part")


def md5_of(path: Path) -> str:
    """The md5 of a file's bytes, as DVC computes it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
