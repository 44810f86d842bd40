"""Make the final model: calibrate, choose the threshold on the validation rows, and refit on all development rows."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from driftgate.config import Problem
from driftgate.contract import LABEL
from driftgate.data.table import features_of, labels_of
from driftgate.probability import as_columns
from driftgate.training.finished import FinishedFits, read_probability
from driftgate.training.metrics import point_metric, point_metrics
from driftgate.training.modelling import build_model, fit, predict_probability
from driftgate.training.splitting import Fold, folds
from driftgate.training.thresholds import choose_threshold
from driftgate.training.trials import sampled
from driftgate.training.tuned import AVERAGE, CalibrationMethod, Member, Trained, Tuned
from driftgate.training.workers import run_tasks

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

log = logging.getLogger("driftgate.tune")

LARGEST_REFIT = 5_000_000  # rows; with more, the final model is fitted on a sample
BLOCKS = 5  # of the rows of a single fold, for calibrators that are compared on rows they weren't fitted on
ISOTONIC_ROWS = 2000  # with fewer, isotonic calibration follows single rows (Niculescu-Mizil and Caruana 2005)
AUTO: tuple[CalibrationMethod, ...] = ("none", "sigmoid", "temperature", "isotonic")


def train(
    development: pd.DataFrame, problem: Problem, *, tuned: Tuned, finished: FinishedFits | None = None
) -> tuple[Any, Trained, pd.DataFrame]:
    """Choose calibration and threshold on the validation fold, then refit on all development rows.

    `calibration.method: sigmoid` with a single model is scikit-learn's, fitted on blocks of the training rows. Every other
    calibration is fitted on the predictions for the test rows of the folds.

    Args:
        development: The rows before the holdout.
        problem: Gives calibration and threshold.
        tuned: Names the model, or the members of an average.
        finished: Fits of the search; those that are needed again are read instead of made.

    Returns:
        The fitted estimator; how it was trained; and the out-of-fold predictions of the same model: the columns of
        `probability.as_columns` and `label` for each fold's test rows, and the timestamp if there is one.
    """
    from driftgate.training.calibration import CalibratedModel
    from driftgate.training.ensemble import AverageOfModels

    labels, parts = labels_of(development, problem), folds(development, problem)
    refit = _Refit(development, problem, tuned.members, finished)
    method, calibrator, unseen = _calibrate(refit.unseen, labels, parts, problem, inside=refit.inside)
    models = refit.models
    model = models[0] if len(models) == 1 else AverageOfModels(models)
    if calibrator is not None:
        model = CalibratedModel(model, calibrator)
    truth = labels[parts[-1].test]
    threshold = choose_threshold(truth, unseen[-1], problem)
    single = tuned.members[0] if len(tuned.members) == 1 else None
    trained = Trained(
        family=single.family if single else AVERAGE,
        settings=single.settings if single else {},
        members=() if single else tuned.members,
        calibrated=method != "none",
        calibration=method,
        threshold=threshold,
        train_rows=len(refit.all_rows),
        validation=point_metrics(truth, unseen[-1], threshold=threshold),
    )
    _log_result(trained, rows=len(labels))
    return model, trained, _out_of_fold(development, problem, labels, parts, unseen)


class _Refit:
    """The fits of the members on each fold and on all rows.

    Attributes:
        inside: Whether scikit-learn's sigmoid is a part of the pipeline.
        all_rows: The rows of the final fit.
        models: The members, fitted on these rows.
        unseen: For each fold, the mean probability of its test rows.
    """

    def __init__(
        self, development: pd.DataFrame, problem: Problem, members: Sequence[Member], finished: FinishedFits | None
    ) -> None:
        import numpy as np

        features, labels = features_of(development, problem.contract), labels_of(development, problem)
        parts = folds(development, problem)
        self.inside = problem.calibration.method == "sigmoid" and len(members) == 1
        wanted: list[tuple[int, Member, Fold]] = []
        known: dict[tuple[int, str], Any] = {}
        rows = {part.name: sampled(part.train, labels, maximum=LARGEST_REFIT, seed=problem.seed) for part in parts}
        self.all_rows = sampled(np.arange(len(labels)), labels, maximum=LARGEST_REFIT, seed=problem.seed)
        for number, member in enumerate(members):
            for part in parts:
                path = finished.path(member, part.name, rows=len(rows[part.name])) if finished else None
                found = None if path is None or self.inside else read_probability(path)
                if found is None:
                    wanted.append((number, member, Fold(part.name, rows[part.name], part.test)))
                else:
                    known[number, part.name] = found
            wanted.append((number, member, Fold("", self.all_rows, self.all_rows[:0])))
        # The largest fits start first, so that the processes end at about the same time.
        wanted.sort(key=lambda one: -len(one[2].train))
        calls = [(problem, member, self.inside, features, labels, part) for _, member, part in wanted]
        fits = len(calls) * (problem.calibration.folds + 1 if self.inside else 1)
        results = run_tasks(_fit, calls, work=features.size * fits)
        known |= {(number, part.name): made for (number, _, part), made in zip(wanted, results, strict=True)}
        self.models = [known[number, ""] for number in range(len(members))]
        self.unseen = [np.mean([known[number, part.name] for number in range(len(members))], axis=0) for part in parts]


def _fit(
    problem: Problem, member: Member, calibrated: bool, features: pd.DataFrame, labels: np.ndarray, part: Fold
) -> Any:
    """A fold's probabilities by a model that was fitted on its training rows; the model if the fold has no test rows."""
    model = build_model(problem, family=member.family, settings=member.settings, calibrated=calibrated)
    fit(model, features.iloc[part.train], labels[part.train])
    return (
        predict_probability(model, features.iloc[part.test], classes=len(problem.target.class_names))
        if len(part.test)
        else model
    )


def _calibrate(
    unseen: list[np.ndarray], labels: np.ndarray, parts: list[Fold], problem: Problem, *, inside: bool
) -> tuple[CalibrationMethod, Any, list[np.ndarray]]:
    """Choose the calibration with the lowest log loss on the validation rows, and fit its calibrator.

    Returns:
        The method; its calibrator, None if there is none outside the pipeline; and the calibrated probabilities of each
        fold's test rows, by calibrators that were not fitted on them.
    """
    import numpy as np

    from driftgate.training.calibration import cross_calibrate, fit_calibrator

    if inside:
        return "sigmoid", None, unseen
    method = problem.calibration.method
    truth, probability = np.concatenate([labels[part.test] for part in parts]), np.concatenate(unseen)
    sizes = [len(part.test) for part in parts]
    blocks = np.repeat(np.arange(len(parts)), sizes) if len(parts) > 1 else np.arange(len(truth)) * BLOCKS // len(truth)
    choices = AUTO if method == "auto" else (method,)
    if method == "auto" and len(truth) < ISOTONIC_ROWS:
        choices = AUTO[:-1]
    found = {key: cross_calibrate(key, truth, probability, blocks) for key in choices}
    last = slice(len(truth) - sizes[-1], None)
    losses = {key: point_metric("log_loss", truth[last], found[key][last], threshold=0.5) for key in choices}
    chosen = min(losses, key=lambda key: losses[key])
    if len(choices) > 1:
        log.info("log loss on the validation rows: %s", ", ".join(f"{key} {loss:.4f}" for key, loss in losses.items()))
    each = np.split(found[chosen], np.cumsum(sizes)[:-1])
    return chosen, fit_calibrator(chosen, truth, probability), each


def _log_result(trained: Trained, *, rows: int) -> None:
    how = {"none": "not calibrated", "sigmoid": "calibrated with a sigmoid"}
    log.info(
        "%s, threshold %.3f; refitted on %s rows%s",
        how.get(trained.calibration, f"calibrated by {trained.calibration}"),
        trained.threshold,
        f"{trained.train_rows:,}",
        f", a sample of {rows:,}" if trained.train_rows < rows else "",
    )


def _out_of_fold(
    development: pd.DataFrame, problem: Problem, labels: np.ndarray, parts: list[Fold], probabilities: list[np.ndarray]
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    rows = np.concatenate([part.test for part in parts])
    columns = {**as_columns(np.concatenate(probabilities)), LABEL: labels[rows]}
    if problem.data.timestamp:
        columns[problem.data.timestamp] = development[problem.data.timestamp].to_numpy()[rows]
    return pd.DataFrame(columns)
