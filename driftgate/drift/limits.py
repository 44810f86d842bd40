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

from pydantic import BaseModel, ConfigDict

from driftgate.config import DriftRule
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
    from collections.abc import Sequence

    import numpy as np

    from driftgate.drift.counting import Layout

Measure = Literal["distance", "missing", "commonest", "unseen", "refused"]
State = Literal["stable", "drifted", "severe"]
STATES: tuple[State, ...] = ("stable", "drifted", "severe")  # from the mildest
THIN = 0.2  # of the median window: with less, a window says nothing


class Largest(BaseModel):
    """The largest value of a measure among the windows of the reference, each question by itself.

    `pooled` is one window against all the others together: what a batch longer than any window is held against.
    """

    model_config = ConfigDict(frozen=True)

    ever: float
    recent: float
    pooled: float


class Ordinary(BaseModel):
    """What is ordinary for a column. `strange` are windows so far from all others that they count as faults: left out."""

    model_config = ConfigDict(frozen=True)

    distance: Largest
    missing: Largest
    commonest: float
    unseen: float
    strange: tuple[int, ...]


class Measurement(BaseModel):
    """One measure of one column beside its limits. `question` is the one that came closest to its limit."""

    model_config = ConfigDict(frozen=True)

    measure: Measure
    value: float
    limit: float
    severe_limit: float
    question: str

    @property
    def state(self) -> State:
        return "severe" if self.value > self.severe_limit else "drifted" if self.value > self.limit else "stable"

    @property
    def ratio(self) -> float:
        return self.value / max(self.limit, 1e-9)


def ordinary_of(windows: np.ndarray, *, layout: Layout, rule: DriftRule) -> Ordinary | None:
    """How unlike each other the windows of the reference are.

    *Ever* leaves one window out at a time, and looks for the nearest of the others; *recent* looks for the nearest of
    those just before it. A window that the limits of all others would call severely off is no measure of the ordinary.

    Args:
        windows: Counts of shape (k, cells), in order of time; those with hardly a row, or known value, are left out.
        layout: Of the column.
        rule: Says how many windows are enough, and which are recent.

    Returns:
        None where they are too few to say.
    """
    import numpy as np

    held, known = np.flatnonzero(_full(windows.sum(axis=1))), np.flatnonzero(_full(windows[:, :-1].sum(axis=1)))
    if len(known) < rule.least_windows:
        return None
    apart = np.array([distances(window, windows[known], category=layout.category) for window in windows[known]])
    gaps = np.array([missing_gaps(window, windows[held]) for window in windows[held]])
    against_rest = [(window, (windows[known].sum(axis=0) - window)[None, :]) for window in windows[known]]
    far = [float(distances(*pair, category=layout.category)[0]) for pair in against_rest]
    lost = [float(missing_gaps(window, (windows[held].sum(axis=0) - window)[None, :])[0]) for window in windows[held]]
    strange = {
        int(at[nearest.argmax()])
        for at, nearest, floor in (
            (known, _nearest(apart), rule.floor), (held, _nearest(gaps), rule.missing_floor)
        )
        if _largest(nearest, floor, rule) < nearest.max()
    }  # fmt: skip
    unseen = [unseen_share(*pair) for pair in against_rest] if layout.category else [0.0]
    return Ordinary(
        distance=_largest_of(apart, far, rule.floor, rule),
        missing=_largest_of(gaps, lost, rule.missing_floor, rule),
        commonest=_largest([commonest_share(window) for window in windows[known]], rule.commonest_floor, rule),
        unseen=_largest(unseen, rule.unseen_floor, rule),
        strange=tuple(sorted(strange)),
    )


def measure_column(
    counts: np.ndarray,
    windows: np.ndarray,
    ordinary: Ordinary | None,
    *,
    layout: Layout,
    rule: DriftRule,
    pooled: bool = False,
    near: bool = True,
) -> list[Measurement]:
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
    total = windows.sum(axis=0)
    if ordinary is None or pooled:
        telling = held = total[None]
    else:
        telling, held = windows[_full(windows[:, :-1].sum(axis=1))], windows[_full(windows.sum(axis=1))]
    share = (total[-1] + 1) / (total.sum() + 2)
    apart = distances(counts, telling, category=layout.category)
    others = known_rows(telling.sum(axis=0)) / max(len(telling), 1)
    noise = distance_noise(total, known, others, category=layout.category, z=rule.z)
    gaps = missing_gaps(counts, held)
    jitter = share_noise(share, rows, z=rule.z) * math.sqrt(1 + rows * len(held) / max(held.sum(), 1))
    return [
        _closest(
            "distance", apart, _usual(ordinary.distance if ordinary else None, pooled, near), noise, rule.floor, rule
        ),
        _closest(
            "missing",
            gaps,
            _usual(ordinary.missing if ordinary else None, pooled, near),
            jitter,
            rule.missing_floor,
            rule,
        ),
        _measure_unseen(counts, total, ordinary, rule, rare=layout.rare)
        if layout.category
        else _measure_commonest(counts, total, ordinary, rule),
    ]


def measure_refused(
    counts: np.ndarray, refused: np.ndarray, windows: np.ndarray, ordinary: Ordinary, *, layout: Layout, rule: DriftRule
) -> Measurement:
    """Whether the fault for which recent windows were refused goes on: a fault that lasts long enough looks like some
    window of another season, and has no accepted neighbour left that would tell.

    Args:
        counts: Of the batch, of shape (cells,).
        refused: Windows refused for this column, of shape (r, cells), in order of time.
        windows: The accepted ones, of shape (k, cells), in order of time.
        ordinary: What is ordinary among the windows of the reference.
        layout: Of the column.
        rule: The constants.

    Returns:
        1 less the distance from the nearest of the refused; its limit is passed where the batch could be a neighbour of
        that one, and is closer to it than to the last windows that were accepted. That is severe at once.
    """
    known = windows[_full(windows[:, :-1].sum(axis=1))]
    back = distances(counts, refused[-rule.recent :], category=layout.category).min()
    away = distances(counts, known[-rule.recent :], category=layout.category).min()
    near = max(rule.floor, _times_odds(ordinary.distance.recent, rule.margin))
    limit = 1 - min(near, float(away))
    return Measurement(measure="refused", value=1 - float(back), limit=limit, severe_limit=limit, question="refused")


def _full(rows: np.ndarray) -> np.ndarray:
    """Which windows hold enough to say something: not next to nothing beside the median one."""
    import numpy as np

    held = rows > 0
    return held & (rows >= THIN * np.median(rows[held])) if held.any() else held


def _usual(largest: Largest | None, pooled: bool, near: bool) -> dict[str, float]:
    """The questions to ask, each with what is ordinary."""
    if largest is None:
        return {"reference": 0.0}
    if pooled:
        return {"reference": largest.pooled}
    return {"ever": largest.ever, "recent": largest.recent} if near else {"ever": largest.ever}


def _measure_unseen(
    counts: np.ndarray, total: np.ndarray, ordinary: Ordinary | None, rule: DriftRule, *, rare: float
) -> Measurement:
    usual = max(rare, ordinary.unseen if ordinary else 0.0)
    noise = share_noise(max(rule.unseen_floor, usual), known_rows(counts), z=rule.z)
    return _measure("unseen", unseen_share(counts, total[None]), usual, noise, rule.unseen_floor, rule, "ever")


def _measure_commonest(
    counts: np.ndarray, total: np.ndarray, ordinary: Ordinary | None, rule: DriftRule
) -> Measurement:
    usual = ordinary.commonest if ordinary else commonest_share(total)
    # A column that is ordinarily all but constant can't be told from a stuck one.
    usual = 1.0 if usual >= rule.commonest_floor else usual
    noise = share_noise(usual, known_rows(counts), z=rule.z)
    return _measure("commonest", commonest_share(counts), usual, noise, rule.commonest_floor, rule, "ever")


def _closest(
    measure: Measure, found: np.ndarray, usual: dict[str, float], noise: float, floor: float, rule: DriftRule
) -> Measurement:
    """Every question; the one that comes closest to its own limit answers."""
    answers = [
        _measure(
            measure, float((found[-rule.recent :] if question == "recent" else found).min()), ordinary, noise, floor,
            rule, question,
        )
        for question, ordinary in usual.items()
    ]  # fmt: skip
    return max(answers, key=lambda measurement: (measurement.value > measurement.severe_limit, measurement.ratio))


def _measure(
    measure: Measure, value: float, ordinary: float, noise: float, floor: float, rule: DriftRule, question: str
) -> Measurement:
    limit = min(1.0, max(floor, math.hypot(_times_odds(ordinary, rule.margin), noise)))
    severe = _times_odds(limit, rule.severe)
    return Measurement(measure=measure, value=float(value), limit=limit, severe_limit=severe, question=question)


def _times_odds(share: float, times: float) -> float:
    """The share whose odds are so many times as large."""
    return 1.0 if share >= 1 else times * share / (1 - share + times * share)


def _largest_of(apart: np.ndarray, far: list[float], floor: float, rule: DriftRule) -> Largest:
    first = min(rule.recent, len(apart) // 2)
    recent = [apart[at, max(0, at - rule.recent) : at].min() for at in range(first, len(apart))]
    return Largest(
        ever=_largest(_nearest(apart), floor, rule),
        recent=_largest(recent, floor, rule),
        pooled=_largest(far, floor, rule),
    )


def _largest(values: Sequence[float] | np.ndarray, floor: float, rule: DriftRule) -> float:
    """The largest value; where the others' limits would call it severely over, it is a fault, and the next one counts."""
    *_, second, first = [0.0, *sorted(float(value) for value in values)]
    if len(values) < rule.least_windows:
        return first
    limit = max(floor, _times_odds(second, rule.margin))
    return second if first > _times_odds(limit, rule.severe) else first


def _nearest(apart: np.ndarray) -> np.ndarray:
    import numpy as np

    found: np.ndarray = (apart + np.where(np.eye(len(apart), dtype=bool), np.inf, 0)).min(axis=1)
    return found
