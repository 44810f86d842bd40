"""The champion's probabilities on the rows that judge a candidate."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from driftgate.config import Problem
from driftgate.data.table import features_of
from driftgate.production.release import Release
from driftgate.training.evaluation import ChampionScores

if TYPE_CHECKING:
    import pandas as pd


def score_champion(holdout: pd.DataFrame, problem: Problem, *, release: Release) -> ChampionScores:
    """Score the holdout with the champion's release, which was verified by hash when it was read.

    Raises:
        DriftgateError: If it takes columns that the holdout lacks.
    """
    probability = release.scorer().probability(features_of(holdout, release.contract))
    seen = 0
    timestamp, trained_until = problem.data.timestamp, release.card.lineage.trained_until
    if timestamp and trained_until:
        seen = int((holdout[timestamp] < dt.datetime.fromisoformat(trained_until)).sum())
    return ChampionScores(
        name=f"{problem.name} {release.card.version}",
        threshold=release.card.threshold,
        probability=tuple(float(value) for value in probability),
        seen_rows=seen,
    )
