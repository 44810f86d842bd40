"""The reference profile: a summary of the training rows that is kept with a release, so that drift checks don't need them.

It holds counts per day and column, the usual variation between windows, the effect of each column on the model, and the
errors of the performance estimate on unseen rows. Its size is a few hundred kilobytes for any number of rows.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.config import DriftRule, Problem
from driftgate.drift.counting import Counts, Layout, Packed, count_column, layout_of, pack, unpack
from driftgate.drift.derived import Derived, derive_reference, effect_of
from driftgate.drift.entities import design_effects
from driftgate.drift.estimate import Spread, spread_of
from driftgate.drift.limits import Ordinary, ordinary_of
from driftgate.drift.outputs import is_prediction, prediction_layouts, prediction_values, target_layout, target_values
from driftgate.errors import DriftgateError, first_line
from driftgate.probability import probability_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from driftgate.production.release import Release

log = logging.getLogger("driftgate.drift")

MAXIMUM_DAYS = 400
WIDE, WIDE_WINDOWS = 200, 60  # a table with more columns: limits come from so many of the newest windows


class Profile(BaseModel):
    """The counts of the reference rows, and what follows from them.

    `first_day` is the day of the first row of counts; None if the problem has no timestamp: then all rows are one
    day. `counts` have one row per day and one number per cell. `ordinary` is for windows of `rule.window_days`. `effects` are
    the mean absolute changes of the probability when a column is shuffled. `classes` are the values of the target; of three
    or more in the order of the problem file. `derived` says how values that are no column of a row are computed. `design`
    has the design effect of each column where rows belong to entities.
    """

    model_config = ConfigDict(frozen=True)

    rule: DriftRule
    first_day: dt.date | None
    layouts: dict[str, Layout]
    counts: dict[str, Packed | list[list[int]]]
    ordinary: dict[str, Ordinary | None]
    effects: dict[str, float]
    spread: dict[str, Spread]
    target: str
    classes: tuple[bool | int | float | str, ...]
    derived: dict[str, Derived] = {}
    design: dict[str, float] = {}

    @property
    def days(self) -> int:
        first = next(iter(self.counts.values()))
        return first.shape[0] if isinstance(first, Packed) else len(first)

    @property
    def end(self) -> dt.date | None:
        """The day after the last one; None if there is no timestamp."""
        return self.first_day + dt.timedelta(days=self.days) if self.first_day else None

    def windows(self, days: int) -> Counts:
        """The windows of every column, as `windows_of` returns them."""
        return {name: self.windows_of(name, days) for name in self.counts}

    def windows_of(self, column: str, days: int) -> np.ndarray:
        """A column's counts in windows of `days` days, of shape (k, cells), the oldest first; the last ends with the reference.

        Days that don't fill a window are left out. Without a timestamp, or if the reference is shorter than a window,
        there is a single window.
        """
        days = min(days, self.days)
        number = self.days // days
        found: np.ndarray = (
            unpack(self.counts[column])[self.days - number * days :].reshape(number, days, -1).sum(axis=1)
        )
        return found

    def ordinary_for(self, column: str, days: int) -> Ordinary | None:
        """The usual variation of a column between windows of `days` days; None if there are too few windows."""
        if column in self.ordinary and (days == self.rule.window_days or self.first_day is None):
            return self.ordinary[column]
        windows = self.windows_of(column, days)
        # Every window is compared with every other one: for the days of a year in a wide table, that would take minutes.
        left_out = max(0, len(windows) - WIDE_WINDOWS) if len(self.layouts) > WIDE else 0
        found = ordinary_of(windows[left_out:], layout=self.layouts[column], rule=self.rule)
        if found is None or not left_out:
            return found
        return found.model_copy(update={"strange": tuple(at + left_out for at in found.strange)})

    def matters(self, column: str) -> bool:
        """Whether the model uses the column. The target always matters.

        The prediction never does: its reference comes from the models of the folds, not from the released one.
        """
        return not is_prediction(column, target=self.target) and self.effects.get(column, 1.0) >= self.rule.matters


def fit_profile(
    development: pd.DataFrame,
    problem: Problem,
    *,
    out_of_fold: pd.DataFrame,
    effects: dict[str, float],
    threshold: float,
) -> Profile:
    """Count the reference rows, and measure the usual variation between their windows.

    Args:
        development: The rows that a model was fitted on; the newest `MAXIMUM_DAYS` days of them are counted.
        problem: Its contract, timestamp and `gate.drift` are used.
        out_of_fold: Probabilities of rows by models that had not seen them: `prediction`, `label` (0 or 1), and the
            timestamp if the problem has one.
        effects: Mean absolute change of the probability when a column is shuffled.
        threshold: Probability from which the prediction is the positive class.
    """
    rule, timestamp = problem.gate.drift, problem.data.timestamp
    day, first, span = _days(development, timestamp, first=None)
    derived = derive_reference(development, problem.contract, timestamp=timestamp)
    counted: dict[str, tuple[Layout, Packed]] = {}
    for name, column in problem.contract.columns.items():
        if column.type not in ("date", "text"):
            layout = layout_of(development[name], category=column.is_category)
            counted[name] = (layout, _count(development[name], layout, day, span=span))
    for name, found in derived.items():
        counted[name] = (found.layout, _count(found.values, found.layout, day[found.values.index], span=span))
    target, layout = target_values(development, problem), target_layout(problem)
    counted[problem.target.column] = (layout, _count(target, layout, day, span=span))
    day, _, _ = _days(out_of_fold, timestamp, first=first)
    outputs = prediction_values(probability_of(out_of_fold), problem)
    for name, layout in prediction_layouts(problem).items():
        counted[name] = (layout, _count(outputs[name], layout, day, span=span))
    profile = Profile(
        rule=rule,
        first_day=first,
        layouts={name: layout for name, (layout, _) in counted.items()},
        counts={name: rows for name, (_, rows) in counted.items()},
        ordinary={},
        effects=effects
        | {name: effect_of(found.derived, problem.contract, effects) for name, found in derived.items()},
        spread=spread_of(out_of_fold, timestamp, threshold=threshold, window_days=rule.window_days),
        target=problem.target.column,
        classes=problem.target.classes or _classes(development[problem.target.column]),
        derived={name: found.derived for name, found in derived.items()},
        design=_design(development, problem),
    )
    ordinary = {name: profile.ordinary_for(name, rule.window_days) for name in profile.layouts}
    for name, usual in ordinary.items():
        if usual is not None and usual.strange:
            log.info(
                "%s: %d windows of the reference differ from all others and are left out as faults",
                name,
                len(usual.strange),
            )
    return profile.model_copy(update={"ordinary": ordinary})


def profile_of(release: Release) -> Profile:
    """The profile kept with a release.

    Raises:
        DriftgateError: If another version of Driftgate wrote it.
    """
    try:
        return Profile.model_validate_json(release.profile)
    except ValueError as error:
        raise DriftgateError(
            f"The profile of {release.folder} was made by another version of Driftgate: {first_line(error)}.",
            "Train again.",
        ) from error


def _design(development: pd.DataFrame, problem: Problem) -> dict[str, float]:
    """The design effects of the columns and of the target; empty if rows belong to no entities."""
    group = problem.data.group
    if group is None or group not in development:
        return {}
    plain = [name for name, column in problem.contract.columns.items() if column.type not in ("date", "text")]
    return design_effects(development, [*plain, problem.target.column], development[group])


def _classes(target: pd.Series[Any]) -> tuple[bool | int | float | str, ...]:
    """The values of a target with two classes."""
    return tuple(sorted(target.dropna().unique().tolist(), key=str))


def _count(values: pd.Series[Any], layout: Layout, day: np.ndarray, *, span: int) -> Packed:
    """Count the values of a column on the days of the reference. One column is in memory at a time."""
    inside = (day >= 0) & (day < span)
    if not inside.all():
        values, day = values[inside], day[inside]
    return pack(count_column(values, layout, day, span=span))


def _days(
    frame: pd.DataFrame, timestamp: str | None, *, first: dt.date | None
) -> tuple[np.ndarray, dt.date | None, int]:
    """The day number of each row, the first day, and the number of days; at most `MAXIMUM_DAYS`, the newest.

    Args:
        frame: The rows. Those of earlier days get a number below 0.
        timestamp: Name of the column; None: all rows are one day.
        first: The day with number 0; None: it follows from the rows.
    """
    import numpy as np
    import pandas as pd

    if timestamp is None:
        return np.zeros(len(frame), dtype=np.int64), None, 1
    days: Any = frame[timestamp].dt.normalize()
    if first is None:
        oldest = days.max() - pd.Timedelta(days=MAXIMUM_DAYS - 1)
        start = days[days >= oldest].min()
    else:
        start = pd.Timestamp(first)
    number = ((days - start) / pd.Timedelta(days=1)).to_numpy().astype(np.int64)
    return number, start.date(), int(number.max()) + 1 if len(number) else 0
