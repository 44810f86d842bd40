"""The time of the README's first command in a fresh checkout: environment, data, main job, service.

    uv run python benchmarks/first_command.py

Packages come from uv's cache if it has them, so the speed of the network isn't included. Results go to
benchmarks/results/first-command.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.record import save


def main() -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "DRIFTGATE_HOME")}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        started = time.monotonic()
        subprocess.run(["uv", "run", "--quiet", "run.py"], cwd=folder, env=environment, check=True, stdout=sys.stderr)
        result = {"seconds": round(time.monotonic() - started, 1), "load before": round(os.getloadavg()[2], 1)}
    save("first-command", result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
