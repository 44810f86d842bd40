"""The time from the command `rollback` until the running service answers with the previous version.

    uv run python benchmarks/rollback.py [--repeats 5]

Needs two versions of the flights that were in production, and moves production back and forth between them. A service
follows the channel. The benchmark asks it every 20 ms which version it serves. Results go to benchmarks/results/rollback.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.record import save
from bentos.server import Served, serving
from driftgate.workspace import Workspace


def roll_back(served: Served, channel: Path, *, to: str) -> dict[str, float]:
    """Roll back. Returns the seconds until the channel has changed, the service has switched, and the command has ended."""
    found: dict[str, float] = {}
    command = [sys.executable, str(ROOT / "run.py"), "rollback", "--to", to, "--reason", "measured"]
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while "ended" not in found or "served" not in found:
            passed = round(time.monotonic() - started, 2)
            if passed > 120:
                raise TimeoutError("The service did not switch to the other version.")
            if json.loads(channel.read_text())["version"] == to:
                found.setdefault("moved", passed)
            if served.get("/model/info")["version"] == to:
                found.setdefault("served", passed)
            if process.poll() is not None:
                found.setdefault("ended", passed)
            time.sleep(0.02)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    workspace = Workspace.current()
    channel = workspace.channels / "flights" / "production.json"
    now = json.loads(channel.read_text())["version"]
    record = (channel.parent / "record.jsonl").read_text().splitlines()
    been = {entry["version"] for entry in map(json.loads, record) if entry["event"] == "production"}
    other = next(iter(been - {now}), None)
    if other is None:
        sys.exit("Two versions must have been in production: deploy, train, and deploy again.")
    runs = []
    with tempfile.TemporaryDirectory() as log:
        settings = {"DRIFTGATE_CHANNEL": str(channel), "DRIFTGATE_LOG": log}
        with serving(
            workspace.bentoml / "bentos" / "flights" / now, workspace=workspace, environment=settings
        ) as served:
            for repeat in range(arguments.repeats):
                runs.append(roll_back(served, channel, to=now if repeat % 2 else other))
    save("rollback", {"runs": runs})
    print(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()
