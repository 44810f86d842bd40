"""A quick baseline, cross-validated on the rows before the holdout, and the gate's limits that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftgate.config import LOWER_IS_BETTER, Problem
from driftgate.data.table import labels_of, named_columns
from driftgate.init.table import TypedTable
from driftgate.init.target import as_classes
from driftgate.results.init import InitLimit
from driftgate.training.metrics import Scored
from driftgate.training.splitting import folds, split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MOST_CELLS, LEAST_ROWS, MOST_ROWS = 400_000, 1_500, 20_000
MOST_FOLDS = 3
DRAWS = 100
TAIL = 0.025
WIDE = 300  # columns from which on each split looks at as many of them
LEAST_GAIN = 0.001
CODES = 20  # categories of a column that the baseline tells apart


@dataclass(frozen=True)
class Baseline:
    """Metrics of the baseline, with intervals for as many rows as the holdout has.

    Attributes:
        metrics: By name: value, and the lower and upper end of the interval.
        constant: By name, of a model that always predicts the shares of the classes.
        rows: Rows that were predicted.
        model: What was fitted, in words.
    """

    metrics: dict[str, tuple[float, float, float]]
    constant: dict[str, float]
    rows: int
    model: str

    @property
    def informative(self) -> bool:
        """Whether the baseline is better than a constant."""
        return self.metrics["roc_auc"][1] > 0.5


def measure(table: TypedTable, problem: Problem, *, holdout: int) -> Baseline:
    """Cross-validate a quick model. The holdout that the problem file sets apart is not read.

    Args:
        table: The table.
        problem: The planned problem; its performance limits are not used.
        holdout: Rows of the holdout, which set the width of the intervals.
    """
    import numpy as np

    frame = _frame(table, problem)
    as_of = _moment(problem, frame)
    development, _ = split(frame, problem, as_of=as_of)
    labels = labels_of(development, problem).astype("int64")
    features = _numbers(development, problem)
    classes = 2 if problem.target.binary else len(problem.target.class_names)
    most = int(max(LEAST_ROWS, min(MOST_ROWS, MOST_CELLS // max(1, features.shape[1] * (classes // 2)))))
    draw = np.random.default_rng(problem.seed)
    truths, found = [], {"boosting": [], "logistic": []}  # type: ignore[var-annotated]
    for part in folds(development, problem)[-(MOST_FOLDS if features.shape[1] <= WIDE else 2) :]:
        train, test = _fewer(part.train, labels, most, draw), _fewer(part.test, labels, most, draw)
        truths.append(labels[test])
        use = features[:, _with_values(features, train)]
        for name, probability in _fitted(use, labels, train, test, classes, seed=problem.seed).items():
            found[name].append(probability)
    truth = np.concatenate(truths)
    scored = {name: np.concatenate(parts) for name, parts in found.items() if parts}
    best = min(scored, key=lambda name: _log_loss(truth, scored[name]))
    words = {"boosting": "histogram gradient boosting", "logistic": "logistic regression"}
    constant = _constant(np.bincount(labels, minlength=classes) / len(labels))
    return Baseline(_intervals(truth, scored[best], holdout, draw), constant, len(truth), words[best])


def _frame(table: TypedTable, problem: Problem) -> pd.DataFrame:
    """The rows with a label, in order of time, as a run reads them."""
    import pandas as pd

    names = [name for name in named_columns(problem) if name in table.columns]
    frame = pd.DataFrame({name: table.columns[name].values.to_numpy() for name in names})
    frame[problem.target.column] = as_classes(table.columns[problem.target.column]).to_numpy()
    frame = frame[frame[problem.target.column].notna()]
    if timestamp := problem.data.timestamp:
        frame = frame[frame[timestamp].notna()].sort_values(timestamp, kind="stable")
        if problem.data.as_of:
            frame = frame[frame[timestamp] < pd.Timestamp(problem.data.as_of)]
    return frame.reset_index(drop=True)


def _moment(problem: Problem, frame: pd.DataFrame) -> Any:
    import datetime as dt

    as_of = problem.data.as_of
    return dt.datetime.combine(as_of, dt.time()) if as_of else dt.datetime.now() if problem.data.timestamp else None


def _numbers(frame: pd.DataFrame, problem: Problem) -> np.ndarray:
    """The features as numbers, of shape (n, columns): of categories, the commonest ones by rank."""
    import numpy as np

    columns = []
    for name, rules in problem.contract.columns.items():
        values = frame[name]
        if rules.type in ("category", "text"):
            ranks = {value: rank for rank, value in enumerate(values.value_counts().index[: 10 * CODES])}
            columns.append(values.map(ranks).fillna(-1).to_numpy(dtype="float64"))
        elif values.dtype.kind == "M":
            days = (values - values.min()).dt.total_seconds() / 86400
            columns += [days.to_numpy(dtype="float64"), values.dt.month.to_numpy(dtype="float64")]
        else:
            columns.append(values.astype("float64").to_numpy())
    numbers: np.ndarray = np.column_stack(columns)
    return numbers


def _with_values(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The columns that have a value in some of the rows; scikit-learn can't bin the others."""
    import numpy as np

    return np.flatnonzero(~np.isnan(features[rows]).all(axis=0))


def _fewer(rows: np.ndarray, labels: np.ndarray, most: int, draw: np.random.Generator) -> np.ndarray:
    """A sample of rows that has all classes; of a rare class, at least ten rows if there are."""
    import numpy as np

    if len(rows) <= most:
        return rows
    parts = []
    for code in np.unique(labels[rows]):
        of_class = rows[labels[rows] == code]
        number = max(min(10, len(of_class)), round(len(of_class) * most / len(rows)))
        parts.append(draw.choice(of_class, number, replace=False))
    return np.sort(np.concatenate(parts))


def _fitted(
    features: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray, classes: int, *, seed: int
) -> dict[str, np.ndarray]:
    """Probabilities of two quick models, each of shape (n, classes)."""
    import warnings

    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from driftgate.training.workers import one_thread

    wide = features.shape[1] > WIDE
    rounds = max(15, (30 if wide else 60) // max(1, classes // 2))
    models = {
        "boosting": HistGradientBoostingClassifier(
            max_iter=rounds, learning_rate=0.1, max_leaf_nodes=15, min_samples_leaf=max(5, min(20, len(train) // 20)),
            early_stopping=False,
            random_state=seed, max_features=min(1.0, WIDE / max(1, features.shape[1])),
        )
    }  # fmt: skip
    if not wide:
        models["logistic"] = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            StandardScaler(),
            LogisticRegression(max_iter=200),
        )
    found = {}
    for name, model in models.items():
        with one_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence: a baseline need not be the best
            model.fit(features[train], labels[train])
        whole = np.full((len(test), classes), 1e-9)
        whole[:, model.classes_] = model.predict_proba(features[test])
        found[name] = whole / whole.sum(axis=1, keepdims=True)
    return found


def _log_loss(truth: np.ndarray, probability: np.ndarray) -> float:
    import numpy as np

    return float(-np.log(np.clip(probability[np.arange(len(truth)), truth], 1e-15, None)).mean())


def _intervals(
    truth: np.ndarray, probability: np.ndarray, holdout: int, draw: np.random.Generator
) -> dict[str, tuple[float, float, float]]:
    """Each metric with the 95 % interval that a sample of as many rows as the holdout has; by bootstrap."""
    import numpy as np

    classes, rows = probability.shape[1], len(truth)
    # Two classes: the positive one. More: each against the others.
    codes = [1] if classes == 2 else [code for code in range(classes) if (truth == code).any()]
    scored = [Scored((truth == code).astype("int8"), probability[:, code], threshold=0.5) for code in codes]
    loss = -np.log(np.clip(probability[np.arange(rows), truth], 1e-15, None))

    def at(weights: np.ndarray) -> dict[str, float]:
        each = [part.metrics(weights) for part in scored]
        mean = {
            name: float(np.nanmean([one[name] for one in each]))
            for name in ("roc_auc", "pr_auc", "expected_calibration_error")
        }
        brier = sum(one["brier"] for one in each) * (1 if classes == 2 else 0.5)
        return {**mean, "brier": float(brier), "log_loss": float(weights @ loss / weights.sum())}

    point = at(np.ones(rows))
    size = max(20, min(holdout, rows))
    count = max(20, min(DRAWS, int(4e7 / (rows * len(codes)))))
    with np.errstate(all="ignore"):
        draws = [at(np.bincount(draw.integers(0, rows, size), minlength=rows)) for _ in range(count)]
    ends = {name: np.nanquantile([one[name] for one in draws], [TAIL, 1 - TAIL]) for name in point}
    return {name: (point[name], float(ends[name][0]), float(ends[name][1])) for name in point}


def _constant(shares: np.ndarray) -> dict[str, float]:
    import numpy as np

    known = shares[shares > 0]
    return {
        "roc_auc": 0.5,
        "pr_auc": float(shares[1]) if len(shares) == 2 else float(shares.mean()),
        "log_loss": float(-(known * np.log(known)).sum()),
        "brier": float((1 - (shares**2).sum()) / 2),
    }


def performance_limits(baseline: Baseline, *, binary: bool, rare: bool) -> list[InitLimit]:
    """Limits of the gate's performance: worse than the baseline's interval, and better than a constant reaches.

    A holdout of the planned size scores within the interval; the gate compares the unfavourable end of its interval. So each
    limit lies as far beyond the interval's end as that end lies from the value.
    """
    found = []
    for metric in ("roc_auc", "pr_auc", "log_loss") if binary and rare else ("roc_auc", "log_loss"):
        value, low, high = baseline.metrics[metric]
        constant = baseline.constant[metric]
        lower = metric in LOWER_IS_BETTER
        bound = high if lower else low
        limit = bound + (bound - value)
        if lower:
            limit = math.ceil(limit * 1000) / 1000
            if limit >= constant * (1 - LEAST_GAIN):
                continue  # a constant would reach it
        else:
            limit = math.floor(limit * 1000) / 1000
            least = constant + LEAST_GAIN if metric == "roc_auc" else constant * 1.05 + LEAST_GAIN
            if limit < least and metric != "roc_auc":
                continue
            limit = round(max(limit, least), 3)
        found.append(InitLimit(metric=metric, limit=limit, baseline=value, bound=bound, constant=constant))
    return found


def calibration_limits(baseline: Baseline) -> dict[str, float]:
    """`gate.calibration`: a Brier score that a constant doesn't reach, and the calibration error of a small holdout."""
    error, brier = baseline.metrics["expected_calibration_error"], baseline.metrics["brier"]
    worst = baseline.constant["brier"]
    ceiling = min(brier[2] + (brier[2] - brier[0]), worst * 0.999)
    return {
        "expected_calibration_error": round(min(0.5, max(0.05, 1.25 * error[2])), 3),
        "brier": float(f"{max(ceiling, 1e-4):.3g}") if ceiling < worst else round(worst, 4),
    }


def champion_margin(baseline: Baseline, metric: str) -> float:
    """How much worse than the champion a model may be: the half-width of the baseline's interval, at least 0.005."""
    _, low, high = baseline.metrics[metric]
    return float(f"{min(0.2, max(0.005, (high - low) / 2)):.2g}")
