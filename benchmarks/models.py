"""The quality of the models of both problems, whether a second training gives the same model, and the cost of the CLI.

    uv run python benchmarks/models.py

Runs the main job twice on the flights and on the rules, in a new workspace, and then `--help` and `status` five times.
It takes about five minutes. Results go to benchmarks/results/models.json.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.record import save
from driftgate.evidence.tracking import client
from driftgate.workspace import Workspace


def run(*arguments: str, home: Path) -> str:
    """Run `run.py`, and return its standard output. Progress goes to standard error."""
    environment = {**os.environ, "DRIFTGATE_HOME": str(home)}
    command = [sys.executable, str(ROOT / "run.py"), *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def main_job(name: str, home: Path) -> dict[str, Any]:
    """Train twice on one problem. Returns the metrics of the first model, and whether the second model is the same."""
    first, second = (json.loads(run("--config", f"configs/{name}.yaml", "--json", home=home)) for _ in range(2))
    models = [(Path(done["release"]) / "model.onnx").read_bytes() for done in (first, second)]
    golden = [(Path(done["release"]) / "golden.json").read_bytes() for done in (first, second)]
    tracked = client(Workspace(home)).get_run(first["runs"]["mlflow"]).data.metrics
    observed = {check["name"]: check["observed"] for check in first["checks"]}
    return {
        "seconds": [first["seconds"], second["seconds"]],
        "metrics": first["metrics"],
        "cross-validated": {key: value for key, value in tracked.items() if key.startswith("cv_")},
        "labels that differ from ONNX": observed["parity.labels"],
        "largest gap to ONNX": observed["parity.probability"],
        "files that differ of two runs": sum(one != other for one, other in (models, golden)),
        "rows served": first["service"]["rows"],
        "rows served that differ": first["service"]["rows"] - first["service"]["equal"],
    }


def cpu_seconds(*arguments: str, home: Path) -> float:
    """CPU time of one call of `run.py`, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(*arguments, home=home)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, 2)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        result: dict[str, Any] = {name: main_job(name, home) for name in ("flights", "rules")}
        for verb in ("--help", "status"):
            result[f"CPU seconds of {verb}"] = [cpu_seconds(verb, home=home) for _ in range(5)]
    save("models", result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
