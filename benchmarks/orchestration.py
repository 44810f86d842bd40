"""The cost of orchestration: the training pipeline compared with a plain script that does the same work.

    uv run python benchmarks/orchestration.py [--repeats 3] [--config configs/flights.yaml]

The two sides run alternately after one warm-up of each, in separate processes and workspaces. The plain script calls the
same functions in the same order, logs the same to MLflow, and builds the same bento, without ZenML. Results of the flights
go to benchmarks/results/orchestration.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.record import save


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--config", default="configs/flights.yaml")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sides = {
            "pipeline": [str(ROOT / "run.py"), "train", "--config", arguments.config, "--json"],
            "plain": [str(ROOT / "benchmarks" / "plain.py"), arguments.config],
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for repeat in range(arguments.repeats + 1):
            for name, command in sides.items():
                environment = {**os.environ, "DRIFTGATE_HOME": f"{folder}/{name}"}
                started = time.monotonic()
                subprocess.run(
                    [sys.executable, *command], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
                )
                if repeat:
                    seconds[name].append(round(time.monotonic() - started, 1))
    ratios = [ours / theirs for ours, theirs in zip(seconds["pipeline"], seconds["plain"], strict=True)]
    median = round(statistics.median(ratios), 3)
    result = {"seconds": seconds, "ratios": [round(r, 3) for r in ratios], "median": median}
    if arguments.config == parser.get_default("config"):
        save("orchestration", result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
