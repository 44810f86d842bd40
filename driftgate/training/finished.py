"""The finished fits of a search, kept in the workspace until the run ends, so that a killed run continues.

A fit is one model on one fold. Its file is named by what determines it, and its folder by the data version, the problem
and the code. A search that starts again draws the same trials, finds their fits here, and so comes to the same result.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from driftgate.config import FAMILIES, Problem
from driftgate.training.tuned import FoldScore, Member, Settings
from driftgate.workspace import PROJECT, Workspace

if TYPE_CHECKING:
    import numpy as np

    from driftgate.data.table import DataVersion

log = logging.getLogger("driftgate.tune")

KEPT_SECONDS = 24 * 3600  # how long the fits of a killed run wait for it to be started again
# What decides the fits; a change of anything else doesn't make them outdated.
DECISIVE = {"contract", "target", "data", "split", "tuning", "seed", "calibration"}
LIBRARIES = ("scikit-learn", "numpy", "pandas", "optuna", "xgboost-cpu", "xgboost", "lightgbm", "catboost")


class FinishedFit(BaseModel):
    """A model's score on a fold, its settings with the number of rounds that was found, and how long it took."""

    model_config = ConfigDict(frozen=True)

    settings: Settings
    score: FoldScore
    seconds: float


@dataclass(frozen=True)
class FinishedFits:
    """A folder with one file for each finished fit."""

    folder: Path

    @classmethod
    def of_run(cls, problem: Problem, version: DataVersion, *, workspace: Workspace) -> FinishedFits:
        """The finished fits of this problem, data and code. Those of other runs are removed when they are a day old."""
        home = workspace.searches / problem.name
        folder = home / _key(problem, version)
        for other in home.glob("*") if home.is_dir() else ():
            if other != folder and time.time() - other.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
        return cls(folder)

    def path(self, member: Member, fold: str, *, rows: int) -> Path:
        """The file of a fit.

        Args:
            member: The model.
            fold: The name of the fold.
            rows: How many rows of the fold it is trained on.
        """
        text = json.dumps([member.family, member.settings, fold, rows], sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"

    def remove(self) -> None:
        """Remove all finished fits: the run that needs them has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)


def write_fit(path: Path, fit: FinishedFit, probability: np.ndarray) -> None:
    """Write a finished fit whole or not at all."""
    import numpy as np

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}-{os.getpid()}.part")
    with draft.open("wb") as file:
        np.savez(file, fit=np.array(fit.model_dump_json()), probability=probability)
    os.replace(draft, path)


def read_fit(path: Path) -> FinishedFit | None:
    """A finished fit; None if there is none. A file that can't be read is left out with a warning."""
    found = _read(path, "fit")
    return None if found is None else FinishedFit.model_validate_json(str(found))


def read_probability(path: Path) -> np.ndarray | None:
    """The probabilities of a finished fit for the test rows of its fold; None if there is none."""
    return _read(path, "probability")


def _read(path: Path, name: str) -> np.ndarray | None:
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            found: np.ndarray = file[name]
            if name == "fit":
                FinishedFit.model_validate_json(str(found))
            return found
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("a finished fit can't be read and is made again: %s: %s", path, error)
        path.unlink(missing_ok=True)
        return None


def _key(problem: Problem, version: DataVersion) -> str:
    found = hashlib.sha256()
    parts = [
        problem.model_dump_json(include=DECISIVE),
        f"{version.md5} {version.rows} {version.as_of}",
        *(f"{name} {_version(name)}" for name in LIBRARIES),
    ]
    for part in parts:
        found.update(part.encode() + b"\0")
    for path in sorted((PROJECT / "driftgate").rglob("*.py")):
        found.update(path.read_bytes())
    for candidate in problem.tuning.candidates:
        if candidate.family not in FAMILIES:
            found.update(_source(candidate.family))
    return found.hexdigest()[:32]


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _source(dotted: str) -> bytes:
    """The module file of a user's own estimator."""
    module = dotted.split(":")[0] if ":" in dotted else dotted.rpartition(".")[0]
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return b""
    path = Path(spec.origin) if spec and spec.origin else None
    return path.read_bytes() if path and path.is_file() else b""
