"""Compare a batch with the reference, column by column."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from driftgate.drift.counting import Counts, Layout
from driftgate.drift.limits import (
    STATES,
    Measurement,
    Ordinary,
    State,
    measure_column,
    measure_refused,
    stricter,
    wider,
)
from driftgate.drift.outputs import is_prediction
from driftgate.drift.profile import Profile
from driftgate.words import plural

if TYPE_CHECKING:
    import numpy as np

SHORTEST_BATCH = dt.timedelta(hours=12)
MANY_COLUMNS = 50  # with more, the sampling term grows, so that chance alarms of a check don't grow with their number
SHOWN_COLUMNS = 60  # on the interactive page, the worst: thousands of pictures are more than a browser can open
FAR = ("distance", "refused")
COMPARED_WITH = {
    "ever": "the most similar past window",
    "recent": "the most similar of the recent windows",
    "reference": "all rows of the reference",
    "refused": "a recent window that was refused",
}
MEASURE_NAMES = {
    "distance": "distance",
    "missing": "change of missing share",
    "commonest": "share of one value",
    "refused": "similarity to a refused window",
    "unseen": "share of unseen categories",
}


class ColumnDrift(BaseModel):
    """One column of a batch. `missing` is its share of missing values; `measurements` has every measure with its limits.

    `excuse` says why the column can't block, however large its drift; None: it can. `detail` names the class of three or more
    whose share changed most.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    state: State
    missing: float
    measurements: tuple[Measurement, ...]
    excuse: str | None
    detail: str | None = None

    @property
    def blocks(self) -> bool:
        return self.state == "severe" and self.excuse is None

    @property
    def distance(self) -> Measurement:
        return next(measurement for measurement in self.measurements if measurement.measure == "distance")

    @property
    def worst(self) -> Measurement:
        """The measure that decides the state: the one furthest over its limit, or the distance if none is over."""
        if self.state == "stable":
            return self.distance
        return max(self.measurements, key=lambda measurement: (STATES.index(measurement.state), measurement.ratio))


class Drift(BaseModel):
    """The comparison of a batch with the reference.

    `windows` is the number of windows that it was compared with; `joined` of them are newer than the training data.
    `stray` rows are dated far from all others.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    stray: int
    first: dt.datetime | None
    last: dt.datetime | None
    window_days: int
    windows: int
    joined: int
    fewest_rows: int
    most_rows: int
    whole_window: bool
    columns: tuple[ColumnDrift, ...]

    @property
    def drifted(self) -> list[ColumnDrift]:
        """The columns over a limit, in order of severity."""
        return [column for column in self.worst_first if column.state != "stable"]

    @property
    def worst_first(self) -> list[ColumnDrift]:
        """Every column: first those that block, then those over a limit, then the others by closeness to a limit."""
        return sorted(
            self.columns, key=lambda column: (column.state == "stable", not column.blocks, -column.worst.ratio)
        )


@dataclass
class _Past:
    """What one column is compared with: counts of k windows of shape (k, cells), and their ordinary variation."""

    windows: np.ndarray
    ordinary: Ordinary | None
    pooled: bool
    refused: list[np.ndarray] = field(default_factory=list)


class History:
    """The windows that a batch is compared with: those of the reference, and accepted newer ones.

    A batch is compared with windows of its own length. If the reference has too few of them, the batch is compared with the
    whole reference, with limits from shorter windows. These limits are safe, because a longer batch is closer to the whole
    reference than shorter windows are.

    Args:
        profile: The reference profile.
        days: The length of a batch in days.
    """

    def __init__(self, profile: Profile, *, days: int) -> None:
        self.profile = profile
        least = profile.rule.least_windows
        lengths = [length for length in dict.fromkeys((days, profile.rule.window_days, 1)) if length <= days]
        enough = [length for length in lengths if profile.days >= length * least]
        self.days = enough[0] if enough else profile.days
        self.pooled = self.days != days
        self._past = {name: self._past_of(name, enough, days) for name in profile.layouts}
        self._rule = stricter(profile.rule, times=len(profile.layouts) / MANY_COLUMNS)
        first = next(name for name in profile.layouts if not is_prediction(name, target=profile.target))
        self._sizes = [int(size) for size in profile.windows_of(first, self.days).sum(axis=1) if size]
        self.joined = 0
        self.newest = profile.end

    def _design_of(self, name: str) -> float:
        """The design effect of a column; of outputs and derived columns, the largest one of all columns."""
        return self.profile.design.get(name, max(self.profile.design.values(), default=1.0))

    def _past_of(self, name: str, lengths: list[int], days: int) -> _Past:
        import numpy as np

        for length in lengths:
            ordinary = self.profile.ordinary_for(name, length)
            if ordinary is not None:
                windows = np.delete(self.profile.windows_of(name, length), ordinary.strange, axis=0)
                return _Past(windows, ordinary, length != days)
        return _Past(self.profile.windows_of(name, self.days), None, pooled=True)

    def compare(
        self,
        counts: Counts,
        *,
        rows: int,
        first: dt.datetime | None = None,
        last: dt.datetime | None = None,
        whole_window: bool = False,
        stray: int = 0,
    ) -> Drift:
        """Compare a batch with the windows, under limits from their ordinary variation.

        Args:
            counts: Counts of the batch by column, each of shape (cells,); missing columns are not compared.
            rows: How many rows the batch has.
            first: The time of its first row, if rows have a time.
            last: The time of its last row.
            whole_window: Whether it has all rows of its time, so that their number can be checked.
            stray: How many of its rows are dated far from all others.
        """
        # Windows from months ago are not recent: a limit from consecutive weeks doesn't apply to them.
        reach = dt.timedelta(days=self.profile.rule.recent * self.days)
        near = first is not None and self.newest is not None and first.date() - self.newest <= reach
        short = not whole_window and first is not None and last is not None and last - first < SHORTEST_BATCH
        columns = tuple(
            self._compare_column(name, counts[name], near=near, excuse=self._excuse(name, rows=rows, short=short))
            for name in self._past
            if name in counts
        )
        return Drift(
            rows=rows,
            stray=stray,
            first=first,
            last=last,
            window_days=self.days,
            windows=len(self._sizes),
            joined=self.joined,
            fewest_rows=min(self._sizes, default=0),
            most_rows=max(self._sizes, default=0),
            whole_window=whole_window and not self.pooled and self.profile.first_day is not None,
            columns=columns,
        )

    def join(self, counts: Counts, *, rows: int, until: dt.date | None = None) -> None:
        """Add an accepted window to the windows that batches are compared with; the limits don't change.

        Args:
            counts: Counts of the window by column, each of shape (cells,).
            rows: How many rows it has.
            until: The day after its last day.
        """
        import numpy as np

        for name, past in self._past.items():
            if name in counts:
                past.windows = np.vstack([past.windows, counts[name][None]])
        self._sizes.append(rows)
        self.joined += 1
        self.newest = until or self.newest

    def refuse(self, drift: Drift, counts: Counts) -> None:
        """Remember the severely drifted columns of a window that blocked: a similar batch has the same fault."""
        for column in drift.columns:
            far = any(
                measurement.state == "severe" for measurement in column.measurements if measurement.measure in FAR
            )
            if column.blocks and far:
                self._past[column.name].refused.append(counts[column.name])

    def windows(self, column: str) -> np.ndarray:
        """The counts of the windows that a column is compared with, of shape (k, cells), in order of time."""
        return self._past[column].windows

    def _compare_column(self, name: str, counts: np.ndarray, *, near: bool, excuse: str | None) -> ColumnDrift:
        import numpy as np

        past, layout = self._past[name], self.profile.layouts[name]
        of_classes = layout.category and self._is_output(name)
        # A class more is a share more that chance may change.
        rule = stricter(self._rule, times=len(layout.named)) if of_classes else self._rule
        rule = wider(rule, self._design_of(name))
        measurements = measure_column(
            counts, past.windows, past.ordinary, layout=layout, rule=rule, pooled=past.pooled, near=near
        )
        if past.refused and past.ordinary is not None and not past.pooled:
            refused = np.array(past.refused)
            measurements.append(measure_refused(counts, refused, past.windows, past.ordinary, layout=layout, rule=rule))
        return ColumnDrift(
            name=name,
            state=max((measurement.state for measurement in measurements), key=STATES.index),
            missing=float(counts[-1] / max(counts.sum(), 1)),
            measurements=tuple(measurements),
            excuse=excuse,
            detail=_changed_class(counts, past.windows, layout) if of_classes else None,
        )

    def _is_output(self, name: str) -> bool:
        return name == self.profile.target or is_prediction(name, target=self.profile.target)

    def _excuse(self, name: str, *, rows: int, short: bool) -> str | None:
        """Why a column can't block."""
        profile = self.profile
        if is_prediction(name, target=profile.target):
            return "drift of the predictions never blocks"
        if not profile.matters(name):
            return "the model hardly uses this column"
        if rows < profile.rule.least_rows:
            return "the batch has too few rows to block"
        if short:
            return "the batch covers only a few hours, which differ from whole days"
        if profile.first_day is not None and self._past[name].ordinary is None:
            return "the reference is too short to derive a limit from its past"
        return None


def _changed_class(counts: np.ndarray, windows: np.ndarray, layout: Layout) -> str | None:
    """The class whose share differs most from that of all windows together, in words."""
    total = windows.sum(axis=0)[: len(layout.named)]
    now = counts[: len(layout.named)]
    if not now.sum() or not total.sum():
        return None
    here, past = now / now.sum(), total / total.sum()
    at = int(abs(here - past).argmax())
    return f"the share of {layout.named[at]} changed most: {here[at]:.1%}, and {past[at]:.1%} in the reference"


def windows_text(*, windows: int, days: int, joined: int) -> str:
    """What a batch is compared with, in words; a single window is the whole reference.

    Args:
        windows: How many there are.
        days: How long each is.
        joined: How many of them are newer than the training data.
    """
    if windows <= 1:
        return "all rows of the reference together"
    return f"{plural(windows, 'window')} of {plural(days, 'day')}, {joined:,} of them seen since the training"
