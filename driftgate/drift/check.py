"""One drift check: compare new rows with the profile of a release and with the windows accepted since."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from driftgate.config import Problem
from driftgate.data.contract_check import find_batch_violations
from driftgate.data.table import features_of, labels_of
from driftgate.drift.checks import drift_checks, estimate_checks
from driftgate.drift.compare import Drift, History
from driftgate.drift.counting import Counts, count
from driftgate.drift.derived import derive
from driftgate.drift.estimate import Expected, Spread, expect
from driftgate.drift.outputs import is_prediction, prediction_values, target_values
from driftgate.drift.profile import Profile
from driftgate.production.scoring import Scorer
from driftgate.verdict import Check

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

log = logging.getLogger("driftgate.drift")

EDGE = 0.005
ROWS_AT_ONCE = 500_000  # that the model predicts: its inputs are a copy of the rows


class DriftAnalysis(BaseModel):
    """The result of a drift check; `expected` is empty if the model can't predict the rows."""

    model_config = ConfigDict(frozen=True)

    drift: Drift
    expected: dict[str, Expected]

    def checks(self, problem: Problem) -> list[Check]:
        """The checks of the gate for this result."""
        return [*drift_checks(self.drift, rule=problem.gate.drift), *estimate_checks(self.expected, problem)]


@dataclass(frozen=True)
class DriftPages:
    """A drift check as two HTML files: `interactive` is Evidently's and needs scripts, `static` needs none."""

    interactive: str
    static: str


def check_drift(
    current: pd.DataFrame,
    problem: Problem,
    *,
    profile: Profile,
    scorer: Scorer | None,
    threshold: float,
    seen: pd.DataFrame | None = None,
    window: tuple[dt.datetime, dt.datetime] | None = None,
    interactive: str = "",
    timed: bool = True,
) -> tuple[DriftAnalysis, DriftPages]:
    """Compare rows with the reference.

    Args:
        current: The rows. Missing columns of the contract count as missing values; target and timestamp may be absent.
        problem: Gives contract, target and timestamp.
        profile: The reference profile of the release.
        scorer: The release's model; None if the rows break the contract, so that it can't predict them.
        threshold: Its decision threshold.
        seen: Rows dated after the reference and before `current`. Their windows join the reference one after the other,
            except those with severe drift.
        window: Start and end of the days of which `current` has all rows, so that their number can be checked; None: the
            time comes from the rows.
        interactive: Where the interactive page will be kept, in words, for the static page.
        timed: Whether the timestamp means the same as at training; if not, the ages of dates are not compared.

    Returns:
        The result, and its two pages.
    """
    from driftgate.drift.report import drift_page
    from driftgate.drift.static_page import static_page

    first, last, stray = span_of(current, problem.data.timestamp)
    days = (last.date() - first.date()).days + 1 if first and last else profile.rule.window_days
    if window is not None:
        first, days = window[0], (window[1] - window[0]).days
    history = History(profile, days=days)
    if seen is not None and first is not None and len(seen):
        _replay(history, seen, problem, until=first, scorer=scorer, timed=timed)
    probability = _probability(current, problem, scorer)
    counts = _count(current, problem, profile=profile, probability=probability, timed=timed)
    drift = history.compare(
        counts, rows=len(current), first=first, last=last, whole_window=window is not None, stray=stray
    )
    expected: dict[str, Expected] = {}
    if probability is not None:
        labels = _labels(current, problem)
        expected = expect(
            probability.astype(float), labels=labels, threshold=threshold, spread=_spread_for(profile, days),
            confidence=problem.gate.confidence, seed=problem.seed,
        )  # fmt: skip
    page, _ = drift_page(drift, history, counts)
    static = static_page(drift, history, counts, expected, problem=problem.name, interactive=interactive)
    return DriftAnalysis(drift=drift, expected=expected), DriftPages(interactive=page, static=static)


def newest_window(
    holdout: pd.DataFrame, problem: Problem
) -> tuple[pd.DataFrame, pd.DataFrame | None, tuple[dt.datetime, dt.datetime] | None]:
    """The newest window of the holdout, the rows before it, and its bounds; all rows where there is no timestamp."""
    import pandas as pd

    timestamp = problem.data.timestamp
    if timestamp is None:
        return holdout, None, None
    end = holdout[timestamp].max().normalize() + pd.Timedelta(days=1)
    start = end - pd.Timedelta(days=problem.gate.drift.window_days)
    newest = holdout[timestamp] >= start
    return holdout[newest], holdout[~newest], (start.to_pydatetime(), end.to_pydatetime())


def _replay(
    history: History,
    seen: pd.DataFrame,
    problem: Problem,
    *,
    until: dt.datetime,
    scorer: Scorer | None,
    timed: bool,
) -> None:
    """Check the windows before the batch in order of time; those that don't block join the reference."""
    import pandas as pd

    timestamp, accept_from = problem.data.timestamp, problem.gate.drift.accept_from
    assert timestamp
    border = pd.Timestamp(until).normalize()
    age = (border - seen[timestamp].dt.normalize()) / pd.Timedelta(days=1) - 1
    start = seen[timestamp].min().normalize()
    refused = 0
    for number in range(int((border - start) / pd.Timedelta(days=history.days)) - 1, -1, -1):
        window = seen[(age >= number * history.days) & (age < (number + 1) * history.days)]
        if window.empty:
            continue
        end = border - pd.Timedelta(days=number * history.days)
        first = (end - pd.Timedelta(days=history.days)).to_pydatetime()
        if find_batch_violations(window, problem, classes=history.profile.classes):
            refused += 1
            continue
        probability = _probability(window, problem, scorer)
        counts = _count(window, problem, profile=history.profile, probability=probability, timed=timed)
        drift = history.compare(counts, rows=len(window), first=first)
        accepted = accept_from is not None and first.date() >= accept_from
        if accepted or not any(column.blocks for column in drift.columns):
            history.join(counts, rows=len(window), until=end.date())
        else:
            refused += 1
            history.refuse(drift, counts)
    log.info("%d windows seen since the training joined the reference, %d refused", history.joined, refused)


def _probability(frame: pd.DataFrame, problem: Problem, scorer: Scorer | None) -> np.ndarray | None:
    """The model's probability for each row, of shape (n,) or (n, classes); None if the model can't predict the rows."""
    import numpy as np

    if scorer is None or frame.empty:
        return None
    parts = (frame.iloc[start : start + ROWS_AT_ONCE] for start in range(0, len(frame), ROWS_AT_ONCE))
    return np.concatenate([scorer.probability(features_of(part, problem.contract)) for part in parts])


def _count(
    frame: pd.DataFrame, problem: Problem, *, profile: Profile, probability: np.ndarray | None, timed: bool
) -> Counts:
    """The counts of every column; without a model there is no prediction column, without labels no target."""
    import pandas as pd

    derived, target = profile.derived, profile.target
    features = {
        name: layout
        for name, layout in profile.layouts.items()
        if name not in derived and name != target and not is_prediction(name, target=target)
    }
    counts = count(frame, features)
    values = {
        name: derive(frame, what, timestamp=problem.data.timestamp if timed else None) for name, what in derived.items()
    }
    if probability is not None:
        # Labels arrive late, so missing labels are not a sign of drift.
        values |= {name: found.dropna() for name, found in prediction_values(probability, problem).items()}
    if target in frame and frame[target].notna().any():
        values[target] = target_values(frame, problem).dropna()
    for name, found in values.items():
        if found is not None and name in profile.layouts:
            counts |= count(pd.DataFrame({name: found}), {name: profile.layouts[name]})
    return counts


def _spread_for(profile: Profile, days: int) -> dict[str, Spread]:
    """Errors of the estimate for a batch of a number of days.

    The error of a shorter batch is larger, by the square root of the ratio of the lengths, as if days were independent.
    """
    wider = max(1.0, profile.rule.window_days / days) ** 0.5
    return {name: Spread(error=found.error * wider, windows=found.windows) for name, found in profile.spread.items()}


def _labels(frame: pd.DataFrame, problem: Problem) -> np.ndarray | None:
    """The codes of the labels, NaN if unknown or none of the classes; float64 of shape (n,). None if no label is known."""
    import numpy as np

    target = problem.target.column
    known = frame[target].notna().to_numpy() if target in frame else None
    if known is None or not known.any():
        return None
    codes = labels_of(frame, problem).astype(float)
    return np.where(known & (codes >= 0), codes, np.nan)


def span_of(frame: pd.DataFrame, timestamp: str | None) -> tuple[dt.datetime | None, dt.datetime | None, int]:
    """First and last time of a batch, and how many stray rows are further away from it than its length.

    If there are stray rows, the outermost half percent of the rows at either end doesn't count: a few wrong dates must not
    turn a week into a century.
    """
    import pandas as pd

    if timestamp is None or timestamp not in frame or not pd.api.types.is_datetime64_any_dtype(frame[timestamp]):
        return None, None, 0
    known = frame[timestamp].dropna().sort_values()
    if known.empty:
        return None, None, 0
    skip = int(len(known) * EDGE)
    first, last = known.iloc[skip], known.iloc[-1 - skip]
    reach = max(last - first, pd.Timedelta(days=1))
    stray = int(((known < first - reach) | (known > last + reach)).sum())
    if not stray:
        first, last = known.iloc[0], known.iloc[-1]
    return first.to_pydatetime(), last.to_pydatetime(), stray
