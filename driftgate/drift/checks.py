"""The checks of the gate for the comparison of a batch with the reference, and for its performance."""

from __future__ import annotations

from driftgate.config import LOWER_IS_BETTER, DriftRule, Problem
from driftgate.drift.compare import COMPARED_WITH, ColumnDrift, Drift
from driftgate.drift.estimate import Expected
from driftgate.drift.limits import Measurement
from driftgate.training.evaluation import Estimate
from driftgate.verdict import Check, Severity
from driftgate.words import plural

FEWEST_OF_WINDOW, MOST_OF_WINDOW = 0.5, 2.0
BLIND = 0.95  # distances are hardly ever above a limit this high


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
    if column.detail and column.worst.measure == "distance":
        text += f". Of the classes, {column.detail}"
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
