"""Choosing a candidate: Optuna draws settings, folds judge them, the best of all families wins."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.config import LOWER_IS_BETTER, Candidate, Problem
from driftgate.contract import LABEL, PREDICTION
from driftgate.data.table import features_of, labels_of
from driftgate.training.metrics import point_metrics
from driftgate.training.modelling import (
    FAMILY_NAMES,
    Settings,
    build_model,
    fit,
    positive_probability,
    suggest,
)
from driftgate.training.splitting import Fold, folds

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

log = logging.getLogger("driftgate.tune")


class Trial(BaseModel):
    """One setting of one family, its score on the tuning folds, and what it cost."""

    model_config = ConfigDict(frozen=True)

    family: str
    number: int
    settings: Settings
    score: float
    seconds: float


class FoldScore(BaseModel):
    model_config = ConfigDict(frozen=True)

    fold: str
    train_rows: int
    test_rows: int
    metrics: dict[str, float]


class Tuned(BaseModel):
    """The winner, every trial, and the winner's cross-validation.

    `cut` names the families whose trials the time limit ended early: then the run doesn't repeat exactly.
    """

    model_config = ConfigDict(frozen=True)

    family: str
    settings: Settings
    metric: str
    score: float
    trials: tuple[Trial, ...]
    cross_validation: tuple[FoldScore, ...]
    cut: tuple[str, ...]

    def mean(self, metric: str) -> float:
        """Mean of a metric over the folds."""
        values = [fold.metrics[metric] for fold in self.cross_validation]
        return sum(values) / len(values)

    def spread(self, metric: str) -> float:
        """Standard deviation of a metric over the folds (n - 1; 0 for a single fold)."""
        values = [fold.metrics[metric] for fold in self.cross_validation]
        if len(values) < 2:
            return 0.0
        return float((sum((value - self.mean(metric)) ** 2 for value in values) / (len(values) - 1)) ** 0.5)


def tune(development: pd.DataFrame, problem: Problem) -> Tuned:
    """Try each family's trials, and cross-validate the best.

    The number of trials is fixed and the sampler seeded, so that runs repeat; the time limit is a safety net.

    Args:
        development: The rows before the holdout.
        problem: Its `tuning` gives families, spaces, trials, metric and time limit.
    """
    features, labels = features_of(development, problem.contract), labels_of(development, problem)
    parts = folds(development, problem)
    tuning_parts = parts[-1:] if problem.split.tune_on == "validation" else parts
    deadline = time.monotonic() + problem.tuning.time_limit_seconds
    trials: list[Trial] = []
    cut: list[str] = []
    for candidate in problem.tuning.candidates:
        found = _try_family(candidate, problem, features, labels, tuning_parts, deadline=deadline)
        trials += found
        if len(found) < candidate.trials:
            cut.append(candidate.family)
            log.warning("time limit reached: %s cut after %d trials", FAMILY_NAMES[candidate.family], len(found))
    sign = -1.0 if problem.tuning.metric in LOWER_IS_BETTER else 1.0
    best = max(trials, key=lambda trial: sign * trial.score)
    log.info("best: %s, %s %.4f; cross-validating", FAMILY_NAMES[best.family], problem.tuning.metric, best.score)
    return Tuned(
        family=best.family,
        settings=best.settings,
        metric=problem.tuning.metric,
        score=best.score,
        trials=tuple(trials),
        cross_validation=tuple(_score(problem, best.family, best.settings, features, labels, part) for part in parts),
        cut=tuple(cut),
    )


def _try_family(
    candidate: Candidate,
    problem: Problem,
    features: pd.DataFrame,
    labels: np.ndarray,
    parts: list[Fold],
    *,
    deadline: float,
) -> list[Trial]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    metric = problem.tuning.metric
    trials: list[Trial] = []

    def objective(trial: optuna.Trial) -> float:
        started = time.monotonic()
        settings = suggest(trial, candidate)
        scores = [_score(problem, candidate.family, settings, features, labels, part) for part in parts]
        mean = sum(score.metrics[metric] for score in scores) / len(scores)
        seconds = round(time.monotonic() - started, 2)
        trials.append(
            Trial(family=candidate.family, number=trial.number, settings=settings, score=mean, seconds=seconds)
        )
        log.info(
            "%s %d/%d: %s %.4f (%.1f s)",
            FAMILY_NAMES[candidate.family],
            trial.number + 1,
            candidate.trials,
            metric,
            mean,
            seconds,
        )
        return mean

    def stop_at_deadline(study: optuna.Study, _: Any) -> None:
        if time.monotonic() > deadline:
            study.stop()

    direction = "minimize" if metric in LOWER_IS_BETTER else "maximize"
    study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=problem.seed))
    study.optimize(objective, n_trials=candidate.trials, callbacks=[stop_at_deadline])
    return trials


def _score(
    problem: Problem, family: str, settings: Settings, features: pd.DataFrame, labels: np.ndarray, part: Fold
) -> FoldScore:
    model = fit(build_model(problem, family=family, settings=settings), features.iloc[part.train], labels[part.train])
    probability = positive_probability(model, features.iloc[part.test])
    return FoldScore(
        fold=part.name,
        train_rows=len(part.train),
        test_rows=len(part.test),
        metrics=point_metrics(labels[part.test], probability, threshold=0.5),
    )


class Trained(BaseModel):
    """How the model that ships was made: its decision threshold, and whether a sigmoid calibrates it."""

    model_config = ConfigDict(frozen=True)

    family: str
    settings: Settings
    calibrated: bool
    threshold: float
    train_rows: int
    validation: dict[str, float]


def train(development: pd.DataFrame, problem: Problem, *, tuned: Tuned) -> tuple[Any, Trained, pd.DataFrame]:
    """Choose calibration and threshold on the validation fold, then refit on all development rows.

    Returns:
        The fitted scikit-learn pipeline, how it was made, and what models made alike said of rows they had not seen:
        `prediction` and `label` of each fold's test rows, and the timestamp where there is one.
    """
    features, labels = features_of(development, problem.contract), labels_of(development, problem)
    parts = folds(development, problem)
    truth = labels[parts[-1].test]

    def probability(part: Fold, *, calibrated: bool) -> np.ndarray:
        model = build_model(problem, family=tuned.family, settings=tuned.settings, calibrated=calibrated)
        fit(model, features.iloc[part.train], labels[part.train])
        return positive_probability(model, features.iloc[part.test])

    choices = {"auto": (False, True), "sigmoid": (True,), "none": (False,)}[problem.calibration.method]
    tried = {calibrated: probability(parts[-1], calibrated=calibrated) for calibrated in choices}
    calibrated = min(tried, key=lambda key: point_metrics(truth, tried[key], threshold=0.5)["log_loss"])
    chosen = tried[calibrated]
    threshold = best_f1_threshold(truth, chosen) if problem.threshold == "max_f1" else problem.threshold
    said = [*(probability(part, calibrated=calibrated) for part in parts[:-1]), chosen]
    log.info(
        "%s, threshold %.3f; refitting on %s rows",
        "calibrated with a sigmoid" if calibrated else "not calibrated",
        threshold,
        f"{len(labels):,}",
    )
    model = build_model(problem, family=tuned.family, settings=tuned.settings, calibrated=calibrated)
    fit(model, features, labels)
    trained = Trained(
        family=tuned.family,
        settings=tuned.settings,
        calibrated=calibrated,
        threshold=threshold,
        train_rows=len(labels),
        validation=point_metrics(truth, chosen, threshold=threshold),
    )
    return model, trained, _out_of_fold(development, problem, labels, parts, said)


def _out_of_fold(
    development: pd.DataFrame, problem: Problem, labels: np.ndarray, parts: list[Fold], said: list[np.ndarray]
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    rows = np.concatenate([part.test for part in parts])
    columns = {PREDICTION: np.concatenate(said), LABEL: labels[rows]}
    if problem.data.timestamp:
        columns[problem.data.timestamp] = development[problem.data.timestamp].to_numpy()[rows]
    return pd.DataFrame(columns)


def best_f1_threshold(labels: np.ndarray, probability: np.ndarray) -> float:
    """The threshold of the best F1, half way between two neighbouring scores, so that rounding can't cross it.

    Args:
        labels: 0 or 1, of shape (n,).
        probability: Of the positive class, of shape (n,).
    """
    import numpy as np

    order = np.argsort(-probability, kind="stable")
    score, hits = probability[order], np.cumsum(labels[order])
    last_of_its_score = np.append(score[:-1] != score[1:], True)
    f1 = 2 * hits / (np.arange(1, len(score) + 1) + hits[-1])
    at = int(np.argmax(np.where(last_of_its_score, f1, -1.0)))
    below = score[at + 1] if at + 1 < len(score) else 0.0
    return float((score[at] + below) / 2)
