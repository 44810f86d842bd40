"""A quick test that a column keeps all rules of the contract, so that the rules need not be checked one by one.

It says yes only if every rule of `contract_check` holds. On wide and long tables nearly all columns take this way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from driftgate.contract import MAXIMUM_CATEGORY_LENGTH, MAXIMUM_INTEGER, MAXIMUM_NUMBER, MAXIMUM_TEXT_LENGTH, Column

if TYPE_CHECKING:
    import pandas as pd


def surely_keeps_rules(values: pd.Series[Any], column: Column) -> bool:
    """Whether a column certainly keeps its rules.

    Args:
        values: The values, at least one of which is not missing.
        column: The rules.

    Returns:
        False if a rule is broken, or if that takes a closer look.
    """
    import numpy as np

    if column.type == "boolean":
        return len(values) > 0 and bool(values.dtype == np.bool_)
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iuf":
        return column.is_number and _numbers(values.to_numpy(), column)
    if isinstance(values.dtype, np.dtype) and values.dtype.kind == "M":
        return column.type == "date" and _dates(values, column)
    return column.type in ("category", "text") and values.dtype == object and _texts(values, column)


def _numbers(numbers: Any, column: Column) -> bool:
    import numpy as np

    if not len(numbers):
        return False
    # The smallest and the largest known number; NaN if all are missing.
    low, high = float(np.fmin.reduce(numbers)), float(np.fmax.reduce(numbers))
    if not column.nullable and numbers.dtype.kind == "f" and np.isnan(np.min(numbers)):
        return False
    most = MAXIMUM_INTEGER if column.type == "integer" else MAXIMUM_NUMBER
    least, largest = (-most if column.low is None else column.low), (most if column.high is None else column.high)
    if not (max(least, -most) <= low and high <= min(largest, most)):
        return False
    if column.type == "integer" and numbers.dtype.kind == "f":
        known = numbers[~np.isnan(numbers)]
        return bool((known == np.trunc(known)).all())
    return True


def _dates(values: pd.Series[Any], column: Column) -> bool:
    import numpy as np

    moments = values.to_numpy()
    missing = np.isnat(moments)
    if missing.all() or (missing.any() and not column.nullable):
        return False
    first, last = np.fmin.reduce(moments), np.fmax.reduce(moments)
    early = column.earliest is not None and first < np.datetime64(column.earliest, "us")
    late = column.latest is not None and last > np.datetime64(column.latest, "us")
    return not early and not late


def _texts(values: pd.Series[Any], column: Column) -> bool:
    import pandas as pd

    unlike = pd.unique(values).tolist()
    known = [value for value in unlike if isinstance(value, str)]
    others = [value for value in unlike if not isinstance(value, str)]
    if not known or (others and not column.nullable) or not all(pd.isna(value) for value in others):
        return False
    if column.categories is not None:
        return set(known).issubset(column.categories)
    if column.pattern is not None and not all(map(re.compile(column.pattern).fullmatch, known)):
        return False
    return max(map(len, known)) <= (MAXIMUM_TEXT_LENGTH if column.type == "text" else MAXIMUM_CATEGORY_LENGTH)
