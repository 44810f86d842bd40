"""A drift check of any table ends in a verdict: constant, empty, missing and strange columns, few rows, many columns."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.config import Data, Problem, Target, load_problem
from driftgate.contract import LABEL, Column, Contract
from driftgate.drift.check import DriftAnalysis, DriftPages, check_drift
from driftgate.drift.compare import MANY_COLUMNS, SHOWN_COLUMNS, History
from driftgate.drift.counting import count, pack, unpack
from driftgate.drift.limits import stricter
from driftgate.drift.profile import WIDE, WIDE_WINDOWS, Profile, fit_profile
from driftgate.drift.report import drift_page
from driftgate.drift.static_page import MOST_OPEN_ROWS, static_page
from driftgate.probability import as_columns
from driftgate.workspace import PROJECT
from tests.unit.test_drift_check import WEEK, made, world

__all__ = ["world"]  # a fixture
CLASSES = ("a", "b", "c")


class Even:
    """A model that gives every class nearly the same probability."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def probability(self, frame: pd.DataFrame) -> np.ndarray:
        found = np.random.default_rng(0).dirichlet(np.full(self.classes, 5.0), len(frame))
        return found[:, 1] if self.classes == 2 else found


def problem_of(columns: dict[str, Column], *, classes: int, timestamp: bool) -> Problem:
    rules = load_problem(PROJECT / "configs" / "rules.yaml")
    target = {"column": "target", "classes": CLASSES} if classes > 2 else {"column": "target", "positive": "a"}
    data = {"path": Path("none.parquet"), "timestamp": "at" if timestamp else None}
    update = {"target": Target.model_validate(target), "data": Data.model_validate(data)}
    return rules.model_copy(update={"contract": Contract(columns=columns), **update})


def fitted(rows: pd.DataFrame, problem: Problem, *, classes: int) -> Profile:
    codes = np.arange(len(rows)) % classes
    said = pd.DataFrame({**as_columns(Even(classes).probability(rows)), LABEL: codes})
    if problem.data.timestamp:
        said = said.assign(at=rows["at"].to_numpy())
    return fit_profile(rows, problem, out_of_fold=said, effects={}, threshold=0.5)


def checked(
    rows: pd.DataFrame, problem: Problem, profile: Profile, *, classes: int
) -> tuple[DriftAnalysis, DriftPages]:
    return check_drift(rows, problem, profile=profile, scorer=Even(classes), threshold=0.5)  # type: ignore[arg-type]


KINDS = {
    "number": lambda draw, rows: draw.normal(size=rows),
    "constant": lambda draw, rows: np.full(rows, 7.0),
    "huge": lambda draw, rows: draw.normal(size=rows) * 1e38,
    "missing": lambda draw, rows: np.full(rows, np.nan),
    "one text": lambda draw, rows: np.full(rows, "x", dtype=object),
    "texts": lambda draw, rows: draw.integers(0, 9, rows).astype(str).astype(object),
    "no text": lambda draw, rows: np.full(rows, None, dtype=object),
    "empty text": lambda draw, rows: np.full(rows, "", dtype=object),
}  # fmt: skip
NUMBERS, TEXTS = list(KINDS)[:4], list(KINDS)[4:]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)), st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXTS)),
    st.sampled_from([2, 3]), st.booleans(), st.sampled_from([1, 20, 150]), st.sampled_from([0, 1, 60, 150]), st.booleans(),
)  # fmt: skip
def test_no_table_ends_in_a_traceback(
    numbers: tuple[str, str], texts: tuple[str, str], classes: int, timed: bool, rows: int, batch: int, labelled: bool
) -> None:
    draw = np.random.default_rng(rows)

    def table(size: int, *, number: str, text: str, start: str) -> pd.DataFrame:
        at = pd.Timestamp(start) + pd.to_timedelta(np.arange(size), unit="h")
        label = np.array(CLASSES, dtype=object)[np.arange(size) % classes]
        return pd.DataFrame({"n": KINDS[number](draw, size), "c": KINDS[text](draw, size), "at": at, "target": label})

    columns = {"n": Column(type="number", nullable=True), "c": Column(type="category", nullable=True)}
    problem = problem_of(columns, classes=classes, timestamp=timed)
    reference = table(rows, number=numbers[0], text=texts[0], start="2021-01-01")
    profile = Profile.model_validate_json(fitted(reference, problem, classes=classes).model_dump_json())
    now = table(batch, number=numbers[1], text=texts[1], start="2021-02-01")
    analysis, pages = checked(now if labelled else now.assign(target=None), problem, profile, classes=classes)
    assert analysis.checks(problem)
    assert "nan" not in pages.static
    DriftAnalysis.model_validate_json(analysis.model_dump_json())


def test_a_constant_column_that_stays_is_ordinary_and_one_that_changes_is_told() -> None:
    problem = problem_of({"n": Column(type="number"), "c": Column(type="category")}, classes=2, timestamp=False)
    rows = pd.DataFrame({"n": 7.0, "c": "x", "target": np.array(["a", "b"] * 300)})
    profile = fitted(rows, problem, classes=2)
    same = checked(rows, problem, profile, classes=2)[0]
    assert {column.name for column in same.drift.drifted} == set()
    other = checked(rows.assign(n=8.0, c="y"), problem, profile, classes=2)[0]
    assert {column.name for column in other.drift.columns if column.blocks} == {"n", "c"}


def test_a_wide_table_is_quick_and_its_pages_can_be_opened() -> None:
    columns = 600
    names = [f"n{number}" for number in range(columns)]
    problem = problem_of({name: Column(type="number") for name in names}, classes=3, timestamp=False)
    draw = np.random.default_rng(0)
    rows = pd.DataFrame(draw.normal(size=(600, columns)), columns=names).assign(target=np.array(CLASSES * 200))
    now = pd.DataFrame(draw.normal(size=(300, columns)) + 2 * (np.arange(columns) < 200), columns=names)
    started = time.process_time()
    analysis, pages = checked(now, problem, fitted(rows, problem, classes=3), classes=3)
    assert time.process_time() - started < 20
    assert sum(column.blocks for column in analysis.drift.columns) == 200
    assert len(pages.interactive) < 8_000_000
    assert len(pages.static) < 1_500_000
    assert f"the first {SHOWN_COLUMNS} of 602" in pages.interactive
    assert f"{200 - MOST_OPEN_ROWS} more columns</b>over a limit, {200 - MOST_OPEN_ROWS} of them block" in pages.static
    assert all(f">n{number}<" in pages.static for number in range(200))


def test_chance_alarms_of_a_check_do_not_grow_with_the_columns() -> None:
    rule = load_problem(PROJECT / "configs" / "rules.yaml").gate.drift
    assert stricter(rule, times=1) is rule
    assert rule.z < stricter(rule, times=10).z < stricter(rule, times=100).z < 5
    problem = problem_of(
        {f"n{number}": Column(type="number") for number in range(20 * MANY_COLUMNS)}, classes=2, timestamp=False
    )
    draw, names = np.random.default_rng(1), list(problem.contract.columns)
    rows = pd.DataFrame(draw.normal(size=(600, len(names))), columns=names).assign(target=np.array(["a", "b"] * 300))
    profile = fitted(rows, problem, classes=2)
    layouts = {name: profile.layouts[name] for name in names}
    now = pd.DataFrame(draw.normal(size=(200, len(names))), columns=names)
    assert not History(profile, days=1).compare(count(now, layouts), rows=200).drifted


def test_days_of_a_wide_table_have_limits_from_its_newest_windows(
    world: tuple[Problem, Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, profile = world
    every = profile.ordinary_for("x", 1)
    monkeypatch.setattr("driftgate.drift.profile.WIDE", 3)
    newest = profile.ordinary_for("x", 1)
    assert every is not None
    assert newest is not None
    assert newest.distance.ever > 0
    assert newest.distance != every.distance
    assert all(at >= 364 - WIDE_WINDOWS for at in newest.strange)
    assert len(profile.layouts) < WIDE


def test_a_profile_of_an_earlier_release_says_the_same(world: tuple[Problem, Profile]) -> None:
    """It has counts as lists, and nothing that came later."""
    problem, profile = world
    new = profile.model_dump(mode="json")
    old = {key: value for key, value in new.items() if key != "derived"}
    old["counts"] = {name: unpack(rows).tolist() for name, rows in profile.counts.items()}
    old["layouts"] = {
        name: {key: value for key, value in layout.items() if key != "moving"}
        for name, layout in new["layouts"].items()
    }
    earlier = Profile.model_validate(old)
    week = made(*WEEK, seed=3).assign(x=lambda frame: frame["x"] + 1)
    results = [check_drift(week, problem, profile=each, scorer=None, threshold=0.5)[0] for each in (earlier, profile)]
    assert results[0] == results[1]
    assert results[0].drift.drifted


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 2**40), st.integers(0, 99))
def test_packed_counts_are_the_counts(days: int, cells: int, most: int, seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, most + 1, (days, cells))
    assert unpack(pack(counts)).tolist() == counts.tolist()


def test_pages_of_a_check_without_columns() -> None:
    problem = problem_of({"n": Column(type="number")}, classes=2, timestamp=False)
    rows = pd.DataFrame({"n": np.arange(200.0), "target": np.array(["a", "b"] * 100)})
    history = History(fitted(rows, problem, classes=2), days=1)
    drift = history.compare({}, rows=0)
    assert "no columns" in static_page(drift, history, {}, {}, problem="shop", interactive="")
    for arrived, heading in ((drift, "no rows"), (drift.model_copy(update={"rows": 200}), "all rows")):
        assert heading in drift_page(arrived, history, {})[0]
