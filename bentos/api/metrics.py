"""What the service counts. Labels have a few values each, whatever callers send."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def _own_folder() -> str:
    """A folder for the counts of this server's workers alone: BentoML's is shared by all that share its home."""
    import psutil

    parent = psutil.Process(os.getppid())
    name = f"driftgate-metrics-{os.getuid()}"
    # Below BentoML's home where it has one: a folder for temporary files is cleaned now and then.
    home = Path(os.environ.get("BENTOML_HOME") or tempfile.gettempdir())
    folder = (
        home if home.is_dir() else Path(tempfile.gettempdir())
    ) / f"{name}-{parent.pid}-{int(parent.create_time())}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for old in folder.parent.glob(f"{name}-*"):
        pid = old.name.split("-")[3]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(old, ignore_errors=True)
    return str(folder)


class Metrics:
    """Prometheus metrics of all workers of one server."""

    def __init__(self) -> None:
        # Where the counts of several processes meet; read when a metric is made.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = self._folder = _own_folder()
        from prometheus_client import CollectorRegistry, Counter, Histogram

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
        self.swaps = Counter("driftgate_channel_swaps", "Releases taken over", registry=registry)

    def page(self) -> bytes:
        """All of them, as Prometheus reads them."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector
        from prometheus_client.values import MutexValue, ValueClass

        if ValueClass is MutexValue:  # prometheus_client was loaded in a process that stands alone
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self._folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
