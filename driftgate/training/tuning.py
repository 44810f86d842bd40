"""Tune the candidates: Optuna draws settings, the folds score them, and the best setting of all families wins."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.config import LOWER_IS_BETTER, Candidate, Costs, Problem
from driftgate.contract import LABEL, PREDICTION
from driftgate.data.table import features_of, labels_of
from driftgate.training.metrics import point_metrics
from driftgate.training.modelling import (
    FAMILY_NAMES,
    Settings,
    build_model,
    fit,
    predict_probability,
    suggest,
)
from driftgate.training.splitting import Fold, folds
from driftgate.training.workers import run_tasks

if TYPE_CHECKING:
    import numpy as np
    import optuna
    import pandas as pd

log = logging.getLogger("driftgate.tune")

RANDOM_TRIALS = 10  # drawn at random, before the sampler learns from the scores of earlier trials
BATCH = 4  # trials drawn at once after that; fixed, so that they don't depend on the number of processes


class Trial(BaseModel):
    """One setting of one family, its mean score on the tuning folds, and its training time in seconds."""

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

    `cut` names the families whose search the time limit interrupted; such a run can't be repeated exactly.
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
    """Run the trials of each family, and cross-validate the best one.

    The number of trials is fixed and the sampler is seeded, so runs are repeatable; the time limit is a safety net. Trials
    run in parallel processes; the settings that are tried don't depend on the number of processes.

    Args:
        development: The rows before the holdout.
        problem: Gives families, search spaces, trials, metric and time limit in `tuning`.
    """
    features, labels = features_of(development, problem.contract), labels_of(development, problem)
    parts = folds(development, problem)
    tuning_parts = parts[-1:] if problem.split.tune_on == "validation" else parts
    deadline = time.monotonic() + problem.tuning.time_limit_seconds
    searches = [_Search(candidate, problem) for candidate in problem.tuning.candidates]
    while any(search.remaining for search in searches):
        drawn = [trial for search in searches for trial in search.ask()]
        _score_trials(drawn, problem, features, labels, tuning_parts, deadline=deadline)
        if time.monotonic() > deadline:
            break
    for search in searches:
        if search.cut:
            name = FAMILY_NAMES[search.candidate.family]
            log.warning("time limit reached: the search of %s stopped after %d trials", name, len(search.done))
    sign = -1.0 if problem.tuning.metric in LOWER_IS_BETTER else 1.0
    trials = [done for search in searches for done in search.done]
    best = max(trials, key=lambda done: sign * done.trial.score)
    family, settings = best.trial.family, best.trial.settings
    log.info("best: %s, %s %.4f; cross-validating", FAMILY_NAMES[family], problem.tuning.metric, best.trial.score)
    known = {score.fold: score for score in best.scores}
    missing = [part for part in parts if part.name not in known]
    calls = [(problem, family, settings, features, labels, part, None) for part in missing]
    for score, _ in run_tasks(_score, calls, work=features.size * len(calls)):
        known[score.fold] = score
    return Tuned(
        family=family,
        settings=settings,
        metric=problem.tuning.metric,
        score=best.trial.score,
        trials=tuple(done.trial for done in trials),
        cross_validation=tuple(known[part.name] for part in parts),
        cut=tuple(search.candidate.family for search in searches if search.cut),
    )


@dataclass(frozen=True)
class _Drawn:
    """A trial that the sampler has drawn; `always` makes it run even after the time limit."""

    search: _Search
    trial: optuna.Trial
    settings: Settings
    always: bool


@dataclass(frozen=True)
class _Done:
    trial: Trial
    scores: tuple[FoldScore, ...]


class _Search:
    """The search of one family: its sampler, and the finished trials.

    Trials are drawn in batches of a fixed size. The first batch has `RANDOM_TRIALS` random trials, which don't depend on
    other scores; after that, the sampler learns between batches.
    """

    def __init__(self, candidate: Candidate, problem: Problem) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.candidate = candidate
        self.remaining = candidate.trials
        self.done: list[_Done] = []
        self._study = optuna.create_study(
            direction="minimize" if problem.tuning.metric in LOWER_IS_BETTER else "maximize",
            sampler=_sampler(problem.seed),
        )

    @property
    def cut(self) -> bool:
        """Whether the time limit ended the search early."""
        return len(self.done) < self.candidate.trials

    def ask(self) -> list[_Drawn]:
        """Draw the next batch."""
        first = self.remaining == self.candidate.trials
        number = min(self.remaining, RANDOM_TRIALS if first else BATCH)
        self.remaining -= number
        batch = []
        for at in range(number):
            trial = self._study.ask()
            batch.append(_Drawn(self, trial, suggest(trial, self.candidate), always=first and at == 0))
        return batch

    def tell(self, drawn: _Drawn, scores: list[FoldScore], *, metric: str, seconds: float) -> None:
        """Record the scores of a trial, and pass the mean to the sampler."""
        mean = sum(score.metrics[metric] for score in scores) / len(scores)
        self._study.tell(drawn.trial, mean)
        trial = Trial(
            family=self.candidate.family,
            number=drawn.trial.number,
            settings=drawn.settings,
            score=mean,
            seconds=round(seconds, 2),
        )
        self.done.append(_Done(trial, tuple(scores)))
        log.info(
            "%s %d/%d: %s %.4f (%.1f s)",
            FAMILY_NAMES[trial.family],
            trial.number + 1,
            self.candidate.trials,
            metric,
            mean,
            seconds,
        )


def _sampler(seed: int) -> Any:
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # The constant liar keeps the trials of one batch apart from each other.
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS, constant_liar=True)


def _score_trials(
    drawn: list[_Drawn],
    problem: Problem,
    features: pd.DataFrame,
    labels: np.ndarray,
    parts: list[Fold],
    *,
    deadline: float,
) -> None:
    """Score each trial on every fold, and pass the scores to its search; trials that start after the deadline don't run."""
    calls = [
        (problem, one.search.candidate.family, one.settings, features, labels, part, None if one.always else deadline)
        for one in drawn
        for part in parts
    ]
    results = run_tasks(_score, calls, work=features.size * len(calls))
    for one in drawn:
        found = [next(results) for _ in parts]
        scores = [score for score, _ in found if score is not None]
        if len(scores) == len(parts):
            seconds = sum(seconds for _, seconds in found)
            one.search.tell(one, scores, metric=problem.tuning.metric, seconds=seconds)


def _score(
    problem: Problem,
    family: str,
    settings: Settings,
    features: pd.DataFrame,
    labels: np.ndarray,
    part: Fold,
    deadline: float | None,
) -> tuple[FoldScore | None, float]:
    """The score of one fold, and the time that it took in seconds; None if the deadline has passed."""
    started = time.monotonic()
    if deadline is not None and started > deadline:
        return None, 0.0
    model = fit(build_model(problem, family=family, settings=settings), features.iloc[part.train], labels[part.train])
    probability = predict_probability(model, features.iloc[part.test])
    score = FoldScore(
        fold=part.name,
        train_rows=len(part.train),
        test_rows=len(part.test),
        metrics=point_metrics(labels[part.test], probability, threshold=0.5),
    )
    return score, time.monotonic() - started


class Trained(BaseModel):
    """How the final model was trained: its family, settings and decision threshold, and whether a sigmoid calibrates it."""

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
        The fitted scikit-learn pipeline; how it was trained; and the out-of-fold predictions of the same model: columns
        `prediction` and `label` for each fold's test rows, and the timestamp if there is one.
    """
    features, labels = features_of(development, problem.contract), labels_of(development, problem)
    parts = folds(development, problem)
    truth = labels[parts[-1].test]
    choices = {"auto": (False, True), "sigmoid": (True,), "none": (False,)}[problem.calibration.method]
    wanted: list[tuple[Fold | None, bool]] = [(parts[-1], choice) for choice in choices]
    if len(choices) == 1:  # there is no choice to wait for, so all fits run at once
        wanted += [(part, choices[0]) for part in (*parts[:-1], None)]
    found = _fit_each(wanted, problem, tuned, features, labels)
    losses = {key: point_metrics(truth, found[parts[-1].name, key], threshold=0.5)["log_loss"] for key in choices}
    calibrated = min(losses, key=lambda key: losses[key])
    if len(choices) > 1:
        rest = [(part, calibrated) for part in (*parts[:-1], None)]
        found |= _fit_each(rest, problem, tuned, features, labels)
    chosen = found[parts[-1].name, calibrated]
    threshold = choose_threshold(truth, chosen, problem)
    log.info(
        "%s, threshold %.3f; refitted on %s rows",
        "calibrated with a sigmoid" if calibrated else "not calibrated",
        threshold,
        f"{len(labels):,}",
    )
    trained = Trained(
        family=tuned.family,
        settings=tuned.settings,
        calibrated=calibrated,
        threshold=threshold,
        train_rows=len(labels),
        validation=point_metrics(truth, chosen, threshold=threshold),
    )
    unseen = [found[part.name, calibrated] for part in parts]
    return found[None, calibrated], trained, _out_of_fold(development, problem, labels, parts, unseen)


def _fit_each(
    wanted: Sequence[tuple[Fold | None, bool]],
    problem: Problem,
    tuned: Tuned,
    features: pd.DataFrame,
    labels: np.ndarray,
) -> dict[tuple[str | None, bool], Any]:
    """Fit the winner once for each fold, or for all rows (None), calibrated or not.

    Returns:
        By name of the fold and whether calibrated: the probabilities of its test rows, or the fitted model for all rows.
    """
    # The largest fits start first, so that the processes end at about the same time.
    ordered = sorted(wanted, key=lambda one: -len(labels if one[0] is None else one[0].train))
    calls = [(problem, tuned, calibrated, features, labels, part) for part, calibrated in ordered]
    fits = sum(problem.calibration.folds + 1 if calibrated else 1 for _, calibrated in ordered)
    results = run_tasks(_fit, calls, work=features.size * fits)
    return {
        (part.name if part else None, calibrated): result
        for (part, calibrated), result in zip(ordered, results, strict=True)
    }


def _fit(
    problem: Problem, tuned: Tuned, calibrated: bool, features: pd.DataFrame, labels: np.ndarray, part: Fold | None
) -> Any:
    model = build_model(problem, family=tuned.family, settings=tuned.settings, calibrated=calibrated)
    if part is None:
        return fit(model, features, labels)
    fit(model, features.iloc[part.train], labels[part.train])
    return predict_probability(model, features.iloc[part.test])


def _out_of_fold(
    development: pd.DataFrame, problem: Problem, labels: np.ndarray, parts: list[Fold], probabilities: list[np.ndarray]
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    rows = np.concatenate([part.test for part in parts])
    columns = {PREDICTION: np.concatenate(probabilities), LABEL: labels[rows]}
    if problem.data.timestamp:
        columns[problem.data.timestamp] = development[problem.data.timestamp].to_numpy()[rows]
    return pd.DataFrame(columns)


def choose_threshold(labels: np.ndarray, probability: np.ndarray, problem: Problem) -> float:
    """The threshold that the problem file asks for; `max_f1` and `min_cost` are chosen on the given rows."""
    if problem.threshold == "max_f1":
        return best_f1_threshold(labels, probability)
    if problem.threshold == "min_cost":
        assert problem.costs
        return lowest_cost_threshold(labels, probability, problem.costs)
    return problem.threshold


def lowest_cost_threshold(labels: np.ndarray, probability: np.ndarray, costs: Costs) -> float:
    """The threshold with the lowest total cost, half way between two neighbouring scores (Elkan 2001).

    Args:
        labels: 0 or 1, of shape (n,).
        probability: Probability of the positive class, of shape (n,).
        costs: The cost of each kind of prediction.
    """
    import numpy as np

    order = np.argsort(-probability, kind="stable")
    score, truth = probability[order], labels[order]
    # The cost of calling the first k rows positive, less that of calling none.
    change = np.where(
        truth == 1, costs.true_positive - costs.false_negative, costs.false_positive - costs.true_negative
    )
    total = np.append(0.0, np.cumsum(change))
    allowed = np.append(True, np.append(score[:-1] != score[1:], True))
    at = int(np.argmin(np.where(allowed, total, np.inf)))
    above = score[at - 1] if at else 1.0
    below = score[at] if at < len(score) else 0.0
    return float(np.clip((above + below) / 2, 1e-6, 1 - 1e-6))


def best_f1_threshold(labels: np.ndarray, probability: np.ndarray) -> float:
    """The threshold with the best F1, half way between two neighbouring scores, so that rounding can't cross it.

    Args:
        labels: 0 or 1, of shape (n,).
        probability: Probability of the positive class, of shape (n,).
    """
    import numpy as np

    order = np.argsort(-probability, kind="stable")
    score, hits = probability[order], np.cumsum(labels[order])
    last_of_its_score = np.append(score[:-1] != score[1:], True)
    f1 = 2 * hits / (np.arange(1, len(score) + 1) + hits[-1])
    at = int(np.argmax(np.where(last_of_its_score, f1, -1.0)))
    below = score[at + 1] if at + 1 < len(score) else 0.0
    return float((score[at] + below) / 2)
