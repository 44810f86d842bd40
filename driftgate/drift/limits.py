"""What is ordinary for a column, and the limits that follow from it.

Two questions are asked of a batch, column by column. *Ever*: was there a window like this one, in all that was seen?
*Recent*: is it unlike the last few windows, more than a window ever was unlike those before it? The first one doesn't
mind a season that comes back; the second one doesn't take a summer in °C for a winter in °F.

Limits are set on the scale of odds, d / (1 - d): twice as much of a small distance is twice the distance, twice as much
of a large one is still below 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from driftgate.drift.distances import (
    commonest_share,
    distance_noise,
    distances,
    known_rows,
    missing_gaps,
    share_noise,
    unseen_share,
)

if TYPE_CHECKING:
    import numpy as np

    from driftgate.drift.counting import Layout

Measure = Literal["distance", "missing", "commonest", "unseen"]
State = Literal["stable", "drifted", "gross"]
STATES: tuple[State, ...] = ("stable", "drifted", "gross")  # from the mildest


class Rule(BaseModel):
    """The constants of the drift checks, chosen by `benchmarks/drift.py`; docs/gate.md says how.

    `window_days` is the length of a batch and of the windows it is held against. `margin` times the largest odds among
    ordinary windows is the limit, `gross` times that is grossly over; the floors are the least limits of a distance, of
    a change of the missing share, of the share of unseen categories and of the share of the commonest value. `recent`
    windows are neighbours. Fewer than `least_windows` say nothing of what is ordinary: then floor and sampling term
    alone limit. `z` is the number of standard errors in the sampling term. Batches of fewer than `least_rows` rows
    never block. A column matters where shuffling it moves the model's probability by `matters` in the mean.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_days: int = Field(7, ge=1)
    margin: float = Field(5.0, ge=1)
    gross: float = Field(2.0, gt=1)
    floor: float = Field(0.04, gt=0, lt=1)
    missing_floor: float = Field(0.04, gt=0, lt=1)
    unseen_floor: float = Field(0.01, gt=0, lt=1)
    commonest_floor: float = Field(0.9, gt=0, lt=1)
    recent: int = Field(8, ge=1)
    least_windows: int = Field(6, ge=3)
    least_rows: int = Field(100, ge=1)
    z: float = Field(3.5, gt=0)
    matters: float = Field(0.002, ge=0)


class Ordinary(BaseModel):
    """The largest values among the windows of the reference, each question by itself.

    `pooled` is one window against all the others together: what a batch longer than any window is held against.
    """

    model_config = ConfigDict(frozen=True)

    distance_ever: float
    distance_recent: float
    distance_pooled: float
    missing_ever: float
    missing_recent: float
    missing_pooled: float
    commonest: float
    unseen: float


class Reading(BaseModel):
    """One measure of one column beside its limits. `question` is the one that came closest to its limit."""

    model_config = ConfigDict(frozen=True)

    measure: Measure
    value: float
    limit: float
    gross_limit: float
    question: str

    @property
    def state(self) -> State:
        return "gross" if self.value > self.gross_limit else "drifted" if self.value > self.limit else "stable"

    @property
    def ratio(self) -> float:
        return self.value / self.limit


def ordinary_of(windows: np.ndarray, *, layout: Layout, rule: Rule) -> Ordinary | None:
    """How unlike each other the windows of the reference are.

    *Ever* leaves one window out at a time, and looks for the nearest of the others; *recent* looks for the nearest of
    those just before it.

    Args:
        windows: Counts of shape (k, cells), in order of time; empty ones are left out.
        layout: Of the column.
        rule: Says how many windows are enough, and which are recent.

    Returns:
        None where they are too few to say.
    """
    import numpy as np

    filled = windows[windows.sum(axis=1) > 0]
    if len(filled) < rule.least_windows:
        return None
    apart = np.array([distances(window, filled, category=layout.category) for window in filled])
    gaps = np.array([missing_gaps(window, filled) for window in filled])
    against_rest = [(window, (filled.sum(axis=0) - window)[None, :]) for window in filled]
    return Ordinary(
        distance_ever=_largest_of_nearest(apart),
        distance_recent=_largest_of_recent(apart, rule),
        distance_pooled=max(float(distances(*pair, category=layout.category)[0]) for pair in against_rest),
        missing_ever=_largest_of_nearest(gaps),
        missing_recent=_largest_of_recent(gaps, rule),
        missing_pooled=max(float(missing_gaps(*pair)[0]) for pair in against_rest),
        commonest=max(commonest_share(window) for window in filled),
        unseen=max(unseen_share(*pair) for pair in against_rest) if layout.category else 0.0,
    )


def read_column(
    counts: np.ndarray,
    windows: np.ndarray,
    ordinary: Ordinary | None,
    *,
    layout: Layout,
    rule: Rule,
    pooled: bool = False,
    near: bool = True,
) -> list[Reading]:
    """Hold every measure of a batch's column against its limit.

    Args:
        counts: Of the batch, of shape (cells,).
        windows: Of the reference and of what has joined it, of shape (k, cells), in order of time.
        ordinary: What is ordinary among the windows of the reference; None: nothing is known of it.
        layout: Of the column.
        rule: The constants.
        pooled: Hold it against all windows together, since it is longer than any of them.
        near: Whether the newest windows are its neighbours in time; else *recent* isn't asked.
    """
    rows, known = int(counts.sum()), known_rows(counts)
    filled = windows[windows.sum(axis=1) > 0]
    total = windows.sum(axis=0)
    if ordinary is None or pooled:
        filled = total[None]
    others = filled.sum(axis=0) / max(len(filled), 1)
    share = (total[-1] + 1) / (total.sum() + 2)
    apart = distances(counts, filled, category=layout.category)
    noise = distance_noise(total, known, known_rows(others), category=layout.category, z=rule.z)
    gaps = missing_gaps(counts, filled)
    jitter = share_noise(share, rows, z=rule.z) * math.sqrt(1 + rows / max(others.sum(), 1))
    if ordinary is None:
        usual: dict[Measure, dict[str, float]] = {"distance": {"reference": 0.0}, "missing": {"reference": 0.0}}
    elif pooled:
        usual = {"distance": {"reference": ordinary.distance_pooled}, "missing": {"reference": ordinary.missing_pooled}}
    else:
        usual = {
            "distance": {"ever": ordinary.distance_ever, "recent": ordinary.distance_recent},
            "missing": {"ever": ordinary.missing_ever, "recent": ordinary.missing_recent},
        }
        if not near:
            usual = {measure: {"ever": limits["ever"]} for measure, limits in usual.items()}
    return [
        _closest("distance", apart, usual["distance"], noise, rule.floor, rule),
        _closest("missing", gaps, usual["missing"], jitter, rule.missing_floor, rule),
        _read_unseen(counts, total, ordinary, rule, rare=layout.rare)
        if layout.category
        else _read_commonest(counts, total, ordinary, rule),
    ]


def _read_unseen(
    counts: np.ndarray, total: np.ndarray, ordinary: Ordinary | None, rule: Rule, *, rare: float
) -> Reading:
    usual = max(rare, ordinary.unseen if ordinary else 0.0)
    noise = share_noise(max(rule.unseen_floor, usual), known_rows(counts), z=rule.z)
    return _reading("unseen", unseen_share(counts, total[None]), usual, noise, rule.unseen_floor, rule, "ever")


def _read_commonest(counts: np.ndarray, total: np.ndarray, ordinary: Ordinary | None, rule: Rule) -> Reading:
    usual = ordinary.commonest if ordinary else commonest_share(total)
    # A column that is ordinarily all but constant can't be told from a stuck one.
    usual = 1.0 if usual >= rule.commonest_floor else usual
    noise = share_noise(usual, known_rows(counts), z=rule.z)
    return _reading("commonest", commonest_share(counts), usual, noise, rule.commonest_floor, rule, "ever")


def _closest(
    measure: Measure, found: np.ndarray, usual: dict[str, float], noise: float, floor: float, rule: Rule
) -> Reading:
    """Every question; the one that comes closest to its own limit answers."""
    answers = [
        _reading(
            measure, float((found[-rule.recent :] if question == "recent" else found).min()), ordinary, noise, floor,
            rule, question,
        )
        for question, ordinary in usual.items()
    ]  # fmt: skip
    return max(answers, key=lambda reading: (reading.value > reading.gross_limit, reading.ratio))


def _reading(
    measure: Measure, value: float, ordinary: float, noise: float, floor: float, rule: Rule, question: str
) -> Reading:
    def limit(times: float, least: float) -> float:
        return min(1.0, max(least, math.hypot(_times_odds(ordinary, times), noise)))

    over = limit(rule.margin, floor)
    gross = limit(rule.margin * rule.gross, _times_odds(floor, rule.gross))
    # Where chance alone makes the limit, being beyond chance is not yet gross.
    gross = gross if ordinary else _times_odds(over, rule.gross)
    return Reading(measure=measure, value=float(value), limit=over, gross_limit=gross, question=question)


def _times_odds(share: float, times: float) -> float:
    """The share whose odds are so many times as large."""
    return 1.0 if share >= 1 else times * share / (1 - share + times * share)


def _largest_of_nearest(apart: np.ndarray) -> float:
    import numpy as np

    return float((apart + np.where(np.eye(len(apart), dtype=bool), np.inf, 0)).min(axis=1).max())


def _largest_of_recent(apart: np.ndarray, rule: Rule) -> float:
    first = min(rule.recent, len(apart) // 2)
    return float(max(apart[at, max(0, at - rule.recent) : at].min() for at in range(first, len(apart))))
