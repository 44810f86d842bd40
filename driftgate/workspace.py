"""Where things are: the project folder, and the one folder that everything made goes to."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from driftgate.errors import DriftgateError
from driftgate.files import is_shared, make_private

log = logging.getLogger("driftgate.workspace")

PROJECT = Path(__file__).resolve().parent.parent
MINIMUM_FREE_BYTES = 500_000_000


@dataclass(frozen=True)
class Workspace:
    """The folder of everything made: `var/` in the project, or where `DRIFTGATE_HOME` points."""

    root: Path

    @classmethod
    def current(cls) -> Workspace:
        return cls(Path(os.environ.get("DRIFTGATE_HOME") or PROJECT / "var").absolute())

    @property
    def zenml(self) -> Path:
        return self.root / "zenml"

    @property
    def mlflow_database(self) -> Path:
        return self.root / "mlflow" / "mlflow.db"

    @property
    def mlflow_uri(self) -> str:
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.mlflow_database}"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.root / "mlflow" / "artifacts"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def bentoml(self) -> Path:
        return self.root / "bentoml"

    @property
    def runs(self) -> Path:
        """One JSON record a run, and beside it the lock that its process holds while it lives."""
        return self.root / "runs"

    @property
    def reports(self) -> Path:
        """The Evidently page of each drift check."""
        return self.root / "reports"

    @property
    def channels(self) -> Path:
        """A folder a problem: its staging and production channels, and the record of its deployments."""
        return self.root / "channels"

    @property
    def predictions(self) -> Path:
        """Where the prediction log of a service on this machine goes, unless DRIFTGATE_LOG says otherwise."""
        return self.root / "predictions"

    @property
    def searches(self) -> Path:
        """The finished fits of searches that run, or were interrupted."""
        return self.root / "searches"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def prepare(self) -> None:
        """Make the folders. The workspace is its owner's alone: what lies in it names people, data and secrets.

        Raises:
            DriftgateError: If the folder can't be written, or its disk is nearly full.
        """
        try:
            self._make_private()
            for folder in self._folders:
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".writable-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise DriftgateError(
                f"The folder {self.root} can't be written: {error.strerror}.",
                "Give yourself the right to write there, or name another folder in DRIFTGATE_HOME.",
            ) from error
        free = shutil.disk_usage(self.root).free
        if free < MINIMUM_FREE_BYTES:
            raise DriftgateError(
                f"The disk of {self.root} is nearly full: {free / 1e6:.0f} MB are free, a run needs "
                f"{MINIMUM_FREE_BYTES / 1e6:.0f} MB.",
                "Free some space, or name a folder on another disk in DRIFTGATE_HOME.",
            )

    @property
    def _folders(self) -> tuple[Path, ...]:
        return (
            self.zenml,
            self.mlflow_artifacts,
            self.releases,
            self.bentoml,
            self.runs,
            self.reports,
            self.searches,
            self.logs,
        )

    def _make_private(self) -> None:
        """Close the root to other users; where it is more than a workspace, the folders in it."""
        if is_shared(self.root):
            log.warning(
                "other users can read the workspace %s: it is shared on purpose (another user's, or with the setgid or "
                "sticky bit), so its rights stay as they are", self.root
            )  # fmt: skip
        elif (
            os.path.ismount(self.root)
            or PROJECT.is_relative_to(self.root)
            or Path(os.path.expanduser("~")).is_relative_to(self.root)
        ):
            ours = {path.relative_to(self.root).parts[0] for path in (*self._folders, self.channels, self.searches)}
            for name in sorted(ours | {"dvc", "zenml-server"}):
                make_private(self.root / name)
        else:
            make_private(self.root)

    def set_environment(self) -> None:
        """Point ZenML, BentoML and MLflow at this folder, and switch telemetry off. What is set already stays."""
        defaults = {
            "ZENML_CONFIG_PATH": str(self.zenml),
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_ENABLE_RICH_TRACEBACK": "false",
            "BENTOML_HOME": str(self.bentoml),
            "BENTOML_DO_NOT_TRACK": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # report a server that is down within half a minute, not in minutes
            "DO_NOT_TRACK": "1",
            "DVC_NO_ANALYTICS": "1",
            "GIT_PYTHON_REFRESH": "quiet",
            "MPLBACKEND": "Agg",
            "ORT_LOGGING_LEVEL": "3",
            # Threads that wait for each other make boosting on few rows some ninety times slower on a busy machine;
            # on a quiet one a second thread saves a tenth of the main job.
            "OMP_NUM_THREADS": "1",
        }
        for key, value in defaults.items():
            os.environ.setdefault(key, value)


def show_path(path: Path | str) -> str:
    """A path as a person would type it: relative to the working folder where it lies below it."""
    absolute = Path(path).absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)
