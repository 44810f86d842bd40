"""The usual variation of a column between past windows, and the drift limits that follow from it.

Each column of a batch is compared in two ways. *Ever*: is any past window similar to it? This accepts a season that
returns. *Recent*: does it differ from the last few windows by more than past windows differed from those before them?
This doesn't mistake a summer in °C for a winter in °F.

Limits are multiples of the odds d / (1 - d) of a distance d: for a small distance, twice the odds is twice the distance;
for a large one it stays below 1.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from driftgate.config import DriftRule
from driftgate.drift.distances import (
    commonest_share,
    distance_noise,
    distances,
    distances_between,
    distances_of_pairs,
    known_rows,
    missing_gaps,
    missing_shares,
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
LARGEST_Z = 30.0  # of more standard errors, the probability is 0 in a float
THIN = 0.2  # of the median window: with less, a window says nothing


class Largest(BaseModel):
    """The largest value of a measure among the windows of the reference, for each comparison.

    `pooled` compares one window with all others together; it applies to a batch that is longer than any window.
    """

    model_config = ConfigDict(frozen=True)

    ever: float
    recent: float
    pooled: float


class Ordinary(BaseModel):
    """The usual variation of a column. `strange` lists windows that differ so much from all others that they count as
    faults; they are left out.
    """

    model_config = ConfigDict(frozen=True)

    distance: Largest
    missing: Largest
    commonest: float
    unseen: float
    strange: tuple[int, ...]


class Measurement(BaseModel):
    """One measure of one column with its limits. `question` is the comparison that came closest to its limit."""

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


def stricter(rule: DriftRule, *, times: float) -> DriftRule:
    """A rule whose sampling term chance exceeds `times` less often; the same rule for 1 or less (Bonferroni)."""
    if times <= 1:
        return rule
    tail = math.erfc(rule.z / math.sqrt(2)) / 2
    return rule.model_copy(update={"z": -NormalDist().inv_cdf(tail / times)})


def wider(rule: DriftRule, design: float) -> DriftRule:
    """The rule with a sampling term for rows that belong to entities.

    Args:
        rule: The constants.
        design: The design effect: how many times as large the variance of a share is.
    """
    return rule if design <= 1 else rule.model_copy(update={"z": min(rule.z * math.sqrt(design), LARGEST_Z)})


def ordinary_of(windows: np.ndarray, *, layout: Layout, rule: DriftRule) -> Ordinary | None:
    """Measure how much the windows of the reference differ from each other.

    *Ever* leaves one window out at a time and finds the most similar of the others; *recent* finds the most similar of
    those just before it. A window that would be severely over the limits of all others is left out.

    Args:
        windows: Counts of shape (k, cells), in order of time; windows with very few rows or known values are left out.
        layout: Of the column.
        rule: The number of windows needed, and of those that count as recent.

    Returns:
        None if there are too few windows.
    """
    import numpy as np

    held, known = np.flatnonzero(_full(windows.sum(axis=1))), np.flatnonzero(_full(windows[:, :-1].sum(axis=1)))
    if len(known) < rule.least_windows:
        return None
    full, whole = windows[known], windows[held]
    rest = full.sum(axis=0) - full  # of each window, all others together
    apart = distances_between(full, category=layout.category)
    missing = missing_shares(whole)
    gaps = abs(missing[:, None] - missing[None, :])
    far = distances_of_pairs(full, rest, category=layout.category)
    lost = abs(missing - missing_shares(whole.sum(axis=0) - whole))
    strange = {
        int(at[nearest.argmax()])
        for at, nearest, floor in (
            (known, _nearest(apart), rule.floor), (held, _nearest(gaps), rule.missing_floor)
        )
        if _largest(nearest, floor, rule) < nearest.max()
    }  # fmt: skip
    unseen = [unseen_share(*pair) for pair in zip(full, rest[:, None], strict=True)] if layout.category else [0.0]
    return Ordinary(
        distance=_largest_of(apart, far, rule.floor, rule),
        missing=_largest_of(gaps, lost, rule.missing_floor, rule),
        commonest=_largest([commonest_share(window) for window in full], rule.commonest_floor, rule),
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
    """Compare every measure of one column of a batch with its limit.

    Args:
        counts: Of the batch, of shape (cells,).
        windows: Of the reference and of accepted later windows, of shape (k, cells), in order of time.
        ordinary: The usual variation between the windows of the reference; None: unknown.
        layout: Of the column.
        rule: The constants.
        pooled: Compare with all windows together, because the batch is longer than any of them.
        near: Whether the newest windows directly precede it; otherwise *recent* is skipped.
    """
    import numpy as np

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
    if layout.moving:
        apart = np.zeros(len(telling))
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
    """Measure whether the fault for which recent windows were refused continues.

    A fault that lasts long enough can resemble a window of another season, and no recent accepted window is left that
    would show the difference.

    Args:
        counts: Of the batch, of shape (cells,).
        refused: Windows refused for this column, of shape (r, cells), in order of time.
        windows: The accepted ones, of shape (k, cells), in order of time.
        ordinary: The usual variation between the windows of the reference.
        layout: Of the column.
        rule: The constants.

    Returns:
        1 minus the distance from the nearest refused window. It is over its limit, and severe at once, if the batch is as
        close to that window as neighbours are, and closer to it than to the last accepted windows.
    """
    known = windows[_full(windows[:, :-1].sum(axis=1))]
    back = distances(counts, refused[-rule.recent :], category=layout.category).min()
    away = distances(counts, known[-rule.recent :], category=layout.category).min()
    near = max(rule.floor, _times_odds(ordinary.distance.recent, rule.margin))
    limit = 1 - min(near, float(away))
    return Measurement(measure="refused", value=1 - float(back), limit=limit, severe_limit=limit, question="refused")


def _full(rows: np.ndarray) -> np.ndarray:
    """Which windows have enough rows: at least the share `THIN` of the median window."""
    import numpy as np

    held = rows > 0
    return held & (rows >= THIN * np.median(rows[held])) if held.any() else held


def _usual(largest: Largest | None, pooled: bool, near: bool) -> dict[str, float]:
    """The comparisons to make, each with the usual value."""
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
    # A column that is ordinarily almost constant can't be distinguished from a stuck one.
    usual = 1.0 if usual >= rule.commonest_floor else usual
    noise = share_noise(usual, known_rows(counts), z=rule.z)
    return _measure("commonest", commonest_share(counts), usual, noise, rule.commonest_floor, rule, "ever")


def _closest(
    measure: Measure, found: np.ndarray, usual: dict[str, float], noise: float, floor: float, rule: DriftRule
) -> Measurement:
    """Make every comparison, and return the one that comes closest to its own limit."""
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
    """The share whose odds are `times` as large."""
    return 1.0 if share >= 1 else times * share / (1 - share + times * share)


def _largest_of(apart: np.ndarray, far: np.ndarray, floor: float, rule: DriftRule) -> Largest:
    first = min(rule.recent, len(apart) // 2)
    recent = [apart[at, max(0, at - rule.recent) : at].min() for at in range(first, len(apart))]
    return Largest(
        ever=_largest(_nearest(apart), floor, rule),
        recent=_largest(recent, floor, rule),
        pooled=_largest(far, floor, rule),
    )


def _largest(values: Sequence[float] | np.ndarray, floor: float, rule: DriftRule) -> float:
    """The largest value; if it is severely over the limit that the others give, it counts as a fault and the second counts."""
    *_, second, first = [0.0, *sorted(float(value) for value in values)]
    if len(values) < rule.least_windows:
        return first
    limit = max(floor, _times_odds(second, rule.margin))
    return second if first > _times_odds(limit, rule.severe) else first


def _nearest(apart: np.ndarray) -> np.ndarray:
    import numpy as np

    found: np.ndarray = (apart + np.where(np.eye(len(apart), dtype=bool), np.inf, 0)).min(axis=1)
    return found
