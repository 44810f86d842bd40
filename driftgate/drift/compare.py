"""A batch against the reference, column by column, and the checks that follow."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from driftgate.config import LOWER_IS_BETTER, Problem
from driftgate.drift.counting import PREDICTION, Counts
from driftgate.drift.estimate import Expected
from driftgate.drift.limits import STATES, Reading, Rule, State, read_column
from driftgate.drift.profile import Profile
from driftgate.evaluation import Estimate
from driftgate.gate import Check, Severity

if TYPE_CHECKING:
    import numpy as np

FEWEST_OF_WINDOW, MOST_OF_WINDOW = 0.5, 2.0


class ColumnDrift(BaseModel):
    """One column of a batch. `missing` is its missing share now; `readings` hold every measure beside its limits."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: State
    blocks: bool
    missing: float
    readings: tuple[Reading, ...]

    @property
    def distance(self) -> Reading:
        return next(reading for reading in self.readings if reading.measure == "distance")

    @property
    def worst(self) -> Reading:
        """The measure that decides the state: the one furthest over its limit; the distance where none is over."""
        if self.state == "stable":
            return self.distance
        return max(self.readings, key=lambda reading: (STATES.index(reading.state), reading.ratio))


class Drift(BaseModel):
    """A batch against the reference. `windows` were there to compare with, `joined` of them seen since the training."""

    model_config = ConfigDict(frozen=True)

    rows: int
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
        """The columns over a limit, the worst first."""
        return [column for column in self.worst_first if column.state != "stable"]

    @property
    def worst_first(self) -> list[ColumnDrift]:
        """Every column: what blocks, what is over a limit, what comes closest to one."""
        return sorted(
            self.columns, key=lambda column: (column.state == "stable", not column.blocks, -column.worst.ratio)
        )


class History:
    """The windows that a batch is held against: those of the reference, and those that were seen and accepted since.

    A batch is held against windows of its own length. Where the reference has too few of them, it is held against the
    whole reference, under limits from windows of the usual length: a longer batch lies closer to the whole than those.

    Args:
        profile: The reference.
        days: The length of a batch.
    """

    def __init__(self, profile: Profile, *, days: int) -> None:
        self.profile = profile
        usual, least = profile.rule.window_days, profile.rule.least_windows
        self.pooled = profile.days < days * least
        self.days = days if not self.pooled else usual if profile.days >= usual * least else profile.days
        self._windows = dict(profile.windows(self.days))
        self._ordinary = profile.ordinary_for(self.days)
        self.joined = 0
        self.newest = profile.end

    def judge(
        self,
        counts: Counts,
        *,
        rows: int,
        first: dt.datetime | None = None,
        last: dt.datetime | None = None,
        whole_window: bool = False,
    ) -> Drift:
        """Hold a batch against what is ordinary.

        Args:
            counts: Of the batch, by column; columns that it lacks are left out of the judgement.
            rows: How many rows it has.
            first: The time of its first row, if rows have one.
            last: The time of its last row.
            whole_window: Whether it holds all rows of its time, so that their number says something.
        """
        # What lies months back is no neighbour: a limit for weeks that follow each other says nothing of it.
        reach = dt.timedelta(days=self.profile.rule.recent * self.days)
        near = first is None or self.newest is None or first.date() - self.newest <= reach
        columns = tuple(
            self._judge_column(name, counts[name], rows=rows, near=near) for name in self._windows if name in counts
        )
        sizes = self._sizes()
        return Drift(
            rows=rows,
            first=first,
            last=last,
            window_days=self.days,
            windows=len(sizes),
            joined=self.joined,
            fewest_rows=int(min(sizes, default=0)),
            most_rows=int(max(sizes, default=0)),
            whole_window=whole_window and not self.pooled and self.profile.first_day is not None,
            columns=columns,
        )

    def join(self, counts: Counts, *, until: dt.date | None = None) -> None:
        """Let a window that was accepted stand beside the reference from now on; the limits stay as they were.

        Args:
            counts: Of the window.
            until: The day after its last one.
        """
        import numpy as np

        for name, windows in self._windows.items():
            if name in counts:
                self._windows[name] = np.vstack([windows, counts[name][None]])
        self.joined += 1
        self.newest = until or self.newest

    def _judge_column(self, name: str, counts: np.ndarray, *, rows: int, near: bool) -> ColumnDrift:
        profile = self.profile
        readings = read_column(
            counts, self._windows[name], self._ordinary[name], layout=profile.layouts[name], rule=profile.rule,
            pooled=self.pooled, near=near,
        )  # fmt: skip
        state = max((reading.state for reading in readings), key=STATES.index)
        return ColumnDrift(
            name=name,
            state=state,
            blocks=state == "gross" and profile.matters(name) and rows >= profile.rule.least_rows,
            missing=float(counts[-1] / max(counts.sum(), 1)),
            readings=tuple(readings),
        )

    def windows(self, column: str) -> np.ndarray:
        """The counts that a column is held against, of shape (k, cells), in order of time."""
        return self._windows[column]

    def _sizes(self) -> np.ndarray:
        column = next(name for name in self._windows if name != PREDICTION)
        sizes: np.ndarray = self._windows[column].sum(axis=1)
        return sizes[sizes > 0]


def drift_checks(drift: Drift, *, rule: Rule) -> list[Check]:
    """The number of rows, and each column over a limit; where none is, the one that comes closest."""
    checks = [_rows_check(drift, rule=rule)]
    for column in drift.drifted:
        reading = column.worst
        severity = "block" if column.blocks else "warn"
        name = f"drift.{column.name}" if reading.measure == "distance" else f"drift.{column.name}.{reading.measure}"
        checks.append(
            Check(
                name=name, severity=severity, observed=reading.value, limit=reading.limit, passed=False,
                why=_why(column, drift, rule=rule),
            )
        )  # fmt: skip
    if not drift.drifted and drift.columns:
        nearest = drift.worst_first[0]
        why = f"closest to a limit of {len(drift.columns)} columns: {nearest.name}, {_words(nearest.worst)}"
        reading = nearest.worst
        checks.append(
            Check(name="drift", severity="block", observed=reading.value, limit=reading.limit, passed=True, why=why)
        )
    return checks


def estimate_checks(expected: dict[str, Expected], problem: Problem) -> list[Check]:
    """Estimated and realised performance against the floors of the gate, and against each other."""
    checks = []
    for name, floor in problem.gate.performance.items():
        found = expected.get(name)
        if found is None:
            continue
        low, high = found.estimate.low, found.estimate.high
        checks.append(_floor_check("estimate", name, found.estimate, floor, source="the probabilities, without labels"))
        if found.realised is None:
            continue
        checks.append(_floor_check("realised", name, found.realised, floor, source="the labels"))
        why = f"labels say {found.realised.value:.4f}, probabilities promised {found.estimate.value:.4f} ({low:.4f} to {high:.4f})"
        why += ": what the features mean has changed (concept drift)" if found.surprising else ""
        checks.append(
            Check(
                name=f"concept.{name}", severity="warn", observed=found.realised.value,
                limit=high if found.realised.value > high else low, passed=not found.surprising, why=why,
            )
        )  # fmt: skip
    return checks


def _floor_check(kind: str, metric: str, found: Estimate, floor: float, *, source: str) -> Check:
    """Below the floor beyond doubt: the favourable end of the interval is."""
    lower = metric in LOWER_IS_BETTER
    end = found.low if lower else found.high
    why = f"{'lower' if lower else 'upper'} end of the interval of {found.value:.4f}, from {source}"
    passed = end <= floor if lower else end >= floor
    return Check(name=f"{kind}.{metric}", severity="warn", observed=end, limit=floor, passed=passed, why=why)


def _rows_check(drift: Drift, *, rule: Rule) -> Check:
    low, high = rule.least_rows, None
    why = f"{drift.rows:,} rows"
    if drift.whole_window:
        low, high = int(FEWEST_OF_WINDOW * drift.fewest_rows), int(MOST_OF_WINDOW * drift.most_rows)
        why += f"; windows of {drift.window_days} days held {drift.fewest_rows:,} to {drift.most_rows:,}"
    if drift.rows == 0:
        why = "nothing arrived"
    elif drift.rows < rule.least_rows:
        why += f"; fewer than {rule.least_rows:,} say little, and never block"
    passed = drift.rows >= max(low, 1) and (high is None or drift.rows <= high)
    limit = f"{low:,} to {high:,}" if high is not None else low
    severity: Severity = "warn" if drift.rows else "block"
    return Check(name="rows", severity=severity, observed=drift.rows, limit=limit, passed=passed, why=why)


def _why(column: ColumnDrift, drift: Drift, *, rule: Rule) -> str:
    text = _words(column.worst)
    if column.blocks:
        return f"{text}: grossly over, in a column that the model uses"
    if column.state == "gross":
        if drift.rows < rule.least_rows:
            return f"{text}: grossly over, but too few rows to block"
        why = "what the model says only warns" if column.name == PREDICTION else "the model hardly uses the column"
        return f"{text}: grossly over, but {why}"
    return text


def _words(reading: Reading) -> str:
    """A measure in words: how far over which limit, and against what."""
    against = {
        "ever": "the nearest window ever seen",
        "recent": "the nearest of the recent windows",
        "reference": "the reference as a whole",
    }[reading.question]
    return {
        "distance": f"distance {reading.value:.3f} from {against}",
        "missing": f"missing share {reading.value:.1%} off that of {against}",
        "commonest": f"{reading.value:.1%} of the values lie in one cell, as if stuck",
        "unseen": f"{reading.value:.1%} of the rows hold a category never seen before",
    }[reading.measure]
