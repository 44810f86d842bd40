"""A quick baseline, cross-validated on the rows before the holdout, and the gate's limits that follow from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftgate.config import LOWER_IS_BETTER, Problem
from driftgate.data.table import labels_of, named_columns
from driftgate.init.sources.table import TypedTable
from driftgate.init.target import as_classes
from driftgate.results.init import InitLimit
from driftgate.training.metrics import Scored, constant_metrics, point_metric
from driftgate.training.splitting import folds, split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MOST_CELLS, LEAST_ROWS, MOST_ROWS = 400_000, 1_500, 20_000
MOST_FOLDS = 3
DRAWS = 100
TAIL = 0.025
MEASURED = ("roc_auc", "pr_auc", "log_loss", "brier", "expected_calibration_error")
WIDE = 300  # columns from which on each split looks at as many of them
LEAST_GAIN = 0.001
CODES = 20  # categories of a column that the baseline tells apart
BEYOND = 1.5  # intervals of few rows are too narrow, and a good model must rarely be blocked


@dataclass(frozen=True)
class Baseline:
    """Metrics of the baseline, with intervals for as many rows as the holdout has.

    Attributes:
        metrics: By name: value, and the lower and upper end of the interval.
        constant: By name, of a model that always predicts the shares of the classes.
        rows: Rows that were predicted.
        model: What was fitted, in words.
        error: How much wider than the interval the difference from the holdout is, because the baseline's value has an error too.
    """

    metrics: dict[str, tuple[float, float, float]]
    constant: dict[str, float]
    rows: int
    model: str
    error: float = 1.0

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
    as_of = _moment(problem)
    development, _ = split(frame, problem, as_of=as_of)
    labels = labels_of(development, problem).astype("int64")
    features = _numbers(development, problem)
    classes = 2 if problem.target.binary else len(problem.target.class_names)
    most = int(max(LEAST_ROWS, min(MOST_ROWS, MOST_CELLS // max(1, features.shape[1] * (classes // 2)))))
    draw = np.random.default_rng(problem.seed)
    parts, found = [], {"boosting": [], "logistic": []}  # type: ignore[var-annotated]
    for part in folds(development, problem)[-(MOST_FOLDS if features.shape[1] <= WIDE else 2) :]:
        train, test = _fewer(part.train, labels, most, draw), _fewer(part.test, labels, most, draw)
        parts.append(test)
        use = features[:, _with_values(features, train)]
        for name, probability in _fitted(use, labels, train, test, classes, seed=problem.seed).items():
            found[name].append(probability)
    rows = np.concatenate(parts)
    truth = labels[rows]
    scored = {name: np.concatenate(found_parts) for name, found_parts in found.items() if found_parts}
    best = min(scored, key=lambda name: point_metric("log_loss", truth, scored[name], threshold=0.5))
    words = {"boosting": "histogram gradient boosting", "logistic": "logistic regression"}
    constant = constant_metrics(np.bincount(labels, minlength=classes).tolist())
    draws = Draws(size=max(20, min(holdout, len(rows))), entities=_entities(development, problem, rows), draw=draw)
    metrics = _intervals(truth, scored[best], draws)
    if problem.split.method == "time":
        metrics = with_periods(metrics, truth, scored[best], [len(part) for part in parts])
    return Baseline(metrics, constant, len(truth), words[best], math.sqrt(1 + draws.size / len(truth)))


@dataclass(frozen=True)
class Draws:
    """Random samples like the holdout: of rows, or of whole entities if the split keeps them together.

    Attributes:
        size: Rows of the holdout.
        entities: The entity of each row, as numbers from 0; None: each row is drawn alone.
        draw: The generator.
    """

    size: int
    entities: np.ndarray | None
    draw: np.random.Generator

    def weights(self, rows: int) -> np.ndarray:
        """How often each row is in one sample."""
        import numpy as np

        if self.entities is None:
            return np.bincount(self.draw.integers(0, rows, self.size), minlength=rows)
        number = int(self.entities.max()) + 1
        drawn = self.draw.integers(0, number, max(1, round(self.size * number / rows)))
        times: np.ndarray = np.bincount(drawn, minlength=number)[self.entities]
        return times


def _entities(development: pd.DataFrame, problem: Problem, rows: np.ndarray) -> np.ndarray | None:
    import numpy as np

    if problem.split.method != "group" or problem.data.group is None:
        return None
    codes: np.ndarray = np.unique(development[problem.data.group].to_numpy()[rows].astype(str), return_inverse=True)[1]
    return codes


def with_periods(
    metrics: dict[str, tuple[float, float, float]], truth: np.ndarray, probability: np.ndarray, sizes: list[int]
) -> dict[str, tuple[float, float, float]]:
    """The intervals, widened to the values of each period: the shares of the classes change over time, and the holdout is later."""
    import numpy as np

    ends = np.cumsum(sizes)
    with np.errstate(all="ignore"):
        each = [
            _metrics_of(truth[end - size : end], probability[end - size : end])
            for size, end in zip(sizes, ends, strict=True)
        ]
    found = {}
    for name, (value, low, high) in metrics.items():
        values = [one[name] for one in each if math.isfinite(one[name])]
        found[name] = (value, min([low, *values]), max([high, *values]))
    return found


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


def _moment(problem: Problem) -> Any:
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
    """Probabilities of two quick models: of the positive class, of shape (n,), or of each class, of shape (n, classes)."""
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
        whole /= whole.sum(axis=1, keepdims=True)
        found[name] = whole[:, 1] if classes == 2 else whole
    return found


def _intervals(truth: np.ndarray, probability: np.ndarray, draws: Draws) -> dict[str, tuple[float, float, float]]:
    """Each metric with the 95 % interval that a sample of as many rows as the holdout has; by bootstrap."""
    import numpy as np

    rows = len(truth)
    at = _measure(truth, probability)
    point = at(None)
    count = max(20, min(DRAWS, int(4e7 / probability.size)))
    with np.errstate(all="ignore"):
        drawn = [at(draws.weights(rows)) for _ in range(count)]
    ends = {name: np.nanquantile([one[name] for one in drawn], [TAIL, 1 - TAIL]) for name in point}
    return {name: (point[name], float(ends[name][0]), float(ends[name][1])) for name in point}


def _metrics_of(truth: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    return _measure(truth, probability)(None)


def _measure(truth: np.ndarray, probability: np.ndarray) -> Callable[[np.ndarray | None], dict[str, float]]:
    """What computes the metrics of the rows with given weights; None: each row counts once."""
    scored = Scored(truth, probability, threshold=0.5)

    def at(weights: np.ndarray | None) -> dict[str, float]:
        found = scored.metrics(weights)
        return {name: found[name] for name in MEASURED}

    return at


def performance_limits(baseline: Baseline, *, binary: bool, rare: bool) -> list[InitLimit]:
    """Limits of the gate's performance: worse than the baseline's interval, and better than a constant reaches.

    A holdout of the planned size scores within the interval; the gate compares the unfavourable end of its interval. So each
    limit lies further beyond the interval's end than that end lies from the value, the more so if the baseline has few rows.
    """
    found = []
    for metric in ("roc_auc", "pr_auc", "log_loss") if binary and rare else ("roc_auc", "log_loss"):
        value, low, high = baseline.metrics[metric]
        constant = baseline.constant[metric]
        lower = metric in LOWER_IS_BETTER
        bound = high if lower else low
        limit = bound + (bound - value) * BEYOND * baseline.error
        if lower:
            limit = math.ceil(limit * 1000) / 1000
            if limit >= constant * (1 - LEAST_GAIN):
                continue  # a constant would reach it
        else:
            limit = math.floor(limit * 1000) / 1000
            least = constant + LEAST_GAIN if metric == "roc_auc" else constant * 1.05 + LEAST_GAIN
            if bound < least and metric != "roc_auc":
                continue  # the baseline itself is hardly better than a constant
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
