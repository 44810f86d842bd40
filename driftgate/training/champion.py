"""The champion's probabilities on the rows on which a candidate is evaluated."""

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
    """Score the holdout with the champion's release, whose hashes were verified when it was read.

    Raises:
        DriftgateError: If it needs columns that the holdout lacks.
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
