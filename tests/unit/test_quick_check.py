"""The quick test of a column never says yes where a rule is broken, and says yes of good columns."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.contract import Column
from driftgate.data.contract_check import _rules_for_training
from driftgate.data.quick_check import surely_keeps_rules

EDGES = [0.0, -0.0, 1.0, 1.5, -3.0, 5.0, 2.0**53, 2.0**53 + 2, 1e38, 1e39, np.inf, -np.inf, np.nan]
NUMBERS = st.lists(st.sampled_from(EDGES), max_size=5).map(lambda given: pd.Series(given, dtype="float64"))
WHOLE = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5), max_size=5).map(
    lambda given: pd.Series(given, dtype="int64")
)
TRUTH = st.lists(st.booleans(), max_size=3).map(lambda given: pd.Series(given, dtype=bool))
MIXED = st.lists(
    st.sampled_from(["a", "bb", "x" * 201, "x" * 10_001, "", None, np.nan, 1, True, "2024-01-31", "soon"]), max_size=5
)
DAYS = st.lists(st.none() | st.dates(dt.date(2023, 12, 30), dt.date(2024, 2, 2)), max_size=4)
MOMENTS = DAYS.map(lambda given: pd.Series(np.array(given, dtype="datetime64[us]")))
VALUES = NUMBERS | WHOLE | TRUTH | MIXED.map(lambda given: pd.Series(given, dtype=object)) | MOMENTS
COLUMNS: list[dict[str, Any]] = [
    {"type": "number"}, {"type": "number", "minimum": -3, "maximum": 5}, {"type": "integer"}, {"type": "integer", "maximum": 1.5},
    {"type": "boolean"}, {"type": "category"}, {"type": "category", "categories": ["a", "bb"]},
    {"type": "category", "pattern": "[a-z]{1,2}"}, {"type": "text"}, {"type": "date"},
    {"type": "date", "minimum": "2024-01-01", "maximum": "2024-01-31"},
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(VALUES, st.sampled_from(COLUMNS), st.booleans())
def test_yes_means_that_no_rule_is_broken(values: "pd.Series[Any]", keys: dict[str, Any], nullable: bool) -> None:
    column = Column.model_validate({**keys, "nullable": nullable})
    if surely_keeps_rules(values, column):
        assert [text for text, rule in _rules_for_training(column) if not np.all(rule(values))] == []


GOOD: dict[str, tuple[dict[str, Any], list[Any], str]] = {
    "numbers": ({"type": "number", "minimum": 0}, [0.0, 5.5], "float64"),
    "missing": ({"type": "number", "nullable": True}, [np.nan, 5.5], "float64"),
    "whole": ({"type": "integer", "maximum": 5}, [1, 5], "int64"),
    "whole as floats": ({"type": "integer", "nullable": True}, [1.0, np.nan], "float64"),
    "truth": ({"type": "boolean"}, [True, False], "bool"),
    "words": ({"type": "category", "pattern": "[a-z]", "nullable": True}, ["a", None, "b"], "object"),
    "text": ({"type": "text"}, ["x" * 10_000], "object"),
    "dates": ({"type": "date", "maximum": "2024-01-31"}, ["2024-01-31T18:00"], "datetime64[us]"),
}


@pytest.mark.parametrize("case", GOOD)
def test_good_columns_need_no_closer_look(case: str) -> None:
    keys, values, kind = GOOD[case]
    assert surely_keeps_rules(pd.Series(np.array(values, dtype=kind)), Column.model_validate(keys))
