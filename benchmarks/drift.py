"""Drift checks on the flights: false alarms in ordinary weeks and detection of faults, compared with other tools.

    python benchmarks/drift.py choose    # January to June: the rows that the constants were chosen on
    python benchmarks/drift.py judge     # July to December: the evaluation, with all other tools (8 to 15 minutes)

`choose` trains on January to March and evaluates April to June. `judge` trains on January to June and evaluates July to
December. Both also evaluate each week of their reference with that week left out. Results go to
benchmarks/results/drift-{part}.json.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import time
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import peers as peers_module
from benchmarks.faults import Fault, mild_faults, severe_faults
from benchmarks.record import save
from driftgate.config import Problem, load_problem
from driftgate.contract import LABEL, PREDICTION
from driftgate.data.contract_check import find_violations
from driftgate.data.table import DataVersion, features_of, labels_of
from driftgate.drift.compare import Drift, History
from driftgate.drift.counting import Counts, count
from driftgate.drift.estimate import expect
from driftgate.drift.profile import Profile, fit_profile
from driftgate.production.scoring import Scorer
from driftgate.training import export, importance, tuning
from driftgate.training.metrics import wilson_interval
from driftgate.workspace import PROJECT

PARTS = {"choose": ("2013-01-01", "2013-04-01", "2013-07-01"), "judge": ("2013-01-01", "2013-07-01", "2013-12-30")}
SIZES = (1_000, 5_000)
HALVES = (200, 1_000, 5_000, 20_000, 50_000)
REPEATS = 40
SETTINGS: dict[str, Any] = {"max_iter": 200, "learning_rate": 0.06, "max_leaf_nodes": 31, "min_samples_leaf": 200}


@dataclass
class Study:
    """A fitted model, its profile, its reference, and the weeks after the reference."""

    problem: Problem
    reference: pd.DataFrame
    later: pd.DataFrame
    profile: Profile
    out_of_fold: pd.DataFrame
    scorer: Scorer
    threshold: float

    def weeks(self) -> list[pd.DataFrame]:
        """The whole weeks after the reference."""
        start = pd.Timestamp(self.profile.end)
        age = (self.later["scheduled_at"] - start) // pd.Timedelta(days=7)
        whole = (self.later["scheduled_at"].max().normalize() + pd.Timedelta(days=1) - start) // pd.Timedelta(days=7)
        return [part for number, part in self.later.groupby(age) if number < whole]

    def counts(self, batch: pd.DataFrame) -> Counts:
        """The counts of each column, of the predictions and of the labels."""
        counted = batch.assign(
            **{
                PREDICTION: self.scorer.probability(features_of(batch, self.problem.contract)),
                self.profile.target: (batch[self.profile.target] == 1).astype(float),
            }
        )
        return count(counted, self.profile.layouts)


def prepare(part: str) -> Study:
    """Fit the model and compute its profile on the reference of a part."""
    problem = load_problem(PROJECT / "configs" / "flights.yaml")
    start, middle, end = (pd.Timestamp(date) for date in PARTS[part])
    rows = pd.read_parquet(problem.data_path, filters=[("scheduled_at", ">=", start), ("scheduled_at", "<", end)])
    rows = rows.sort_values("scheduled_at", kind="stable").reset_index(drop=True)
    reference, later = rows[rows["scheduled_at"] < middle], rows[rows["scheduled_at"] >= middle]
    if part == "choose":
        problem = problem.model_copy(update={"split": problem.split.model_copy(update={"folds": 2})})
    tuned = tuning.Tuned(
        family="hist_gradient_boosting", settings=SETTINGS, metric="roc_auc", score=0.0, trials=(),
        cross_validation=(), cut=(),
    )  # fmt: skip
    model, trained, out_of_fold = tuning.train(reference, problem, tuned=tuned)
    features, labels = features_of(reference, problem.contract), labels_of(reference, problem)
    found = importance.importances(model, features, labels, problem, threshold=trained.threshold)
    effects = {name: item.effect for name, item in found.items()}
    profile = fit_profile(reference, problem, out_of_fold=out_of_fold, effects=effects, threshold=trained.threshold)
    scorer = Scorer(export.to_onnx(model, problem.contract), problem.contract)
    return Study(problem, reference, later, profile, out_of_fold, scorer, trained.threshold)


def ordinary_weeks(study: Study) -> list[Drift]:
    """Check the weeks in order. A week that isn't blocked is added to the reference."""
    history, found = History(study.profile, days=7), []
    for week in study.weeks():
        counts, (first, until) = study.counts(week), bounds(week)
        drift = history.compare(counts, rows=len(week), first=first, whole_window=True)
        found.append(drift)
        if any(column.blocks for column in drift.columns):
            history.refuse(drift, counts)
        else:
            history.join(counts, rows=len(week), until=until)
    return found


def bounds(batch: pd.DataFrame) -> tuple[dt.datetime, dt.date]:
    """The first time of a batch, and the day after its last time."""
    times = batch["scheduled_at"]
    return times.min().to_pydatetime(), times.max().date() + dt.timedelta(days=1)


def left_out_weeks(study: Study) -> list[Drift]:
    """Check each week of the reference with the other weeks as its reference.

    The model's predictions are not checked, because the model was trained on these weeks.
    """
    rows, found = study.reference, []
    end = pd.Timestamp(study.profile.end)
    age = ((end - rows["scheduled_at"]) // pd.Timedelta(days=7)).to_numpy()
    layouts = {name: layout for name, layout in study.profile.layouts.items() if name != PREDICTION}
    whole = range((end - rows["scheduled_at"].min().normalize()) // pd.Timedelta(days=7))
    for week in whole:
        others = rows[age != week]
        closed = others.assign(scheduled_at=others["scheduled_at"] + pd.Timedelta(days=7) * (age[age != week] > week))
        profile = fit_profile(
            closed, study.problem, out_of_fold=study.out_of_fold, effects=study.profile.effects,
            threshold=study.threshold,
        )  # fmt: skip
        history = History(profile, days=7)
        left = [number for number in reversed(whole) if number != week]
        order = np.argsort([-abs(number - week) for number in left], kind="stable")
        for name, past in history._past.items():
            every = profile.windows(7)[name][-len(left) :]
            offset = len(profile.windows(7)[name]) - len(left)
            strange = {at - offset for at in past.ordinary.strange} if past.ordinary else set()
            past.windows = every[[at for at in order if at not in strange]]
        batch = rows[age == week]
        labelled = batch.assign(**{profile.target: (batch[profile.target] == 1).astype(float)})
        counts = count(labelled, {name: profile.layouts[name] for name in layouts})
        near = dt.datetime.combine(profile.end, dt.time())
        found.append(history.compare(counts, rows=len(batch), first=near, whole_window=True))
    return found


def faulty_weeks(study: Study, *, with_peers: bool) -> dict[str, Any]:
    """Put every fault into a sample of every later week, at each sample size, and check it."""
    deviations = {name: float(study.reference[name].std()) for name in study.problem.contract.numeric}
    faults = [*severe_faults(), *mild_faults(deviations)]
    peers = peers_module.Peers(study.reference, study.problem.contract) if with_peers else None
    history = History(study.profile, days=7)
    results: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for number, week in enumerate(study.weeks()):
        for size in SIZES:
            batch = week.sample(min(size, len(week)), random_state=number)
            scores = peers.scores(batch) if peers else {}
            _note(results[f"ordinary|none|ordinary week, sampled|{size}"], study, history, batch, None, peers, scores)
            for fault in faults:
                broken = fault.change(batch, np.random.default_rng(number))
                key = f"{fault.kind}|{fault.column}|{fault.name}|{size}"
                _note(results[key], study, history, broken, fault, peers, scores)
        history.join(study.counts(week), rows=len(week), until=bounds(week)[1])
        print(f"  week {number + 1}", file=sys.stderr, flush=True)
    return {key: {name: [int(sum(hits)), len(hits)] for name, hits in found.items()} for key, found in results.items()}


def _note(
    found: dict[str, list[bool]], study: Study, history: History, batch: pd.DataFrame, fault: Fault | None,
    peers: peers_module.Peers | None, scores: dict[str, tuple[bool, float, bool]],
) -> None:  # fmt: skip
    drift = history.compare(study.counts(batch), rows=len(batch), first=bounds(batch)[0])
    version = DataVersion(path="", md5="", rows=len(batch), later_rows=0, as_of=None, as_of_given=True)
    stopped = bool(find_violations(batch, study.problem, version=version)) if fault else False
    blocked = any(column.blocks for column in drift.columns)
    found["contract"].append(stopped)
    found["blocked or stopped"].append(blocked or stopped)
    found["warned or more"].append(bool(drift.drifted) or stopped)
    if fault and fault.column:
        own = next(column for column in drift.columns if column.name == fault.column)
        found["own column warned or more"].append(own.state != "stable" or stopped)
    if peers:
        if fault and fault.column:
            scores = {**scores, fault.column: peers.column(batch, fault.column)}
        elif fault:
            scores = peers.scores(batch)
        for name, fired in peers_module.alarms(scores).items():
            found[name].append(fired)


def random_halves(study: Study) -> dict[str, Any]:
    """Compare two random halves of one period: the newest month, or the whole reference if the month has too few rows."""
    draw, results = np.random.default_rng(7), {}
    month = study.reference[
        study.reference["scheduled_at"] >= pd.Timestamp(study.profile.end) - pd.DateOffset(months=1)
    ]
    for size in HALVES:
        period = month if len(month) >= 2 * size else study.reference
        if len(period) < 2 * size:
            continue
        hits: dict[str, list[bool]] = defaultdict(list)
        for _ in range(REPEATS):
            rows = period.iloc[draw.permutation(len(period))[: 2 * size]]
            here, there = rows.iloc[:size], rows.iloc[size:].sort_values("scheduled_at")
            said = pd.DataFrame(
                {PREDICTION: study.scorer.probability(features_of(there, study.problem.contract)),
                 LABEL: labels_of(there, study.problem), "scheduled_at": there["scheduled_at"]}
            )  # fmt: skip
            profile = fit_profile(there, study.problem, out_of_fold=said, effects={}, threshold=study.threshold)
            half = Study(study.problem, there, here, profile, said, study.scorer, study.threshold)
            days = (here["scheduled_at"].max().normalize() - here["scheduled_at"].min().normalize()).days + 1
            drift = History(profile, days=days).compare(half.counts(here), rows=size)
            hits["warned or more"].append(bool(drift.drifted))
            hits["blocked"].append(any(column.blocks for column in drift.columns))
            scores = peers_module.Peers(there, study.problem.contract).scores(here)
            for name, fired in peers_module.alarms(scores).items():
                hits[name].append(fired)
        results[str(size)] = {name: [int(sum(found)), len(found)] for name, found in hits.items()}
        print(f"  halves of {size:,}", file=sys.stderr, flush=True)
    return results


def estimates(study: Study) -> dict[str, Any]:
    """Compare the weekly estimate without labels, and two naive guesses, with the realised metric."""
    known = study.out_of_fold
    training = tuning.point_metrics(known[LABEL].to_numpy(), known[PREDICTION].to_numpy(), threshold=study.threshold)
    rows, before = [], None
    for week in study.weeks():
        probability = study.scorer.probability(features_of(week, study.problem.contract)).astype(float)
        found = expect(
            probability, labels=labels_of(week, study.problem), threshold=study.threshold, spread=study.profile.spread,
            confidence=study.problem.gate.confidence, seed=0,
        )  # fmt: skip
        rows.append(
            {name: (found[name], training[name], before[name] if before else None) for name in ("roc_auc", "accuracy")}
        )
        before = {name: found[name].realised.value for name in ("roc_auc", "accuracy")}  # type: ignore[union-attr]
    result = {}
    for name in ("roc_auc", "accuracy"):
        part = [row[name] for row in rows[1:]]
        realised = np.array([item[0].realised.value for item in part])
        guesses = {
            "estimate": [item[0].estimate.value for item in part],
            "training value": [item[1] for item in part],
            "last week's value": [item[2] for item in part],
        }
        errors = {key: float(np.abs(np.array(guess) - realised).mean()) for key, guess in guesses.items()}
        inside = [item[0].inside for item in part]
        result[name] = {"mean absolute error": errors, "inside the interval": [sum(inside), len(inside)]}
    return result


def interval(hits: int, total: int) -> tuple[float, float]:
    """The 95 % confidence interval of a rate."""
    low, high = wilson_interval(hits / total, total, confidence=0.95)
    return max(0.0, low), min(1.0, high)


def summary(drifts: list[Drift]) -> dict[str, Any]:
    blocks = [any(column.blocks for column in drift.columns) for drift in drifts]
    warns = [bool(drift.drifted) for drift in drifts]
    over = {
        str(number): [f"{c.name} {c.worst.measure} {c.worst.question} {c.worst.value:.3f} of {c.worst.limit:.3f} {c.state}" for c in drift.drifted]
        for number, drift in enumerate(drifts) if drift.drifted
    }  # fmt: skip
    return {"blocked": [sum(blocks), len(blocks)], "warned or more": [sum(warns), len(warns)], "which": over}


def by_kind(faults: dict[str, Any]) -> dict[str, Any]:
    """Sum up the faults of one kind and sample size."""
    total: dict[str, dict[str, list[int]]] = defaultdict(dict)
    for key, found in faults.items():
        kind, _, _, size = key.split("|")
        for name, (hits, tries) in found.items():
            cell = total[f"{kind}|{size}"].setdefault(name, [0, 0])
            cell[0], cell[1] = cell[0] + hits, cell[1] + tries
    return dict(total)


def show(result: dict[str, Any]) -> None:
    """Print every rate with its count and interval."""
    for name in ("as they come", "left out"):
        print(f"\nordinary weeks, {name}")
        for what, (hits, total) in list(result[name].items())[:2]:
            print(f"  {what:18} {_rate(hits, total)}")
        for week, columns in result[name]["which"].items():
            print(f"    week {week}: {'; '.join(columns)}")
    for name in ("faults", "halves"):
        for key, found in result.get(name, {}).items():
            print(f"\n{name}: {key}")
            for what, (hits, total) in found.items():
                print(f"  {what:28} {_rate(hits, total)}")
    print(f"\nestimates: {json.dumps(result['estimates'], indent=1)}")


def _rate(hits: int, total: int) -> str:
    low, high = interval(hits, total)
    return f"{hits / total:7.1%}  {hits:>4} of {total:<5} ({low:.1%} to {high:.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--weeks-only", action="store_true", help="Only ordinary weeks and estimates.")
    parser.add_argument("--halves-only", action="store_true", help="Only random halves; print the result.")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    started = time.monotonic()
    study = prepare(arguments.part)
    if arguments.halves_only:
        print(json.dumps(random_halves(study), indent=1, ensure_ascii=False))
        return
    result: dict[str, Any] = {
        "as they come": summary(ordinary_weeks(study)),
        "left out": summary(left_out_weeks(study if arguments.part == "judge" else prepare("judge"))),
        "estimates": estimates(study),
    }
    if not arguments.weeks_only:
        single = faulty_weeks(study, with_peers=arguments.part == "judge")
        result |= {"faults": by_kind(single), "single faults": single, "halves": random_halves(study)}
    result["seconds"] = round(time.monotonic() - started)
    save(f"drift-{arguments.part}", result)
    show(result)


if __name__ == "__main__":
    main()
