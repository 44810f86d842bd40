"""Time and memory of a drift check of a million rows: our stored profile and Evidently's preset on the same rows.

    python benchmarks/drift_speed.py --repeats 3

The two tools run alternately, in separate processes. CPU seconds are those of the process, minus those of a process that
only does the imports. The check with the profile reads the file in parts. Results go to benchmarks/results/drift-speed.json.
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
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.record import save
from driftgate.workspace import PROJECT

COLUMNS = [
    "carrier", "origin", "dest", "distance", "departure_minute", "scheduled_minutes", "wx_temp", "wx_humidity",
    "wx_wind_speed", "wx_pressure",
]  # fmt: skip
CATEGORIES = ("carrier", "origin", "dest")
ROWS = (250_000, 1_000_000)
PART = 100_000


def make(folder: Path) -> None:
    """Draw a reference and batches from the flights. In each batch, shift one number and swap two categories."""
    flights = pd.read_parquet(PROJECT / "data" / "flights.parquet", columns=[*COLUMNS, "scheduled_at"])
    flights[COLUMNS].sample(1_000_000, replace=True, random_state=0).to_parquet(folder / "reference.parquet")
    for rows in ROWS:
        batch = flights[COLUMNS].sample(rows, replace=True, random_state=1)
        batch["wx_temp"] = (batch["wx_temp"] - 32) / 1.8
        batch["carrier"] = batch["carrier"].replace({"UA": "9E", "9E": "UA"})
        batch.to_parquet(folder / f"batch-{rows}.parquet", row_group_size=PART)


def ours(folder: Path, rows: int, *, whole: bool = False) -> list[str]:
    """Find the drifted columns with the stored profile, or with exact distances on all rows if `whole`."""
    import pyarrow.parquet as pq

    from driftgate.drift.compare import History
    from driftgate.drift.counting import count_batches
    from driftgate.drift.profile import Profile

    profile = Profile.model_validate_json((folder / "profile.json").read_bytes())
    file = pq.ParquetFile(folder / f"batch-{rows}.parquet")
    if whole:
        return _exact(folder, file.read().to_pandas(), profile)
    counts, total = count_batches((part.to_pandas() for part in file.iter_batches(PART)), profile.layouts)
    drift = History(profile, days=profile.rule.window_days).compare(counts, rows=total)
    return sorted(column.name for column in drift.drifted)


def _exact(folder: Path, batch: pd.DataFrame, profile: Any) -> list[str]:
    """Apply the same rule with the exact Kolmogorov–Smirnov distance and exact shares on all rows."""
    from scipy import stats

    from driftgate.config import DriftRule

    rule: DriftRule = profile.rule
    reference, over = pd.read_parquet(folder / "reference.parquet"), []
    for name in COLUMNS:
        there, here = reference[name].dropna(), batch[name].dropna()
        if name in CATEGORIES:
            shares = pd.concat([there.value_counts(normalize=True), here.value_counts(normalize=True)], axis=1).fillna(
                0
            )
            distance = float((shares.iloc[:, 0] - shares.iloc[:, 1]).abs().max())
        else:
            distance = float(stats.ks_2samp(there, here, method="asymp").statistic)
        if distance > rule.floor:
            over.append(name)
    return sorted(over)


def fit(folder: Path) -> None:
    """Compute the profile of the reference, as in a release of a problem without timestamp."""
    from driftgate.config import DriftRule
    from driftgate.drift.counting import count, layout_of
    from driftgate.drift.limits import ordinary_of
    from driftgate.drift.profile import Profile

    reference = pd.read_parquet(folder / "reference.parquet")
    layouts = {name: layout_of(reference[name], category=name in CATEGORIES) for name in COLUMNS}
    counts = {name: [found.tolist()] for name, found in count(reference, layouts).items()}
    ordinary = {name: ordinary_of(np.array(counts[name]), layout=layouts[name], rule=DriftRule()) for name in layouts}
    profile = Profile(
        rule=DriftRule(),
        first_day=None,
        layouts=layouts,
        counts=counts,
        ordinary=ordinary,
        effects={},
        spread={},
        target="x",
        classes=(),
    )
    (folder / "profile.json").write_text(profile.model_dump_json())


def preset(folder: Path, rows: int) -> list[str]:
    """Find the columns that are over Evidently's own limits."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    reference, batch = pd.read_parquet(folder / "reference.parquet"), pd.read_parquet(folder / f"batch-{rows}.parquet")
    run = Report([DataDriftPreset()], include_tests=True).run(batch, reference)
    tests = run.dict()["tests"]
    return sorted(test["metric_config"]["params"]["column"] for test in tests if test["status"] == "FAIL" and "column" in test["metric_config"]["params"])  # fmt: skip


def side(name: str, folder: Path, rows: int) -> None:
    """Run one tool in this process. Prints its CPU seconds without imports, its peak memory, and the columns it flags."""
    warnings.filterwarnings("ignore")
    if name == "preset":
        import evidently.presets  # noqa: F401
    else:
        import driftgate.drift.compare  # noqa: F401
    before = time.process_time()
    flagged = preset(folder, rows) if name == "preset" else ours(folder, rows, whole=name == "exact")
    spent = time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu_seconds": round(spent, 2), "peak_mb": round(peak), "flagged": flagged}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        name, folder, rows = arguments.side
        side(name, Path(folder), int(rows))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make(folder)
        fit(folder)
        found: dict[str, list[dict[str, Any]]] = {}
        for _ in range(arguments.repeats):
            for name, rows in (("profile", ROWS[0]), ("profile", ROWS[1]), ("preset", ROWS[1])):
                found.setdefault(f"{name} {rows:,}", []).append(_run(name, folder, rows))
        found["exact 1,000,000"] = [_run("exact", folder, ROWS[1])]
        ratios = [a["cpu_seconds"] / b["cpu_seconds"] for a, b in zip(found["profile 1,000,000"], found["preset 1,000,000"], strict=True)]  # fmt: skip
        size = (folder / "profile.json").stat().st_size
    result = {**found, "ratios": [round(r, 3) for r in ratios], "median": round(statistics.median(ratios), 3), "profile_bytes": size}  # fmt: skip
    save("drift-speed", result)
    print(json.dumps(result, indent=1))


def _run(name: str, folder: Path, rows: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--side", name, str(folder), str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=PROJECT, env=dict(os.environ))
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
