"""What the service counts. Labels have a few values each, whatever callers send."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from driftgate.errors import DriftgateError

FOLDER = "DRIFTGATE_METRICS_FOLDER"  # environment: from the process that the user starts to its workers


def make_folder() -> Path:
    """A new folder for the counts of this server's workers alone: BentoML's own is shared by all that share its home.

    Its name can't be known beforehand, and its mode is 0700: so no other user can have put links into it.
    """
    import psutil

    # Below BentoML's home where it has one: a folder for temporary files is cleaned now and then.
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
    """The folder that the server's first process made, or a new one where a service stands alone.

    Raises:
        DriftgateError: If it isn't a real folder of this user with mode 0700.
    """
    name = os.environ.get(FOLDER)
    if not name:
        return make_folder()
    folder = Path(name)
    try:
        found = folder.lstat()
    except OSError as error:
        raise DriftgateError(
            f"The folder for metrics {folder} can't be read: {error.strerror}.", f"Unset {FOLDER}, and start again."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise DriftgateError(
            f"The folder for metrics {folder} is open to other users, or is not this user's own.",
            f"Unset {FOLDER}, and start again.",
        )
    return folder


class Metrics:
    """Prometheus metrics of all workers of one server."""

    def __init__(self) -> None:
        # Where the counts of several processes meet; read when a metric is made.
        self._folder = _own_folder()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self._folder)
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = registry = CollectorRegistry()
        self.seconds = Histogram(
            "driftgate_request_seconds", "From the request to its answer", ["route"], registry=registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )  # fmt: skip
        self.predictions = Counter(
            "driftgate_predictions", "Rows answered", ["version", "prediction"], registry=registry
        )
        self.warnings = Counter("driftgate_warnings", "Rows answered with a warning", registry=registry)
        self.refused = Counter("driftgate_refused", "Requests refused, by cause", ["code"], registry=registry)
        self.feedback = Counter("driftgate_feedback", "Labels taken", registry=registry)
        self.log_seconds = Histogram(
            "driftgate_log_seconds", "Writing to the prediction log, before the answer", registry=registry,
            buckets=(0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.1, 1),
        )  # fmt: skip
        self.log_bytes = Counter("driftgate_log_bytes", "Written to the prediction log", registry=registry)
        self.log_failures = Counter("driftgate_log_failures", "Writes that failed, each a 503", registry=registry)
        self.channel_failures = Counter("driftgate_channel_failures", "Releases not taken over", registry=registry)
        self.challenger_failures = Counter(
            "driftgate_challenger_failures", "Rows a challenger did not predict", registry=registry
        )
        self.connections = Gauge(
            "driftgate_connections", "Open connections", registry=registry, multiprocess_mode="livesum"
        )
        self.connections_limit = Gauge(
            "driftgate_connections_limit",
            "Connections that may be open",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.connections_closed = Counter(
            "driftgate_connections_closed",
            "Connections closed before their time, by cause",
            ["cause"],
            registry=registry,
        )
        self.swaps = Counter("driftgate_channel_swaps", "Releases taken over", registry=registry)

    def page(self) -> bytes:
        """All of them, as Prometheus reads them."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector
        from prometheus_client.values import MutexValue, ValueClass

        if ValueClass is MutexValue:  # prometheus_client was loaded in a process that stands alone
            return generate_latest(self._registry)
        self._forget_dead_workers()
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _forget_dead_workers(self) -> None:
        """Take away what a worker that was killed has left of its open connections."""
        import psutil

        for path in self._folder.glob("gauge_live*.db"):
            pid = path.stem.rsplit("_", 1)[1]
            if pid.isdecimal() and not psutil.pid_exists(int(pid)):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
