"""The reference profile: a summary of the training rows that is kept with a release, so that drift checks don't need them.

It holds counts per day and column, the usual variation between windows, the effect of each column on the model, and the
errors of the performance estimate on unseen rows. Its size is a few hundred kilobytes for any number of rows.
"""

from __future__ import annotations

import datetime as dt
import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.config import DriftRule, Problem
from driftgate.contract import PREDICTION
from driftgate.drift.counting import Counts, Layout, count_days, layout_of
from driftgate.drift.estimate import Spread, spread_of
from driftgate.drift.limits import Ordinary, ordinary_of
from driftgate.errors import DriftgateError, first_line

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from driftgate.production.release import Release

log = logging.getLogger("driftgate.drift")

MAXIMUM_DAYS = 400
# Not by the reference's own quantiles: it was made by other models than the one that ships, and a model that is sure of
# itself says nearly the same of many rows, another one nearly that.
PROBABILITY_EDGES = tuple(number / 20 for number in range(21))


class Profile(BaseModel):
    """The counts of the reference rows, and what follows from them.

    `first_day` is the day of the first row of counts; None if the problem has no timestamp: then all rows are one
    day. `counts` have one row per day and one number per cell. `ordinary` is for windows of `rule.window_days`. `effects` are
    the mean absolute changes of the probability when a column is shuffled. `classes` are the two values of the target.
    """

    model_config = ConfigDict(frozen=True)

    rule: DriftRule
    first_day: dt.date | None
    layouts: dict[str, Layout]
    counts: dict[str, list[list[int]]]
    ordinary: dict[str, Ordinary | None]
    effects: dict[str, float]
    spread: dict[str, Spread]
    target: str
    classes: tuple[bool | int | float | str, ...]

    @property
    def days(self) -> int:
        return len(next(iter(self.counts.values())))

    @property
    def end(self) -> dt.date | None:
        """The day after the last one; None if there is no timestamp."""
        return self.first_day + dt.timedelta(days=self.days) if self.first_day else None

    @cached_property
    def _arrays(self) -> Counts:
        import numpy as np

        return {name: np.array(rows, dtype=np.int64) for name, rows in self.counts.items()}

    def windows(self, days: int) -> Counts:
        """The windows of every column, as `windows_of` returns them."""
        return {name: self.windows_of(name, days) for name in self._arrays}

    def windows_of(self, column: str, days: int) -> np.ndarray:
        """A column's counts in windows of `days` days, of shape (k, cells), the oldest first; the last ends with the reference.

        Days that don't fill a window are left out. Without a timestamp, or if the reference is shorter than a window,
        there is a single window.
        """
        days = min(days, self.days)
        number = self.days // days
        found: np.ndarray = self._arrays[column][self.days - number * days :].reshape(number, days, -1).sum(axis=1)
        return found

    def ordinary_for(self, column: str, days: int) -> Ordinary | None:
        """The usual variation of a column between windows of `days` days; None if there are too few windows."""
        if column in self.ordinary and (days == self.rule.window_days or self.first_day is None):
            return self.ordinary[column]
        return ordinary_of(self.windows_of(column, days), layout=self.layouts[column], rule=self.rule)

    def matters(self, column: str) -> bool:
        """Whether the model uses the column. The target always matters.

        The prediction never does: its reference comes from the models of the folds, not from the released one.
        """
        return column != PREDICTION and self.effects.get(column, 1.0) >= self.rule.matters


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
    newest = _newest(development, timestamp)
    day, first, span = _days(newest, timestamp, first=None)
    layouts = {
        name: layout_of(development[name], category=column.is_category)
        for name, column in problem.contract.inputs.items()
    }
    target = problem.target.column
    told = newest.assign(**{target: (newest[target] == problem.target.positive).astype(float)})
    layouts[target] = Layout(category=False, edges=(0.0, 1.0))
    counts = count_days(told, layouts, day, span=span)
    judged = _newest(out_of_fold, timestamp)
    layouts[PREDICTION] = Layout(category=False, edges=PROBABILITY_EDGES)
    day, _, _ = _days(judged, timestamp, first=first)
    inside = (day >= 0) & (day < span)
    counts |= count_days(judged[inside], {PREDICTION: layouts[PREDICTION]}, day[inside], span=span)
    profile = Profile(
        rule=rule,
        first_day=first,
        layouts=layouts,
        counts={name: rows.tolist() for name, rows in counts.items()},
        ordinary={},
        effects=effects,
        spread=spread_of(out_of_fold, timestamp, threshold=threshold, window_days=rule.window_days),
        target=target,
        classes=tuple(sorted(development[target].unique().tolist(), key=str)),
    )
    ordinary = {name: profile.ordinary_for(name, rule.window_days) for name in layouts}
    for name, found in ordinary.items():
        if found is not None and found.strange:
            log.info(
                "%s: %d windows of the reference differ from all others and are left out as faults",
                name,
                len(found.strange),
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


def _newest(frame: pd.DataFrame, timestamp: str | None) -> pd.DataFrame:
    import pandas as pd

    if timestamp is None:
        return frame
    last = frame[timestamp].max().normalize()
    newest: pd.DataFrame = frame[frame[timestamp] >= last - pd.Timedelta(days=MAXIMUM_DAYS - 1)]
    return newest


def _days(
    frame: pd.DataFrame, timestamp: str | None, *, first: dt.date | None
) -> tuple[np.ndarray, dt.date | None, int]:
    """The day number of each row, the first day, and the number of days."""
    import numpy as np
    import pandas as pd

    if timestamp is None:
        return np.zeros(len(frame), dtype=np.int64), None, 1
    days: Any = frame[timestamp].dt.normalize()
    start = pd.Timestamp(first) if first else days.min()
    number = ((days - start) / pd.Timedelta(days=1)).to_numpy().astype(np.int64)
    return number, start.date(), int(number.max()) + 1 if len(number) else 0
