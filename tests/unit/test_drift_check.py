"""A drift check calls ordinary windows ordinary, and says clearly what is wrong with others, whatever they hold."""

import datetime as dt
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from driftgate.config import Data, Problem
from driftgate.contract import LABEL, PREDICTION, Column, Contract
from driftgate.drift.check import DriftAnalysis, check_drift
from driftgate.drift.compare import History
from driftgate.drift.counting import count
from driftgate.drift.profile import Profile, fit_profile
from driftgate.drift.report import drift_page
from driftgate.verdict import Check

ROWS_A_DAY = 100
COLUMNS = {
    "x": Column(type="number", nullable=True),
    "temp": Column(type="number", nullable=True, unit="°F"),
    "unused": Column(type="number"),
    "kind": Column(type="category"),
}
EFFECTS = {"x": 0.1, "temp": 0.1, "unused": 0.0, "kind": 0.1}


def made(start: str, days: int, *, seed: int = 0) -> pd.DataFrame:
    """Rows of a world with seasons: a temperature that goes up and down with the year, and a mix of kinds that doesn't."""
    draw, rows = np.random.default_rng(seed), days * ROWS_A_DAY
    at = pd.Timestamp(start) + pd.to_timedelta(np.arange(rows) / ROWS_A_DAY, unit="D")
    season = 50 - 25 * np.cos(2 * np.pi * at.dayofyear.to_numpy() / 365)
    frame = pd.DataFrame(
        {
            "id": [f"{start}/{number}" for number in range(rows)],
            "at": at,
            "x": draw.normal(size=rows),
            "temp": season + draw.normal(scale=6, size=rows),
            "unused": draw.normal(size=rows),
            "kind": draw.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1]),
        }
    )
    return frame.assign(target=(draw.random(rows) < 1 / (1 + np.exp(-2 * frame["x"]))).astype(int))


class TrueModel:
    """Stands for the release's model with the probabilities the rows were drawn from."""

    def probability(self, frame: pd.DataFrame) -> np.ndarray:
        return 1 / (1 + np.exp(-2 * frame["x"].fillna(0).to_numpy(dtype=float)))


@pytest.fixture(scope="module")
def world() -> tuple[Problem, Profile]:
    from driftgate.config import load_problem
    from driftgate.workspace import PROJECT

    rules = load_problem(PROJECT / "configs" / "rules.yaml")
    problem = rules.model_copy(
        update={
            "contract": Contract(columns=COLUMNS),
            "data": Data.model_validate({"path": "none.parquet", "row_id": "id", "timestamp": "at"}),
            "gate": rules.gate.model_copy(update={"performance": {"roc_auc": 0.7}}),
        }
    )
    rows = made("2021-01-01", 364)
    said = pd.DataFrame({PREDICTION: TrueModel().probability(rows), LABEL: rows["target"].to_numpy(), "at": rows["at"]})
    return problem, fit_profile(rows, problem, out_of_fold=said, effects=EFFECTS, threshold=0.5)


def check(rows: pd.DataFrame, world: tuple[Problem, Profile], *, asked: bool = True, **more: object) -> DriftAnalysis:
    problem, profile = world
    scorer = TrueModel() if asked else None
    return check_drift(rows, problem, profile=profile, scorer=scorer, threshold=0.5, **more)[0]  # type: ignore[arg-type]


def states(analysis: DriftAnalysis) -> dict[str, str]:
    return {column.name: column.state for column in analysis.drift.columns if column.state != "stable"}


WEEK = ("2021-12-31", 7)
BOUNDS = (dt.datetime(2021, 12, 31), dt.datetime(2022, 1, 7))


def test_the_next_week_is_ordinary(world: tuple[Problem, Profile]) -> None:
    analysis = check(made(*WEEK, seed=1), world, window=BOUNDS)
    assert states(analysis) == {}
    assert all(found.passed for found in analysis.checks(world[0]))


@pytest.mark.parametrize("days", [1, 7, 30, 200])
def test_batches_of_any_length_are_held_against_their_like(days: int, world: tuple[Problem, Profile]) -> None:
    analysis = check(made("2021-12-31", days, seed=2), world)
    assert {"x", "kind", PREDICTION}.isdisjoint(states(analysis))


FAULTS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str, str]] = {
    "stuck": (lambda f: f.assign(x=f["x"].iloc[3]), "x", "commonest"),
    "zeroed": (lambda f: f.assign(temp=0.0), "temp", "commonest"),
    "°F to °C": (lambda f: f.assign(temp=(f["temp"] - 32) / 1.8), "temp", "distance"),
    "+20 points missing": (lambda f: f.assign(x=f["x"].mask(np.arange(len(f)) % 5 == 0)), "x", "missing"),
    "swapped": (lambda f: f.assign(kind=f["kind"].replace({"a": "c", "c": "a"})), "kind", "distance"),
    "unknown category": (lambda f: f.assign(kind=f["kind"].mask(np.arange(len(f)) % 10 == 0, "z")), "kind", "unseen"),
    "all missing": (lambda f: f.assign(x=np.nan), "x", "missing"),
    "no such column": (lambda f: f.drop(columns="x"), "x", "missing"),
    "text": (lambda f: f.assign(x="much"), "x", "missing"),
    "infinite": (lambda f: f.assign(x=np.inf), "x", "commonest"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_blocks_and_names_its_measure(fault: str, world: tuple[Problem, Profile]) -> None:
    change, name, measure = FAULTS[fault]
    analysis = check(change(made(*WEEK, seed=3)), world, asked=False)
    column = next(column for column in analysis.drift.columns if column.name == name)
    assert column.blocks
    assert measure in {measurement.measure for measurement in column.measurements if measurement.state == "severe"}
    failed = [found for found in analysis.checks(world[0]) if found.severity == "block" and not found.passed]
    assert [found.name.split(".")[1] for found in failed] == [name]


def test_a_summer_in_celsius_is_no_winter(world: tuple[Problem, Profile]) -> None:
    """The fault that only the recent windows can see: the year has had weeks this cold."""
    _, profile = world
    history = History(profile, days=7)
    for number in range(30):
        start = dt.date(2022, 1 + number // 4, 1 + 7 * (number % 4))
        week = made(str(start), 7, seed=number)
        history.join(count(week, profile.layouts), rows=len(week), until=start + dt.timedelta(days=7))
    july = made("2022-08-05", 7, seed=4)
    broken = july.assign(temp=(july["temp"] - 32) / 1.8)
    layouts = {"temp": profile.layouts["temp"]}
    first = dt.datetime(2022, 8, 5)
    drift = history.compare(count(broken, layouts), rows=len(broken), first=first)
    assert drift.columns[0].blocks
    assert drift.columns[0].distance.question == "recent"
    assert history.compare(count(july, layouts), rows=len(july), first=first).columns[0].state == "stable"


def test_a_column_the_model_hardly_uses_warns_only(world: tuple[Problem, Profile]) -> None:
    analysis = check(made(*WEEK, seed=3).assign(unused=7.0), world)
    column = next(column for column in analysis.drift.columns if column.name == "unused")
    assert (column.state, column.blocks) == ("severe", False)
    found = next(found for found in analysis.checks(world[0]) if found.name.startswith("drift.unused"))
    assert (found.severity, found.passed) == ("warn", False)
    assert "hardly uses" in found.why


def test_what_the_model_says_only_warns(world: tuple[Problem, Profile]) -> None:
    analysis = check(made(*WEEK, seed=3).assign(x=lambda f: f["x"] + 3), world)
    column = next(column for column in analysis.drift.columns if column.name == PREDICTION)
    assert (column.state, column.blocks) == ("severe", False)


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_few_rows_are_told_and_never_block_by_drift(rows: int, world: tuple[Problem, Profile]) -> None:
    analysis = check(made(*WEEK, seed=3).head(rows).assign(temp=0.0), world)
    found = {item.name: item for item in analysis.checks(world[0])}
    assert not found["rows"].passed
    assert not any(column.blocks for column in analysis.drift.columns)
    assert found["rows"].severity == ("block" if rows == 0 else "warn")


@pytest.mark.parametrize("times", [0.3, 3])
def test_too_few_or_too_many_rows_of_a_whole_window_are_told(times: float, world: tuple[Problem, Profile]) -> None:
    week = made(*WEEK, seed=3)
    analysis = check(week.sample(int(times * len(week)), replace=True, random_state=0), world, window=BOUNDS)
    rows = next(found for found in analysis.checks(world[0]) if found.name == "rows")
    assert (rows.passed, rows.severity) == (False, "warn")
    assert states(analysis) == {}


def test_a_feed_that_stopped_within_the_window_is_told(world: tuple[Problem, Profile]) -> None:
    first_day = made(*WEEK, seed=3).head(ROWS_A_DAY)
    rows = next(found for found in check(first_day, world, window=BOUNDS).checks(world[0]) if found.name == "rows")
    assert not rows.passed


def test_a_broken_window_of_the_history_is_refused(world: tuple[Problem, Profile]) -> None:
    seen = made("2021-12-31", 7, seed=5)
    seen = seen.assign(x=seen["x"].astype(object))
    seen.loc[seen.index[0], "x"] = "n/a"
    assert check(made("2022-01-07", 7, seed=6), world, seen=seen).drift.joined == 0


def test_a_season_seen_before_is_ordinary_months_later(world: tuple[Problem, Profile]) -> None:
    """Nothing is known of the half year since the reference: July is compared with the July before, not with December."""
    assert states(check(made("2022-07-08", 7, seed=8), world)) == {}


def test_names_that_are_mostly_new_are_ordinary_where_they_always_were(world: tuple[Problem, Profile]) -> None:
    problem, _ = world
    draw = np.random.default_rng(9)
    rows = made("2021-01-01", 182).assign(kind=lambda f: draw.integers(0, 20_000, len(f)).astype(str))
    said = pd.DataFrame({PREDICTION: TrueModel().probability(rows), LABEL: rows["target"].to_numpy(), "at": rows["at"]})
    profile = fit_profile(rows, problem, out_of_fold=said, effects=EFFECTS, threshold=0.5)
    week = made("2021-07-02", 7, seed=10).assign(kind=lambda f: draw.integers(0, 20_000, len(f)).astype(str))
    assert states(check(week, (problem, profile))) == {}


def test_extra_columns_are_left_alone(world: tuple[Problem, Profile]) -> None:
    assert states(check(made(*WEEK, seed=1).assign(more=1), world)) == {}


def test_windows_seen_join_unless_they_block(world: tuple[Problem, Profile]) -> None:
    seen = made("2021-12-31", 21, seed=5)
    broken = (seen["at"] >= "2022-01-07") & (seen["at"] < "2022-01-14")
    seen = seen.assign(x=seen["x"].mask(broken, 0.0))
    analysis = check(made("2022-01-21", 7, seed=6), world, seen=seen)
    assert analysis.drift.joined == 2
    assert states(analysis) == {}


def test_what_was_never_seen_stays_unseen_when_some_of_it_has_come(world: tuple[Problem, Profile]) -> None:
    """A new kind in a few accepted rows must not make every other new kind known."""
    seen = made("2021-12-31", 7, seed=5)
    seen.loc[seen.index[:2], "kind"] = "y"
    week = made("2022-01-07", 7, seed=6)
    analysis = check(FAULTS["unknown category"][0](week), world, seen=seen)
    assert analysis.drift.joined == 1
    assert states(analysis) == {"kind": "severe"}


def test_page_and_verdict_agree_column_by_column(world: tuple[Problem, Profile]) -> None:
    """Evidently's own test results, and the verdict's checks, are the same for every measure of every column."""
    problem, profile = world
    rows = made(*WEEK, seed=3)
    for change, *_ in (FAULTS["swapped"], FAULTS["+20 points missing"]):
        rows = change(rows)
    rows = rows.assign(unused=rows["unused"] + 0.6)
    history = History(profile, days=7)
    counts = count(rows, {name: profile.layouts[name] for name in COLUMNS})
    drift = history.compare(counts, rows=len(rows))
    page, tests = drift_page(drift, history, counts)
    for column in drift.columns:
        for measurement in column.measurements:
            expected = "SUCCESS" if measurement.value <= measurement.limit else "FAIL" if column.blocks else "WARNING"
            if measurement.state == "drifted":
                expected = "WARNING"
            assert tests[column.name, measurement.measure] == expected, (column.name, measurement)
            assert re.search(rf"limit {measurement.limit:.3f}", page)
    over = {name for (name, _), status in tests.items() if status != "SUCCESS"}
    assert over == {column.name for column in drift.drifted} == {"x", "kind", "unused"}
    failed: list[Check] = [
        found for found in DriftAnalysis(drift=drift, expected={}).checks(problem) if not found.passed
    ]
    assert {found.name.split(".")[1] for found in failed} == over


def test_profile_survives_its_file_and_is_small(world: tuple[Problem, Profile]) -> None:
    _, profile = world
    text = profile.model_dump_json()
    again = Profile.model_validate_json(text)
    assert again.ordinary == profile.ordinary
    assert again.windows(7)["x"].tolist() == profile.windows(7)["x"].tolist()
    assert len(text) < 500_000


def test_without_timestamp_random_halves_are_alike(world: tuple[Problem, Profile]) -> None:
    problem, _ = world
    timeless = problem.model_copy(update={"data": problem.data.model_copy(update={"timestamp": None})})
    rows = made("2021-01-01", 100).sample(frac=1, random_state=0)
    there, here = rows.head(5_000), rows.tail(5_000)
    said = pd.DataFrame({PREDICTION: TrueModel().probability(there), LABEL: there["target"].to_numpy()})
    profile = fit_profile(there, timeless, out_of_fold=said, effects=EFFECTS, threshold=0.5)
    assert states(check(here, (timeless, profile))) == {}
    assert states(check(here.assign(x=here["x"] + 1), (timeless, profile))).keys() == {"x", PREDICTION}
