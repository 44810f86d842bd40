"""What a batch is compared with: long faults, outages, thin and broken windows, batches of every length, wild dates."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from driftgate.config import DriftRule, Problem
from driftgate.contract import LABEL, PREDICTION
from driftgate.drift.check import DriftAnalysis, span_of
from driftgate.drift.compare import History
from driftgate.drift.counting import count, layout_of
from driftgate.drift.limits import ordinary_of
from driftgate.drift.profile import Profile, fit_profile
from tests.unit.test_drift_check import EFFECTS, ROWS_A_DAY, TrueModel, check, made, states, world

__all__ = ["world"]  # the fixture

World = tuple[Problem, Profile]


def fitted(rows: pd.DataFrame, problem: Problem, *, said: pd.DataFrame | None = None) -> Profile:
    told = rows if said is None else said
    probabilities = pd.DataFrame(
        {PREDICTION: TrueModel().probability(told), LABEL: told["target"].to_numpy(), "at": told["at"]}
    )
    return fit_profile(rows, problem, out_of_fold=probabilities, effects=EFFECTS, threshold=0.5)


def in_celsius(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(temp=(rows["temp"] - 32) / 1.8)


def test_a_fault_that_lasts_for_months_stays_a_fault(world: World) -> None:
    """A summer in °C looks like winters seen before: only the weeks refused on the way there tell it apart."""
    good = made("2021-12-31", 84, seed=5)
    bad = in_celsius(made("2022-03-25", 112, seed=6))
    analysis = check(in_celsius(made("2022-07-15", 7, seed=7)), world, seen=pd.concat([good, bad], ignore_index=True))
    assert analysis.drift.joined == 84 / 7
    column = next(column for column in analysis.drift.columns if column.name == "temp")
    assert column.blocks
    assert column.worst.question == "refused"
    mended = check(made("2022-07-15", 7, seed=7), world, seen=pd.concat([good, bad], ignore_index=True))
    assert states(mended) == {}


def test_rows_without_time_are_not_held_against_neighbours(world: World) -> None:
    july = made("2022-07-08", 7, seed=8).drop(columns="at")
    assert states(check(july, world)) == {}


def test_an_outage_in_the_reference_blinds_no_column(world: World) -> None:
    """A week without any value is no distance from everything; it must not make everything ordinary."""
    problem, _ = world
    rows = made("2021-01-01", 364)
    out = (rows["at"] >= "2021-05-07") & (rows["at"] < "2021-05-14")
    profile = fitted(rows.assign(x=rows["x"].mask(out)), problem)
    week = made("2021-12-31", 7, seed=3)
    assert states(check(week, (problem, profile))) == {}
    assert states(check(week.assign(x=week["x"] + 2), (problem, profile)))["x"] == "severe"
    assert states(check(week.assign(x=np.nan), (problem, profile)))["x"] == "severe"


def test_a_thin_or_broken_window_of_the_reference_lifts_no_limit(world: World) -> None:
    problem, sound = world
    rows = made("2021-01-01", 364)
    broken = (rows["at"] >= "2021-05-07") & (rows["at"] < "2021-05-14")
    thin = (rows["at"] >= "2021-08-06") & (rows["at"] < "2021-08-13") & (np.arange(len(rows)) % 100 != 0)
    rows = rows.assign(x=rows["x"].mask(broken, 40.0))[~thin]
    profile = fitted(rows, problem)
    now, before = profile.ordinary["x"], sound.ordinary["x"]
    assert now is not None
    assert before is not None
    assert len(now.strange) == 1
    assert now.distance.ever < 2 * before.distance.ever
    assert now.distance.recent < 2 * before.distance.recent
    assert now.commonest < 0.2
    week = made("2021-12-31", 7, seed=3)
    assert states(check(week, (problem, profile))) == {}
    # The fault of the reference, come again, is one again.
    assert states(check(week.assign(x=40.0), (problem, profile)))["x"] == "severe"


def test_limits_that_nothing_passes_are_told(world: World) -> None:
    problem, _ = world
    rows = made("2021-01-01", 182)
    jumps = np.random.default_rng(1).normal(scale=20, size=27)[(np.arange(len(rows)) // ROWS_A_DAY) // 7]
    restless = rows.assign(x=rows["x"] + jumps)
    analysis = check(made("2021-07-02", 7, seed=1), (problem, fitted(restless, problem)))
    found = next(item for item in analysis.checks(problem) if item.name == "limits")
    assert (found.passed, found.severity) == (False, "warn")
    assert found.why.endswith(": x")


@pytest.mark.parametrize("days", [16, 25, 30])
def test_what_the_model_said_of_part_of_the_reference_suits_long_batches(days: int, world: World) -> None:
    problem, _ = world
    rows = made("2021-01-01", 182)
    profile = fitted(rows, problem, said=rows[rows["at"] >= "2021-04-01"])
    assert PREDICTION not in states(check(made("2021-07-02", days, seed=2), (problem, profile)))


def test_a_few_hours_never_block(world: World) -> None:
    problem, _ = world
    rows = made("2021-01-01", 182)
    rows = rows.assign(x=rows["at"].dt.hour.astype(float))
    profile = fitted(rows, problem)
    morning = made("2021-07-02", 7, seed=3).assign(x=lambda f: f["at"].dt.hour.astype(float))
    morning = pd.concat([morning[morning["at"].dt.hour < 6].assign(at=lambda f: f["at"].dt.normalize())] * 2)
    morning = morning.assign(at=pd.Timestamp("2021-07-02 03:00"))
    analysis = check(morning, (problem, profile))
    column = next(column for column in analysis.drift.columns if column.name == "x")
    assert (column.state, column.blocks) == ("severe", False)
    assert "few hours" in str(column.excuse)


def test_wild_dates_move_no_window_and_are_told(world: World) -> None:
    week = made("2021-12-31", 7, seed=1)
    week.loc[week.index[:2], "at"] = [pd.Timestamp("1970-01-01"), pd.Timestamp("2200-01-01")]
    analysis = check(week, world)
    rows = next(item for item in analysis.checks(world[0]) if item.name == "rows")
    assert (analysis.drift.stray, rows.passed) == (2, False)
    assert analysis.drift.window_days == 7
    assert states(analysis) == {}


def test_span_of_a_day_and_of_nothing() -> None:
    frame = pd.DataFrame({"at": pd.to_datetime(["2022-01-01 05:00", "2022-01-01 23:00"])})
    first, last, stray = span_of(frame, "at")
    assert (first, last, stray) == (dt.datetime(2022, 1, 1, 5), dt.datetime(2022, 1, 1, 23), 0)
    assert span_of(frame.head(0), "at") == (None, None, 0)
    assert span_of(frame.assign(at="soon"), "at") == (None, None, 0)


@pytest.mark.parametrize("value", [0.0, 7.0, -1e9])
def test_a_constant_column_is_seen_to_fall_and_to_rise(value: float) -> None:
    layout = layout_of(pd.Series(np.full(100, value)), category=False)
    step = max(abs(value), 1.0)
    cells = layout.cells_of(pd.Series([value - step, value, value + step]))
    assert len(set(cells.tolist())) == 3


def test_chance_alone_never_makes_an_ordinary_column_severe() -> None:
    """With a tiny ordinary distance, a small batch's limit is chance: beyond it is drift, severely beyond twice its odds."""
    draw = np.random.default_rng(0)
    values = pd.Series(draw.normal(size=182_000))
    layout = layout_of(values, category=False)
    windows = np.array([count(pd.DataFrame({"x": part}), {"x": layout})["x"] for part in np.split(values, 26)])
    found = ordinary_of(windows, layout=layout, rule=DriftRule())
    assert found is not None
    from driftgate.drift.limits import measure_column

    batch = count(pd.DataFrame({"x": draw.normal(size=120)}), {"x": layout})["x"]
    distance = measure_column(batch, windows, found, layout=layout, rule=DriftRule())[0]
    assert distance.severe_limit / (1 - distance.severe_limit) == pytest.approx(
        2 * distance.limit / (1 - distance.limit)
    )
    assert distance.state == "stable"


def test_a_known_change_joins_from_the_day_it_was_accepted(world: World) -> None:
    problem, profile = world
    moved = made("2021-12-31", 28, seed=5).assign(x=lambda f: f["x"] + 3)
    week = made("2022-01-28", 7, seed=6).assign(x=lambda f: f["x"] + 3)
    assert states(check(week, world, seen=moved, asked=False))["x"] == "severe"
    rule = problem.gate.drift.model_copy(update={"accept_from": dt.date(2021, 12, 31)})
    told = problem.model_copy(update={"gate": problem.gate.model_copy(update={"drift": rule})})
    assert states(check(week, (told, profile), seen=moved, asked=False)) == {}


def test_missing_labels_are_no_drift_of_the_target(world: World) -> None:
    week = made("2021-12-31", 7, seed=1)
    late = week.assign(target=week["target"].astype(float).mask(np.arange(len(week)) >= 300))
    analysis: DriftAnalysis = check(late, world)
    assert states(analysis) == {}
    assert analysis.expected["roc_auc"].labelled == 300


def test_windows_of_a_long_batch_and_sizes(world: World) -> None:
    _, profile = world
    assert (History(profile, days=7).days, History(profile, days=7).pooled) == (7, False)
    assert (History(profile, days=200).days, History(profile, days=200).pooled) == (7, True)


def test_a_week_refused_for_missing_values_refuses_none_after_it(world: World) -> None:
    seen = made("2021-12-31", 7, seed=5).assign(x=lambda f: f["x"].mask(np.arange(len(f)) % 2 == 0))
    analysis = check(made("2022-01-07", 7, seed=6), world, seen=seen)
    assert analysis.drift.joined == 0
    assert states(analysis) == {}
