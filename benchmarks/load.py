"""The time of the main job on a quiet machine and beside one busy process, and the time of a drift check.

    uv run python benchmarks/load.py [--rounds 3] [--config configs/flights.yaml]

After one run to warm up, each round runs the main job alone, then beside a process that only computes, and then `run.py drift`
on the newest week. No other program should use the machine. It takes about twelve minutes on two cores. Results of the flights
go to benchmarks/results/load.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.record import save


@contextmanager
def busy() -> Iterator[None]:
    """Start a process that keeps one core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: sum(range(10**6))"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def run(*arguments: str, home: str) -> dict[str, float]:
    """Run one command. Returns its seconds, and the CPU seconds of it and its child processes."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, "DRIFTGATE_HOME": home}
    command = [sys.executable, str(ROOT / "run.py"), *arguments, "--json"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(time.monotonic() - started, 1), "cpu": round(cpu, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--config", default="configs/flights.yaml")
    arguments = parser.parse_args()
    config = ("--config", arguments.config)
    load = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory() as home:
        run(*config, home=home)
        quiet, beside = [], []
        for _ in range(arguments.rounds):
            quiet.append(run(*config, home=home)["seconds"])
            with busy():
                beside.append(run(*config, home=home)["seconds"])
        drift = [run("drift", *config, home=home)["cpu"] for _ in range(arguments.rounds)]
    ratios = [round(b / q, 2) for q, b in zip(quiet, beside, strict=True)]
    result = {
        "load before": load,
        "seconds quiet": quiet,
        "seconds beside a busy process": beside,
        "ratios": ratios,
        "median": statistics.median(ratios),
        "CPU seconds of drift": drift,
    }
    if arguments.config == parser.get_default("config"):
        save("load", result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
