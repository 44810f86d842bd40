"""Print the tables of docs/explanation/drift-experiment.md from the results of `drift.py judge`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from driftgate.training.metrics import wilson_interval

RESULTS = Path(__file__).resolve().parent / "results" / "drift-judge.json"
OURS = ("contract", "blocked or stopped", "warned or more", "own column warned or more")
MILD = ("+0.25 σ", "5 % new category", "+5 points missing")


def rate(found: list[int]) -> str:
    """A rate with its count and interval."""
    low, high = wilson_interval(found[0] / found[1], found[1], confidence=0.95)
    return f"{found[0]} of {found[1]} ({max(0.0, low):.0%}–{min(1.0, high):.0%})"


def row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |")


def head(*cells: str) -> None:
    row(*cells)
    row(*["---"] * len(cells))


def main() -> None:
    result: dict[str, Any] = json.loads(RESULTS.read_text())
    print("\nordinary weeks\n")
    head("weeks", "blocked", "warned or blocked")
    for name in ("as they come", "left out"):
        row(name, rate(result[name]["blocked"]), rate(result[name]["warned or more"]))
    faults = result["faults"]
    peers = [name for name in faults["ordinary|1000"] if name not in OURS]
    print("\nsevere faults: blocked, or stopped by the contract; other tools: any alarm\n")
    head("fault", "rows", "Driftgate", *peers)
    for key, found in faults.items():
        kind, size = key.split("|")
        if kind not in MILD and kind != "ordinary":
            row(kind, f"{int(size):,}", rate(found["blocked or stopped"]), *(rate(found[name]) for name in peers))
    print("\nfalse alarms in the same weeks, nothing changed\n")
    head("rows", "Driftgate: blocked", "Driftgate: warned or blocked", *peers)
    for size in ("1000", "5000"):
        found = faults[f"ordinary|{size}"]
        cells = [found["blocked or stopped"], found["warned or more"], *(found[name] for name in peers)]
        row(f"{int(size):,}", *(rate(cell) for cell in cells))
    print("\nby column, 5,000 rows: severe faults blocked, mild ones with a warning in their own column\n")
    head("fault", "all columns together", "each column that stays below 95 % (severe) or 80 % (mild)")
    kinds = dict.fromkeys(key.split("|")[0] for key in faults)
    for kind in kinds:
        single = {
            key.split("|")[2]: found["own column warned or more" if kind in MILD else "blocked or stopped"]
            for key, found in result["single faults"].items()
            if key.split("|")[0] == kind and key.endswith("|5000")
        }
        least = 0.8 if kind in MILD else 0.95
        if kind == "ordinary":
            continue
        below = [f"{name} {hits} of {total}" for name, (hits, total) in single.items() if hits < least * total]
        together = [sum(found[0] for found in single.values()), sum(found[1] for found in single.values())]
        row(kind, rate(together), "; ".join(below) or "none")
    print("\nrandom halves of one period\n")
    head("rows per half", "Driftgate: warned or blocked", *peers)
    for size, found in result["halves"].items():
        row(f"{int(size):,}", rate(found["warned or more"]), *(rate(found[name]) for name in peers))
    print("\nestimate without labels\n")
    head("metric", "estimate", "training value", "last week's value", "realised inside the interval")
    for name, found in result["estimates"].items():
        errors = found["mean absolute error"]
        row(name, *(f"{errors[key]:.3f}" for key in errors), rate(found["inside the interval"]))


if __name__ == "__main__":
    main()
