"""The champion's probabilities on the rows that judge a candidate."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from driftgate.config import Problem
from driftgate.data.table import features_of
from driftgate.evidence import registry
from driftgate.training.evaluation import ChampionScores
from driftgate.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


def score_champion(holdout: pd.DataFrame, problem: Problem, *, workspace: Workspace) -> ChampionScores | None:
    """Score the holdout with the version whose alias is `champion`; its release is verified by hash before it is loaded.

    Returns:
        None where there is no champion.

    Raises:
        DriftgateError: If its release is missing or altered, or takes columns that the holdout lacks.
    """
    version = registry.version_with_alias(problem.name, registry.CHAMPION, workspace=workspace)
    if version is None:
        return None
    release = registry.release_of(problem.name, str(version.version), workspace=workspace)
    probability = release.scorer().probability(features_of(holdout, release.contract))
    seen = 0
    timestamp, trained_until = problem.data.timestamp, release.card.lineage.trained_until
    if timestamp and trained_until:
        seen = int((holdout[timestamp] < dt.datetime.fromisoformat(trained_until)).sum())
    return ChampionScores(
        name=f"{problem.name} {version.version}",
        threshold=release.card.threshold,
        probability=tuple(float(value) for value in probability),
        seen_rows=seen,
    )
