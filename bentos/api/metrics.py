"""The service's Prometheus metrics. Each label has few values, and callers can't add any."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from driftgate.errors import DriftgateError

FOLDER = "DRIFTGATE_METRICS_FOLDER"  # environment variable that the first process sets for its workers


def make_folder() -> Path:
    """Create a folder for the metrics of this server's workers. Other servers may share BentoML's own folder.

    The folder's name can't be predicted, and its mode is 0700, so no other user can put links into it.
    """
    import psutil

    # Inside BentoML's home if it exists, because systems delete old files from the folder for temporary files.
    home = Path(os.environ.get("BENTOML_HOME") or tempfile.gettempdir())
    parent = home if home.is_dir() else Path(tempfile.gettempdir())
    prefix = f"driftgate-metrics-{os.getuid()}-"
    for old in parent.glob(f"{prefix}*-*"):
        pid = old.name.removeprefix(prefix).split("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)) and old.lstat().st_uid == os.getuid():
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=parent))
    os.environ[FOLDER] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _own_folder() -> Path:
    """Return the folder that the server's first process created. Without one, create it.

    Raises:
        DriftgateError: If it isn't a real folder that only this user can open.
    """
    name = os.environ.get(FOLDER)
    if not name:
        return make_folder()
    folder = Path(name)
    try:
        found = folder.lstat()
    except OSError as error:
        raise DriftgateError(
            f"The metrics folder {folder} can't be read: {error.strerror}.", f"Unset {FOLDER}, and start again."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise DriftgateError(
            f"The metrics folder {folder} is open to other users, or belongs to another user.",
            f"Unset {FOLDER}, and start again.",
        )
    return folder


class Metrics:
    """Prometheus metrics of all workers of one server."""

    def __init__(self) -> None:
        # The workers share their counts in this folder. prometheus_client reads the variable when a metric is created.
        self._folder = _own_folder()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self._folder)
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = registry = CollectorRegistry()
        self.seconds = Histogram(
            "driftgate_request_seconds", "Time from the request to its answer", ["route"], registry=registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )  # fmt: skip
        self.predictions = Counter(
            "driftgate_predictions", "Predicted rows", ["version", "prediction"], registry=registry
        )
        self.warnings = Counter("driftgate_warnings", "Predicted rows with a warning", registry=registry)
        self.refused = Counter("driftgate_refused", "Refused requests, by cause", ["code"], registry=registry)
        self.feedback = Counter("driftgate_feedback", "Accepted labels", registry=registry)
        self.log_seconds = Histogram(
            "driftgate_log_seconds", "Time to write to the prediction log, before the answer", registry=registry,
            buckets=(0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.1, 1),
        )  # fmt: skip
        self.log_bytes = Counter("driftgate_log_bytes", "Bytes written to the prediction log", registry=registry)
        self.log_failures = Counter(
            "driftgate_log_failures", "Failed writes to the log, each answered with 503", registry=registry
        )
        self.channel_failures = Counter(
            "driftgate_channel_failures", "Releases that could not be loaded", registry=registry
        )
        self.challenger_failures = Counter(
            "driftgate_challenger_failures",
            "Failures, slow answers and skipped shadow requests of a challenger",
            registry=registry,
        )
        self.connections = Gauge(
            "driftgate_connections", "Open connections", registry=registry, multiprocess_mode="livesum"
        )
        self.connections_limit = Gauge(
            "driftgate_connections_limit",
            "Maximum number of open connections",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.connections_closed = Counter(
            "driftgate_connections_closed",
            "Connections closed because of a limit, by cause",
            ["cause"],
            registry=registry,
        )
        self.swaps = Counter("driftgate_channel_swaps", "Swaps to another release", registry=registry)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector
        from prometheus_client.values import MutexValue, ValueClass

        if ValueClass is MutexValue:  # prometheus_client was imported before the folder was set: a single process
            return generate_latest(self._registry)
        self._forget_dead_workers()
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _forget_dead_workers(self) -> None:
        """Delete the counts of open connections that killed workers have left."""
        import psutil

        for path in self._folder.glob("gauge_live*.db"):
            pid = path.stem.rsplit("_", 1)[1]
            if pid.isdecimal() and not psutil.pid_exists(int(pid)):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
