"""Save and load the last result of each benchmark in benchmarks/results: values, day, commit and machine."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "results"


def save(name: str, result: dict[str, Any]) -> None:
    """Save a result as `name`.json, with the day, the commit (`+` if files differ from it) and the number of cores."""
    described = ["git", "describe", "--always", "--abbrev=7", "--exclude=*", "--dirty=+"]
    commit = subprocess.run(described, cwd=FOLDER.parent, capture_output=True, text=True, check=True).stdout.strip()
    measured = {"day": str(dt.date.today()), "commit": commit, "cores": os.cpu_count()}
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps({**result, "measured": measured}, indent=1, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text)


def load(name: str) -> dict[str, Any]:
    """Load a saved result."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found
