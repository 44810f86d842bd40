"""The range of each column in the training data, so that the service can warn of values that the model never saw."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.contract import Column, Contract
from driftgate.inputs import moments_of
from driftgate.moments import moment_of_text

if TYPE_CHECKING:
    import pandas as pd


class Range(BaseModel):
    """The smallest and largest number or date, or the categories, of a column in the training data; empty if it had no value.

    `first` and `last` are None for a column that is not a date. `time_zone` is the zone of dates with an offset.
    """

    model_config = ConfigDict(frozen=True)

    low: float | None = None
    high: float | None = None
    categories: frozenset[str] = frozenset()
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    time_zone: str | None = None

    def outside(self, value: Any) -> bool:
        """Whether a value is outside the range; a missing value never is."""
        if value is None:
            return False
        if self.first is not None and self.last is not None:
            moment = moment_of_text(value, time_zone=self.time_zone)
            return moment is None or not self.first <= moment <= self.last
        if isinstance(value, str):
            return value not in self.categories
        return self.low is None or self.high is None or not self.low <= value <= self.high


class Ranges(BaseModel):
    """The range of every column."""

    model_config = ConfigDict(frozen=True)

    columns: dict[str, Range]

    def warnings(self, columns: Mapping[str, Sequence[Any]]) -> dict[int, list[str]]:
        """Warnings for rows with values outside the ranges.

        Args:
            columns: n values of each column; dates are texts in ISO 8601.

        Returns:
            By row number, one text per column; the text doesn't repeat the value.
        """
        found: dict[int, list[str]] = {}
        for name, known in self.columns.items():
            for at, value in enumerate(columns[name]):
                if known.outside(value):
                    text = "a date" if known.first else "a category" if isinstance(value, str) else "a value"
                    found.setdefault(at, []).append(f"{name}: {text} that was not in the training data")
        return found


def ranges_of(development: pd.DataFrame, contract: Contract) -> Ranges:
    """The ranges of the rows that a model was fitted on. A text has none.

    Args:
        development: Has the contract's columns.
        contract: Says which are categories, dates and texts.
    """
    found = {}
    for name, column in contract.columns.items():
        if column.type == "text":
            continue
        values = development[name].dropna()
        if column.type == "date":
            found[name] = _range_of_dates(values, column)
        elif column.is_category:
            found[name] = Range(categories=frozenset(values.astype(str).unique().tolist()))
        elif len(values):
            found[name] = Range(low=float(values.min()), high=float(values.max()))
        else:
            found[name] = Range()
    return Ranges(columns=found)


def _range_of_dates(values: pd.Series[Any], column: Column) -> Range:
    moments = moments_of(values, time_zone=column.time_zone)
    if not len(moments):
        return Range(first=dt.datetime.max, last=dt.datetime.min)  # every date is outside
    first, last = moments.min().item(), moments.max().item()
    return Range(first=first, last=last, time_zone=column.time_zone)
