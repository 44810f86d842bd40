"""Nothing later trains what is judged earlier."""

import datetime as dt

import pandas as pd
import pytest

from driftgate.config import Problem, load_problem
from driftgate.data.table import labels_of
from driftgate.errors import DriftgateError
from driftgate.training.splitting import folds, split
from driftgate.workspace import PROJECT

AS_OF = dt.datetime(2013, 8, 1)


@pytest.fixture
def flights() -> Problem:
    return load_problem(PROJECT / "configs" / "flights.yaml")


@pytest.fixture
def half_year() -> pd.DataFrame:
    times = pd.date_range("2013-01-01", AS_OF, freq="3h", inclusive="left")
    return pd.DataFrame({"scheduled_at": times, "disrupted": [0, 1] * (len(times) // 2)})


def test_holdout_is_july(flights: Problem, half_year: pd.DataFrame) -> None:
    development, holdout = split(half_year, flights, as_of=AS_OF)
    assert str(development.scheduled_at.max()) == "2013-06-30 21:00:00"
    assert str(holdout.scheduled_at.min()) == "2013-07-01 00:00:00"
    assert len(development) + len(holdout) == len(half_year)


def test_folds_are_expanding_blocks(flights: Problem, half_year: pd.DataFrame) -> None:
    development, _ = split(half_year, flights, as_of=AS_OF)
    found = folds(development, flights)
    times = development.scheduled_at
    assert [str(times.iloc[fold.test].dt.month.unique()) for fold in found] == ["[4]", "[5]", "[6]"]
    for fold in found:
        assert times.iloc[fold.train].max() < times.iloc[fold.test].min()
        assert fold.train.tolist() == list(range(len(fold.train)))


def test_random_holdout_is_stratified_and_repeats(problem: Problem, rows: pd.DataFrame) -> None:
    development, holdout = split(rows, problem, as_of=None)
    assert (len(development), len(holdout)) == (800, 200)
    assert labels_of(holdout, problem).mean() == pytest.approx(labels_of(rows, problem).mean(), abs=0.005)
    assert holdout.equals(split(rows, problem, as_of=None)[1])
    assert set(development.row_id).isdisjoint(holdout.row_id)


def test_empty_holdout_is_told(flights: Problem, half_year: pd.DataFrame) -> None:
    with pytest.raises(DriftgateError, match="no rows"):
        split(half_year, flights, as_of=dt.datetime(2014, 1, 1))


def test_holdout_of_one_class_is_told(flights: Problem, half_year: pd.DataFrame) -> None:
    half_year.loc[half_year.scheduled_at >= "2013-07-01", "disrupted"] = 0
    with pytest.raises(DriftgateError, match="all of one class"):
        split(half_year, flights, as_of=AS_OF)
