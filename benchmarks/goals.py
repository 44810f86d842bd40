"""What Driftgate promises in figures, and where each is measured. `python -m benchmarks.table` holds them side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.drift_table import MILD

Result = dict[str, Any]
Values = dict[str, float]  # by what each value is of
CONNECTIONS = ("1", "16", "64")


@dataclass(frozen=True)
class Goal:
    """A promise: every value stays at or below, or at or above, a limit.

    Args:
        text: What is measured.
        result: The file in benchmarks/results.
        values: The measured values, by name, out of that file.
        limit: The worst value that keeps the promise.
        most: Whether the limit is the most, or else the least, that a value may be.
        unit: What the values are; `%` for shares.
        rows: What it was measured on.
        command: What measures it again.
    """

    text: str
    result: str
    values: Callable[[Result], Values]
    limit: float
    most: bool
    unit: str
    rows: str
    command: str

    def missed(self, result: Result) -> Values:
        """The values that break the promise."""
        values = self.values(result)
        return {name: v for name, v in values.items() if (v > self.limit if self.most else v < self.limit)}


def share(found: list[int]) -> float:
    """Hits of a count, as a share."""
    return found[0] / found[1]


def kinds(*, mild: bool, rows: int = 5000) -> Callable[[Result], Values]:
    """How often each kind of fault was caught: gross ones blocked, mild ones warned of in their column."""
    caught = "own column warned or more" if mild else "blocked or stopped"

    def values(result: Result) -> Values:
        found = (key.split("|") for key in result["faults"] if key.endswith(f"|{rows}"))
        names = [kind for kind, _ in found if kind != "ordinary" and (kind in MILD) == mild]
        return {kind: share(result["faults"][f"{kind}|{rows}"][caught]) for kind in names}

    return values


def beside(peer: str, ratio: str) -> Callable[[Result], Values]:
    """The median ratio to a peer, for each number of connections."""
    return lambda result: {
        f"{connections} connections": result["throughput"][connections][peer][ratio]["median"]
        for connections in CONNECTIONS
    }


def experiments(*path: str) -> Callable[[Result], Values]:
    """One rate of each kind of experiment, or the upper end of its interval."""

    def values(result: Result) -> Values:
        found = {}
        for name in ("shadow", "split 0.5", "split 0.2"):
            value = result[name]
            for key in path:
                value = value[key]
            value = value[1] if isinstance(value, list) else value
            found[name] = float(value)
        return found

    return values


def weeks(outcome: str) -> Callable[[Result], Values]:
    return lambda result: {name: share(result[name][outcome]) for name in ("as they come", "left out")}


def naive(result: Result) -> Values:
    """The estimate's error as a share of the better of the two guesses that cost nothing."""
    errors = {name: found["mean absolute error"] for name, found in result["estimates"].items()}
    return {name: e["estimate"] / min(e["training value"], e["last week's value"]) for name, e in errors.items()}


def one(*path: str) -> Callable[[Result], Values]:
    """A single value."""

    def values(result: Result) -> Values:
        found: Any = result
        for key in path:
            found = found[key]
        return {"": float(found)}

    return values


def each(numbers: Iterable[float]) -> Values:
    return {f"run {number}": value for number, value in enumerate(numbers, 1)}


FLIGHTS = "the flights as of 2013-08-01, 195,583 rows"
JUDGED = "the flights' weeks, July to December, limits from January to June"
SERVED = "one flight a request, one worker, wrk on the same cores; medians of 5 rounds"
SIMULATED = "5,000 labels each, looked at after each: 1,000 simulated experiments of a kind"
JUDGE, SERVE = "python benchmarks/drift.py judge", "python benchmarks/serving.py"

GOALS = (
    Goal("the README's first command", "first-command", one("seconds"), 240, True, "s", FLIGHTS,
         "python benchmarks/first_command.py"),
    Goal("training by the pipeline, beside a plain script that does the same", "orchestration",
         lambda result: each(result["ratios"]), 1.3, True, "times", FLIGHTS, "python benchmarks/orchestration.py"),
    Goal("ordinary weeks blocked", "drift-judge", weeks("blocked"), 0.02, True, "%", JUDGED, JUDGE),
    Goal("ordinary weeks warned of, or more", "drift-judge", weeks("warned or more"), 0.10, True, "%", JUDGED, JUDGE),
    Goal("random halves of one period warned of", "drift-judge",
         lambda result: {f"{size} rows": share(found["warned or more"]) for size, found in result["halves"].items()},
         0.05, True, "%", "200 to 50,000 flights a side, 40 pairs of each", JUDGE),
    Goal("gross faults blocked, each kind", "drift-judge", kinds(mild=False), 0.95, False, "%",
         JUDGED + "; 5,000 rows", JUDGE),
    Goal("the same of smaller batches", "drift-judge", kinds(mild=False, rows=1000), 0.95, False, "%",
         JUDGED + "; 1,000 rows", JUDGE),
    Goal("mild faults warned of in their column, each kind", "drift-judge", kinds(mild=True), 0.80, False, "%",
         JUDGED + "; 5,000 rows", JUDGE),
    Goal("error of the estimate without labels, beside the better naive guess", "drift-judge", naive, 1, True, "times",
         "25 weeks of the flights, July to December", JUDGE),
    Goal("CPU of a drift check, beside Evidently's `DataDriftPreset`", "drift-speed",
         lambda result: each(result["ratios"]), 0.1, True, "times", "1,000,000 rows of 10 columns",
         "python benchmarks/drift_speed.py --repeats 3"),
    Goal("requests a second, beside the tutorial's service", "serving", beside("tutorial", "ours / its rps"), 10, False,
         "times", SERVED, SERVE),
    Goal("p99 of the tutorial's service, beside ours", "serving", beside("tutorial", "its p99 / ours"), 8, False, "times",
         SERVED, SERVE),
    Goal("requests a second, beside `mlflow models serve`", "serving", beside("mlflow models serve", "ours / its rps"),
         10, False, "times", SERVED, SERVE),
    Goal("requests a second, beside bare FastAPI and ONNX", "serving", beside("bare FastAPI + ONNX", "ours / its rps"),
         0.8, False, "times", SERVED, SERVE),
    Goal("1,000 rows in one request, beside the tutorial's loop", "serving", one("1,000 rows", "ratio", "median"), 150,
         False, "times", "1,000 flights, 5 times", SERVE),
    Goal("the worker's memory after 200,000 requests, beside the warm one", "serving", one("memory", "last / warm"), 1.05,
         True, "times", "201,178 requests", SERVE),
    Goal("the service's start, beside an empty BentoML service", "serving", one("start", "ratio", "median"), 1.2, True,
         "times", "5 starts of each in turn", SERVE),
    Goal("equal challengers promoted, though looked at after every label", "experiments",
         experiments("equal", "ours", "rate"), 0.05, True, "%", SIMULATED, "python benchmarks/experiments.py"),
    Goal("better challengers found, with the labels that the power analysis asks for; upper end of the 95 % interval",
         "experiments", experiments("better", "power", "interval"), 0.80, False, "%", "1,000 simulated experiments of a kind",
         "python benchmarks/experiments.py"),
    Goal("from `rollback` to the service's answer with the version before", "rollback",
         lambda result: each(run["served"] for run in result["runs"]), 5, True, "s", "the flights' service, a follower",
         "python benchmarks/rollback.py"),
)  # fmt: skip
