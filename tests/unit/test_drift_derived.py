"""Dates and texts in drift checks: a few columns that mean something, and none that alarms because time passes."""

import numpy as np
import pandas as pd
import pytest

from driftgate.config import Data, Problem, load_problem
from driftgate.contract import LABEL, PREDICTION, Column, Contract
from driftgate.drift.check import _count
from driftgate.drift.compare import Drift, History
from driftgate.drift.profile import Profile, fit_profile
from driftgate.workspace import PROJECT

WORDS = [f"word{number}" for number in range(400)]


def made(start: str, days: int, *, seed: int, words: list[str] | None = None) -> pd.DataFrame:
    draw, rows, known = np.random.default_rng(seed), days * 60, words or WORDS
    at = pd.Timestamp(start) + pd.to_timedelta(np.arange(rows) * 1440 // 60, unit="min")
    often = 1 / np.arange(1, len(known) + 1)
    texts = [" ".join(draw.choice(known, size, p=often / often.sum())) for size in draw.integers(3, 30, rows)]
    return pd.DataFrame(
        {
            "x": draw.normal(size=rows),
            "signed up": (at - pd.to_timedelta(draw.integers(0, 900, rows), unit="D")).normalize(),
            "note": texts,
            "at": at,
            "target": draw.integers(0, 2, rows),
        }
    )


def world(*, timestamp: str | None) -> tuple[Problem, Profile]:
    rules = load_problem(PROJECT / "configs" / "rules.yaml")
    columns = {"x": Column(type="number"), "signed up": Column(type="date"), "note": Column(type="text", buckets=16)}
    problem = rules.model_copy(
        update={
            "contract": Contract(columns=columns),
            "target": rules.target.model_copy(update={"column": "target", "positive": 1}),
            "data": Data.model_validate({"path": "none.parquet", "timestamp": timestamp}),
        }
    )
    rows = made("2021-01-01", 90, seed=0)
    said = pd.DataFrame({PREDICTION: 0.5, LABEL: rows["target"], "at": rows["at"]})
    effects = dict.fromkeys(problem.contract.inputs, 0.01)
    return problem, fit_profile(rows, problem, out_of_fold=said, effects=effects, threshold=0.5)


@pytest.fixture(scope="module", params=["at", None])
def made_world(request: pytest.FixtureRequest) -> tuple[Problem, Profile]:
    return world(timestamp=request.param)


def compared(rows: pd.DataFrame, made_world: tuple[Problem, Profile], *, timed: bool = True) -> Drift:
    problem, profile = made_world
    first = rows["at"].iloc[0].to_pydatetime() if problem.data.timestamp else None
    counts = _count(rows, problem, profile=profile, probability=None, timed=timed)
    return History(profile, days=7).compare(counts, rows=len(rows), first=first)


def drifted(drift: Drift) -> set[str]:
    return {column.name for column in drift.columns if column.state != "stable"}


def test_a_text_of_many_inputs_is_two_columns_and_no_bucket(made_world: tuple[Problem, Profile]) -> None:
    problem, profile = made_world
    date = "signed up: age in days" if problem.data.timestamp else "signed up"
    expected = {"x", date, "note: length", "note: unseen words", "target", PREDICTION}
    assert set(profile.layouts) == expected
    assert profile.effects["note: length"] == pytest.approx(0.16)  # the sum over the buckets
    again = Profile.model_validate_json(profile.model_dump_json())
    assert again.derived == profile.derived


def test_another_season_of_the_calendar_is_ordinary(made_world: tuple[Problem, Profile]) -> None:
    """Months, days and years of the dates differ from those of the reference."""
    assert drifted(compared(made("2021-08-02", 7, seed=1), made_world)) == set()


def test_new_words_and_other_lengths_are_told(made_world: tuple[Problem, Profile]) -> None:
    rows = made("2021-04-01", 7, seed=2)
    other = made("2021-04-01", 7, seed=2, words=[f"mot{number}" for number in range(400)])
    assert drifted(compared(rows.assign(note=other["note"]), made_world)) >= {"note: unseen words"}
    assert drifted(compared(rows.assign(note=rows["note"] + " " + rows["note"]), made_world)) == {"note: length"}
    stuck = compared(rows.assign(note=rows["note"].iloc[0]), made_world)
    assert "note: length" in {column.name for column in stuck.columns if column.blocks}


def test_missing_dates_and_a_default_date_are_told(made_world: tuple[Problem, Profile]) -> None:
    problem, _ = made_world
    rows = made("2021-04-01", 7, seed=3)
    (lost,) = drifted(compared(rows.assign(**{"signed up": pd.NaT}), made_world))
    assert lost.startswith("signed up")
    default = drifted(compared(rows.assign(**{"signed up": pd.Timestamp("1970-01-01")}), made_world))
    assert default == ({"signed up: age in days"} if problem.data.timestamp else set())


def test_the_time_of_a_prediction_is_not_compared_with_dates() -> None:
    rows, (problem, profile) = made("2021-04-01", 7, seed=4), world(timestamp="at")
    late = rows.assign(at=rows["at"] + pd.Timedelta(days=30))
    names = {column.name for column in compared(late, (problem, profile), timed=False).columns}
    assert names == {"x", "note: length", "note: unseen words", "target"}


def test_far_dates_and_rows_without_date_or_text_are_counted(made_world: tuple[Problem, Profile]) -> None:
    rows = made("2021-04-01", 7, seed=5)
    far = rows["signed up"].astype(object)
    far.iloc[:5] = [pd.Timestamp("1700-01-01"), pd.NaT, pd.Timestamp("2200-01-01"), None, pd.NaT]
    changed = rows.assign(**{"signed up": far, "note": rows["note"].mask(rows.index % 50 == 0, "")})
    assert drifted(compared(changed, made_world)) == set()
    assert "note: length" in drifted(compared(rows.drop(columns=["note", "signed up"]), made_world))
    compared(rows.assign(note="…!"), made_world)  # no word at all
    compared(rows.head(0).assign(at=rows["at"]), made_world)
