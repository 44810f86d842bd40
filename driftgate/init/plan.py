"""The split, the candidates and their trials, calibration and threshold: chosen by the size and the classes of a table."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftgate.config import Span
from driftgate.init.columns import FeaturePlan
from driftgate.init.roles import Roles
from driftgate.init.sources.table import TypedTable
from driftgate.init.target import IMBALANCED, RARE, TargetPlan
from driftgate.results.init import InitDoubt
from driftgate.training.splitting import offset

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SPANS = (1, 2, 3, 5, 7, 14, 21, 28)  # days
MONTHS = (1, 2, 3, 4, 6, 9, 12, 18, 24, 36, 48, 60, 84, 120, 180, 240)
HOLDOUT, MOST_HELD, LEAST_HELD = 0.15, 0.35, 40
LEAST_OF_CLASS = 2  # rows of each class in each part of a split by time
LARGE, HUGE = 20_000, 200_000
SLICES, MOST_SLICES = 10, 3
UNEVEN = 0.35  # share of the rarer of two classes from which on the threshold of 0.5 is usual
MOST_TREES, LEAST_ROUNDS = (
    800,
    40,
)  # boosting fits a tree for each class in each round, and many rounds overfit rare classes
SEARCH_WORK = 20_000_000  # rows times columns that one trial is fitted on at most


@dataclass(frozen=True)
class SplitPlan:
    """How the rows are split.

    Attributes:
        content: `split` of the problem file.
        sentence: The same in words.
        holdout: Estimated rows of the holdout.
        timestamp: Whether `data.timestamp` can stay.
        doubts: What a person should check.
    """

    content: dict[str, Any]
    sentence: str
    holdout: int
    timestamp: bool = True
    doubts: tuple[InitDoubt, ...] = ()

    @property
    def method(self) -> str:
        return str(self.content["method"])


def plan_split(table: TypedTable, target: TargetPlan, roles: Roles) -> SplitPlan:
    """Choose how to split: whole entities, else by time, else at random."""
    if roles.group:
        found = _random(target, method="group")
        entities = table.columns[roles.group].values.nunique()
        text = f"whole groups of {roles.group!r}, of which there are {entities:,}: {found.content['holdout']:.0%} for the holdout, {found.content['folds']} folds"
        return SplitPlan(found.content, text, found.holdout)
    if roles.timestamp:
        by_time = _by_time(table, target, roles.timestamp, roles.as_of)
        if by_time:
            return by_time
        doubt = InitDoubt(
            code="time_split_impossible", columns=(roles.timestamp,),
            text=f"No span of time at the end of {roles.timestamp!r} has enough rows of each class for a holdout, with enough rows before it.",
            done="The rows are split at random, and the column is left out.",
        )  # fmt: skip
        found = _random(target)
        return SplitPlan(found.content, found.sentence, found.holdout, timestamp=False, doubts=(doubt,))
    return _random(target)


def _random(target: TargetPlan, *, method: str = "random") -> SplitPlan:
    rarest, rows = min(target.counts), target.labelled
    share = 0.25 if rows < 500 else 0.2 if rows < HUGE else 0.1
    share = share if rarest * share >= 2 else 0.34
    rest = rarest - math.ceil(rarest * share)
    folds = max(2, min(5 if rows < LARGE else 3, rest // 2))
    held = round(rows * share)
    text = f"at random with the shares of the classes: {share:.0%} ({held:,} rows) for the holdout, {folds} folds for the search"
    return SplitPlan({"method": method, "holdout": share, "folds": folds}, text, held)


def _by_time(table: TypedTable, target: TargetPlan, name: str, as_of: dt.date | None) -> SplitPlan | None:
    import pandas as pd

    moments = table.columns[name].values
    end = pd.Timestamp(as_of or dt.datetime.now())
    use = ((moments < end) & (target.codes >= 0)).to_numpy()
    times, codes = moments[use].reset_index(drop=True), target.codes[use]
    if not len(codes):
        return None
    holdout = _span(times, codes, end, target)
    if holdout is None:
        return None
    border = end - offset(Span(**holdout))
    before = (times < border).to_numpy()
    newest = times[before].max().normalize() + pd.Timedelta(days=1)
    validation = _span(times[before], codes[before], newest, target)
    if validation is None:
        return None
    folds = _folds(times[before], codes[before], newest, validation, target)
    rows, held = int(before.sum()), int((~before).sum())
    first = newest - offset(Span(**validation))
    checked = int((times[before] >= first).sum())
    tune_on = "validation" if rows >= LARGE or folds < 2 else "cross_validation"
    content = {"method": "time", "holdout": holdout, "validation": validation, "folds": folds, "tune_on": tune_on}
    text = (
        f"by time: the newest {_words(holdout)} ({held:,} rows from {border:%Y-%m-%d}) are the holdout, the {_words(validation)} "
        f"before ({checked:,} rows) the validation set, {rows - checked:,} rows train"
    )
    return SplitPlan(content, text, held)


def _span(times: pd.Series, codes: np.ndarray, end: pd.Timestamp, target: TargetPlan) -> dict[str, int] | None:
    """The shortest span of calendar time before `end` that has enough rows of each class; the rows before it have too."""
    import numpy as np

    classes = len(target.values)
    least = max(LEAST_HELD, min(HOLDOUT * len(codes), 50_000))
    for span in [*({"days": days} for days in SPANS), *({"months": months} for months in MONTHS)]:
        late = (times >= end - offset(Span(**span))).to_numpy()
        if late.sum() < least:
            continue
        if late.sum() > max(MOST_HELD * len(codes), least * 1.5):
            return None
        parts = np.bincount(codes[late], minlength=classes), np.bincount(codes[~late], minlength=classes)
        if min(int(part.min()) for part in parts) >= LEAST_OF_CLASS:
            return span
    return None


def _folds(times: pd.Series, codes: np.ndarray, newest: pd.Timestamp, span: dict[str, int], target: TargetPlan) -> int:
    """How many expanding blocks there are, each with all classes, and with a third of the rows before it."""
    import numpy as np

    classes, end, folds = len(target.values), newest, 0
    while folds < 4:
        start = end - offset(Span(**span))
        train, test = (times < start).to_numpy(), ((times >= start) & (times < end)).to_numpy()
        if folds and train.sum() < len(codes) / 3:
            break
        if min(int(np.bincount(codes[part], minlength=classes).min()) for part in (train, test)) < LEAST_OF_CLASS:
            break
        folds, end = folds + 1, start
    return max(1, folds)


def _words(span: dict[str, int]) -> str:
    unit, number = next(iter(span.items()))
    return f"{number} {unit if number > 1 else unit[:-1]}"


def plan_tuning(target: TargetPlan, split: SplitPlan, columns: int) -> tuple[dict[str, Any], str]:
    """The search: families, trials and search spaces, so that a run takes minutes on two cores.

    Args:
        target: The target.
        split: The split.
        columns: Number of features.

    Returns:
        `tuning` of the problem file, and the same in words.
    """
    rows, classes = target.labelled - split.holdout, len(target.values)
    work = rows * max(columns, 5) * (classes if classes > 2 else 1)
    logistic, boosting, forest = (4, 12, 6) if work < 300_000 else (3, 8, 4) if work < 5_000_000 else (2, 5, 2)
    most = max(1000, SEARCH_WORK // (max(columns, 5) * (classes if classes > 2 else 1)))
    uneven = target.rarest < IMBALANCED
    weights: dict[str, Any] = {"class_weight": [None, "balanced"]} if uneven else {}
    leaf = max(5, min(500, rows // 200)), max(20, min(1000, rows // 20))
    candidates: list[dict[str, Any]] = [
        {"family": "logistic_regression", "trials": logistic, "search": {"C": {"low": 0.001, "high": 10.0, "log": True}, **weights}},
        {
            "family": "hist_gradient_boosting", "trials": boosting,
            "fixed": {"max_iter": min(200 if work < 5_000_000 else 150, max(LEAST_ROUNDS, MOST_TREES // classes))},
            "search": {
                "learning_rate": {"low": 0.01, "high": 0.2, "log": True}, "max_leaf_nodes": {"low": 4, "high": 48, "log": True},
                "min_samples_leaf": {"low": min(5, leaf[0]), "high": leaf[1], "log": True},
                "l2_regularization": {"low": 0.01, "high": 10.0, "log": True}, **weights,
            },
        },
        {
            "family": "extra_trees" if columns > 100 else "random_forest", "trials": forest,
            "fixed": {"n_estimators": 100, **({"max_samples": 0.25} if work > 3_000_000 and columns <= 100 else {})},
            "search": {
                "max_depth": {"low": 4, "high": 14}, "min_samples_leaf": {"low": 1 if rows < 5000 else 5, "high": leaf[1], "log": True},
                **weights,
            },
        },
    ]  # fmt: skip
    metric = "pr_auc" if target.binary and target.rarest < RARE else "log_loss"
    content: dict[str, Any] = {"metric": metric, "time_limit_seconds": 300}
    if columns <= 100 and classes <= 10:  # more models make a larger and slower export
        content["average"] = 3
    if most < rows:
        content["maximum_rows"] = most
    content["candidates"] = candidates
    names = ", ".join(f"{item['family']} ({item['trials']})" for item in candidates)
    sampled = f"; each trial is fitted on {most:,} of {rows:,} rows" if most < rows else ""
    return content, f"{names}: trials scored by {metric}{sampled}"


def plan_calibration(target: TargetPlan, split: SplitPlan) -> dict[str, Any]:
    """`calibration` of the problem file: none where a class has too few rows for it."""
    folds = int(split.content["folds"])
    share = split.content["holdout"] if split.method != "time" else MOST_HELD
    rest = min(target.counts) - math.ceil(min(target.counts) * share)
    for parts in (3, 2):
        need = math.ceil(parts * folds / (folds - 1)) if folds > 1 else parts * 2
        if rest >= max(need, 2 * parts) and not (split.method == "time" and rest < 10 * parts):
            return {"method": "auto", "folds": parts}
    return {"method": "none"}


def plan_threshold(target: TargetPlan) -> float | str:
    """`threshold` of the problem file."""
    return "max_f1" if target.binary and target.rarest < UNEVEN else 0.5


def plan_slices(features: list[FeaturePlan], table: TypedTable, target: TargetPlan, split: SplitPlan) -> dict[str, Any]:
    """`gate.slices` of the problem file: columns with a few values, each of which has rows in the holdout."""
    least = int(max(30, min(500, split.holdout // 20)))
    share = least / max(split.holdout, 1)
    found = []
    for plan in features:
        column = table.columns[plan.name]
        if plan.rules["type"] not in ("category", "boolean", "integer"):
            continue
        counts = column.values.value_counts()
        large = sum(count >= share * table.read for count in counts.tolist())
        if 2 <= len(counts) <= SLICES and large >= 2:
            found.append((plan.rules["type"] == "integer", len(counts), plan.name))
    columns = [name for _, _, name in sorted(found)[:MOST_SLICES]]
    metric = "roc_auc" if target.binary else "accuracy"
    gap = 0.1 if split.holdout >= 1000 else 0.2
    return {"columns": columns, "metric": metric, "max_gap": gap, "min_rows": least}


def plan_window(table: TypedTable, timestamp: str | None) -> int | None:
    """`gate.drift.window_days`: the shortest usual window that typically has 200 rows; None without a timestamp."""
    if timestamp is None:
        return None
    days = table.columns[timestamp].values.dropna().dt.normalize()
    span = (days.max() - days.min()).days + 1
    per_day = len(days) / span * (table.rows / table.read)
    return next(
        (window for window in (1, 7, 14, 28, 91) if per_day * window >= 200 and window * 6 <= span),
        min(91, max(1, span // 6)),
    )
