"""Splits that keep the rows of a group together, and of three classes or more."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.config import Problem
from driftgate.data.table import labels_of
from driftgate.errors import DriftgateError
from driftgate.training.groups import MANY_GROUPS
from driftgate.training.splitting import folds, split
from tests.tables import shop_content

LETTERS = ("a", "b", "c")


def by_group(*, classes: tuple[str, ...] | None = None, holdout: float = 0.2, parts: int = 4, seed: int = 1) -> Problem:
    target = {"positive": None, "classes": list(classes)} if classes else {}
    return Problem.model_validate(
        shop_content(
            data={"timestamp": None, "group": "customer"}, target=target, seed=seed,
            split={"method": "group", "holdout": holdout, "folds": parts},
        )
    )  # fmt: skip


def rows_of(groups: Any, labels: Any) -> pd.DataFrame:
    return pd.DataFrame({"customer": groups, "bought": labels})


@given(
    sizes=st.lists(st.integers(1, 30), min_size=30, max_size=60),
    holdout=st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]),
    seed=st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_no_group_is_on_both_sides(sizes: list[int], holdout: float, seed: int) -> None:
    groups = np.repeat([f"k{number}" for number in range(len(sizes))], sizes)
    labels = np.random.default_rng(seed).integers(0, 2, len(sizes)).repeat(sizes)
    labels[:1], labels[-1:] = 0, 1
    problem = by_group(holdout=holdout, seed=seed)
    try:
        development, held = split(rows_of(groups, labels), problem, as_of=None)
        found = folds(development, problem)
    except DriftgateError:
        return  # too few rows of a class in these groups
    assert set(development.customer).isdisjoint(held.customer)
    assert len(development) + len(held) == len(groups)
    assert 0.5 * holdout <= len(held) / len(groups) <= 1.6 * holdout
    for part in found:
        assert set(development.customer.iloc[part.train]).isdisjoint(development.customer.iloc[part.test])
    assert sorted(np.concatenate([part.test for part in found])) == list(range(len(development)))


def test_many_groups_take_no_minutes_and_keep_the_shares_of_three_classes() -> None:
    draw = np.random.default_rng(2)
    groups = draw.permutation(np.repeat(np.arange(3 * MANY_GROUPS), 2))
    labels = draw.choice(list(LETTERS), len(groups), p=[0.7, 0.2, 0.1])
    problem = by_group(classes=LETTERS)
    development, held = split(rows_of(groups, labels), problem, as_of=None)
    assert set(development.customer).isdisjoint(held.customer)
    assert len(held) == pytest.approx(0.2 * len(groups), rel=0.01)
    for letter, share in zip(LETTERS, (0.7, 0.2, 0.1), strict=True):
        assert (held.bought == letter).mean() == pytest.approx(share, abs=0.02)
    assert len(folds(development, problem)) == 4


def _few(number: int) -> pd.DataFrame:
    return rows_of(np.repeat(np.arange(number), 30), np.tile([0, 1, 0], number * 10))


FAULTS: dict[str, tuple[pd.DataFrame, str]] = {
    "four groups": (_few(4), "'customer' has 4 groups, which are too few for a holdout and 4 folds"),
    "one group has most rows": (
        rows_of([0] * 200 + [1 + at // 10 for at in range(100)], [0, 1] * 150), "One group of 'customer' has 200 of 300 rows",
    ),
    "rows without a group": (
        rows_of([None] * 3 + [at // 10 for at in range(297)], [0, 1, 1] * 100), "3 of 300 rows have no value in 'customer'",
    ),
    "a class in one group": (
        rows_of([at // 10 for at in range(300)], [int(at < 10) for at in range(300)]), "all of one class|have no row of|are in 1 of",
    ),
    "a class in two groups": (
        rows_of([at // 10 for at in range(300)], [int(at < 20) for at in range(300)]), "the rows of 'positive' before the holdout are in 1 of 2. groups",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_groups_that_can_not_be_split_are_told(fault: str) -> None:
    frame, words = FAULTS[fault]
    problem = by_group()
    with pytest.raises(DriftgateError, match=words) as raised:
        folds(split(frame, problem, as_of=None)[0], problem)
    assert raised.value.remedy


def _random(classes: tuple[str, ...] = LETTERS, **changes: Any) -> Problem:
    split_by = {"method": "random", "holdout": 0.2, "folds": 3}
    target = {"positive": None, "classes": list(classes), "unlabelled": "leave_out"}
    return Problem.model_validate(shop_content(data={"timestamp": None}, target=target, split=split_by, **changes))


def test_rows_without_a_label_are_on_neither_side() -> None:
    frame = pd.DataFrame({"id": range(150), "bought": (list("abc") * 50)})
    frame.loc[::10, "bought"] = None
    development, held = split(frame, _random(), as_of=None)
    assert len(development) + len(held) == 135
    assert not development.bought.isna().any()
    assert not held.bought.isna().any()
    for part in folds(development, _random()):
        assert set(labels_of(development, _random())[part.test]) == {0, 1, 2}


def test_a_holdout_that_lacks_classes_names_them() -> None:
    frame = pd.DataFrame({"bought": ["a"] * 100 + ["b"] * 3 + ["c"] * 2})
    with pytest.raises(DriftgateError, match=r"no row of 'c' \(2 of 105 rows\), 'b' \(3 of 105 rows\)"):
        split(frame, _random(), as_of=None)


def _by_time(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, Problem]:
    target = {"positive": None, "classes": list(LETTERS)}
    problem = Problem.model_validate(shop_content(target=target))
    frame["at"] = pd.date_range("2024-01-01", "2024-04-09", periods=len(frame))
    return *split(frame, problem, as_of=dt.datetime(2024, 4, 10)), problem


def test_a_class_that_begins_in_the_holdout_is_told() -> None:
    labels = ["a", "b"] * 140 + ["c"] * 20
    with pytest.raises(DriftgateError, match="before the holdout have no row of 'c'; the holdout has 20 of 'c'"):
        _by_time(pd.DataFrame({"bought": labels}))


def test_a_class_that_ends_before_the_holdout_may_be_trained() -> None:
    _, held, problem = _by_time(pd.DataFrame({"bought": ["c"] * 20 + ["a", "b"] * 140}))
    assert set(labels_of(held, problem)) == {0, 1}


def test_a_fold_by_time_trains_on_every_class() -> None:
    frame = pd.DataFrame({"bought": ["a", "b"] * 50 + ["c"] * 20 + ["a", "b"] * 90})
    development, _, problem = _by_time(frame)
    more = problem.model_copy(update={"split": problem.split.model_copy(update={"folds": 4})})
    for part in folds(development, more):
        assert set(labels_of(development, problem)[part.train]) == {0, 1, 2}
