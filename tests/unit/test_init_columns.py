"""The contract of features: ranges with headroom, closed and open categories, patterns."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from driftgate.contract import Column
from driftgate.init.columns import FeaturePlan, find_pattern, headroom, plan_column
from tests.typed import typed


def plan(values: Any, name: str = "c", *, text: bool = False, rows: int | None = None) -> FeaturePlan | str:
    table = typed(pd.DataFrame({name: values}), rows=rows)
    found = plan_column(table.columns[name], table, text=text)
    if isinstance(found, FeaturePlan):
        Column(**found.rules)
    return found


def rules(values: Any, name: str = "c") -> dict[str, Any]:
    found = plan(values, name)
    assert isinstance(found, FeaturePlan)
    return found.rules


@pytest.mark.parametrize(
    ("low", "high", "name", "whole", "expected"),
    [
        (3.0, 97.0, "humidity_pct", False, (0, 100)),
        (0.1, 0.9, "share", False, (0, 1)),
        (1, 12, "month", True, (1, 12)),
        (0, 23, "Hour", True, (0, 23)),
        (-33.0, 51.0, "lat", False, (-90, 90)),
        (1999, 2007, "year", True, (1979, 2057)),
        (18, 90, "age", True, (0, 130)),
    ],
)
def test_ranges_are_sensible(low: float, high: float, name: str, whole: bool, expected: tuple[float, float]) -> None:
    assert headroom(low, high, name, whole=whole) == expected


@given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30), st.booleans())
@example(-5e-324, 5e-324, False)
def test_headroom_holds_the_data_and_its_sign(one: float, other: float, whole: bool) -> None:
    low, high = sorted((one, other))
    if whole:
        low, high = float(np.clip(round(low), -(2**53), 2**53)), float(np.clip(round(high), -(2**53), 2**53))
    under, over = headroom(low, high, "c", whole=whole)
    assert under <= low <= high <= over
    assert low < 0 or under >= 0
    assert high > 0 or over <= 0
    assert not whole or (isinstance(under, int) and isinstance(over, int))
    Column(type="integer" if whole else "number", minimum=under, maximum=over)


def test_whole_numbers_are_integers_and_may_be_missing() -> None:
    assert rules([1.0, 2.0, None] * 20) == {"type": "integer", "nullable": True, "minimum": 0, "maximum": 3}


def test_few_common_values_are_a_closed_list() -> None:
    assert rules(["yes", "no"] * 20) == {"type": "category", "categories": ["no", "yes"]}


def test_rare_values_leave_the_list_open() -> None:
    assert rules(["red"] * 40 + ["blue"]) == {"type": "category"}


def test_open_category_has_the_pattern_of_its_values() -> None:
    values = [f"{chr(65 + number % 26)}{chr(65 + number // 26)}-{number:03d}" for number in range(60)] * 3
    assert rules(values)["pattern"] == r"[A-Z]{2}\-[0-9]{3}"


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.from_regex(r"[A-Z]{2,3}[0-9]{4}[ _.:+*?(\[]x", fullmatch=True), min_size=10, max_size=14, unique=True)
)
def test_pattern_matches_all_values_and_the_service_can_check_it(values: list[str]) -> None:
    pattern = find_pattern(values)
    assert pattern is None or all(re.fullmatch(pattern, value) for value in values)
    assert pattern is None or Column(type="category", pattern=pattern)


def test_words_have_no_pattern() -> None:
    assert (
        find_pattern(["Berlin", "Rome", "Paris", "Oslo", "Bern", "Kyiv", "Riga", "Vienna", "Prague", "Lisbon"]) is None
    )


def test_high_cardinality_is_told_and_kept() -> None:
    found = plan([f"city {number % 300}" for number in range(3000)])
    assert isinstance(found, FeaturePlan)
    assert [doubt.code for doubt in found.doubts] == ["high_cardinality"]


def test_text_that_looks_like_numbers_is_no_category() -> None:
    percent = [f"{number % 150}%" for number in range(1000)]
    table = typed(pd.DataFrame({"c": percent}))
    column = replace(table.columns["c"], unread=True)
    assert "looks like numbers or dates" in str(plan_column(column, table, text=False))
    few = replace(column, values=column.values.map(lambda value: value[0]))
    assert isinstance(plan_column(few, table, text=False), FeaturePlan)


def test_near_constant_is_told_and_kept() -> None:
    found = plan([0.0] * 995 + [1.5] * 5)
    assert isinstance(found, FeaturePlan)
    assert [doubt.code for doubt in found.doubts] == ["near_constant"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([None] * 50, "no value in any row"),
        ([7] * 50, "the same value, 7, in every row"),
        ([f"k{number // 1.5}" for number in range(300)], "different values in 300 rows"),
        ([f"the {number} quick brown foxes jump over it" for number in range(90)], "it is free text; --text 'c'"),
        (["x" * 201, "y"] * 30, "it is free text"),
        ([1e39, 2.5] * 30, "too large for a float32"),
        ([float("inf"), 2.5] * 30, "infinite"),
        ([2.0**60, 3.0] * 30, "beyond 2^53"),
    ],
    ids=["empty", "constant", "nearly unique", "free text", "long", "large", "infinite", "beyond 2^53"],
)
def test_column_that_is_no_feature_has_a_reason(values: list[Any], why: str) -> None:
    found = plan(values)
    assert isinstance(found, str)
    assert why in found


def test_text_that_was_asked_for_becomes_ngrams() -> None:
    found = plan([f"the {number} quick brown foxes jump over it" for number in range(90)], text=True)
    assert isinstance(found, FeaturePlan)
    assert found.rules == {"type": "text"}
    assert "--text is for a column of text" in str(plan([1.5, 2.5] * 30, text=True))


def test_date_gives_the_parts_that_vary() -> None:
    days = pd.date_range("2024-01-01", periods=200, freq="D")
    assert rules(days) == {"type": "date", "parts": ["month", "day", "weekday"]}
    assert "hour" in rules(pd.date_range("2024-01-01", periods=200, freq="5h"))["parts"]


def test_rules_of_a_sample_leave_room_for_the_rest() -> None:
    found = plan([1, 2] * 50, rows=10_000)
    assert isinstance(found, FeaturePlan)
    assert found.rules == {"type": "number", "nullable": True}
