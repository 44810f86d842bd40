"""Compare a batch with the reference, column by column."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from driftgate.config import LOWER_IS_BETTER, DriftRule, Problem
from driftgate.contract import PREDICTION
from driftgate.drift.counting import Counts
from driftgate.drift.estimate import Expected
from driftgate.drift.limits import STATES, Measurement, Ordinary, State, measure_column, measure_refused
from driftgate.drift.profile import Profile
from driftgate.training.evaluation import Estimate
from driftgate.verdict import Check, Severity
from driftgate.words import plural

if TYPE_CHECKING:
    import numpy as np

FEWEST_OF_WINDOW, MOST_OF_WINDOW = 0.5, 2.0
SHORTEST_BATCH = dt.timedelta(hours=12)
FAR = ("distance", "refused")
BLIND = 0.95  # distances are hardly ever above a limit this high
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

    `excuse` says why the column can't block, however large its drift; None: it can.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    state: State
    missing: float
    measurements: tuple[Measurement, ...]
    excuse: str | None

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
        first = next(name for name in profile.layouts if name != PREDICTION)
        self._sizes = [int(size) for size in profile.windows_of(first, self.days).sum(axis=1) if size]
        self.joined = 0
        self.newest = profile.end

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

        past = self._past[name]
        measurements = measure_column(
            counts, past.windows, past.ordinary, layout=self.profile.layouts[name], rule=self.profile.rule,
            pooled=past.pooled, near=near,
        )  # fmt: skip
        if past.refused and past.ordinary is not None and not past.pooled:
            refused = np.array(past.refused)
            layout, rule = self.profile.layouts[name], self.profile.rule
            measurements.append(measure_refused(counts, refused, past.windows, past.ordinary, layout=layout, rule=rule))
        return ColumnDrift(
            name=name,
            state=max((measurement.state for measurement in measurements), key=STATES.index),
            missing=float(counts[-1] / max(counts.sum(), 1)),
            measurements=tuple(measurements),
            excuse=excuse,
        )

    def _excuse(self, name: str, *, rows: int, short: bool) -> str | None:
        """Why a column can't block."""
        profile = self.profile
        if name == PREDICTION:
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


def drift_checks(drift: Drift, *, rule: DriftRule) -> list[Check]:
    """The checks of a comparison: the number of rows, and each column over a limit, or else the closest column.

    One check lists the columns whose limit is so high that it can hardly detect drift.
    """
    checks = [_rows_check(drift, rule=rule), *_blind_checks(drift)]
    for column in drift.drifted:
        measurement = column.worst
        severity = "block" if column.blocks else "warn"
        name = (
            f"drift.{column.name}"
            if measurement.measure == "distance"
            else f"drift.{column.name}.{measurement.measure}"
        )
        checks.append(
            Check(
                name=name, severity=severity, observed=measurement.value, limit=measurement.limit, passed=False,
                why=_why(column),
            )
        )  # fmt: skip
    if not drift.drifted and drift.columns:
        nearest = drift.worst_first[0]
        why = (
            f"none of {plural(len(drift.columns), 'column')} is over a limit. "
            f"The closest is {nearest.name}: {_words(nearest.worst)}"
        )
        measurement = nearest.worst
        checks.append(
            Check(
                name="drift",
                severity="block",
                observed=measurement.value,
                limit=measurement.limit,
                passed=True,
                why=why,
            )
        )
    return checks


def estimate_checks(expected: dict[str, Expected], problem: Problem) -> list[Check]:
    """Compare estimated and realised performance with the limits of the gate, and with each other."""
    checks = []
    for name, floor in problem.gate.performance.items():
        found = expected.get(name)
        if found is None:
            continue
        checks.append(
            _floor_check(
                "estimate",
                name,
                found.estimate,
                floor,
                source="estimated from the predicted probabilities, without labels",
            )
        )
        if found.realised is None:
            continue
        checks.append(
            _floor_check(
                "realised", name, found.realised, floor, source=f"measured on {plural(found.labelled, 'labelled row')}"
            )
        )
        checks.append(_concept_check(name, found, found.realised))
    return checks


def _concept_check(metric: str, found: Expected, realised: Estimate) -> Check:
    """Whether the realised metric is worse than expected from the probabilities, beyond the interval.

    A better metric passes, and the text says so.
    """
    promised, lower = found.promised or found.estimate, metric in LOWER_IS_BETTER
    limit = promised.high if lower else promised.low
    passed = realised.value <= limit if lower else realised.value >= limit
    why = (
        f"{metric} is {realised.value:.4f} on the labelled rows. From the predicted probabilities, "
        f"{promised.value:.4f} was expected ({promised.low:.4f} to {promised.high:.4f})"
    )
    if not passed:
        why += ". The relation between features and label has changed (concept drift)"
    elif not found.inside:
        why += ". It is better than expected"
    return Check(
        name=f"concept.{metric}", severity="warn", observed=realised.value, limit=limit, passed=passed, why=why
    )


def _floor_check(kind: str, metric: str, found: Estimate, floor: float, *, source: str) -> Check:
    """Whether the metric is certainly beyond its limit: the favourable end of its interval is."""
    lower = metric in LOWER_IS_BETTER
    end = found.low if lower else found.high
    why = (
        f"{metric} {source}: {found.value:.4f}, with an interval of {found.low:.4f} to {found.high:.4f}. "
        f"The check fails only if the whole interval is {'above' if lower else 'below'} the limit"
    )
    passed = end <= floor if lower else end >= floor
    return Check(name=f"{kind}.{metric}", severity="warn", observed=end, limit=floor, passed=passed, why=why)


def _rows_check(drift: Drift, *, rule: DriftRule) -> Check:
    low, high = rule.least_rows, None
    why = f"{plural(drift.rows, 'row')} arrived"
    if drift.whole_window:
        low, high = int(FEWEST_OF_WINDOW * drift.fewest_rows), int(MOST_OF_WINDOW * drift.most_rows)
        why += f". Past windows of {plural(drift.window_days, 'day')} had {drift.fewest_rows:,} to {drift.most_rows:,} rows"
    if drift.rows == 0:
        why = "no rows arrived"
    elif drift.rows < rule.least_rows:
        why += f". With fewer than {rule.least_rows:,}, drift of a column only warns"
    if drift.stray:
        why += f". {drift.stray:,} of them {'is' if drift.stray == 1 else 'are'} dated far from all others"
    passed = drift.rows >= max(low, 1) and (high is None or drift.rows <= high) and not drift.stray
    limit = f"{low:,} to {high:,}" if high is not None else low
    severity: Severity = "warn" if drift.rows else "block"
    return Check(name="rows", severity=severity, observed=drift.rows, limit=limit, passed=passed, why=why)


def _blind_checks(drift: Drift) -> list[Check]:
    measurements = [(column.name, column.distance) for column in drift.columns if column.excuse is None]
    blind = [(name, measurement.limit) for name, measurement in measurements if measurement.limit > BLIND]
    if not blind or drift.rows < 1:
        return []
    names = ", ".join(name for name, _ in blind)
    why = f"past windows differ so much that the distance can hardly detect drift in these columns: {names}"
    worst = max(limit for _, limit in blind)
    return [Check(name="limits", severity="warn", observed=worst, limit=BLIND, passed=False, why=why)]


def _why(column: ColumnDrift) -> str:
    text = _words(column.worst)
    if column.blocks:
        return f"{text}. Severe, in a column that the model uses"
    return f"{text}. Severe, but only a warning: {column.excuse}" if column.state == "severe" else text


def _words(measurement: Measurement) -> str:
    """A measure in words: its value, and what it was compared with."""
    other = COMPARED_WITH[measurement.question]
    return {
        "distance": f"its distribution is at distance {measurement.value:.3f} from {other} (0: equal, 1: nothing in common)",
        "missing": f"its share of missing values differs by {100 * measurement.value:.1f} points from {other}",
        "commonest": f"{measurement.value:.1%} of its values are nearly the same, as if it were stuck",
        "refused": f"it is at distance {1 - measurement.value:.3f} from {other}: the same fault seems to go on",
        "unseen": f"{measurement.value:.1%} of the rows have a category that was never seen before",
    }[measurement.measure]
