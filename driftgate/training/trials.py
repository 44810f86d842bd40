"""Fit models on folds in parallel processes, and keep their scores and predictions."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from driftgate.config import GroupSplit, Problem
from driftgate.data.table import features_of, labels_of
from driftgate.training.finished import FinishedFit, FinishedFits, read_fit, read_probability, write_fit
from driftgate.training.metrics import point_metrics
from driftgate.training.modelling import build_model, fit, predict_probability
from driftgate.training.rounds import find_rounds, stops_early, with_rounds
from driftgate.training.splitting import Fold
from driftgate.training.tuned import FoldScore, Member
from driftgate.training.workers import run_tasks

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def sampled(rows: np.ndarray, labels: np.ndarray, *, maximum: int | None, seed: int) -> np.ndarray:
    """At most `maximum` of the rows, in their order: a seeded sample with the same share of each class.

    Args:
        rows: Positions of rows.
        labels: Codes of the classes of all rows.
        maximum: Largest number of rows; None: all.
        seed: Seed of the sample.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    if maximum is None or len(rows) <= maximum:
        return rows
    truth = labels[rows]
    stratify = truth if np.bincount(truth.astype(np.int64))[np.unique(truth)].min() >= 2 else None
    kept, _ = train_test_split(rows, train_size=maximum, stratify=stratify, random_state=seed)
    found: np.ndarray = np.sort(kept)
    return found


@dataclass(frozen=True)
class Wanted:
    """A model to fit on a fold; `always` makes it run even after the time limit."""

    member: Member
    part: Fold
    always: bool = True


class Fits:
    """Fits of models on folds, each made once.

    Args:
        development: The rows before the holdout.
        problem: Gives columns, seed and `tuning.maximum_rows`.
        finished: Where the fits are kept.
    """

    def __init__(self, development: pd.DataFrame, problem: Problem, finished: FinishedFits) -> None:
        self.problem, self.finished = problem, finished
        self.features, self.labels = features_of(development, problem.contract), labels_of(development, problem)
        by_group = isinstance(problem.split, GroupSplit)
        self.groups = development[problem.data.group].to_numpy() if by_group else None
        self.reused = 0
        self._rows: dict[str, np.ndarray] = {}

    def make(self, wanted: Sequence[Wanted], *, deadline: float | None = None) -> Iterator[FinishedFit | None]:
        """Make the fits that aren't finished.

        Args:
            wanted: The models and folds.
            deadline: Monotonic time after which no fit starts, except those that run always.

        Yields:
            The score of each, in the order of `wanted`, as soon as it and those before it are made; None if the deadline
            came first.
        """
        paths = [self._path(one) for one in wanted]
        known: dict[Path, FinishedFit | None] = {path: found for path in paths if (found := read_fit(path)) is not None}
        self.reused += len(known)
        missing = {path: one for path, one in zip(paths, wanted, strict=True) if path not in known}
        calls = [
            (
                self.problem,
                one.member,
                self.features,
                self.labels,
                self.groups,
                Fold(one.part.name, self._train(one.part), one.part.test),
                None if one.always else deadline,
                path,
            )
            for path, one in missing.items()
        ]
        results = zip(missing, run_tasks(_fit_fold, calls, work=self.features.size * len(calls)), strict=True)
        for path in paths:
            while path not in known:
                made, score = next(results)
                known[made] = score
            yield known[path]
        deque(results, maxlen=0)  # lets `run_tasks` end

    def probability(self, member: Member, part: Fold) -> np.ndarray:
        """The probabilities of a fold's test rows by a model that was fitted on its training rows."""
        wanted = Wanted(member, part)
        while (found := read_probability(self._path(wanted))) is None:
            list(self.make([wanted]))
        return found

    def cross_validate(self, members: Sequence[Member], parts: Sequence[Fold]) -> tuple[FoldScore, ...]:
        """The scores of the mean of some models on each fold."""
        import numpy as np

        made = list(self.make([Wanted(member, part) for member in members for part in parts]))
        if len(members) == 1:
            return tuple(one.score for one in made if one)
        scores = []
        for part in parts:
            mean = np.mean([self.probability(member, part) for member in members], axis=0)
            metrics = point_metrics(self.labels[part.test], mean, threshold=0.5)
            rows = {"train_rows": len(self._train(part)), "test_rows": len(part.test)}
            scores.append(FoldScore(fold=part.name, metrics=metrics, **rows))
        return tuple(scores)

    def trained_rows(self, parts: Sequence[Fold]) -> int:
        """The largest number of rows that a model is fitted on in these folds."""
        return max(len(self._train(part)) for part in parts)

    def _path(self, wanted: Wanted) -> Path:
        return self.finished.path(wanted.member, wanted.part.name, rows=len(self._train(wanted.part)))

    def _train(self, part: Fold) -> np.ndarray:
        if part.name not in self._rows:
            maximum, seed = self.problem.tuning.maximum_rows, self.problem.seed
            self._rows[part.name] = sampled(part.train, self.labels, maximum=maximum, seed=seed)
        return self._rows[part.name]


def _fit_fold(
    problem: Problem,
    member: Member,
    features: pd.DataFrame,
    labels: np.ndarray,
    groups: np.ndarray | None,
    part: Fold,
    deadline: float | None,
    path: Path,
) -> FinishedFit | None:
    """Fit a model on a fold and write the result to `path`; None if the deadline has passed."""
    started = time.monotonic()
    if deadline is not None and started > deadline:
        return None
    rows, truth = features.iloc[part.train], labels[part.train]
    if stops_early(member):
        found = find_rounds(member, problem, rows, truth, None if groups is None else groups[part.train])
        member = with_rounds(member, found)
    model = fit(build_model(problem, family=member.family, settings=member.settings), rows, truth)
    probability = predict_probability(model, features.iloc[part.test], classes=len(problem.target.class_names))
    score = FoldScore(
        fold=part.name,
        train_rows=len(part.train),
        test_rows=len(part.test),
        metrics=point_metrics(labels[part.test], probability, threshold=0.5),
    )
    done = FinishedFit(settings=member.settings, score=score, seconds=time.monotonic() - started)
    write_fit(path, done, probability)
    return done
