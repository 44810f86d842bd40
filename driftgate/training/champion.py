"""The champion's probabilities on the rows on which a candidate is evaluated."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from driftgate.config import Problem
from driftgate.data.table import features_of
from driftgate.production.release import Card, Release
from driftgate.training.evaluation import ChampionScores

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 5


def score_champion(holdout: pd.DataFrame, problem: Problem, *, release: Release) -> ChampionScores:
    """Score the holdout with the champion's release, whose hashes were verified when it was read.

    A champion whose classes have another order is scored in the order of the problem. One with other classes isn't scored:
    its metrics would be those of another task.

    Raises:
        DriftgateError: If it needs columns that the holdout lacks.
    """
    name, threshold = f"{problem.name} {release.card.version}", release.card.threshold
    ours, theirs = problem.target.class_names, classes_of(release.card)
    other = different_classes(ours, theirs)
    if other:
        return ChampionScores(name=name, threshold=threshold, probability=(), seen_rows=0, other_classes=other)
    probability = release.scorer().probability(features_of(holdout, release.contract))
    if probability.ndim == 2 and ours != theirs:
        probability = probability[:, [theirs.index(name) for name in ours]]
    seen = 0
    timestamp, trained_until = problem.data.timestamp, release.card.lineage.trained_until
    if timestamp and trained_until:
        seen = int((holdout[timestamp] < dt.datetime.fromisoformat(trained_until)).sum())
    return ChampionScores(
        name=name,
        threshold=threshold,
        probability=tuple(probability.tolist()) if probability.ndim == 1 else tuple(map(tuple, probability.tolist())),
        seen_rows=seen,
    )


def classes_of(card: Card) -> tuple[str, ...]:
    """The names of the classes of a release's model, in the order of its probabilities."""
    named = tuple(str(name) for name in getattr(card, "classes", ()))  # older cards have two names
    return named or (str(card.negative_name), str(card.positive_name))


def different_classes(ours: tuple[str, ...], theirs: tuple[str, ...]) -> str | None:
    """How the champion's classes differ from the problem's; None if they are the same, or both have two classes.

    The names of two classes are free texts of the problem file. So other names don't mean other classes.
    """
    if set(ours) == set(theirs) or len(ours) == len(theirs) == 2:
        return None
    added = [name for name in ours if name not in theirs]
    removed = [name for name in theirs if name not in ours]
    parts = [f"doesn't know {_listed(added)}"] * bool(added) + [f"also knows {_listed(removed)}"] * bool(removed)
    return " and ".join(parts)


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"the {'class' if len(names) == 1 else 'classes'} {shown}{more}"
